"""Who may do what on this hub: the keyring, the allow-lists, and where a signature may stand.

All of it is one frozen value that the endpoints hold, so that a reload swaps it whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fast_sse.model.channel import WILDCARD, Channel, Filter
from fast_sse.model.errors import ForbiddenError, GrantEndedError, UnauthorizedError
from fast_sse.model.signature import Grant, Keyring, Scope, awaits_body, still_stands, verify


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Rules of access.

    Attributes:
        keyring: the secrets.
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
            if not self.allows(channels):
                raise UnauthorizedError(error.message, reason="allow_list") from error
            raise
        if self.allowed_event_ids is not None or self.allowed_event_types is not None:
            for channel in channels:
                self.check(channel)
        return grant

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
        return self.allows(wanted.patterns) and isinstance(right, Grant) and still_stands(right, self.keyring)

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
