"""What a head must be beside well-formed: the checks that llhttp leaves to its user. Pure.

A request that two HTTP implementations could frame differently is refused (request smuggling, CWE-444; RFC 9112 §6.3,
§11.2): here stand the form of the target, Host, and any transfer coding but `chunked`.
"""

from __future__ import annotations

import re
from typing import Final

from fast_sse.http.message import Intake
from fast_sse.model.errors import BadRequestError

#: Headers that say how a request is framed and where it goes: a server reads these itself.
FRAMING: Final = frozenset({"content-length", "expect", "host", "transfer-encoding", "upgrade"})
#: Of these there is one Host: two would be two requests.
_SINGLE: Final = frozenset({"host"})

# RFC 3986 §3.2 without user information; empty is allowed (RFC 9112 §3.2).
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?").fullmatch
# The absolute form, which a server must take from any client (RFC 9112 §3.2.2); no user information (RFC 9110 §4.2.4).
_ORIGIN: Final = re.compile(rb"(?i:https?)://[^/?#@]+(?=[/?]|$)").match

#: The length of a body in chunks.
CHUNKED: Final = -1


class Kept:
    """What is kept of a head and its body: one value for all requests of a listener.

    Attributes:
        names: of headers, in lower case; any other one is dropped.
        spelt: the same by the bytes of the name, as it is often spelt or in lower case.
        single: names that may stand once.
        bodies: path to the bytes that its body may have, where that is not the bound of a message.
    """

    __slots__ = ("bodies", "names", "single", "spelt")

    def __init__(self, intake: Intake) -> None:
        self.names = FRAMING | intake.headers
        self.spelt = {text.encode(): name for name in self.names for text in (name, name.title())}
        self.single = _SINGLE | intake.single
        self.bodies = {path.encode(): most for path, most in intake.bodies.items()}


def repeated(name: str) -> BadRequestError:
    """The error for a second header of which there is one."""
    return BadRequestError(f"malformed request: more than one {name.title()}")


def checked_target(method: bytes, target: bytes) -> bytes:
    """Path and query of a target. Raises BadRequestError when it is not an absolute path without empty segments."""
    if target[:1] != b"/":
        target = _origin_form(target)
    path = target.partition(b"?")[0]
    if path[:1] != b"/" or b"//" in path or b"#" in target or method == b"CONNECT":
        raise BadRequestError("the path must begin with / and have no empty segment")
    return target


def _origin_form(target: bytes) -> bytes:
    """Path and query of a target in absolute form; any other one as it is."""
    origin = _ORIGIN(target)
    if origin is None:
        return target
    rest = target[origin.end() :]
    return rest if rest[:1] == b"/" else b"/" + rest


def check_host(host: str | None, *, http11: bool) -> None:
    """Raise BadRequestError unless there is one valid Host, or none in HTTP/1.0."""
    if (host is None and http11) or (host is not None and not _HOST(host)):
        raise BadRequestError("the request needs exactly one valid Host header")


def announced_bytes(headers: dict[str, str], *, http11: bool) -> int:
    """The length of the body: 0 for none, CHUNKED when no length is given. Raises BadRequestError when it is ambiguous.

    Any transfer coding but plain `chunked` is refused, and chunked in HTTP/1.0 is faulty (RFC 9112 §6.1).
    """
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked" or not http11:
            raise BadRequestError("Transfer-Encoding must be chunked, in HTTP/1.1, or absent")
        return CHUNKED
    return int(headers.get("content-length", "0"))


def waits_for_continue(headers: dict[str, str], *, http11: bool) -> bool:
    """Whether the client waits for 100 before it sends its body. Raises BadRequestError for any other expectation."""
    if "expect" not in headers or not http11:
        return False
    if headers["expect"].lower() != "100-continue":
        raise BadRequestError("Expect must be 100-continue, or absent")
    return True


def framing_head(headers: dict[str, str]) -> bytes:
    """A head that says nothing but how the body after `headers` is framed."""
    length = headers.get("content-length")
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n".encode("latin-1")
