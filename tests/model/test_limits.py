"""Limits: each has a value, a unit and a sentence."""

from __future__ import annotations

import inspect

import msgspec
import pytest

from fast_sse.model import limits
from fast_sse.model.limits import Limits

UNITS = {"max", "min", "warn", "s", "ms", "rate"}


def test_every_limit_has_its_unit_last():
    """A name ends in seconds, milliseconds, a rate a second, or the maximum or minimum (or what is too
    much to pass without a word) of what stands before it.
    """
    for name in Limits.__struct_fields__:
        assert name.rpartition("_")[2] in UNITS, name


def test_every_limit_bounds_something():
    """Defaults are above zero; 0 means no bound, for streams and for what one client may do."""
    unbounded = {name for name in Limits.__struct_fields__ if not getattr(Limits(), name) > 0}
    assert unbounded <= {"streams_max", "streams_per_address_max", "publish_rate"}


def test_every_limit_says_what_it_bounds():
    """Above each limit, or above the group it opens, stands its sentence."""
    lines = [line.strip() for line in inspect.getsource(limits).splitlines()]
    fields = [at for at, line in enumerate(lines) if line.split(":")[0] in Limits.__struct_fields__]
    assert len(fields) == len(Limits.__struct_fields__)
    for at in fields:
        assert lines[at - 1].startswith("#:") or at - 1 in fields, lines[at]


def test_limits_are_frozen_and_may_be_lowered():
    """A hub's limits do not change under it; a test makes its own."""
    lowered = msgspec.structs.replace(Limits(), body_bytes_max=10)
    assert (lowered.body_bytes_max, Limits().body_bytes_max) == (10, 1024 * 1024)
    with pytest.raises(AttributeError):
        lowered.body_bytes_max = 11  # type: ignore[misc]
