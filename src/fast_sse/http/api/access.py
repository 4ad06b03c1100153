"""Who may do what on this hub: the keyring, the tokens, the allow-lists, and where a signature may stand.

All of it is one frozen value that the endpoints hold, so that a reload swaps it whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from fast_sse.http.api.credential import Credential
from fast_sse.model.channel import WILDCARD, Channel, Filter
from fast_sse.model.errors import ForbiddenError, GrantEndedError, UnauthorizedError
from fast_sse.model.right import Right
from fast_sse.model.signature import Grant, Keyring, Scope, awaits_body, still_stands, verify


class Tokens(Protocol):
    """Reads tokens of an identity provider."""

    leeway_s: float

    def read(self, token: str, now: float) -> Right:
        """The right that a token gives; its time may be over. Raises UnauthorizedError, OverloadedError."""

    def stands(self, mark: str) -> bool:
        """Whether a token that gave a right of this mark would still verify."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Rules of access.

    Attributes:
        keyring: the secrets.
        tokens: what reads tokens; None where they are not taken.
        allowed_event_ids: first segments that may be used; None allows all, an empty set none, `*` in it every
            segment, wildcards included.
        allowed_event_types: the same for second segments.
        v1_query: whether a v1 signature may stand in the query. It never expires, and URLs end up in histories and
            logs, so it would be a lasting right. True only where v1 cannot publish, and in a demo.
    """

    keyring: Keyring
    allowed_event_ids: frozenset[str] | None = None
    allowed_event_types: frozenset[str] | None = None
    v1_query: bool = False
    tokens: Tokens | None = None

    def grant(
        self,
        signature: str,
        scope: Scope,
        channels: Sequence[Channel],
        *,
        body: bytes | None,
        now: float,
        in_query: bool = False,
    ) -> Grant:
        """Verify a signature and the allow-lists.

        Raises:
            UnauthorizedError: see `model.signature.verify`; also a v1 signature in a query that may not hold one.
            GrantEndedError: a right subscribe signature that has expired, for channels that the lists still allow.
            ForbiddenError: a right signature for what its scope, the v1 mode or a list does not allow.
        """
        if in_query and not self.v1_query and not signature.startswith("v2."):
            reason = "v1" if signature else "missing"
            raise UnauthorizedError("missing, wrong or expired signature", reason=reason)
        try:
            grant = verify(signature, scope, channels, body=body, now=now, keyring=self.keyring)
        except GrantEndedError as error:
            self._check_ended(error, channels)
            raise
        if self.allowed_event_ids is not None or self.allowed_event_types is not None:
            for channel in channels:
                self.check(channel)
        return grant

    def reader(self, shown: Credential, channels: Sequence[Channel], *, now: float) -> Grant:
        """The grant to read these channels, by whatever a request shows for it.

        Raises:
            UnauthorizedError: it shows nothing, or nothing that is right for all of them.
            GrantEndedError: what it shows is right for them and has ended, and the lists still allow them.
            ForbiddenError: as `grant`.
            OverloadedError: the key of its token may be here in a moment.
        """
        if self.asks_around(shown):
            if shown.right is None:
                raise UnauthorizedError("missing, wrong or expired signature", reason="missing")
            return self._listed(shown.right, channels, now, "app", 0.0)
        if shown.signature or self.tokens is None:
            return self.grant(shown.signature, "sub", channels, body=None, now=now, in_query=shown.in_query)
        right = self.tokens.read(shown.token, now)
        return self._listed(right, channels, now, "jwt", self.tokens.leeway_s)

    def check_token(self, shown: Credential, *, now: float) -> None:
        """Raise as `reader` does where a request shows a token that is right for no channel."""
        if shown.token and not shown.signature and self.tokens is not None:
            self.tokens.read(shown.token, now)

    def asks_around(self, shown: Credential) -> bool:
        """Whether a request shows nothing that the hub judges, so that the application around it may say what it may read."""
        return not shown.signature and not (shown.token and self.tokens is not None)

    def _listed(
        self,
        right: Right,
        channels: Sequence[Channel],
        now: float,
        scheme: Literal["jwt", "app"],
        leeway_s: float,
    ) -> Grant:
        """The grant of a right that lists its channels."""
        try:
            right.check(channels, now=now, leeway_s=leeway_s)
        except GrantEndedError as error:
            self._check_ended(error, channels)
            raise
        for channel in channels:
            self.check(channel)
        return Grant("sub", scheme, scheme, expires_at=right.ends_at, secret_mark=right.mark)

    def _check_ended(self, error: GrantEndedError, channels: Sequence[Channel]) -> None:
        """Raise UnauthorizedError for channels that the lists do not allow: nobody comes back to those."""
        if not self.allows(channels):
            raise UnauthorizedError(error.message, reason="allow_list") from error

    def foresee(self, signature: str, scope: Scope, channels: Sequence[Channel], *, now: float) -> bool:
        """Judge the signature of a request whose body is still on its way.

        True when the signature is right already; False when only the body can show whether it is. Raises as `grant` does
        when no body can make it right.
        """
        if awaits_body(signature, now=now, keyring=self.keyring):
            return False
        self.grant(signature, scope, channels, body=None, now=now)
        return True

    def stands(self, right: object, wanted: Filter) -> bool:
        """Whether a stream that was granted under earlier rules would be granted under these."""
        if not isinstance(right, Grant) or not self.allows(wanted.patterns):
            return False
        if right.scheme == "jwt":
            return self.tokens is not None and self.tokens.stands(right.secret_mark)
        return right.scheme == "app" or still_stands(right, self.keyring)

    def allows(self, channels: Sequence[Channel]) -> bool:
        """Whether the allow-lists name every one of the channels."""
        try:
            for channel in channels:
                self.check(channel)
        except ForbiddenError:
            return False
        return True

    def check(self, channel: Channel) -> None:
        """Raise ForbiddenError when an allow-list does not name the channel."""
        _check(channel.event_id, self.allowed_event_ids)
        _check(channel.event_type, self.allowed_event_types)


def _check(segment: str, allowed: frozenset[str] | None) -> None:
    if allowed is not None and segment not in allowed and WILDCARD not in allowed:
        raise ForbiddenError("this channel is not allowed here", reason="allow_list")
