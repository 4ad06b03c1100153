"""A stream ends with its right, at its age, and its end is told once."""

from __future__ import annotations

import re
from typing import Any

from tests.hub.loops import manual
from tests.hub.support import Bench, Peer, bench, wanted

from fast_sse.hub.form import Form
from fast_sse.hub.subscription import Subscription


def join(hub: Bench, *texts: str, **options: Any) -> Peer:
    """Begin a stream with the options of a Subscription."""
    return Peer(hub.hub, Subscription(wanted(*texts), Form(), **options))


async def test_a_revoked_right_ends_its_streams_and_no_others() -> None:
    """`revoke` asks for each right and filter; those that no longer stand are told `fast-sse.expired`."""
    async with bench() as hub:
        kept, by_key, by_filter = (
            join(hub, "a/t", right="new"),
            join(hub, "a/t", right="old"),
            join(hub, "b/t", right="new"),
        )
        await manual().idle()
        ended = hub.hub.revoke(lambda right, asked: right == "new" and asked == wanted("a/t"))
        await manual().idle()
        assert ended == 2
        for peer in (by_key, by_filter):
            assert [event.type for event in peer.events] == ["fast-sse.expired"]
            assert peer.transport.is_closing()
        await hub.publish("a/t", 1)
        assert kept.messages == [1]


async def test_an_old_stream_is_told_to_come_back() -> None:
    """Past `age_s` a stream ends at its next visit: a `retry:` and no id, so that it resumes where it is."""
    async with bench(heartbeat_s=1) as hub:
        peer, ageless = join(hub, "a/t", age_s=100), join(hub, "a/t")
        await manual().elapse(99)
        assert not peer.transport.is_closing()
        await manual().elapse(2.1)
        assert peer.transport.is_closing()
        assert len(peer.retries) == 2
        assert re.search(rb"\nretry: \d+\n\Z", peer.body)
        assert peer.body.rindex(b"retry:") > peer.body.rindex(b"id:")
        assert not ageless.transport.is_closing()


async def test_a_short_age_is_kept_however_seldom_the_heartbeat() -> None:
    """`connection_age_s` of seconds ends a stream at its age, not at a heartbeat that is due much later."""
    async with bench(heartbeat_s=15) as hub:
        peer = join(hub, "a/t", age_s=2)
        await manual().elapse(1.9)
        assert not peer.transport.is_closing()
        await manual().elapse(0.2)
        assert peer.transport.is_closing()
        assert len(peer.retries) == 2
        assert peer.body.rindex(b"retry:") > peer.body.rindex(b"id:")


async def test_a_refused_client_is_told_to_come_back_at_once() -> None:
    """A bound of its client is reached: 200, a `retry:`, no id, the end; its neighbours notice nothing."""
    async with bench() as hub:
        first, refused = join(hub, "a/t"), join(hub, "a/t", refused="overload")
        await manual().idle()
        assert refused.transport.is_closing()
        assert len(refused.retries) == 1
        assert refused.ids == []
        await hub.publish("a/t", 1)
        assert first.messages == [1]
        assert refused.messages == []


async def test_the_end_is_told_once_however_it_comes() -> None:
    """`on_end` is called exactly once: after a peer that left, an eviction, a revocation, a drain."""
    told: list[str] = []
    async with bench() as hub:
        peers = {
            name: join(hub, "a/t", right=name, on_end=lambda name=name: told.append(name))
            for name in ("left", "cut", "revoked", "drained")
        }
        await manual().idle()
        assert told == []
        peers["left"].transport.abort()
        await manual().idle()
        peers["cut"].subscriber.cut("defect")
        hub.hub.revoke(lambda right, _asked: right != "revoked")
        await manual().idle()
        assert told == ["left", "cut", "revoked"]
    assert told == ["left", "cut", "revoked", "drained"]
