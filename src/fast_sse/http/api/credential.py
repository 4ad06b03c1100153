"""What a request shows for its right to read: a signature, a token, or the word of the application around the hub.

A signature counts before a token, and a header before the query, which is there for `EventSource`: it cannot send headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fast_sse.http.message import Request
from fast_sse.model.right import Right

_BEARER = "bearer "


class Credential(NamedTuple):
    """As it came, unchecked but for `right`, which came from code of this process; empty is absent."""

    signature: str = ""
    in_query: bool = False
    token: str = ""
    right: Right | None = None

    @property
    def is_absent(self) -> bool:
        """Whether there is nothing to check."""
        return not (self.signature or self.token or self.right)


def credential_of(request: Request, fields: Mapping[str, str]) -> Credential:
    """What a request shows. `fields`: of its query."""
    headers = request.headers
    if (signature := headers.get("x-signature")) is not None:
        return Credential(signature)
    if signature := fields.get("signature"):
        return Credential(signature, in_query=True)
    return Credential(
        "", True, _bearer(headers.get("authorization")) or fields.get("token", ""), request.right
    )


def _bearer(header: str | None) -> str:
    """The token of an Authorization header (RFC 6750 §2.1); empty for any other."""
    if header is None or header[: len(_BEARER)].lower() != _BEARER:
        return ""
    return header[len(_BEARER) :].strip()
