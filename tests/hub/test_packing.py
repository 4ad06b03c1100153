"""Packed frames: each made once, and off the loop when that takes long."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from msgspec.structs import replace
from tests.hub.loops import manual
from tests.hub.support import HEADERS, Bench, Peer, bench, place, record_at
from tests.hub.transport import FakeTransport

from fast_sse.hub.frames import PAYLOAD, id_texts
from fast_sse.hub.outgoing import CATCHING_UP, ENDED, LIVE, PAUSED
from fast_sse.hub.packing import AT_ONCE_BYTES
from fast_sse.hub.tail import Entry
from fast_sse.model.payload import packed, unpacked
from fast_sse.observe.observer import DefectSeen

#: Data that is packed at once, and data that is packed in a thread; the words of both shrink.
SHORT, LONG = (
    " ".join(random.Random(size).choices(["red", "blue", "green"], k=size)) for size in (500, 8000)
)
#: Everything is read from the store, page by page.
FAR: dict[str, Any] = {"tail_records_max": 1, "page_records_max": 2}


class Workshop:
    """Counts what is packed and where, and lets threads wait at a gate."""

    def __init__(self) -> None:
        self.threads: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def packed(self, envelope: bytes) -> bytes:
        """As the real one, and counted."""
        name = threading.current_thread().name
        self.threads.append(name)
        if name != "MainThread":
            assert self.gate.wait(10)
        return packed(envelope)

    @property
    def in_loop(self) -> int:
        return self.threads.count("MainThread")

    @property
    def in_threads(self) -> int:
        return len(self.threads) - self.in_loop

    async def settled(self) -> None:
        """Everything is done that can be done, threads included: there is one, so its work comes in order."""
        for _ in range(12):
            await manual().idle()
            await asyncio.get_running_loop().run_in_executor(None, int)
        await manual().idle()


@pytest.fixture
async def workshop(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Workshop]:
    made = Workshop()
    monkeypatch.setattr("fast_sse.hub.frames.packed", made.packed)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    yield made
    made.gate.set()


def envelopes(peer: Peer) -> list[bytes]:
    """What its client unpacks."""
    return [unpacked(event.data) for event in peer.events]


def messages(peer: Peer) -> list[Any]:
    """The data in them."""
    return [json.loads(one)["data"] for one in envelopes(peer)]


async def joined(hub: Bench, *texts: str, **options: Any) -> Peer:
    return await hub.joined(*texts, body="payload", **options)


# -- live ------------------------------------------------------------------------------------------


async def test_a_message_is_packed_once_for_all_subscribers(workshop: Workshop) -> None:
    """A hundred live streams of a channel: one compression, and one bytes object that all are written."""
    async with bench() as hub:
        peers = [await joined(hub, "a/t") for _ in range(100)]
        await hub.publish("a/t", SHORT)
        assert workshop.threads == ["MainThread"]
        assert {messages(peer)[0] for peer in peers} == {SHORT}
        assert len({id(peer.transport.writes[-1]) for peer in peers}) == 1
        assert len(peers[0].body) < len(SHORT)


async def test_a_large_message_is_packed_in_a_thread(workshop: Workshop) -> None:
    """The loop goes on meanwhile: publishes are stored. Log order stays: what follows the message waits for it."""
    async with bench() as hub:
        peers = [await joined(hub, "a/t") for _ in range(20)]
        plain = await hub.joined("a/t")
        workshop.gate.clear()
        await hub.publish("a/t", LONG)
        assert len(await hub.publish("a/t", 1, 2)) == 2
        assert plain.messages == []
        workshop.gate.set()
        await workshop.settled()
        assert (workshop.in_threads, workshop.in_loop) == (1, 0)
        for peer in peers:
            assert messages(peer) == [LONG, 1, 2]
        assert [event.data for event in plain.events] == envelopes(peers[0])


async def test_each_shape_is_packed_once(workshop: Workshop) -> None:
    """Streams that may carry several channels have envelopes of their own: two compressions, whatever they ask for."""
    async with bench() as hub:
        exact = [await joined(hub, "a/t") for _ in range(3)]
        wide = [await joined(hub, text) for text in ("*/t", "a/*", "*/*")]
        several = await joined(hub, "a/t", "b/t")
        for data in (SHORT, LONG):
            workshop.threads.clear()
            await hub.publish("a/t", data)
            await workshop.settled()
            assert len(workshop.threads) == 2
            assert {messages(peer)[-1] for peer in (*exact, *wide, several)} == {data}
        assert json.loads(envelopes(several)[-1])["headers"]["event_id"] == "a"


@pytest.mark.parametrize("text", ["a/t", "*/t"])
async def test_what_is_not_packed_is_a_plain_frame(workshop: Workshop, text: str) -> None:
    """Short messages, and those that their publisher compressed, are the very bytes of a plain stream, kept once."""
    async with bench() as hub:
        packs, plain = await joined(hub, text), await hub.joined(text)
        await hub.publish("a/t", "x" * 900)
        entry = hub.fanout.tail.first_after(0, 1)[0]
        headers = HEADERS[:-1] + b',"message_compressed":"true"}'
        record = replace(record_at(1, text, json.dumps(LONG).encode()), headers=headers)
        said = Entry(record, id_texts(hub.fanout.level))
        assert not said.is_unpacked(PAYLOAD)
        assert said.frame(PAYLOAD) is said.frame(0)
        assert workshop.threads == []
        assert packs.events == plain.events
        assert len({id(frame) for frame in entry._frames if frame}) == 1


async def test_the_size_from_which_on_is_a_limit(workshop: Workshop) -> None:
    """Bytes of data and headers count, and the limit itself is packed."""
    size = len(json.dumps("x" * 400)) + len(HEADERS)
    for bytes_min, times in ((size, 1), (size + 1, 0)):
        async with bench(payload_bytes_min=bytes_min) as hub:
            await joined(hub, "a/t")
            await hub.publish("a/t", "x" * 400)
            assert len(workshop.threads) == times
            workshop.threads.clear()


async def test_nothing_is_packed_for_nobody(workshop: Workshop) -> None:
    """Without a payload stream of the channel nothing is compressed, and the follower looks at nothing."""
    async with bench() as hub:
        assert hub.fanout.index.packed == 0
        await hub.joined("a/t")
        other = await joined(hub, "b/t")
        assert hub.fanout.index.packed == 1
        await hub.publish("a/t", SHORT, LONG)
        await workshop.settled()
        assert workshop.threads == []
        other.transport.hang_up()
        await manual().idle()
        assert hub.fanout.index.packed == 0


async def test_many_small_messages_are_packed_in_a_thread(workshop: Workshop) -> None:
    """It is the sum that counts: a batch that takes long is not packed at once either."""
    async with bench() as hub:
        peer = await joined(hub, "a/t")
        count = AT_ONCE_BYTES // len(SHORT) + 1
        await hub.publish("a/t", *[SHORT] * count)
        await workshop.settled()
        assert (workshop.in_threads, workshop.in_loop) == (count, 0)
        assert messages(peer) == [SHORT] * count


async def test_a_long_backlog_is_handed_on_in_portions(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is packed is delivered before more is packed, so nobody waits for a whole batch."""
    monkeypatch.setattr("fast_sse.hub.packing._PORTION_BYTES", len(LONG))
    async with bench() as hub:
        peer = await joined(hub, "a/t")
        workshop.gate.clear()
        await hub.publish("a/t", LONG, LONG + "2", 3)
        pool = asyncio.get_running_loop()
        workshop.gate.set()
        seen: list[Any] = []
        while len(seen) < 3:
            await pool.run_in_executor(None, int)
            await manual().idle()
            seen = messages(peer)
        assert seen == [LONG, LONG + "2", 3]
        assert len([write for write in peer.transport.writes if b"base64" in write]) == 2


# -- catching up -----------------------------------------------------------------------------------


async def test_replayed_and_live_are_the_same_bytes(workshop: Workshop) -> None:
    """Live, along the tail or from the store: the same frames, ids included."""
    for limits in ({}, FAR):
        async with bench(**limits) as hub:
            for texts in (["a/t"], ["*/t", "a/u"]):
                (start,) = await hub.publish("a/t", "before")
                live = await joined(hub, *texts, after=start.text, chunked=False)
                await hub.publish("a/t", SHORT, LONG, 3, LONG)
                await hub.publish("*/*", SHORT)
                await workshop.settled()
                late = await joined(hub, *texts, after=start.text, chunked=False)
                await workshop.settled()
                assert messages(live) == [SHORT, LONG, 3, LONG, SHORT]
                strip = [peer.body.partition(b"\n\n")[2] for peer in (live, late)]
                assert strip[0] == strip[1]
                assert late.subscriber.state == LIVE


async def test_joiners_share_what_is_packed_for_one_of_them(workshop: Workshop) -> None:
    """Nobody was there, and many come at once: each message is packed once, in a thread."""
    async with bench() as hub:
        await hub.publish("a/t", "before")
        start = hub.fanout.level.text
        await hub.publish("a/t", LONG, SHORT, LONG + "2")
        assert workshop.threads == []
        peers = [hub.join("a/t", after=start, body="payload") for _ in range(30)]
        await workshop.settled()
        assert (workshop.in_threads, workshop.in_loop) == (3, 0)
        for peer in peers:
            assert messages(peer) == [LONG, SHORT, LONG + "2"]
            assert peer.subscriber.state == LIVE


async def test_a_little_is_packed_at_once_for_a_joiner(workshop: Workshop) -> None:
    """Where there is little to do, a joiner is live without a turn of any other thread."""
    async with bench() as hub:
        await hub.publish("a/t", "before")
        start = hub.fanout.level.text
        await hub.publish("a/t", SHORT)
        peer = await joined(hub, "a/t", after=start)
        assert messages(peer) == [SHORT]
        assert workshop.threads == ["MainThread"]
        assert peer.subscriber.state == LIVE


async def test_a_page_is_packed_in_a_thread(workshop: Workshop) -> None:
    """While that goes on, other streams get their messages; `last` and `earliest` begin the same way."""
    async with bench(**FAR) as hub:
        await hub.publish("a/t", LONG, LONG + "2", SHORT)
        other = await hub.joined("b/t")
        for options in ({"earliest": True}, {"last": 3}):
            workshop.threads.clear()
            workshop.gate.clear()
            peer = await joined(hub, "a/t", **options)
            assert peer.subscriber.state == CATCHING_UP
            await hub.publish("b/t", 1)
            assert other.messages[-1] == 1
            workshop.gate.set()
            await workshop.settled()
            assert messages(peer) == [LONG, LONG + "2", SHORT]
            assert workshop.in_threads >= 2
            assert peer.subscriber.state == LIVE


async def test_what_is_published_meanwhile_follows(workshop: Workshop) -> None:
    """A stream whose past is being packed gets what comes meanwhile behind it, once."""
    async with bench() as hub:
        await hub.publish("a/t", "before")
        start = hub.fanout.level.text
        await hub.publish("a/t", LONG)
        workshop.gate.clear()
        peer = await joined(hub, "a/t", after=start)
        await hub.publish("a/t", 1, SHORT, LONG + "2")
        workshop.gate.set()
        await workshop.settled()
        assert messages(peer) == [LONG, 1, SHORT, LONG + "2"]
        assert peer.ids == sorted(set(peer.ids))


async def test_a_stream_that_ends_meanwhile_is_written_nothing(workshop: Workshop) -> None:
    """Its client has gone, or its channel was erased: what was packed for it alone is dropped."""
    for limits in ({}, FAR):
        async with bench(**limits) as hub:
            await hub.publish("a/t", "before")
            start = hub.fanout.level.text
            await hub.publish("a/t", LONG)
            workshop.gate.clear()
            peer = await joined(hub, "a/t", after=start)
            assert peer.subscriber.state == CATCHING_UP
            hub.streams.end_channel(place("a/t"))
            assert peer.subscriber.state == ENDED
            workshop.gate.set()
            await workshop.settled()
            assert messages(peer) == []
            assert not hub.facts.of(DefectSeen)


async def test_what_was_erased_meanwhile_does_not_go_out(workshop: Workshop) -> None:
    """The tail is looked at again after its entries were packed."""
    async with bench() as hub:
        await hub.publish("b/t", "before")
        start = hub.fanout.level.text
        await hub.publish("a/t", LONG)
        await hub.publish("b/t", LONG)
        workshop.gate.clear()
        peer = await joined(hub, "*/t", after=start)
        erasing = asyncio.ensure_future(hub.store.erase(place("a/t")))
        await manual().idle()
        workshop.gate.set()
        await workshop.settled()
        await erasing
        assert messages(peer) == [LONG]
        assert json.loads(envelopes(peer)[0])["headers"]["event_id"] == "b"


async def test_a_peer_that_pauses_meanwhile_goes_on_when_it_reads(workshop: Workshop) -> None:
    """It stopped reading while its page was packed: nothing is written until it reads on, and nothing is missing then."""
    for limits in ({}, FAR):
        async with bench(**limits) as hub:
            await hub.publish("a/t", "before")
            start = hub.fanout.level.text
            await hub.publish("a/t", LONG, SHORT)
            workshop.gate.clear()
            peer = await joined(hub, "a/t", after=start, transport=FakeTransport())
            peer.transport.stop_reading()
            peer.subscriber.write(peer.subscriber.form.piece(b":\n" * 40_000))
            written = len(peer.transport.writes)
            workshop.gate.set()
            await workshop.settled()
            assert peer.subscriber.state == PAUSED
            assert len(peer.transport.writes) == written
            peer.transport.read()
            await workshop.settled()
            assert messages(peer) == [LONG, SHORT]
            assert peer.subscriber.state == LIVE
