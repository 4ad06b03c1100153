"""Rules of `http.admin.asked`: parameters that are all known, and a body that is short."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from starlette.requests import Request

from fast_sse.http.admin.asked import body_of, bounded, number, one_of, parameters
from fast_sse.model.errors import BadRequestError, TooLargeError


def request(query: str = "", pieces: Sequence[bytes] = ()) -> Request:
    """A request whose body comes in pieces."""
    waiting = list(pieces)

    async def receive() -> dict[str, object]:
        assert waiting, "more of the body is read than is needed"
        piece = waiting.pop(0)
        return {"type": "http.request", "body": piece, "more_body": True}

    return Request({"type": "http", "query_string": query.encode(), "headers": []}, receive)


def test_all_parameters_are_known() -> None:
    """Decoded once; a strange name is shown in ASCII."""
    assert parameters(request("a=1%202&b="), frozenset("abc")) == {"a": "1 2", "b": ""}
    with pytest.raises(BadRequestError, match=r"'\\u202eb'"):
        parameters(request("a=1&%E2%80%AEb=1"), frozenset("abc"))
    with pytest.raises(BadRequestError, match="a comes twice"):
        parameters(request("a=1&a=1"), frozenset("abc"))


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.5", "1e3", " 1", "١", "9" * 19])
def test_a_number_is_digits(text: str) -> None:
    """Few enough for every store."""
    with pytest.raises(BadRequestError, match="limit"):
        number("limit", text)
    assert number("limit", "0" * 17 + "7") == 7


async def test_a_body_is_read_as_far_as_it_may_be() -> None:
    """Not a piece more (CWE-770)."""
    with pytest.raises(TooLargeError):
        await body_of(request(pieces=[b"1234", b"56789"]), 8)


@pytest.mark.parametrize(("text", "found"), [("1", 1), ("200", 200), (None, 50)])
def test_a_bounded_number(text: str | None, found: int) -> None:
    """From 1 to its bound, both of them in; a default where it is absent."""
    assert bounded({} if text is None else {"limit": text}, "limit", 50, 200) == found


@pytest.mark.parametrize("text", ["0", "201", "-1", "", "x"])
def test_a_number_out_of_its_bounds(text: str) -> None:
    """It is refused by the name of its parameter."""
    with pytest.raises(BadRequestError, match="limit"):
        bounded({"limit": text}, "limit", 50, 200)


def test_one_of_a_few_words() -> None:
    """The first is the default; another one is refused, and all are named."""
    assert one_of({}, "order", ("old", "new")) == "old"
    assert one_of({"order": "new"}, "order", ("old", "new")) == "new"
    with pytest.raises(BadRequestError, match="order must be one of old, new"):
        one_of({"order": "other"}, "order", ("old", "new"))
