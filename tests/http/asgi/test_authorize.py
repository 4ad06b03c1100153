"""What an application's answer comes to, in every form that it may have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from fast_sse.http.asgi.authorize import Allowed, ask_application
from fast_sse.model.channel import Channel
from fast_sse.model.right import UNDECIDED, Right

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/sse/x",
    "query_string": b"",
    "headers": [(b"cookie", b"sid=7")],
    "session": {"user": "ann"},
}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, None),
        ([], None),
        (Allowed([]), None),
        (["a/t", ("b", "*")], Right((Channel("a", "t"), Channel("b", "*")))),
        ({"a/t"}, Right((Channel("a", "t"),))),
        (Allowed(("a/t",)), Right((Channel("a", "t"),))),
        (Allowed(["a/t"], 17.0), Right((Channel("a", "t"),), 17.0)),
    ],
)
async def test_an_answer_is_a_right_or_none(answer: Any, expected: Right | None) -> None:
    """Channels as texts or pairs, with or without an end; and so where it is awaited."""

    async def later(_request: Request) -> Any:
        return answer

    assert await ask_application(lambda _request: answer, SCOPE) == (expected, None)
    assert await ask_application(later, SCOPE) == (expected, None)


async def test_the_application_sees_the_request_and_its_session() -> None:
    """As Starlette has them: cookies, headers, and what its middleware put there."""
    seen = []

    def look(request: Request) -> None:
        seen.append((request.cookies["sid"], request.session["user"], request.url.path))

    assert await ask_application(look, SCOPE) == (None, None)
    assert seen == [("7", "ann", "/sse/x")]


@pytest.mark.parametrize(
    "answer",
    [
        *("a/t", b"a/t", ["a"], ["a/t/u"], [""], [("a", "t/u")], Allowed("a/t")),
        *(5, True, [None], [5], [["a/t"]], [(5, "t")], [b"at"], ("a", "t")),
    ],
)
async def test_an_answer_that_is_no_list_of_channels_is_the_applications_defect(answer: Any) -> None:
    """It is raised where its developers see it, and nobody reads anything by it."""
    with pytest.raises(TypeError, match="authorize"):
        await ask_application(lambda _request: answer, SCOPE)


@pytest.mark.parametrize(
    "ends_at",
    ["soon", True, datetime.now(UTC), timedelta(minutes=5), math.nan, math.inf, -1.0, 1_796_000_000_000],
)
async def test_an_end_that_is_no_time_is_the_applications_defect(ends_at: Any) -> None:
    """Milliseconds would be an end that never comes; nobody reads anything by them, or by what is no number."""
    with pytest.raises(TypeError, match=r"authorize.*ends_at.*seconds"):
        await ask_application(lambda _request: Allowed(["a/t"], ends_at), SCOPE)


async def test_what_it_raises_is_its_own() -> None:
    """But for an OSError, such as of a database that is away: a server would take it for a peer that left."""

    def fails(error: Exception) -> Any:
        def authorize(_request: Request) -> None:
            raise error

        return authorize

    with pytest.raises(KeyError):
        await ask_application(fails(KeyError("k")), SCOPE)
    with pytest.raises(RuntimeError, match="database"):
        await ask_application(fails(ConnectionRefusedError("the database")), SCOPE)

    def rows(_request: Request) -> Iterator[str]:
        yield "a/t"
        raise ConnectionResetError("the database")

    with pytest.raises(RuntimeError, match="database"):
        await ask_application(rows, SCOPE)


async def test_a_client_that_waits_is_told_to_come_back() -> None:
    """What failed is raised once it is told; what is an answer is raised at once, and so is all to who does not wait."""

    def fails(_request: Request) -> None:
        raise LookupError("the sessions")

    right, failure = await ask_application(fails, SCOPE, waits=True)
    assert (right, type(failure)) == (UNDECIDED, LookupError)
    with pytest.raises(LookupError):
        await ask_application(fails, SCOPE)

    def answers(_request: Request) -> None:
        raise HTTPException(401)

    with pytest.raises(HTTPException):
        await ask_application(answers, SCOPE, waits=True)
