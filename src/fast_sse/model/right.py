"""A right to read that lists its channels: what it covers, and what the claims of a token come to.

A signature is for the channels that are asked for. A token, or the application around the hub, lists what may be read, and a
stream asks for some of that. A pattern of the list covers what is asked for when each half is the same or is `*` in the
list: `user42/*` covers `user42/mail`, and only a `*` covers a `*`.

Who signed a token, and for whom, is checked where there is a library for it (`http/tokens`). What is left is judged here, where
the time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, TypeGuard

import msgspec

from fast_sse.model.channel import WILDCARD, Channel, channel_of
from fast_sse.model.errors import BadChannelError, GrantEndedError, OverloadedError, UnauthorizedError

REFUSAL = "missing, wrong or expired signature"
#: Past any token's time, and far from what a float cannot hold (RFC 7519 §2: seconds since 1970).
_TIME_MAX = 1e12
_RETRY_AFTER_S = 2


class Right(msgspec.Struct, frozen=True):
    """What may be read, and until when.

    Attributes:
        patterns: channels, wildcards included.
        ends_at: Unix seconds; None for no end.
        mark: tells what verified it; empty for the word of the application around the hub.
        undecided: it is not known what may be read, so nobody is refused for good.
    """

    patterns: tuple[Channel, ...]
    ends_at: float | None = None
    mark: str = ""
    undecided: bool = False

    def check(self, channels: Iterable[Channel], *, now: float, leeway_s: float = 0.0) -> None:
        """Raise UnauthorizedError unless it covers all channels, and GrantEndedError if it does and its time is over.

        Raises OverloadedError where it is undecided.
        """
        if self.undecided:
            raise OverloadedError(
                "the application could not say what may be read",
                retry_after_s=_RETRY_AFTER_S,
                reason="undecided",
            )
        for wanted in channels:
            if not any(_covers(pattern, wanted) for pattern in self.patterns):
                refuse("channel")
        if self.ends_at is not None and now >= self.ends_at + leeway_s:
            raise GrantEndedError(REFUSAL, reason="expired")


#: Of a request whose application failed to say what it may read.
UNDECIDED = Right((), undecided=True)


def right_of_claims(claims: Mapping[str, Any], name: str, *, now: float, leeway_s: float, mark: str) -> Right:
    """The right that claims list under `name`. Their `iss` and `aud` are right, and `exp` may be over.

    Raises UnauthorizedError: a claim is missing or is no such thing, or the time of the token has not come.
    """
    ends_at = _time(claims, "exp")
    if ends_at is None:
        refuse("claim")
    for begin in ("nbf", "iat"):
        at = _time(claims, begin)
        if at is not None and at > now + leeway_s:
            refuse("not_yet")
    return Right(_patterns(_found(claims, name)), ends_at, mark)


def is_time(value: object) -> TypeGuard[int | float]:
    """Whether it is Unix seconds: no text, no milliseconds, no NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _TIME_MAX


def refuse(reason: str) -> NoReturn:
    """Raise UnauthorizedError, with the word for operators."""
    raise UnauthorizedError(REFUSAL, reason=reason)


def _covers(pattern: Channel, wanted: Channel) -> bool:
    return all(mine in (half, WILDCARD) for mine, half in zip(pattern, wanted, strict=True))


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate; None where there is none."""
    value = claims.get(name)
    if value is None:
        return None
    if not is_time(value):
        refuse("claim")
    return float(value)


def _found(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of this name, or else what stands at the end of the path that its dots make."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _patterns(listed: Any) -> tuple[Channel, ...]:
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        refuse("claim")
    try:
        return tuple(map(channel_of, listed))
    except BadChannelError:
        refuse("claim")
