"""Rates of channels: right while there are few, and too low by no more than is said while there are many."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hub.support import record_at

from fast_sse.hub.busy import WINDOW_S, BusyChannels
from fast_sse.model.channel import Channel
from fast_sse.model.message import Record


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def of(*names: str) -> list[Record]:
    """Records of the channels `name/t`."""
    return [record_at(number, f"{name}/t") for number, name in enumerate(names, 1)]


def at(name: str) -> Channel:
    """The channel `name/t`."""
    return Channel(name, "t")


def test_a_steady_channel_has_its_rate() -> None:
    """From the first seconds on, and after many minutes alike."""
    clock = Clock()
    busy = BusyChannels(clock)
    for second in range(1, 1200):
        busy.take(of(*["a"] * 5, "b"))
        clock.now_s += 1
        if second in (5, 60, 1199):
            rates = busy.rates()
            assert rates.per_s[at("a")] == pytest.approx(5, rel=0.1)
            assert rates.per_s[at("b")] == pytest.approx(1, rel=0.1)
            assert rates.error == 0


def test_what_is_old_counts_less() -> None:
    """A minute after its last message a channel has about a third of its rate, and after a day nothing."""
    clock = Clock()
    busy = BusyChannels(clock)
    for _ in range(600):
        busy.take(of("a"))
        clock.now_s += 1
    clock.now_s += WINDOW_S
    assert busy.rates().per_s[at("a")] == pytest.approx(0.37, rel=0.1)
    clock.now_s += 86_400
    assert busy.rates().per_s.get(at("a"), 0.0) == pytest.approx(0)
    busy.take(of("a"))
    assert busy.rates().per_s[at("a")] == pytest.approx(1 / WINDOW_S)


def test_a_burst_counts_from_when_it_came() -> None:
    """Also when nothing is published, and nobody looks, for a long time after it."""
    clock = Clock()
    busy = BusyChannels(clock)
    clock.now_s += 10 * WINDOW_S
    busy.take(of(*["a"] * 60))
    clock.now_s += 5 * WINDOW_S
    busy.take(of("b"))
    assert busy.rates().per_s[at("a")] == pytest.approx(0.0067, rel=0.1)


def test_what_is_kept_is_bounded() -> None:
    """However many channels there are, and however few messages each has."""
    clock = Clock()
    busy = BusyChannels(clock, kept_max=10)
    for number in range(50):
        busy.take(of(*(f"c{number}-{place}" for place in range(11))))
        clock.now_s += 0.01
        assert len(busy._new) <= 22
    assert len(busy.rates().per_s) <= 20


def test_the_error_grows_old_too() -> None:
    """What was taken from each long ago is missing no more."""
    clock = Clock()
    busy = BusyChannels(clock, kept_max=1)
    busy.take(of(*"aabbccdd"))
    clock.now_s += 1
    first = busy.rates().error
    assert first > 0
    clock.now_s += 100 * WINDOW_S
    busy.take(of("a"))
    clock.now_s += 1
    assert busy.rates().error < first / 1000


@given(st.lists(st.integers(0, 40), max_size=400), st.integers(1, 8))
def test_a_rate_is_never_too_high_nor_lower_than_said(names: list[int], kept_max: int) -> None:
    """Whatever comes, in whatever order: the true rate lies between what is shown and that plus the error."""
    clock = Clock()
    busy = BusyChannels(clock, kept_max)
    for number in names:
        busy.take(of(str(number)))
    clock.now_s += 1e-3
    true = Counter(names)
    rates = busy.rates()
    scale = WINDOW_S * -math.expm1(-1e-3 / WINDOW_S)
    for number in range(41):
        counted = rates.per_s.get(at(str(number)), 0.0) * scale
        assert counted <= true[number] + 0.01
        assert true[number] <= counted + rates.error * scale + 0.01


def test_the_busiest_are_found_among_many() -> None:
    """A few loud channels stay, and in order, under a stream of channels that come once."""
    clock, chance = Clock(), random.Random(1)
    busy = BusyChannels(clock, kept_max=20)
    for second in range(300):
        names = ["loud"] * 30 + ["less"] * 20 + [f"once-{second}-{place}" for place in range(50)]
        chance.shuffle(names)
        busy.take(of(*names))
        clock.now_s += 1
    rates = busy.rates()
    loudest, next_one, *_ = sorted(rates.per_s, key=rates.per_s.__getitem__, reverse=True)
    assert (loudest, next_one) == (at("loud"), at("less"))
    assert rates.per_s[loudest] <= 31
    assert rates.per_s[loudest] + rates.error >= 29
