"""Fixtures of the HTTP tests."""

from collections.abc import AsyncIterator

import pytest
from tests.http.rig import Rig, rigged

from fast_sse.model.limits import Limits


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """Endpoints with the default limits."""
    async with rigged(Limits()) as ready:
        yield ready
