"""What lies beside a body is checked, too."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fast_sse.store.rows.checksums import checked_paced, is_sound_paced, key_checksum

KEY = (b"d" * 32, 7, b"s" * 32, 1_800_000_000_000)


def flipped(content: bytes, bit: int) -> bytes:
    spoilt = bytearray(content)
    spoilt[bit // 8 % len(content)] ^= 1 << bit % 8
    return bytes(spoilt)


@given(bit=st.integers(0, 255))
def test_any_flipped_bit_of_a_key_changes_its_checksum(bit: int) -> None:
    """Of the digest, the body's hash, the position and the end of its window."""
    digest, position, sha, expires_ms = KEY
    right = key_checksum(*KEY)
    assert key_checksum(flipped(digest, bit), position, sha, expires_ms) != right
    assert key_checksum(digest, position, flipped(sha, bit), expires_ms) != right
    assert key_checksum(digest, position ^ 1 << bit % 62, sha, expires_ms) != right
    assert key_checksum(digest, position, sha, expires_ms ^ 1 << bit % 62) != right


@given(
    position=st.integers(1, (1 << 62) - 1),
    paced_ms=st.integers(0, 1 << 42),
    bit=st.integers(0, 62),
)
def test_an_age_is_of_its_record_alone(position: int, paced_ms: int, bit: int) -> None:
    """The time comes back, and SQLite can hold it; a flipped bit of it shows."""
    paced = checked_paced(position, paced_ms)
    assert (paced >> 16, paced < 1 << 63, is_sound_paced(position, paced)) == (paced_ms, True, True)
    assert not is_sound_paced(position, paced ^ 1 << bit)
