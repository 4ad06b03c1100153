"""A TCP proxy that reads Kafka's frames, so that a fault strikes at one request or one reply and at nothing else.

A frame is its length in four bytes and what follows; a request begins with what is asked (the API's number), its
version, a number of the client's that the reply repeats, and the client's name. Frames pass one by one in each
direction, each after the rule of the proxy was asked about it.
"""

from __future__ import annotations

import asyncio
import struct
from types import TracebackType
from typing import NamedTuple, Self

from tests.support.closing import close_listener
from tests.support.kafka_broker import Broker

from fast_sse.model.message import CONTROL_PREFIX

PRODUCE, FETCH, OFFSET_COMMIT = 0, 1, 8

_LENGTH = struct.Struct(">i")
#: API, version, correlation id, length of the client's name (negative for none).
_HEAD = struct.Struct(">hhih")


class Request(NamedTuple):
    """One request: its API, the number that its reply repeats, the client's `client.id`, and whether it writes what the hub
    says for itself: a control entry, such as a turn of dead letters.
    """

    api: int
    number: int
    client: str
    control: bool = False


class CutError(Exception):
    """Raised by a rule: the connection is reset on both sides."""


class Rule:
    """What befalls frames. This one lets all pass; a rule of a test overrides what it is about.

    A method that waits holds up what follows in that direction of that connection.
    """

    async def asked(self, request: Request) -> None:
        """Before a request goes to the broker. Raises CutError."""

    async def answered(self, request: Request) -> None:
        """Before the reply to a request goes to the client. Raises CutError."""

    def lost(self, request: Request) -> None:
        """The connection ended, and the reply to this request did not reach the client."""


class KafkaProxy:
    """Stands on the detour of a broker. `async with` runs it; a client comes by `bootstrap`."""

    def __init__(self, broker: Broker, rule: Rule) -> None:
        assert broker.detour is not None, "the broker has no listener for a proxy"
        self.target, self.address = broker.detour
        self.rule = rule
        self._server: asyncio.Server | None = None
        self._joined: list[asyncio.Task[None]] = []

    @property
    def bootstrap(self) -> str:
        """What a client is given as `bootstrap.servers`."""
        return "{}:{}".format(*self.address)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._joined.append(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._join(reader, writer)
        except* (CutError, OSError, asyncio.IncompleteReadError):
            writer.transport.abort()  # the end of a connection, by the rule or by one of its sides
        finally:
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass frames until either side, or the rule, ends it; raises what did, in a group."""
        broker_reader, broker_writer = await asyncio.open_connection(*self.target)
        under_way: dict[int, Request] = {}
        try:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._requests(reader, broker_writer, under_way))
                directions.create_task(self._replies(broker_reader, writer, under_way))
        finally:
            writer.transport.abort()
            broker_writer.transport.abort()
            for request in under_way.values():
                self.rule.lost(request)

    async def _requests(
        self, client: asyncio.StreamReader, broker: asyncio.StreamWriter, under_way: dict[int, Request]
    ) -> None:
        while True:
            frame = await _frame(client)
            request = request_of(frame)
            under_way[request.number] = request
            await self.rule.asked(request)
            await _pass(frame, broker)

    async def _replies(
        self, broker: asyncio.StreamReader, client: asyncio.StreamWriter, under_way: dict[int, Request]
    ) -> None:
        while True:
            frame = await _frame(broker)
            (number,) = _LENGTH.unpack_from(frame)
            await self.rule.answered(under_way[number])
            await _pass(frame, client)
            del under_way[number]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, *self.address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        await close_listener(self._server)
        for task in self._joined:
            task.cancel()
        ends = await asyncio.gather(*self._joined, return_exceptions=True)
        await self._server.wait_closed()
        defects = [end for end in ends if isinstance(end, Exception)]
        if defects:
            raise ExceptionGroup("a rule of the proxy, or the proxy itself, failed", defects)


def request_of(frame: bytes) -> Request:
    """What a frame of a client asks."""
    api, _version, number, length = _HEAD.unpack_from(frame)
    name = frame[_HEAD.size : _HEAD.size + max(0, length)].decode()
    return Request(api, number, name, api == PRODUCE and CONTROL_PREFIX.encode() in frame)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return await reader.readexactly(length)


async def _pass(frame: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(_LENGTH.pack(len(frame)) + frame)
    await writer.drain()
