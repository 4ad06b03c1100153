"""Traceparents: which are one, and where a message's comes from."""

from __future__ import annotations

import pytest

from fast_sse.model.trace import carrying, is_traceparent

#: The example of the specification.
GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


@pytest.mark.parametrize("text", [GOOD, OTHER, GOOD[:-2] + "ff"])
def test_a_traceparent_of_version_00_is_one(text: str) -> None:
    """Whatever its flags say."""
    assert is_traceparent(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ff" + GOOD[2:],
        "01" + GOOD[2:],
        GOOD.upper(),
        GOOD + "-00",
        GOOD + "\n",
        " " + GOOD,
        f"{GOOD}, {OTHER}",
        GOOD[:-1],
        GOOD.replace("-", "_"),
        GOOD.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        GOOD.replace("b7ad6b7169203331", "0" * 16),
        GOOD.replace("0af7", "0ag7"),
        GOOD.replace("0af7", "٠af7"),
        GOOD.replace("0af7", '0"f7'),
    ],
)
def test_anything_else_is_none(text: str) -> None:
    """Two of them, another version, an id of zeros, or a letter that is none of hex (W3C Trace Context, 3.2.2)."""
    assert not is_traceparent(text)
    assert carrying(None, text) is None
    assert carrying({"a": "b"}, text) == {"a": "b"}


def test_a_message_carries_the_trace_of_its_request() -> None:
    """Beside its own headers, which stay as they are."""
    own = {"X-A": "b"}
    assert carrying(None, GOOD) == {"traceparent": GOOD}
    assert carrying(own, GOOD) == {"X-A": "b", "traceparent": GOOD}
    assert own == {"X-A": "b"}


@pytest.mark.parametrize("name", ["traceparent", "Traceparent", "TRACEPARENT"])
def test_a_trace_that_the_publisher_gave_stays(name: str) -> None:
    """However its name is written: a publisher that knows better than its HTTP library is believed."""
    assert carrying({name: OTHER}, GOOD) == {name: OTHER}
