"""What to send to a server: the only place where servers differ, so that everything else is one code.

A target travels as JSON from the process that knows the server to the generator's own processes.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

import msgspec

from fast_sse.model.channel import Channel
from fast_sse.model.signature import LIFETIME_S_MAX, Scope, sign_v2

#: Marks the time of sending inside a payload: 20 digits of `time.monotonic_ns`, in quotes, follow.
STAMP_MARK = b'"t":"'
STAMP_DIGITS = 20
PAYLOAD_BYTES_MIN = 40


class LoadError(Exception):
    """The load could not be made as asked: a refused connection, a wrong status, a closed stream."""


class LoadRoute(msgspec.Struct, frozen=True):
    """One channel of a server: complete paths and headers, signed where the server wants that.

    `channel` is its name where the server is a hub; a server of another kind has none.
    """

    subscribe_path: str
    publish_path: str
    subscribe_headers: dict[str, str]
    publish_headers: dict[str, str]
    channel: tuple[str, str] | None = None


#: Of a hub: its envelope. Its own events (`fast-sse.start` and others) have data, too.
HUB_NEEDLE = '\ndata: {"data":'


class LoadTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A server under load, and the process whose CPU time and memory are its cost (`pid` 0: not known).

    `publish_port`, where it is not 0, is another node of the same hub, which takes the publishes. `body_prefix` and `body_suffix` wrap one JSON value into what its publish route takes. `needle` starts the
    data of one message on the wire, and of nothing else. With `kid` and `key` each publish is signed in format v2, which covers its
    body; without, the headers of its route are all. Batches are always signed so.
    """

    name: str
    host: str
    port: int
    publish_port: int = 0
    pid: int = 0
    routes: list[LoadRoute]
    body_prefix: str = ""
    body_suffix: str = ""
    needle: str = "\ndata: "
    authority: str = ""
    batch_path: str = ""
    load_path: str = ""
    kid: str = ""
    key: bytes = b""
    signs_publishes: bool = False

    def subscribe_request(self, route: int = 0, last_event_id: str = "") -> bytes:
        """A whole GET."""
        to = self.routes[route]
        headers = to.subscribe_headers | ({"Last-Event-ID": last_event_id} if last_event_id else {})
        return self._head("GET", to.subscribe_path, headers) + b"\r\n"

    def publish_request(self, payload: bytes, route: int = 0) -> bytes:
        """A whole POST that publishes one JSON value; HTTP/1.1, so the connection stays open."""
        to = self.routes[route]
        body = self.body_prefix.encode() + payload + self.body_suffix.encode()
        headers = to.publish_headers
        if self.signs_publishes:
            assert to.channel is not None
            headers = headers | {"x-signature": self._signature("pub", [Channel(*to.channel)], body)}
        return self._post(to.publish_path, headers, body)

    def batch_request(self, payloads: Sequence[bytes], route: int = 0) -> bytes:
        """A whole POST of NDJSON that publishes several JSON values to one channel of a hub."""
        channel = self.routes[route].channel
        assert channel is not None
        head = b'{"event_id":%b,"event_type":%b,"data":' % tuple(map(msgspec.json.encode, channel))
        body = b"\n".join(b"%b%b}" % (head, payload) for payload in payloads)
        headers = {
            "Content-Type": "application/x-ndjson",
            "x-signature": self._signature("batch", (), body),
        }
        return self._post(self.batch_path, headers, body)

    def load_request(self, event_id: str, size_kib: int) -> bytes:
        """A whole POST to the load route: the hub makes a body of that size itself, as in the original's test."""
        body = msgspec.json.encode({"event_id": event_id, "body_size": size_kib})
        return self._post(self.load_path, {"Content-Type": "application/json"}, body)

    def _signature(self, scope: Scope, channels: Sequence[Channel], body: bytes) -> str:
        iat = int(time.time())
        exp, nonce = iat + LIFETIME_S_MAX[scope], secrets.token_urlsafe(16)
        return sign_v2(self.key, self.kid, scope, channels, body=body, iat=iat, exp=exp, nonce=nonce)

    def _post(self, path: str, headers: dict[str, str], body: bytes) -> bytes:
        return b"%bContent-Length: %d\r\n\r\n%b" % (self._head("POST", path, headers), len(body), body)

    def _head(self, method: str, path: str, headers: dict[str, str]) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.authority or f'{self.host}:{self.port}'}"]
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
