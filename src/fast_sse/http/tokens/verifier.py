"""From the text of a token to the right that it gives.

Cheap checks come first: size, form, algorithm, key. PyJWT then verifies the signature, the issuer and the audience; times and channels are
judged by `model/right.py`, which knows the hub's clock. What a token names, its `alg` and its `kid`, is compared with what is
there, and never used to fetch, to open or to choose anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jwt
import msgspec
from jwt.exceptions import (
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    MissingRequiredClaimError,
    PyJWTError,
)

from fast_sse.http.tokens.keys import Key
from fast_sse.http.tokens.source import KeySource
from fast_sse.model.errors import OverloadedError
from fast_sse.model.limits import KIB
from fast_sse.model.right import Right, refuse, right_of_claims

#: Characters of a token; a head of a request has room for one such.
TOKEN_BYTES_MAX = 8 * KIB
_RETRY_AFTER_S = 2

#: Times are ours to judge: they take the clock of the hub. The others are never asked for.
_OPTIONS: Any = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_sub": False,
    "verify_jti": False,
}
_REASONS: dict[type[PyJWTError], str] = {
    InvalidSignatureError: "wrong",
    InvalidIssuerError: "issuer",
    InvalidAudienceError: "audience",
}


class Issuer(msgspec.Struct, frozen=True, kw_only=True):
    """Whose tokens are taken, and for whom they must be made.

    Attributes:
        name: `iss`.
        audience: `aud`, or one of it.
        claim: the one that lists channels.
        leeway_s: that its clock may differ.
    """

    name: str
    audience: str
    claim: str
    leeway_s: float


class Verifier:
    """Reads the tokens of one issuer.

    Attributes:
        leeway_s: that its clock may differ.
        source: its keys.
    """

    def __init__(self, issuer: Issuer, source: KeySource) -> None:
        self.leeway_s = issuer.leeway_s
        self.source = source
        self._issuer = issuer

    def read(self, token: str, now: float) -> Right:
        """The right that a token gives; its time may be over.

        Raises:
            UnauthorizedError: it gives none.
            OverloadedError: its key may be here in a moment.
        """
        if len(token) > TOKEN_BYTES_MAX:
            refuse("oversized")
        key, algorithm = self._key(_header(token))
        issuer = self._issuer
        try:
            claims = jwt.decode(
                token,
                key.material,
                algorithms=[algorithm],
                audience=issuer.audience,
                issuer=issuer.name,
                options=_OPTIONS,
            )
        except MissingRequiredClaimError as error:
            refuse({"iss": "issuer", "aud": "audience"}.get(error.claim, "claim"))
        except PyJWTError as error:
            refuse(_REASONS.get(type(error), "malformed"))
        except (ValueError, TypeError, RecursionError):
            refuse("malformed")
        mark = self._mark(key)
        return right_of_claims(claims, issuer.claim, now=now, leeway_s=issuer.leeway_s, mark=mark)

    def stands(self, mark: str) -> bool:
        """Whether the key that a right came by is still one of this issuer."""
        return any(mark == self._mark(key) for key in self.source.known())

    def _mark(self, key: Key) -> str:
        return f"{key.mark} {self._issuer.name} {self._issuer.audience} {self._issuer.claim}"

    def _key(self, header: dict[str, Any]) -> tuple[Key, str]:
        """The key that a header names, and the algorithm, which the key is for."""
        algorithm, kid = header.get("alg"), header.get("kid")
        if "crit" in header or not isinstance(algorithm, str) or not isinstance(kid, str | None):
            refuse("malformed")
        named = self._named(kid)
        if not named:
            if (kid is not None or not self.source.known()) and self.source.more():
                raise OverloadedError(
                    "keys of tokens are being fetched", retry_after_s=_RETRY_AFTER_S, reason="keys_awaited"
                )
            refuse("unknown_kid")
        key = next((key for key in named if algorithm in key.algorithms), None)
        if key is None:
            refuse("algorithm")
        return key, algorithm

    def _named(self, kid: str | None) -> Sequence[Key]:
        """The keys that a token may be signed with. A key without a name is for every token, and is the only one."""
        known = self.source.known()
        only = known if len(known) == 1 and (kid is None or not known[0].kid) else ()
        return only or [key for key in known if key.kid and key.kid == kid]


def _header(token: str) -> dict[str, Any]:
    try:
        return jwt.get_unverified_header(token)
    except (PyJWTError, ValueError, TypeError, RecursionError):
        refuse("malformed")
