"""Looking through the log: what is found, and what it costs others."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from tests.contract.asserting import put
from tests.contract.backends import draft
from tests.contract.letters.node import begun
from tests.store.conftest import Opener

from fast_sse.model.channel import Channel, Filter
from fast_sse.store.judge import Ends
from fast_sse.store.rows.wal import Gate, Wal
from fast_sse.store.sqlite import audit
from fast_sse.store.sqlite.audit import Audit
from fast_sse.store.sqlite.damage import Damage
from fast_sse.store.sqlite.store import SqliteStore

A, B = Filter.of(Channel("a", "t")), Filter.of(Channel("b", "t"))


def on(_: float) -> bool:
    return True


async def filled(open_store: Opener, count: int = 300) -> SqliteStore:
    store = await open_store()
    await put(store, *(draft("ab"[n % 2], keys=(f"k{n}",)) for n in range(count)))
    return store


def spoil(store: SqliteStore, *sql: str) -> None:
    """Change the file behind the store's back, triggers and all."""
    with closing(sqlite3.connect(store._directory / "log.db")) as connection, connection:
        for one in sql:
            connection.execute(one)


def looked_through(store: SqliteStore) -> Audit:
    assert store._audit is not None
    store._audit.one_pass(on)
    return store._audit


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE log SET body = x'00' || substr(body, 2) WHERE seq = 150", "after position 149 to 150"),
        ("UPDATE log SET channel = 2 - (channel = 2) WHERE seq = 150", "the row of position 150"),
        ("UPDATE log SET time_ms = time_ms + 1 WHERE seq = 150", "a time of position 150"),
        ("UPDATE log SET paced = 65536 WHERE seq = 150", "a time of position 150"),
        ("UPDATE channel SET id = 'c' WHERE id = 'b'", "the row of position 2 "),
        ("DELETE FROM channel WHERE id = 'b'", "the row of position 2 "),
        ("UPDATE key SET seq = seq + 1 WHERE seq = 150", "idempotency keys"),
        ("UPDATE key SET expires_ms = expires_ms + 1 WHERE seq = 150", "idempotency keys"),
        ("UPDATE key SET sha = x'00' WHERE seq = 150", "idempotency keys"),
        ("UPDATE mark SET said = ''", "table mark"),
        ("INSERT INTO loss VALUES (1, 2, ''), (3, 4, '')", None),
        ("DROP TRIGGER mark_updated", "its tables"),
    ],
)
async def test_what_nobody_asks_for_is_found(
    open_store: Opener, sql: str, said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Each thing that is not what was written has a line, is counted, and readiness knows; what is said twice is no damage."""
    store = await filled(open_store)
    assert looked_through(store).passes == 1
    assert not store.damaged
    spoil(store, sql)
    assert looked_through(store).passes == 2
    assert store.damaged == (said is not None)
    assert (said or "") in caplog.text


@pytest.mark.parametrize("bodies", [0, 400_000])
async def test_a_dead_letter_that_is_damaged_is_found(
    open_store: Opener, caplog: pytest.LogCaptureFixture, bodies: int
) -> None:
    """However many there are, and however large."""
    store = await open_store()
    (node,) = await begun(store, "a")
    count = 5 if bodies else 600
    cursors = await put(store, *(draft(data=b"1" * (bodies or 1)) for _ in range(count)))
    await node.tell(cursors[-1], due=cursors)
    assert looked_through(store).passes == 1
    assert not store.damaged
    spoil(store, f"UPDATE letter SET body = x'00' || substr(body, 2) WHERE seq = {count - 1}")
    assert looked_through(store).passes == 2
    assert f"the dead letter of position {count - 1} is not what was written" in caplog.text
    assert store.damaged


async def test_a_record_under_another_channel_is_a_gap_for_both(open_store: Opener) -> None:
    """Whoever asked for its own channel would not be given it, whoever asks for the other one would: both are told."""
    store = await filled(open_store)
    spoil(store, "UPDATE log SET channel = 2 - (channel = 2) WHERE seq = 150")
    looked_through(store)
    start = (await store.bounds()).trimmed
    for wanted, whose in ((A, 1), (B, 0)):
        page = await store.read(wanted, start, 500, 1 << 20)
        assert [one.position for one in page.records] == [n for n in range(1, 150) if n % 2 == whose]
        page = await store.read(wanted, page.through, 500, 1 << 20)
        assert page.gap is not None
        assert (page.gap.reason, page.gap.resumed_at.position) == ("unreadable", 150)
        assert [one.position for one in page.records] == [n for n in range(151, 301) if n % 2 == whose]
    everything = await store.read(Filter.of(Channel("*", "*")), start, 500, 1 << 20)
    assert (everything.gap, len(everything.records)) == (None, 300)


async def test_an_opening_looks_at_both_ends(open_store: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damage of the oldest and of the newest records is known from the start; what lies between has time."""
    monkeypatch.setattr(audit, "_END_RECORDS", 50)
    store = await filled(open_store)
    await store.close()
    spoil(store, "UPDATE log SET body = x'00' || substr(body, 2) WHERE seq IN (10, 290)")
    again = await open_store()
    assert again.damaged
    assert {one.name: one.value for one in again.samples()}["log_unreadable_total"] == 2


async def test_an_opening_takes_no_longer_for_a_long_log(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends by the clock, however much there is: half a second for each end at most."""
    store = await filled(open_store)
    await store.close()
    monkeypatch.setattr(audit, "_OPENING_S", 0.0)
    looked: list[int] = []
    monkeypatch.setattr(audit.Walk, "records", lambda self, after: looked.append(after))
    await open_store()
    assert looked == []


@pytest.mark.parametrize("table", ["mark", "loss"])
async def test_a_mark_that_is_not_what_was_written_is_a_new_epoch(open_store: Opener, table: str) -> None:
    """What was trimmed or lost is not known any more: every cursor is told, and the records that are there go on."""
    store = await filled(open_store)
    cursor = (await store.bounds()).newest
    await store.close()
    spoil(store, "INSERT INTO loss (lower, upper) VALUES (1, 2)", f"UPDATE {table} SET said = 'x'")
    again = await open_store()
    assert again.damaged
    page = await again.read(A, cursor, 500, 1 << 20)
    assert page.gap is not None
    assert page.gap.reason == "epoch"
    assert len(page.records) == 150
    await again.close()
    once_more = await open_store()
    assert not once_more.damaged


def alone(directory: Path, gate: Gate) -> Audit:
    """A pass over a log that no store has open."""
    path = directory / "log.db"
    return Audit(path, gate, Wal(path, gate), Damage(), lambda: Ends(0, 300))


async def test_the_structure_is_given_up_where_the_wal_must_be_emptied(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A long read leaves as soon as it is asked to, so that nothing is refused for it; the pass says that it did not end."""
    store = await filled(open_store, 2000)
    gate = Gate()
    looking = alone(store._directory, gate)
    monkeypatch.setattr(audit, "_LOOK_STEPS", 100)

    def rest(_: float) -> bool:
        gate.is_wanted = gate._long > 0
        return True

    looking.one_pass(rest)
    assert (looking.passes, gate._long) == (0, 0)
    assert "the structure of log.db was not checked" in caplog.text


async def test_a_structure_that_was_given_up_is_tried_again(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, without pauses."""
    store = await filled(open_store, 2000)
    monkeypatch.setattr(audit, "_LOOK_STEPS", 100)
    assert store._audit is not None
    store._audit.one_pass(lambda _: not store._gate._long)
    assert store._audit.passes == 1


async def test_a_wal_that_grows_ends_the_long_read(open_store: Opener) -> None:
    """At half of its bound, before anything is refused."""
    store = await filled(open_store, 2000)
    wal = Wal(store._directory / "log.db", Gate(), 1000)
    wal.size_bytes = 499
    assert not wal.is_half_full()
    wal.size_bytes = 500
    assert wal.is_half_full()


async def test_a_stop_ends_a_pass(open_store: Opener) -> None:
    """Closing a hub does not wait for a pass over a long log."""
    store = await filled(open_store)
    pieces: list[float] = []
    assert store._audit is not None
    store._audit.one_pass(lambda worked_s: pieces.append(worked_s) is not None)  # type: ignore[func-returns-value]
    assert (len(pieces), store._audit.passes) == (1, 0)
    store._audit._stop.set()
    assert not store._audit._rest(0.0)


async def test_passes_go_on_after_a_failure(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that cannot be made is said; the next one is made."""
    store = await filled(open_store)
    made: list[Exception] = [sqlite3.OperationalError("busy"), ZeroDivisionError("never expected")]
    done = threading.Event()

    def one_pass(self: Audit, rest: audit.Rest) -> None:
        if made:
            raise made.pop(0)
        done.set()

    monkeypatch.setattr(Audit, "one_pass", one_pass)
    monkeypatch.setattr(audit, "FIRST_S", 0.0)
    monkeypatch.setattr(audit, "PERIOD_S", 0.0)
    looking = alone(store._directory, Gate())
    looking.start()
    assert done.wait(10)
    looking.stop()
    assert "log.db could not be checked: busy" in caplog.text
    assert "a defect in checking log.db" in caplog.text
