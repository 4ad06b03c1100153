"""An answer that comes before the request is whole: who refuses a body may close while it is still being sent.

What was received before the cut can be read after it, which an asyncio transport does not do; a plain socket does.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from tests.support.http1 import ANSWER_S, Address, Dechunker, Reply, parse_head, request_bytes


async def request_early(
    address: Address, method: str, target: str, headers: dict[str, str], body: bytes
) -> Reply:
    """One request on a connection of its own; the answer counts, whether or not all of it was taken."""
    raw = request_bytes(method, target, {**headers, "Connection": "close"}, body)
    answer = await asyncio.to_thread(_exchange, address, raw)
    head, _, rest = answer.partition(b"\r\n\r\n")
    status, found = parse_head(head)
    chunked = found.get("transfer-encoding") == "chunked"
    return Reply(status, found, Dechunker().feed(rest) if chunked else rest)


def _exchange(address: Address, raw: bytes) -> bytes:
    answer = b""
    with socket.create_connection(address, ANSWER_S) as plug:
        with suppress(BrokenPipeError, ConnectionResetError):
            plug.sendall(raw)
        with suppress(ConnectionResetError):
            while data := plug.recv(1 << 16):
                answer += data
    return answer
