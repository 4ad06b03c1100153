"""Rules of `model.keys`."""

from __future__ import annotations

import pytest

from fast_sse.model.channel import Channel
from fast_sse.model.errors import BadRequestError
from fast_sse.model.keys import key_digest, own_key
from fast_sse.model.limits import Limits

CHANNEL = Channel("a", "b")
#: Of version 0.1.0: BLAKE2b of the parts, joined by NUL.
DIGEST = "e57df3ba410fbb25d8bba76f209715b1"


def test_every_part_makes_another_key() -> None:
    """Kind, owner, both halves of the channel and the word: each alone makes the digest another one."""
    digests = {
        key_digest("key", "v1", CHANNEL, "w"),
        key_digest("nonce", "v1", CHANNEL, "w"),
        key_digest("key", "web", CHANNEL, "w"),
        key_digest("key", "v1", Channel("b", "a"), "w"),
        key_digest("key", "v1", Channel("a", "c"), "w"),
        key_digest("key", "v1", CHANNEL, "x"),
    }
    assert len(digests) == 6
    assert {len(digest) for digest in digests} == {16}


def test_parts_do_not_run_into_each_other() -> None:
    """What ends one part and begins the next is a part of the digest."""
    assert key_digest("key", "v1a", Channel("b", "c"), "d") != key_digest(
        "key", "v1", Channel("ab", "c"), "d"
    )


def test_the_digest_stays_what_it_is() -> None:
    """Stores on disk remember digests: another one after an upgrade would forget a day of keys."""
    assert key_digest("key", "v1", Channel("carid000001", "cart_changed"), "k").hex() == DIGEST


@pytest.mark.parametrize("text", ["", "é" * 129])
def test_a_key_has_a_length(text: str) -> None:
    """Empty, or more than 256 bytes of UTF-8: refused; none at all is none."""
    assert own_key(None, Limits()) is None
    assert own_key("é" * 128, Limits()) == "é" * 128
    with pytest.raises(BadRequestError):
        own_key(text, Limits())
