"""Logs that were filled before any node of the run began: what must not die, and what all nodes must list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.cluster.nodes import Log
from tests.faults.counts import LETTERS, LISTED, UPGRADED, Record, at_scales
from tests.faults.letters.filled import settings_on, with_letters, with_messages
from tests.faults.letters.run import LONELY, Desk, running

from fast_sse.model.cursor import parse_cursor

pytestmark = pytest.mark.wire

#: A file of an earlier version is in `test_upgrade`.
SHARED = ["redis", "kafka"]
STORES = ["sqlite", *SHARED]


@at_scales("store", ci=SHARED, chaos=SHARED)
async def test_a_shared_log_that_never_had_dead_letters_floods_nothing(
    tmp_path: Path, log_on: Callable[[str], Log], scale: str, store: str, record: Record
) -> None:
    """What was there is decided on every node; of what is published from then on half is taken, and only the rest dies."""
    count, log = UPGRADED[scale], log_on(store)
    newest = await with_messages(log, tmp_path, count)
    async with running(tmp_path, log, 2, settings=lambda _: settings_on(log, tmp_path)) as run:
        client = await run.listen(1)
        await run.mix(20)
        taken = parse_cursor(run.taken[0])
        assert taken is not None
        assert (taken.epoch, taken.position > newest.position) == (newest.epoch, True), "the old log is there"
        await run.handed(client)
        verdict = await run.verdict()
    record(f"{count:,} messages without dead letters, 2 nodes on {store}", verdict.figure)
    verdict.assert_sure()


@at_scales("store", ci=["redis"], chaos=STORES)
async def test_switching_on_floods_nothing(
    tmp_path: Path, log_on: Callable[[str], Log], scale: str, store: str, record: Record
) -> None:
    """What was published while all nodes were off was let go, and stays so; what comes after it dies."""
    count, log, nodes = LETTERS[scale], log_on(store), 1 if store == "sqlite" else 2
    keep = settings_on(log, tmp_path)
    off = {**keep, "FAST_SSE_DEAD_LETTERS__ENABLED": "false"}
    for part in ("off", "on"):
        (tmp_path / part).mkdir()
    async with running(tmp_path / "off", log, nodes, settings=lambda _: off) as run:
        for number in range(count):
            await run.publish(LONELY, 1, number % nodes)
        await asyncio.gather(*(run.swept(number, 1) for number in range(nodes)))
        await asyncio.gather(*(run.swept_out(number) for number in range(nodes)))
        for node in run.nodes:
            node.terminate_now()
            assert await node.await_exit() == 0
    async with running(tmp_path / "on", log, nodes, settings=lambda _: keep) as run:
        run.publishers[0].name = "later"  # its keys are others
        verdict = await run.verdict()
    record(f"{count:,} messages published while dead letters were off, {store}", verdict.figure)
    verdict.assert_sure()
    assert len(verdict.letters) == 1


async def pages(desk: Desk, order: str) -> list[str]:
    """The ids of all letters, page by page."""
    found, cursor = list[str](), ""
    while True:
        page = await desk.ask("GET", f"/v1/dead-letters?order={order}&limit=1000{cursor}")
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


@at_scales("store", ci=STORES, chaos=STORES)
async def test_every_process_lists_every_letter_once(
    tmp_path: Path, log_on: Callable[[str], Log], scale: str, store: str, record: Record
) -> None:
    """In both orders, none of which it made itself."""
    count, log, nodes = LISTED[scale], log_on(store), 1 if store == "sqlite" else 2
    ids = await with_letters(log, tmp_path, count)
    async with running(tmp_path, log, nodes, settings=lambda _: settings_on(log, tmp_path)) as run:
        for desk in run.desks:
            assert await pages(desk, "oldest") == ids
            assert await pages(desk, "newest") == ids[::-1]
    record(f"{len(ids):,} letters, listed by {nodes} other processes on {store}", "each once, in both orders")
