"""Keys that are fetched: never while a request waits, seldom, and the last good set outlives an outage."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.issuer import KeyServer, jwk_of, rsa_key, set_of

from fast_sse.http.tokens.keys import PUBLIC
from fast_sse.http.tokens.source import FETCHING, PAUSE_S, REFRESH_S, FetchedKeys, FixedKeys
from fast_sse.observe.observer import Fact, KeysFailed, KeysFetched

pytestmark = pytest.mark.wire


class Watched(FetchedKeys):
    """Keys that say when a fetch has ended."""

    def __init__(self, *given: Any, **more: Any) -> None:
        self.ended = asyncio.Event()
        super().__init__(*given, **more)

    def _take(self, found: Any) -> None:
        super()._take(found)
        self.ended.set()


class Rig:
    """Fetched keys, with a clock that the test moves, and what was observed of them."""

    def __init__(self, server: KeyServer) -> None:
        self.now_s = 1000.0
        self.facts: list[Fact] = []
        self.server = server
        self.source = Watched(server.url, PUBLIC, self, clock=lambda: self.now_s)

    def notify(self, fact: Fact) -> None:
        self.facts.append(fact)

    @property
    def kids(self) -> list[str]:
        return [key.kid for key in self.source.known()]

    async def settled(self) -> None:
        """Wait until no fetch is under way."""
        async with asyncio.timeout(20):
            while self.source._fetching:
                self.source.ended.clear()
                await self.source.ended.wait()

    async def later(self, seconds: float) -> None:
        """Let time pass and look at the keys, which may begin a fetch, and wait for that."""
        self.now_s += seconds
        self.source.known()
        await self.settled()


@pytest.fixture
async def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    """Keys of a server that shows one."""
    server = KeyServer(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
    server.body = set_of(jwk_of(rsa_key("a"), "a"))
    rig = Rig(server)
    yield rig
    await rig.settled()
    server.stop()


async def test_the_first_fetch_begins_at_once_and_nobody_waits_for_it(rig: Rig) -> None:
    """Until it is here there is no key, and more may come; then it is there, and told once."""
    rig.server.hold()
    assert (rig.kids, rig.source.more()) == ([], True)
    rig.server.release()
    await rig.settled()
    assert rig.kids == ["a"]
    assert rig.facts == [KeysFetched(1)]
    await rig.later(REFRESH_S)
    assert (rig.server.asked, rig.facts) == (2, [KeysFetched(1)])


async def test_a_set_is_asked_for_again_after_a_while(rig: Rig) -> None:
    """A key that is new comes, and one that is gone goes, without any token that names it."""
    await rig.settled()
    rig.server.body = set_of(jwk_of(rsa_key("b"), "b"))
    await rig.later(REFRESH_S - 1)
    assert (rig.kids, rig.server.asked) == (["a"], 1)
    await rig.later(1)
    assert (rig.kids, rig.server.asked) == (["b"], 2)


async def test_there_is_one_fetch_at_a_time(rig: Rig) -> None:
    """However long an issuer takes, it is asked by one thread."""
    rig.server.hold()
    for _ in range(5):
        rig.now_s += PAUSE_S
        assert rig.source.more()
    rig.server.release()
    for thread in threading.enumerate():
        if thread.name == FETCHING:
            await asyncio.to_thread(thread.join)
    assert rig.server.asked == 1


async def test_an_unknown_key_is_asked_for_once_in_a_while(rig: Rig) -> None:
    """However many tokens name such keys: they cost nothing to make."""
    await rig.settled()
    assert [rig.source.more() for _ in range(100)] == [False] * 100, "it has just been fetched"
    rig.now_s += PAUSE_S
    rig.server.hold()
    assert [rig.source.more() for _ in range(100)] == [True] * 100
    rig.server.body = set_of(jwk_of(rsa_key("a"), "a"), jwk_of(rsa_key("b"), "b"))
    rig.server.release()
    await rig.settled()
    assert rig.kids == ["a", "b"]
    assert [rig.source.more() for _ in range(100)] == [False] * 100
    assert rig.server.asked == 2


@pytest.mark.parametrize("trouble", ["away", "an error page"])
async def test_the_last_good_set_stays_while_the_issuer_is_away(rig: Rig, trouble: str) -> None:
    """It is told once for each trouble, and once when it is over; attempts go on."""
    await rig.settled()
    good = rig.server.body
    if trouble == "away":
        rig.server.status = 503
    else:
        rig.server.body = b"<html>"
    for _ in range(3):
        await rig.later(REFRESH_S)
        assert rig.kids == ["a"]
    assert rig.server.asked == 4
    (_, failed) = rig.facts
    assert isinstance(failed, KeysFailed)
    assert failed.kept == 1
    rig.server.status, rig.server.body = 200, good
    await rig.later(PAUSE_S)
    assert rig.facts[2:] == [KeysFetched(1)]


async def test_an_unknown_key_may_come_while_the_issuer_is_away(rig: Rig) -> None:
    """Keys that changed meanwhile cannot be told from wrong ones, and a browser would take a refusal for good."""
    await rig.settled()
    rig.server.status = 503
    rig.now_s += PAUSE_S
    assert rig.source.more()
    await rig.settled()
    assert [rig.source.more() for _ in range(100)] == [True] * 100
    assert rig.server.asked == 2
    rig.server.status = 200
    await rig.later(PAUSE_S)
    assert rig.source.more(), "it is asked again"
    await rig.settled()
    assert not rig.source.more()


async def test_without_any_set_more_is_always_to_come(rig: Rig) -> None:
    """A hub that starts while the issuer is away refuses nobody for good."""
    await rig.settled()
    rig.server.status = 503
    rig.source = Watched(rig.server.url, PUBLIC, rig, clock=lambda: rig.now_s)
    await rig.settled()
    assert (rig.kids, rig.source.more()) == ([], True)
    rig.server.status = 200
    await rig.later(PAUSE_S)
    assert rig.kids == ["a"]


def test_fixed_keys_stay() -> None:
    """Nothing more is to come of them."""
    keys = FixedKeys(())
    assert (keys.known(), keys.more()) == ((), False)
