"""What to send to a server: the only place where servers differ, so that everything else is one code.

A target travels as JSON from the process that starts a server to the generator's own process.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

#: Marks the time of sending inside a payload: 20 digits of `time.monotonic_ns`, in quotes, follow.
STAMP_MARK = b'"t":"'
STAMP_DIGITS = 20


class LoadError(Exception):
    """The load could not be made as asked: a refused connection, a wrong status, a closed stream."""


@dataclass(frozen=True)
class Target:
    """A server under load, and the process whose CPU time and memory are its cost.

    Paths and headers are complete (signed, where a server wants that); `body_prefix` and `body_suffix` wrap
    one JSON value into what its publish route takes. `needle` starts the data of one event on the wire.
    """

    name: str
    host: str
    port: int
    pid: int
    subscribe_path: str
    publish_path: str
    subscribe_headers: dict[str, str]
    publish_headers: dict[str, str]
    body_prefix: str = ""
    body_suffix: str = ""
    needle: str = "\ndata: "

    def to_json(self) -> str:
        """One line that `from_json` reads back."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Target:
        """The target that `to_json` wrote."""
        return cls(**json.loads(text))

    def subscribe_request(self) -> bytes:
        """A whole GET."""
        return self._head("GET", self.subscribe_path, self.subscribe_headers) + b"\r\n"

    def publish_request(self, payload: bytes) -> bytes:
        """A whole POST that publishes one JSON value; HTTP/1.1, so the connection stays open."""
        body = self.body_prefix.encode() + payload + self.body_suffix.encode()
        head = self._head("POST", self.publish_path, self.publish_headers)
        return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)

    def _head(self, method: str, path: str, headers: dict[str, str]) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n").encode()


def payload(now_ns: int, size_bytes: int) -> bytes:
    """A JSON object of exactly `size_bytes` that carries the time; filled with a byte no needle contains."""
    start = b"{%b%020d" % (STAMP_MARK, now_ns)
    fill = size_bytes - len(start) - len(b'","p":""}')
    if fill < 0:
        raise ValueError(f"a payload takes at least {size_bytes - fill} bytes")
    return b'%b","p":"%b"}' % (start, b"x" * fill)


def stamp_at(buffer: bytearray, start: int, end: int) -> tuple[int, int]:
    """The next time stamp in buffer[start:end] and where to look on; (-1, end) when none is complete there."""
    at = buffer.find(STAMP_MARK, start, end)
    digits = at + len(STAMP_MARK)
    if at < 0 or digits + STAMP_DIGITS > end:
        return -1, end
    return int(buffer[digits : digits + STAMP_DIGITS]), digits + STAMP_DIGITS
