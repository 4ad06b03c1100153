"""A moment to begin at, as a client writes it: `?since=`.

    1764417600000            milliseconds since 1970
    2026-11-29T12:00:00Z     RFC 3339 §5.6, with an offset
    90s  15m  2h  1d         an age: so long before now

Seconds since 1970 are the usual mistake. They would mean January 1970, and so everything that is retained; they are
refused, with the unit in the answer. A form decodes `+` to a space, so a space before an offset counts as `+`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec

from fast_sse.model.errors import BadRequestError

#: March 1973 in milliseconds, and 5138 in seconds: a smaller number is not meant as milliseconds.
MILLISECONDS_MIN = 10**11
_NUMBER = re.compile(r"[0-9]{1,20}\Z")
_AGE = re.compile(r"([0-9]{1,9})([smhd])\Z")
_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_RFC_3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+\- ])([01]\d|2[0-3]):([0-5]\d))\Z",
    re.ASCII,
)
_LEAP_SECOND = 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(msgspec.Struct, frozen=True):
    """A time in milliseconds since 1970 or, when `is_age`, so many milliseconds before now. `text` is as it was sent."""

    text: str
    ms: int
    is_age: bool = False

    def at(self, now_ms: int) -> int:
        """Milliseconds since 1970, never below 0."""
        return max(0, now_ms - self.ms) if self.is_age else self.ms


def parse_moment(text: str) -> Moment:
    """Read a moment.

    Raises:
        BadRequestError: none of the three forms, or a number that is too small for milliseconds.
    """
    if _NUMBER.match(text):
        if int(text) < MILLISECONDS_MIN:
            raise BadRequestError("since is too small a number: it is in milliseconds since 1970")
        return Moment(text, int(text))
    if (age := _AGE.match(text)) is not None:
        return Moment(text, int(age[1]) * _UNITS_MS[age[2]], is_age=True)
    if (parts := _RFC_3339.match(text)) is not None:
        return Moment(text, _milliseconds(parts))
    raise BadRequestError(
        "since must be milliseconds since 1970, an RFC 3339 time such as 2026-11-29T12:00:00Z, or an age such as 15m"
    )


def _milliseconds(parts: re.Match[str]) -> int:
    day, minute, second, fraction, sign, hours, minutes = parts.groups()
    leap = int(second) == _LEAP_SECOND  # RFC 3339 §5.7 allows one; clocks that count milliseconds have none
    try:
        naive = datetime.fromisoformat(f"{day}T{minute}:{'59' if leap else second}")
    except ValueError as error:
        raise BadRequestError(f"since is not a time that exists: {error}") from error
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    local = (naive.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1) + leap * 1000
    local += int((fraction or "0").ljust(3, "0")[:3])
    ahead = offset // timedelta(milliseconds=1)
    return max(0, local + ahead if sign == "-" else local - ahead)
