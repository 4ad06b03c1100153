"""The delivery indicator of one node: states, counts, and what a question costs. Of several nodes: test_several_nodes.py."""

from __future__ import annotations

from typing import Any

import pytest
from tests.hub.loops import manual
from tests.hub.support import RULES, bench, now_ms, place

from fast_sse.hub.delivery import Indicator
from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import BadRequestError, NotFoundError
from fast_sse.model.message import Record
from fast_sse.observe.metrics import Sample
from fast_sse.store.base import Retention
from fast_sse.store.memory.store import MemoryStore

LATE_S = RULES.grace_s + 4 * RULES.turn_s


class Asked(MemoryStore):
    """Counts what it is asked for single messages."""

    def __init__(self, **options: Any) -> None:
        super().__init__(now_ms=now_ms, **options)
        self.asked: list[str] = []
        letters: Any = self._letters
        whole = letters.get

        async def get(letter_id: str) -> Any:
            self.asked.append("letter")
            return await whole(letter_id)

        letters.get = get

    async def get(self, position: int) -> Record | None:
        self.asked.append("record")
        return await super().get(position)


async def shown(hub: Any, cursor: Cursor) -> Indicator:
    """How far a message has come."""
    delivery = hub.hub.delivery
    found: Indicator = delivery.indicator(await delivery.find(cursor.text))
    return found


async def test_the_highest_state_is_shown() -> None:
    """stored, dead, written by a late hand-over while the letter is still there, acked."""
    async with bench() as hub:
        (cursor,) = await hub.publish("a/t", 1)
        stored = await shown(hub, cursor)
        assert (stored.state, stored.written, stored.acked) == ("stored", 0, 0)
        assert (stored.first_written_ms, list(stored.clients)) == (None, [])
        assert (stored.message_id, stored.channel) == (cursor.text, Channel("a", "t"))
        assert stored.stored_ms == now_ms()
        await manual().elapse(LATE_S)
        assert (await shown(hub, cursor)).state == "dead"
        await hub.joined("a/t", earliest=True)
        written_ms = now_ms()
        assert (await shown(hub, cursor)).state == "written"
        found = await hub.hub.delivery.find(cursor.text)
        assert hub.hub.delivery.ack(found, "phone") == (1, False)
        await manual().elapse(5.0)
        acked = await shown(hub, cursor)
        assert (acked.state, acked.written, acked.acked, list(acked.clients)) == ("acked", 1, 1, ["phone"])
        assert acked.first_written_ms == written_ms
        assert acked.complete


async def test_what_is_in_the_tail_costs_no_question() -> None:
    """Unless it became a letter, which may have been purged since."""
    store = Asked()
    await store.open()
    async with bench(store) as hub:
        (cursor,) = await hub.publish("a/t", 1)
        await shown(hub, cursor)
        assert store.asked == []
        await manual().elapse(LATE_S)
        assert (await shown(hub, cursor)).state == "dead"
        assert store.asked == ["letter"]
        await store.letters.drop([cursor.text])
        assert (await shown(hub, cursor)).state == "stored"
    await store.close()


async def test_what_the_tail_holds_no_more_is_known_without_counts() -> None:
    """They are not zero: nobody knows them. An ack of it is refused."""
    async with bench(tail_records_max=1) as hub:
        await hub.joined("a/t")
        first, _ = await hub.publish("a/t", 1, 2)
        old = await shown(hub, first)
        assert (old.state, old.written, old.acked, old.complete) == ("stored", None, None, False)
        with pytest.raises(NotFoundError):
            hub.hub.delivery.ack(await hub.hub.delivery.find(first.text), "x")


async def test_a_letter_whose_message_is_trimmed_is_dead() -> None:
    """So is one of an earlier epoch; a message of that is unknown."""
    store = MemoryStore(Retention(max_age_s=None, max_bytes=None, max_messages=1), now_ms=now_ms)
    await store.open()
    async with bench(store, trim_interval_s=1.0) as hub:
        first, _ = await hub.publish("a/t", 1, 2)
        await manual().elapse(LATE_S + 2.0)
        gone = await shown(hub, first)
        assert (gone.state, gone.channel, gone.written) == ("dead", Channel("a", "t"), None)
        assert gone.stored_ms == now_ms() - int((LATE_S + 2.0) * 1000)
    await store.close()


async def test_what_is_no_message_is_not_found() -> None:
    """Malformed, never stored, of another log, with another number in front, a control record."""
    async with bench() as hub:
        (cursor,) = await hub.publish("a/t", 1)
        delivery = hub.hub.delivery
        for text in ("", "nonsense", f"{cursor.text}x", cursor.text.replace(".1", ".01"), "p-abc"):
            with pytest.raises(BadRequestError):
                await delivery.find(text)
        await hub.hub.erase(place("zz/t"))
        await manual().idle()
        foreign = Cursor("m1", "0" * 13, 1)
        for unknown in (cursor.at(0), cursor.at(2), cursor.at(3), cursor.at(99), foreign):
            with pytest.raises(NotFoundError):
                await delivery.find(unknown.text)


async def test_numbers_of_dead_letters() -> None:
    """What waits, what died and why, what was handed over late, and the turns."""
    async with bench() as hub:
        (cursor,) = await hub.publish("a/t", 1)
        await hub.publish("a/t", 2, ttl_ms=1000)
        await manual().elapse(LATE_S)
        await hub.joined("a/t", after=cursor.at(0).text)
        await manual().elapse(2.0)
        await hub.publish("b/t", 3)
        await manual().elapse(2.0)
        found = {number(sample): sample.value for sample in hub.hub.samples()}
        assert found["dead_letters no_subscriber"] == found["dead_letters poison"] == 0
        assert found["dead_letters expired"] == 1
        assert found["dead_letters_bytes"] > 0
        assert found["dead_letters_oldest_ms"] > 0
        assert found["dead_letters_waiting"] == 1
        assert found["dead_letters_made_total no_subscriber"] == found["dead_letters_made_total expired"] == 1
        assert (found["dead_letters_maybe_total"], found["dead_letters_late_total"]) == (0, 1)
        assert found["written_total catch_up"] == 1
        assert (found["turns_total failed"], found["acks_total"]) == (0, 0)
        assert found["turns_total ok"] >= 3
        dropped = {name: value for name, value in found.items() if name.startswith("dead_letters_dropped")}
        assert list(dropped.values()) == [0] * 5


def number(sample: Sample) -> str:
    """Its name and its words."""
    return " ".join([sample.name, *(word for _, word in sample.labels)])
