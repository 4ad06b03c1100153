"""Why a signature was refused: told to operators, at once and then seldom, and never to the client."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.http.rig import V1, Rig, publish, rigged, subscribe

from fast_sse.http.api.refusals import QUIET_S, Refusals
from fast_sse.model.errors import ForbiddenError, UnauthorizedError
from fast_sse.model.limits import Limits
from fast_sse.observe.observer import Fact, NullObserver, RequestsRefused


class Notes(NullObserver):
    """The facts that were told."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def notify(self, fact: Fact) -> None:
        self.facts.append(fact)


class Timers:
    """What is due, called by hand."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def __call__(self, delay_s: float, call: Callable[[], None]) -> None:
        assert delay_s == QUIET_S
        self.due.append(call)

    def fire(self) -> None:
        due, self.due = self.due, []
        for call in due:
            call()


WRONG, OLD = UnauthorizedError(reason="wrong"), UnauthorizedError(reason="expired")


def told(code: str, reason: str, count: int, request_id: str) -> RequestsRefused:
    return RequestsRefused(code, reason, count, request_id)


def test_the_first_refusal_is_told_at_once() -> None:
    """Whoever looks for a mistake sees it when it happens, and each other reason, too."""
    notes = Notes()
    refusals = Refusals(notes, Timers())
    refusals.note(WRONG, "a")
    refusals.note(OLD, "b")
    refusals.note(ForbiddenError(reason="scope"), "c")
    assert notes.facts == [
        told("unauthorized", "wrong", 1, "a"),
        told("unauthorized", "expired", 1, "b"),
        told("forbidden", "scope", 1, "c"),
    ]


def test_later_ones_are_told_together() -> None:
    """A stranger who tries signatures does not own the log: one fact for a reason in so many seconds, none forgotten."""
    notes, timers = Notes(), Timers()
    refusals = Refusals(notes, timers)
    for number in range(1000):
        refusals.note(WRONG, str(number))
    assert len(notes.facts) == 1
    timers.fire()
    assert notes.facts[1:] == [told("unauthorized", "wrong", 999, "999")]
    refusals.note(WRONG, "x")
    timers.fire()
    assert notes.facts[2:] == [told("unauthorized", "wrong", 1, "x")]
    timers.fire()
    assert timers.due == []
    refusals.note(WRONG, "y")
    assert notes.facts[3:] == [told("unauthorized", "wrong", 1, "y")]


@pytest.mark.parametrize(("signature", "reason"), [("", "missing"), ("x", "malformed"), ("0" * 64, "wrong")])
async def test_the_answer_names_no_reason_and_the_fact_no_signature(signature: str, reason: str) -> None:
    """Both have the request id, by which an operator finds one for the other."""
    notes = Notes()
    async with rigged(Limits(), refusals=Refusals(notes, Timers())) as rig:
        for request in (publish(x_signature=signature), subscribe(x_signature=signature)):
            answer = await rig.ask(request)
            body = json.loads(answer.body)
            assert (answer.status, body["message"]) == (401, "missing, wrong or expired signature")
            if request.method == "POST":
                assert notes.facts == [told("unauthorized", reason, 1, body["request_id"])]
    assert len(notes.facts) == 1


async def test_what_is_refused_for_its_content_is_no_fact() -> None:
    """Only rights are: a wrong body is the client's matter."""
    notes = Notes()
    async with rigged(Limits(), refusals=Refusals(notes, Timers())) as rig:
        assert (await rig.ask(publish(b"{", x_signature=V1))).status == 400
    assert notes.facts == []


async def test_the_real_timer_runs_on_the_loop(rig: Rig) -> None:
    """Without a clock of a test it is that of the loop, which a test need not wait for."""
    notes = Notes()
    refusals = Refusals(notes)
    refusals.note(WRONG, "a")
    assert [type(fact) for fact in notes.facts] == [RequestsRefused]
