"""One request, repeated until its outcome is known."""

from __future__ import annotations

import random
import threading
from contextlib import closing

import pytest
from tests.cli.scripted import Scripted, answer

from fast_sse.cli.publishing.link import RETRY_STATUSES, WAIT_S_MAX, HubLink
from fast_sse.cli.remote import Remote
from fast_sse.model.errors import UnavailableError

OK = answer(200, '{"data":1}', "Connection: close")


@pytest.fixture(autouse=True)
def _no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "random", lambda: 1.0)


class Rig:
    """A link to a scripted server: what it told, and how long it would have waited."""

    def __init__(self, server: Scripted, retries: int = 8) -> None:
        self.told: list[str] = []
        self.waits: list[float] = []
        self.signed = 0
        self.link = HubLink(Remote.at(server.url), retries, self.told.append, self.waits.append)

    def settle(self) -> int:
        """Post once; the final status."""
        with closing(self.link):
            return self.link.settle("/x", b"body", self._headers).status

    def _headers(self) -> dict[str, str]:
        self.signed += 1
        return {"x-signature": str(self.signed)}


@pytest.mark.parametrize("status", sorted(RETRY_STATUSES))
def test_what_may_pass_is_tried_again_as_late_as_asked(status: int) -> None:
    """Each of these statuses is repeated, not before Retry-After, with a new signature; the next answer counts."""
    with Scripted(answer(status, '{"code":"c","message":"m"}', "Retry-After: 2"), OK) as server:
        rig = Rig(server)
        assert rig.settle() == 200
    assert rig.waits == [2.0]
    assert rig.told == [f"{status} c: m; trying again with the same key"]
    assert [asked.count("x-signature: ") for asked in server.asked] == [1, 1]
    assert rig.signed == 2


@pytest.mark.parametrize("said", ["\xb2", "9" * 400, "Sun, 29 Nov 2026 12:00:00 GMT", "-1"])
def test_a_strange_wait_is_none(said: str) -> None:
    """A Retry-After that is no plain number of seconds, or too long for one, is passed over."""
    busy = answer(503, "{}", "Retry-After: 2").replace(b"After: 2", b"After: " + said.encode("latin-1"))
    with Scripted(busy, OK) as server:
        rig = Rig(server)
        assert rig.settle() == 200
    assert rig.waits == [0.2]


def test_an_answer_that_cannot_be_read_is_an_answer() -> None:
    """A body of a proxy's that nests too deep is one in other words, and no traceback."""
    with Scripted(answer(502, "[" * 60_000), OK) as server:
        rig = Rig(server)
        assert rig.settle() == 200
    assert rig.told == ["502 Said; trying again with the same key"]


def test_the_waits_double_up_to_a_bound() -> None:
    """A hub that stays away is asked ever more seldom, and in the end no more."""
    with Scripted() as server:
        pass
    rig = Rig(server, retries=7)
    with pytest.raises(UnavailableError, match="refused"):
        rig.settle()
    assert rig.waits == [0.2, 0.4, 0.8, 1.6, 3.2, WAIT_S_MAX, WAIT_S_MAX]


def test_progress_renews_patience() -> None:
    """Tries are counted since the last thing that got through."""
    busy = answer(503, "{}")
    with Scripted(busy, OK, busy, OK) as server:
        rig = Rig(server, retries=1)
        assert rig.settle() == 200
        rig.link.renew()
        assert rig.settle() == 200
    assert rig.waits == [0.2, 0.2]


@pytest.mark.parametrize(
    ("reply", "unknown"),
    [
        (answer(503, ""), False),
        (answer(507, ""), False),
        (answer(504, ""), True),
        (answer(502, ""), True),
        (b"", True),
    ],
)
def test_an_open_outcome_is_remembered(reply: bytes, unknown: bool) -> None:
    """504, 502 and a cut connection leave open whether it was done; 503, 507 and a refused connection do not (G2)."""
    with Scripted(reply) as server:
        rig = Rig(server, retries=1)
        with pytest.raises(UnavailableError):
            rig.settle()
    assert rig.link.unknown is unknown


def test_an_answer_to_a_body_that_was_not_read_is_heard() -> None:
    """A server that refuses by the length alone and hangs up has answered, though sending failed."""
    with Scripted(answer(413, '{"code":"too_large"}'), reads_body=False) as server:
        rig = Rig(server, retries=0)
        with closing(rig.link):
            assert rig.link.settle("/x", bytes(1 << 25), dict).status == 413


def test_who_waits_can_be_woken() -> None:
    """`abort` from another thread ends a wait for an answer that does not come."""
    with Scripted(OK, holds=threading.Event()) as server:
        rig = Rig(server, retries=0)
        failed = threading.Event()

        def wait() -> None:
            with pytest.raises(UnavailableError):
                rig.settle()
            failed.set()

        waiting = threading.Thread(target=wait)
        waiting.start()
        server.arrived.wait(10)
        rig.link.abort()
        assert failed.wait(10)
        waiting.join()
        assert server.holds
        server.holds.set()
