"""What the scripts of the dead letters hold and cost: bounds of receipts and pages, one script a call, nothing left behind."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.contract.asserting import put
from tests.contract.backends import draft
from tests.contract.letters.node import Node, begun, every_letter, heard, ids, poison, texts
from tests.store.redis.test_writer import calls
from tests.support.redis_server import RedisServer

from fast_sse.model.letter import lineage_of
from fast_sse.store.letters import Wanted
from fast_sse.store.redis import letters
from fast_sse.store.redis.store import RedisStore

pytestmark = pytest.mark.wire

# -- bounds -------------------------------------------------------------------------------------------


async def test_too_many_receipts_are_forgotten_and_told(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The oldest go, and the decided place moves over them: what waits there becomes no letter. It is counted and logged."""
    monkeypatch.setattr(letters, "RECEIPTS_MAX", 1)
    (node, other) = await begun(store, "a", "b")
    waiting, *handed = await put(store, *(draft() for _ in range(4)))
    for one in handed[:2]:
        await node.tell(handed[-1], handed=[one])
    assert store.letters.receipts_forgotten == 0
    await node.tell(handed[-1], handed=[handed[2]])
    assert store.letters.receipts_forgotten == 1
    assert {one.name: one.value for one in store.samples()}["receipts_forgotten_total"] == 1
    assert "receipts of other nodes were forgotten" in caplog.text
    settled = await other.tell(handed[-1], due=[waiting])
    assert settled.dead == []
    assert heard(settled.receipts) == {"a": [(one.position, 1) for one in handed[1:]]}
    assert (await Node(store, "c").begin()).decided == handed[0].position


async def test_a_page_looks_at_a_bounded_number_of_heads(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter that fits little gives short pages, each with a cursor, until all are looked at; so does an erasure."""
    monkeypatch.setattr(letters, "LOOKED_AT_MAX", 3)
    (node,) = await begun(store, "a")
    cursors = await put(store, *(draft("x" if number % 5 == 4 else "y") for number in range(10)))
    await node.tell(cursors[-1], due=cursors)
    for newest_first in (False, True):
        wanted = Wanted(event_id="x", newest_first=newest_first)
        first = await store.letters.list(wanted, "", 10)
        assert len(first.items) < 2
        assert first.next is not None
        found = await ids(store, wanted)
        assert found == texts([cursors[4], cursors[9]][:: -1 if newest_first else 1])
    assert await store.letters.erase(draft("x").channel) == 2
    assert len(await ids(store)) == 8


async def test_begin_reads_all_of_it_in_small_commands(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many receipts and letters there are, no command returns many of them, and none is missed."""
    monkeypatch.setattr(letters, "_RECEIPTS_READ", 2)
    monkeypatch.setattr(letters, "_MEMBERS_READ", 2)
    (node, _) = await begun(store, "a", "b")
    cursors = await put(store, *(draft() for _ in range(10)))
    for handed, due in zip(cursors[::2], cursors[1::2], strict=True):
        await node.tell(cursors[-1], handed=[handed], due=[due])
    found = await Node(store, "c").begin()
    assert [one.position for receipt in found.receipts for one in receipt.handed] == [
        one.position for one in cursors[::2]
    ]
    assert list(found.letters) == [one.position for one in cursors[1::2]]


# -- what it costs and holds --------------------------------------------------------------------------


async def test_a_turn_is_one_script(quiet_store: RedisStore, redis_server: RedisServer) -> None:
    """Whatever it says, and so are a page, a letter, a removal, and poison."""
    store = quiet_store
    (node, _) = await begun(store, "a", "b")
    cursors = await put(store, *(draft() for _ in range(100)))
    for act in (
        lambda: node.tell(cursors[-1], handed=cursors[:50], due=cursors[50:], acks=[(cursors[0], "x")]),
        lambda: store.letters.list(Wanted(), "", 100),
        lambda: store.letters.get(cursors[50].text),
        lambda: store.letters.drop(texts(cursors)),
        lambda: store.letters.keep(poison()),
    ):
        before = calls(redis_server)
        await act()
        assert calls(redis_server) - before == 1


@pytest.mark.parametrize(
    "meta",
    [
        b"",
        b'{"replay":{"of":"x","original":"r1.y","first_ms":1799999999999,"attempts":7}}',
        b'{"user":{"replay":{"attempts":9}},"event_name":"\\"replay\\""}',
        b'{"user":"\xc3\xa9","replay":{"of":"x","original":"r1.y","first_ms":5,"attempts":2}}',
    ],
)
async def test_the_script_reads_the_lineage_that_the_hub_reads(store: RedisStore, meta: bytes) -> None:
    """Of a message that replays a letter, and of one whose publisher wrote the same word elsewhere."""
    (node,) = await begun(store, "a")
    (cursor,) = await put(store, replace(draft(), meta=meta))
    await node.tell(cursor, due=[cursor])
    record, (letter,) = await store.get(cursor.position), await every_letter(store)
    assert record is not None
    lineage = lineage_of(record)
    assert (letter.attempts, letter.original, letter.first_ms) == (
        lineage.attempts,
        lineage.original or letter.id,
        lineage.first_ms or record.time_ms,
    )
    whole = await store.letters.get(letter.id)
    assert whole is not None
    assert whole.record == record


async def test_what_is_removed_leaves_nothing(store: RedisStore, redis_server: RedisServer) -> None:
    """After the last letter is gone no key of the letters is left but their count."""
    (node,) = await begun(store, "a")
    cursors = await put(store, draft("a"), draft("b"), draft("c"))
    await node.tell(cursors[-1], due=cursors)
    await store.letters.keep(poison())
    await store.letters.drop([cursors[0].text, poison().id])
    await store.letters.erase(draft("b").channel)
    settled = await node.tell(cursors[-1], handed=[cursors[2]])
    assert (settled.late, settled.tally.total, settled.tally.size_bytes, settled.tally.oldest_ms) == (
        1,
        0,
        0,
        0,
    )
    names = {key.decode().rpartition(":")[2] for key in redis_server.do("KEYS", f"{store._log.prefix}*")}
    assert not names & {"letters", "letter_bodies", "letter_order", "poison_order", "letter_deaths"}
