"""The stores that keep dead letters."""

from __future__ import annotations

import pytest
from tests.contract.backends import BACKENDS, WITH_LETTERS, Backend

_KEEPING = [backend for backend in BACKENDS if backend.name in WITH_LETTERS]


@pytest.fixture(params=_KEEPING, ids=[backend.name for backend in _KEEPING])
def backend(request: pytest.FixtureRequest) -> Backend:
    return request.param
