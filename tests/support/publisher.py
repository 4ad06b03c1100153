"""A publisher that keeps its own history: what it asked for, what it was told, what it could not know.

Three outcomes, as the protocol names them: ok (2xx), fail (certainly not stored: 4xx and 503), unknown (504, or
no answer at all). An unknown is tried again with the same idempotency key; it is then ok once, or stays unknown.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.support.http1 import Address, Connection, CutError, Reply, request_bytes
from tests.support.sign import pct, v1

Pair = tuple[str, str]


class Attempt(NamedTuple):
    """One request: `status` 0 means that no answer came."""

    status: int
    invoked_ns: int
    done_ns: int


@dataclass
class Message:
    """One message and all that its publisher knows of it."""

    publisher: str
    n: int
    channel: Pair
    outcome: str = "unknown"
    message_id: str = ""
    duplicate: bool = False
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def payload(self) -> str:
        """Unique over the whole run."""
        return f"{self.publisher}-{self.n}"


def publish_target(channel: Pair) -> str:
    """The path that publishes to a channel."""
    return f"/v1/sse/events/{pct(channel[0])}/types/{pct(channel[1])}"


def subscribe_target(channel: Pair) -> str:
    """The path that subscribes to a channel or a wildcard."""
    segments = [segment if segment == "*" else pct(segment) for segment in channel]
    return f"/v1/subscribe/events/{segments[0]}/types/{segments[1]}"


def signed(channel: Pair) -> dict[str, str]:
    """The header that publishes and subscribes to a channel."""
    return {"x-signature": v1(*channel)}


class Publisher:
    """One keep-alive connection and one message at a time, so that its order is the order it knows.

    Args:
        name: `p0`, `p1`, ...; part of every payload and key.
        address: of the hub, or of a proxy before it; may be replaced while it runs.
        pad_bytes: text added to every message.
        keyed: whether to send idempotency keys (without them an unknown is never retried).
    """

    def __init__(self, name: str, address: Address, *, pad_bytes: int = 0, keyed: bool = True) -> None:
        self.name = name
        self.address = address
        self.pad = "x" * pad_bytes
        self.keyed = keyed
        self.history: list[Message] = []
        self.in_flight = False
        self.on_sent: Callable[[], None] | None = None
        self._connection: Connection | None = None

    async def publish(self, channel: Pair) -> Message:
        """Publish the next message, once."""
        message = Message(self.name, len(self.history), channel)
        self.history.append(message)
        await self._attempt(message)
        return message

    async def publish_surely(self, channel: Pair, within_s: float = 60.0) -> Message:
        """Publish the next message and try again with the same key until it is ok; without keys, unless it is unknown."""
        message = await self.publish(channel)
        again = ("fail", "unknown") if self.keyed else ("fail",)
        try:
            async with asyncio.timeout(within_s):
                while message.outcome in again:
                    await asyncio.sleep(0.01)
                    await self._attempt(message)
        except TimeoutError:
            raise TimeoutError(f"{message.payload} never became ok: {message.attempts[-3:]}") from None
        return message

    async def repeat(self, message: Message) -> Message:
        """Send a message again as it was."""
        await self._attempt(message)
        return message

    async def _attempt(self, message: Message) -> None:
        invoked_ns = time.monotonic_ns()
        status = 0
        try:
            reply = await self._send(message)
            status = reply.status
            self._note(message, reply)
        except (CutError, OSError):
            # Refused before a byte was sent is certain failure only where no earlier attempt is open.
            self.close()
        finally:
            self.in_flight = False
            message.attempts.append(Attempt(status, invoked_ns, time.monotonic_ns()))

    async def _send(self, message: Message) -> Reply:
        if self._connection is None:
            self._connection = await Connection.open(self.address)
        headers = {"Content-Type": "application/json", **signed(message.channel)}
        if self.keyed:
            headers["Idempotency-Key"] = f"key-{message.payload}"
        body = json.dumps({"data": self.body(message)}).encode()
        raw = request_bytes("POST", publish_target(message.channel), headers, body)
        self.in_flight = True
        return await self._connection.exchange(raw, on_sent=self.on_sent)

    def body(self, message: Message) -> Any:
        """The JSON value that subscribers must see unchanged."""
        return {"p": message.payload, "pad": self.pad} if self.pad else message.payload

    def _note(self, message: Message, reply: Reply) -> None:
        if reply.status == 200:
            data = reply.json()["data"]
            if message.outcome == "ok":
                assert data["message_id"] == message.message_id, "one key, two messages"
            message.outcome = "ok"
            message.message_id = data["message_id"]
            message.duplicate = data["duplicate"]
        elif reply.status != 504 and not any(attempt.status in (0, 504) for attempt in message.attempts):
            message.outcome = "fail"
        if reply.headers.get("connection", "").lower() == "close":
            self.close()

    def close(self) -> None:
        """Drop the connection; the next message opens another."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None


async def publish_once(address: Address, channel: Pair, data: Any, **extra: Any) -> Reply:
    """One unkeyed publish with a v1 signature on a connection of its own; `extra` are fields of the body."""
    body = json.dumps({"data": data, **extra}).encode()
    headers = {"Content-Type": "application/json", **signed(channel)}
    async with await Connection.open(address) as connection:
        return await connection.exchange(request_bytes("POST", publish_target(channel), headers, body))
