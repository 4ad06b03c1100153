"""Turns and letters of Redis as values: what is packed is read back, and damage is no letter."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_sse.store.letters import Ack, Handed
from fast_sse.store.redis.letter_codec import id_of, letter_of, packed, position_in, receipt_of

POSITIONS = st.integers(min_value=1 << 64, max_value=(1 << 105) - 1)
NOTHING = packed([])
PLACE = "0" * 19 + "7-" + "0" * 19 + "3"


@given(st.dictionaries(POSITIONS, st.integers(min_value=1, max_value=50_000)))
def test_what_is_told_is_heard(told: dict[int, int]) -> None:
    """Positions of 128 bits are packed as differences, and come back whole and in order."""
    receipt = receipt_of(b"node/a/start", packed(sorted(told.items())), NOTHING, NOTHING)
    assert receipt.handed == [Handed(*one) for one in sorted(told.items())]
    assert receipt.node == "node/a"


@given(st.lists(st.tuples(POSITIONS, st.text(min_size=1, max_size=20))))
def test_acks_keep_their_names(told: list[tuple[int, str]]) -> None:
    """Several clients of one message, and names in any script."""
    told.sort()
    receipt = receipt_of(b"n/s", NOTHING, NOTHING, packed(told))
    assert receipt.acks == [Ack(*one) for one in told]


def test_a_member_of_an_order_is_a_place_and_an_id() -> None:
    """Of all letters the order is by place, then id."""
    member = f"{PLACE}/s1.abc.7-3".encode()
    assert (position_in(member), id_of(member)) == ((7 << 64) + 3, "s1.abc.7-3")


@pytest.mark.parametrize("head", [b"", b"\xff", msgspec.msgpack.encode(["no", "head"])])
def test_a_damaged_head_is_no_letter(head: bytes) -> None:
    """What another program wrote stops neither pages nor bounds."""
    assert letter_of("r1.abc.7-3", head) is None
