"""The relay: it cuts at the byte that was named, holds who comes back, and writes down what they showed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.clients.answers import Answer, Answers, Cut
from tests.clients.relay import Relay
from tests.support.closing import served

pytestmark = pytest.mark.wire

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
FIRST, SECOND = b"data: one\nid: 1\n\n", b"data: two\nid: 2\n\n"
REQUEST = b"GET /v1/subscribe?x HTTP/1.1\r\nHost: h\r\nLast-Event-ID: 7\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(payload: bytes) -> bytes:
    """The payload as the chunked coding frames it."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def handed_on(stream: bytes, cut: Cut | None, step: int) -> tuple[bytes, Answer]:
    """What a client gets of a stream that arrives in pieces of so many bytes."""
    answer, answers = Answer(""), Answers()
    answers.expect(answer)
    pieces = [stream[at : at + step] for at in range(0, len(stream), step)]
    return b"".join(answers.feed(piece, cut) for piece in pieces), answer


@pytest.mark.parametrize("step", [1, 3, 7, 1000])
@pytest.mark.parametrize("after", range(len(SECOND) + 1))
def test_a_cut_falls_behind_the_byte_that_was_named(after: int, step: int) -> None:
    """A cut counts bytes of a block, not of chunks, however the stream arrives; chunks before it are untouched."""
    stream = HEAD + chunk(FIRST) + chunk(SECOND) + chunk(FIRST) + END
    got, answer = handed_on(stream, Cut(b"two", after), step)
    assert got == HEAD + chunk(FIRST) + b"11\r\n" + SECOND[:after]
    assert bytes(answer.body) == FIRST + SECOND[:after]
    assert answer.blocks == ([FIRST, SECOND] if after == len(SECOND) else [FIRST])


def test_a_cut_in_a_chunk_of_several_blocks() -> None:
    """The block that holds the marker is the one that is cut, wherever it stands in its chunk."""
    got, _ = handed_on(HEAD + chunk(FIRST + SECOND + FIRST), Cut(b"two", 4), 1000)
    assert got == HEAD + b"33\r\n" + FIRST + SECOND[:4]


@pytest.mark.parametrize("step", [1, 1000])
def test_an_answer_without_a_cut_is_not_touched(step: int) -> None:
    """Chunked or of a length, an answer goes on as it came, and is over where it ends."""
    plain = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}"
    for stream in (HEAD + chunk(FIRST) + END, plain):
        got, answer = handed_on(stream, Cut(b"elsewhere", 0), step)
        assert (got, answer.over) == (stream, True)


@pytest_asyncio.fixture
async def relay() -> AsyncIterator[Relay]:
    """A relay before a server that says one block and then nothing."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + chunk(FIRST))
        await reader.read()
        writer.close()

    async with served(answer) as address, Relay(address) as relay:
        yield relay


async def _ask(relay: Relay, request: bytes = REQUEST) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*relay.address)
    writer.write(request)
    return reader, writer


async def test_who_comes_back_is_held_and_written_down(relay: Relay) -> None:
    """While away, a request is read and goes no further; it does when the way is open."""
    relay.hold()
    reader, writer = await _ask(relay)
    await relay.until(lambda: bool(relay.heads))
    assert relay.heads[0].cursor == "7"
    page, other = await _ask(relay, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert await page.read(), "somebody else's turn"
    other.close()
    assert not relay.answers
    relay.open()
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    await relay.until(lambda: bool(relay.streams))
    writer.close()


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
async def test_a_strike_ends_or_resets(relay: Relay, reset: bool) -> None:
    """A strike ends what is open in the way that was asked for."""
    relay.reset = reset
    reader, writer = await _ask(relay)
    await relay.until(lambda: bool(relay.streams))
    relay.strike()
    if reset:
        with pytest.raises(ConnectionResetError):
            await reader.read()
    else:
        assert (await reader.read()).endswith(chunk(FIRST))
    writer.close()


async def test_a_page_has_the_origin_of_its_stream(relay: Relay) -> None:
    """What is no request of ours the relay answers itself, and writes nothing down."""
    reader, writer = await _ask(relay, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (await reader.read()).endswith(b"<title>a page of the tests</title>")
    assert not relay.heads
    writer.close()


@pytest.mark.parametrize(
    ("target", "header", "cursor"),
    [
        ("/v1/subscribe?last_event_id=5", "", "5"),
        ("/v1/subscribe?lastEventId=6", "", "6"),
        ("/v1/subscribe?lastEventId=6", "Last-Event-ID: 7\r\n", "7"),
        ("/v1/subscribe", "", ""),
    ],
)
async def test_the_cursor_that_was_shown(relay: Relay, target: str, header: str, cursor: str) -> None:
    """A cursor is found in each of the places that a client may show it in."""
    _, writer = await _ask(relay, f"GET {target} HTTP/1.1\r\nHost: h\r\n{header}\r\n".encode())
    await relay.until(lambda: bool(relay.heads))
    assert relay.heads[0].cursor == cursor
    writer.close()
