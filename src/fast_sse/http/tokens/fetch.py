"""A key set from its https address. It blocks, so it runs on a thread of its own.

The address is the operator's, and so is what may come of it: no other scheme, no redirect (CWE-918), a bounded answer, and one deadline
for all of it, so that a server which dribbles holds no thread for long.
"""

from __future__ import annotations

import ssl
import time
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from fast_sse import __version__
from fast_sse.model.limits import KIB

DEADLINE_S = 5.0
SET_BYTES_MAX = 256 * KIB
_PIECE_BYTES = 16 * KIB


def _context(until_s: float) -> ssl.SSLContext:
    """Trusts what this machine trusts; on its connections every read ends at `until_s` at the latest.

    A timeout alone bounds one read, and a head has as many of them as its server likes.
    """

    class Socket(ssl.SSLSocket):
        def recv_into(self, *given: Any, **more: Any) -> int:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("the answer took too long")
            self.settimeout(left_s)
            return super().recv_into(*given, **more)

    context = ssl.create_default_context()
    context.sslsocket_class = Socket
    return context


class FetchError(Exception):
    """There is no set; the words say why, without the address."""


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_given: Any, **_more: Any) -> None:
        """None makes the redirect an error."""


def fetch(url: str, deadline_s: float = DEADLINE_S) -> bytes:
    """What stands at the address. Raises FetchError."""
    if not url.startswith("https://"):
        raise FetchError("the address is not https")
    until_s = time.monotonic() + deadline_s
    opener = build_opener(HTTPSHandler(context=_context(until_s)), _NoRedirects)
    accept = "application/jwk-set+json, application/json"
    request = Request(url, headers={"Accept": accept, "User-Agent": f"fast-sse/{__version__}"})  # noqa: S310  https, see above
    pieces, size = [], 0
    try:
        with opener.open(request, timeout=deadline_s) as answer:
            while piece := answer.read1(_PIECE_BYTES):
                pieces.append(piece)
                size += len(piece)
                if size > SET_BYTES_MAX:
                    raise FetchError(f"the answer is larger than {SET_BYTES_MAX} bytes")
    except HTTPError as error:
        error.close()  # an answer that is refused holds its connection until somebody closes it
        raise FetchError(str(error)) from error
    except (OSError, HTTPException, ValueError) as error:
        raise FetchError(str(error) or type(error).__name__) from error
    return b"".join(pieces)
