"""What a node remembers of the places it gave."""

from __future__ import annotations

from fast_sse.model.cursor import Cursor
from fast_sse.store.redis.high_water import HighWater

ONE, OTHER = Cursor("r1", "0" * 13, 5, "0123abv"), Cursor("r1", "1" * 13, 2, "0123abv")


def test_it_only_grows() -> None:
    """An older place of the same log changes nothing."""
    mark = HighWater(ONE)
    mark.learn(ONE.at(4))
    assert mark.cursor == ONE
    mark.learn(ONE.at(6, "7654321"))
    assert (mark.cursor, mark.floor) == (ONE.at(6, "7654321"), 6)


def test_going_back_keeps_the_floor() -> None:
    """After a loss the log ends earlier, and what was lost is still not given again."""
    mark = HighWater(ONE)
    mark.go_back(ONE.at(2, "7654321"))
    assert (mark.cursor, mark.floor) == (ONE.at(2, "7654321"), 5)
    mark.learn(ONE.at(3))
    assert (mark.cursor, mark.floor) == (ONE.at(3), 5)


def test_another_epoch_begins_anew() -> None:
    """Places of two epochs do not compare."""
    for tell in (HighWater.learn, HighWater.go_back):
        mark = HighWater(ONE)
        tell(mark, OTHER)
        assert (mark.cursor, mark.floor) == (OTHER, 2)
