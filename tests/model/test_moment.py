"""Moments: three spellings, one meaning, and the usual mistake refused by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_sse.model.errors import BadRequestError
from fast_sse.model.moment import MILLISECONDS_MIN, parse_moment

NOW = 1_795_000_000_000


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1764417600000", 1_764_417_600_000),
        (str(MILLISECONDS_MIN), MILLISECONDS_MIN),
        ("9" * 20, int("9" * 20)),
        ("2025-11-29T12:00:00Z", 1_764_417_600_000),
        ("2025-11-29t12:00:00z", 1_764_417_600_000),
        ("2025-11-29 12:00:00Z", 1_764_417_600_000),
        ("2025-11-29T12:00:00.5Z", 1_764_417_600_500),
        ("2025-11-29T12:00:00.123456789Z", 1_764_417_600_123),
        ("2025-11-29T13:30:00+01:30", 1_764_417_600_000),
        ("2025-11-29T13:30:00 01:30", 1_764_417_600_000),
        ("2025-11-29T04:00:00-08:00", 1_764_417_600_000),
        ("2025-11-29T11:59:60Z", 1_764_417_600_000),
        ("1960-01-01T00:00:00Z", 0),
        ("90s", NOW - 90_000),
        ("15m", NOW - 900_000),
        ("2h", NOW - 7_200_000),
        ("1d", NOW - 86_400_000),
        ("0s", NOW),
        ("999999999d", 0),
    ],
)
def test_a_moment_is_milliseconds_since_1970(text: str, ms: int) -> None:
    """Numbers are milliseconds, times have an offset, ages are counted back from now and end in 1970."""
    assert parse_moment(text).at(NOW) == ms
    assert parse_moment(text).text == text


@pytest.mark.parametrize("text", ["0", "1764417600", str(MILLISECONDS_MIN - 1)])
def test_seconds_are_refused_by_name(text: str) -> None:
    """They would mean January 1970, and so everything; the answer says which unit is meant."""
    with pytest.raises(BadRequestError, match="milliseconds"):
        parse_moment(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "yesterday",
            "-5m",
            "5",
            "1.5h",
            "15 m",
            "15M",
            "1h30m",
            "m",
            "1764417600000\n",
            "٣m",
            "1e12",
        ),
        *("2025-11-29", "2025-11-29T12:00:00", "2025-11-29T12:00Z", "2025-13-29T12:00:00Z"),
        *(
            "2025-11-29T12:00:00+24:00",
            "2025-11-29T12:00:00+01:60",
            "2025-11-29T25:00:00Z",
            "2025-11-29T12:00:61Z",
            "2025-11-29T12:00:00.Z",
            "9" * 21,
        ),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """A time that is not understood never becomes another one."""
    with pytest.raises(BadRequestError):
        parse_moment(text)


@given(
    st.timedeltas(timedelta(), timedelta(days=80_000)),
    st.integers(-14 * 60, 14 * 60),
)
def test_a_time_is_what_a_calendar_says(since_1970: timedelta, minutes: int) -> None:
    """Whatever the offset, it is the same as the library's own reading."""
    there = (datetime(1970, 1, 1, tzinfo=UTC) + since_1970).astimezone(timezone(timedelta(minutes=minutes)))
    assert parse_moment(there.isoformat()).at(NOW) == since_1970 // timedelta(milliseconds=1)
