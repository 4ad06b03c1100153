"""Connections behind a PROXY header: who is let in, who the client is, and what is left for HTTP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_network

import pytest
import uvloop
from tests.http.front.connection_rig import LIMITS, TICK, Rig, get
from tests.support import proxy_header
from tests.support.transport import FakeTransport

from fast_sse.http.addresses import UNIX, Trusted
from fast_sse.http.front.deadlines import Deadlines
from fast_sse.http.front.introductions import Introductions

PROXY = ("10.0.0.1", 33_000)
TRUSTED = Trusted([ip_network("10.0.0.0/8")])
HEADERS = [
    pytest.param(proxy_header.v1("203.0.113.7", 51_443), "203.0.113.7", id="v1"),
    pytest.param(proxy_header.v2("203.0.113.7", 51_443, b"\x04\x00\x01x"), "203.0.113.7", id="v2"),
    pytest.param(proxy_header.v2("2001:db8::7", 51_443), "2001:db8::7", id="v2-ipv6"),
    pytest.param(proxy_header.local(), "10.0.0.1", id="local"),
    pytest.param(b"PROXY UNKNOWN\r\n", "10.0.0.1", id="unknown"),
]


class Door(Rig):
    """The rig of a connection, behind introductions."""

    def __init__(self, trusted: Trusted = TRUSTED, *, room: bool = True) -> None:
        super().__init__(LIMITS)
        self.cuts: list[tuple[int, str, str]] = []
        self.introductions = Introductions(
            self.front,
            trusted,
            Deadlines(LIMITS, self.clock),
            has_room=lambda _: room,
            on_cut=lambda *cut: self.cuts.append(cut),
        )
        self.transport = self.introduced()

    def introduced(self, peer: object = PROXY) -> FakeTransport:
        """One more connection."""
        return FakeTransport(self.introductions(), peer=peer)

    def counts(self) -> dict[tuple[tuple[str, str], ...], float]:
        """What was cut, by its labels."""
        return {sample.labels: sample.value for sample in self.introductions.samples()}


@pytest.mark.parametrize(("header", "client"), HEADERS)
async def test_the_header_says_who_the_client_is(header: bytes, client: str) -> None:
    """Behind it HTTP begins, and every request of the connection is that client's."""
    door = Door()
    door.feed(header + get("/a"))
    door.feed(get("/b"))
    assert [(request.path, request.peer) for request in door.asked] == [("/a", client), ("/b", client)]
    assert door.transport.sent.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize(("header", "client"), HEADERS)
async def test_it_may_come_in_pieces_of_any_size(header: bytes, client: str) -> None:
    """Cut at every byte, in the header and behind it, nothing is lost and nothing read twice."""
    whole = header + get("/a")
    for cut in range(1, len(whole)):
        door = Door()
        door.feed(whole[:cut])
        door.feed(whole[cut:])
        assert [(request.path, request.peer) for request in door.asked] == [("/a", client)]


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [(("192.0.2.1", 1), TRUSTED), (None, TRUSTED), ("", TRUSTED), (PROXY, Trusted([UNIX]))],
)
async def test_a_stranger_is_cut_before_anything_is_read(peer: object, trusted: Trusted) -> None:
    """Only a trusted proxy may introduce; anybody else would introduce whom they like (CWE-348)."""
    door = Door(trusted)
    before = len(door.cuts)
    stranger = door.introduced(peer)
    assert stranger.aborted
    stranger.feed(proxy_header.v1("203.0.113.7", 1) + get("/a"))
    assert door.asked == []
    said = str(peer[0]) if isinstance(peer, tuple) else UNIX
    assert door.cuts[before:] == [(before + 1, "untrusted", said)]


async def test_a_mapped_proxy_and_one_of_a_unix_socket_are_trusted_by_their_names() -> None:
    """On a dual-stack socket 10.0.0.1 is ::ffff:10.0.0.1; a Unix socket's peer is `unix`."""
    door = Door(Trusted([ip_network("10.0.0.0/8"), UNIX]))
    for peer in (("::ffff:10.0.0.1", 1, 0, 0), ""):
        transport = door.introduced(peer)
        transport.feed(proxy_header.v1("203.0.113.7", 1) + get("/a"))
        assert not transport.aborted
    assert [request.peer for request in door.asked] == ["203.0.113.7"] * 2


@pytest.mark.parametrize(
    "start", [get("/a"), b"\x16\x03\x01", b"PROXY nobody\r\n", proxy_header.raw_v2(0x21, 0x11, b"x")]
)
async def test_who_begins_otherwise_is_cut(start: bytes) -> None:
    """A header is required on every connection; without one nobody knows who speaks."""
    door = Door()
    door.feed(start)
    assert door.transport.aborted
    assert door.asked == []
    assert door.counts() == {(("reason", "malformed"),): 1}
    door.transport.feed(get("/b"))
    assert door.asked == []


async def test_a_header_that_does_not_end_is_cut_at_its_deadline() -> None:
    """It has as long as a head; behind it the head has its own time."""
    door = Door()
    door.feed(b"PROXY ")
    on_time = door.introduced()
    on_time.feed(proxy_header.local())
    for after in (LIMITS.header_s, 2 * TICK):
        assert not door.transport.aborted
        door.clock.now += after
        door.introductions.deadlines.sweep()
    assert door.transport.aborted
    assert door.counts() == {(("reason", "late"),): 1}
    assert not on_time.aborted


async def test_a_proxy_that_leaves_before_its_header_is_forgotten() -> None:
    """A check that only connects is nothing to count."""
    door = Door()
    door.transport.lose()
    assert not door.introductions.deadlines.members
    assert door.counts() == {}


async def test_without_room_nobody_waits() -> None:
    """A connection takes a descriptor before its header is there."""
    door = Door(room=False)
    assert door.transport.aborted
    assert not door.introductions.deadlines.members


async def test_a_close_cuts_those_that_wait_and_lets_the_others_finish() -> None:
    """Nothing of theirs was read; who was introduced is the front's to drain."""
    door = Door()
    introduced = door.introduced()
    introduced.feed(proxy_header.local() + get("/later"))
    door.introductions.close()
    assert door.transport.aborted
    assert not introduced.aborted
    assert door.introduced().aborted
    await door.resolve("/later")
    assert introduced.sent.startswith(b"HTTP/1.1 200 OK")


async def test_a_stream_gets_a_transport_that_names_its_client() -> None:
    """Who was cut is logged by the client's address, not by the proxy's."""
    door = Door()
    door.feed(proxy_header.v1("203.0.113.7", 51_443) + get("/stream"))
    (subscriber,) = door.subscribers
    assert subscriber.transport.get_extra_info("peername") == ("203.0.113.7", 51_443)
    door.feed(b"more")
    assert subscriber.received == b"more"
    assert b"primed" in door.transport.sent


@pytest.mark.wire
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_real_sockets(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """On both loops: a header in one piece with its requests, one in single bytes, a stream, and a stranger."""

    async def talk() -> None:
        door = Door(Trusted([ip_network("127.0.0.1")]))
        server = await asyncio.get_running_loop().create_server(door.introductions, "127.0.0.1", 0)
        place = server.sockets[0].getsockname()
        header = proxy_header.v2("203.0.113.7", 1)
        told = await heard(place, [header + get("/a") + get("/stream")], until=b"primed")
        assert told.startswith(b"HTTP/1.1 200 OK")
        assert door.subscribers[0].transport.get_extra_info("peername") == ("203.0.113.7", 1)
        slowly = [bytes([byte]) for byte in proxy_header.v1("203.0.113.8", 1) + get("/b")]
        assert await heard(place, slowly, until=b"/b")
        assert [request.peer for request in door.asked] == ["203.0.113.7", "203.0.113.7", "203.0.113.8"]
        before = len(door.cuts)
        assert await heard(place, [], until=b"x", source="127.0.0.2") == b""
        assert door.cuts[before:] == [(before + 1, "untrusted", "127.0.0.2")]
        server.close()
        door.introductions.close()
        door.front.abort()
        await turns()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(talk(), 10))


async def heard(
    place: tuple[str, int], pieces: list[bytes], *, until: bytes, source: str = "127.0.0.1"
) -> bytes:
    """What a connection hears up to a word, or its end."""
    reader, writer = await asyncio.open_connection(*place, local_addr=(source, 0))
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for piece in pieces:
            writer.write(piece)
            await turns()
        return await reader.readuntil(until)
    except asyncio.IncompleteReadError as error:
        return error.partial
    except ConnectionResetError:
        return b""
    finally:
        writer.transport.abort()
        await turns()


async def turns() -> None:
    """Let the loop do what is ready."""
    for _ in range(5):
        await asyncio.sleep(0)
