"""What a stream is opened with."""

from __future__ import annotations

import pytest

from fast_sse.hub.subscription import Start
from fast_sse.model.moment import parse_moment


@pytest.mark.parametrize(
    "start",
    [Start(after="x"), Start(after=""), Start(earliest=True), Start(last=1), Start(since=parse_moment("1h"))],
)
def test_a_start_is_now_unless_it_names_a_place(start: Start) -> None:
    """Also a cursor that is empty names one: it was lost, and the client is told so."""
    assert not start.is_now
    assert Start().is_now
