"""The wire form that a request asks for: `?prime=`, `?heartbeat=`, `?compression=`, and what its client can unpack.

A proxy may strip `Accept-Encoding`. Then `auto` sends plain text, which everybody reads; `stream` trusts whoever asked for it,
because a request without that header takes any encoding (RFC 9110, 12.5.3). Both answer plain text to a client that says no.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, TypeVar

from fast_sse.http.message import Request
from fast_sse.hub.form import Body, Form, Heartbeat, Prime
from fast_sse.model.channel import Channel, Filter, matches
from fast_sse.model.errors import BadRequestError

T = TypeVar("T")

#: Fields of a head.
Fields = tuple[tuple[str, str], ...]
#: What is compressed: nothing, messages, the stream, or the stream where its client says that it takes gzip.
Compression = Literal["off", "payload", "stream", "auto"]
#: What a request says of gzip.
Said = Literal["yes", "no", "nothing"]

#: What may stand in `?prime=`, `?heartbeat=` and `?compression=`.
_PRIMES: dict[str, Prime] = {"event": "event", "id": "id", "0": "off"}
_HEARTBEATS: dict[str, Heartbeat] = {"comment": "comment", "event": "event"}
_COMPRESSIONS: dict[str, Compression] = {
    "off": "off",
    "payload": "payload",
    "stream": "stream",
    "auto": "auto",
}

#: The heads of streams, by what was decided and what that depended on.
_VARY = ("Vary", "Accept-Encoding")
_GZIP = ("Content-Encoding", "gzip")


class Forms:
    """The forms of a hub's streams.

    Args:
        prime, compression: for a request that names none.
        secret: channels that are never compressed, wildcards included.
    """

    def __init__(
        self,
        prime: Prime = "event",
        compression: Compression = "off",
        secret: Collection[Channel] = (),
    ) -> None:
        self._prime = prime
        self._compression = compression
        self._secret = tuple(secret)

    def of(self, request: Request, wanted: Filter, fields: Mapping[str, str]) -> tuple[Form, Fields]:
        """The form of a stream, and what its head says of that. Raises BadRequestError naming the field."""
        prime = _one_of(_PRIMES, "prime", fields, self._prime)
        heartbeat = _one_of(_HEARTBEATS, "heartbeat", fields, "comment")
        compression = _one_of(_COMPRESSIONS, "compression", fields, self._compression)
        body: Body = "plain"
        if compression != "off" and not self._is_secret(wanted):
            body = _body(compression, request.headers.get("accept-encoding"))
        form = Form(request.http11, prime, heartbeat, body)
        if body == "gzip":
            return form, (_GZIP, _VARY)
        return form, (_VARY,) if compression in ("stream", "auto") else ()

    def _is_secret(self, wanted: Filter) -> bool:
        """Whether a stream may carry what is never compressed."""
        return any(matches(secret, pattern) for secret in self._secret for pattern in wanted.patterns)


def _one_of(known: Mapping[str, T], name: str, fields: Mapping[str, str], default: T) -> T:
    """The value of a field that takes one of a few words. Raises BadRequestError."""
    if name not in fields:
        return default
    if fields[name] not in known:
        *most, last = known
        raise BadRequestError(f"{name} must be {', '.join(most)} or {last}")
    return known[fields[name]]


def _body(compression: Compression, accepted: str | None) -> Body:
    if compression == "payload":
        return "payload"
    said = says_of_gzip(accepted)
    return "gzip" if said == "yes" or (said == "nothing" and compression == "stream") else "plain"


def says_of_gzip(accepted: str | None) -> Said:
    """What `Accept-Encoding` says of gzip (RFC 9110, 12.5.3): its own entry counts, else that of `*`."""
    if accepted is None:
        return "nothing"
    found: dict[str, bool] = {}
    for entry in accepted.lower().split(","):
        coding, _, weight = entry.partition(";")
        found[coding.strip()] = _counts(weight)
    for coding in ("gzip", "x-gzip", "*"):
        if coding in found:
            return "yes" if found[coding] else "no"
    return "no"


def _counts(weight: str) -> bool:
    """Whether a weight such as `q=0.5` is above zero. What cannot be read is a no."""
    name, _, value = weight.replace(" ", "").replace("\t", "").partition("=")
    if not name:
        return True
    try:
        return name == "q" and float(value) > 0
    except ValueError:
        return False
