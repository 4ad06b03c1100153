"""Pages of gzip streams: compressed once for all who come for the same, and kept within a bound."""

from __future__ import annotations

import random

import pytest
from tests.hub.loops import manual
from tests.hub.support import bench

from fast_sse.hub.form import Form
from fast_sse.hub.page_blocks import PageBlocks
from fast_sse.model.channel import Channel

GZIP = Form(body="gzip")


@pytest.mark.parametrize("tail_records_max", [1000, 10])
async def test_a_crowd_that_comes_back_costs_one_compression(tail_records_max: int) -> None:
    """50 clients with one cursor: one block, from the tail or from the store."""
    async with bench(tail_records_max=tail_records_max) as hub:
        await hub.publish("a/t", 0)
        cursor = hub.fanout.level.text
        for number in range(1, 100):
            await hub.publish("a/t", number)
        crowd = [hub.join("a/t", body="gzip", after=cursor) for _ in range(50)]
        await manual().idle()
        assert [one.messages for one in crowd] == [list(range(1, 100))] * 50
        assert hub.fanout.compression.pages.made == 1


async def test_other_pages_are_other_blocks() -> None:
    """A stream that has more than another is not sent the other's page."""
    async with bench() as hub:
        await hub.publish("a/t", 0)
        cursor = hub.fanout.level.text
        for number in range(1, 4):
            await hub.publish("a/t", number)
            late = await hub.joined("a/t", body="gzip", after=cursor)
            assert late.messages == list(range(1, number + 1))
        assert hub.fanout.compression.pages.made == 3


@pytest.mark.parametrize("form", [Form(), Form(body="payload"), Form(chunked=False)])
def test_what_is_not_compressed_is_not_kept(form: Form) -> None:
    """Plain pieces pass as they are."""
    blocks = PageBlocks()
    assert blocks.piece(form, b"abc") == form.piece(b"abc")
    assert blocks.made == 0


async def test_an_erased_channel_leaves_nothing() -> None:
    """What was erased is not kept in memory for clients that come back, and the same page is made anew."""
    async with bench() as hub:
        cursor = hub.fanout.level.text
        await hub.publish("a/t", "a secret")
        await hub.joined("a/t", body="gzip", after=cursor)
        pages = hub.fanout.compression.pages
        assert any(b"a secret" in data for data in pages._kept)
        await hub.hub.erase(Channel("a", "t"))
        await manual().idle()
        assert not pages._kept
        assert pages._bytes == 0


def test_it_is_the_piece_of_the_form() -> None:
    """The same bytes as without this, chunked or not, and none for nothing."""
    blocks, data = PageBlocks(), b"abc" * 1000
    for form in (GZIP, GZIP._replace(chunked=False)):
        assert blocks.piece(form, data) == form.piece(data)
        assert blocks.piece(form, b"") == b""
    assert blocks.made == 1


def test_kept_blocks_are_bounded() -> None:
    """The one that was not used for longest goes; a piece larger than the bound is not kept at all."""
    rng = random.Random(1)
    one, two, three = (rng.randbytes(1000) for _ in range(3))
    blocks = PageBlocks(bytes_max=2 * 2100)
    for data in (one, two, one, three, one):
        blocks.piece(GZIP, data)
    assert blocks.made == 3
    blocks.piece(GZIP, two)
    assert blocks.made == 4
    large = rng.randbytes(10_000)
    for _ in range(2):
        assert blocks.piece(GZIP, large) == GZIP.piece(large)
    assert blocks.made == 6
