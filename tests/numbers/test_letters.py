"""Each number of delivery and dead letters, moved."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.hub.support import drafted
from tests.numbers.conftest import CAR, Watch, Watched
from tests.support.http1 import request
from tests.support.publisher import signed

from fast_sse.store.sqlite.store import SqliteStore

pytestmark = [pytest.mark.wire, pytest.mark.slow]

#: The shortest that there is: half a second after its publish a message that nobody heard is dead.
QUICK = {"grace_s": 0.5}
JSON = {"content-type": "application/json"}


async def a_letter(watched: Watched) -> str:
    """The id of a dead letter, as soon as there is one."""
    async with asyncio.timeout(10):
        while True:
            page = (await request(watched.admin, "GET", "/v1/dead-letters")).json()["data"]
            if page["items"]:
                return str(page["items"][0]["id"])
            await asyncio.sleep(0.01)  # it dies by a clock of the store's own


async def test_a_life_and_death_are_counted(watch: Watch) -> None:
    """It waits, it dies and is kept, it is replayed, another is purged, and one goes because it was heard after all."""
    patient, watched = await watch(), await watch(dead_letters=QUICK)
    async with patient.moves("dead_letters_waiting"):
        await patient.publish()
    async with watched.moves(
        "dead_letters",
        "dead_letters_bytes",
        "dead_letters_oldest_ms",
        "dead_letters_made_total",
        "turns_total",
        "turn_seconds",
    ):
        await watched.publish()
        first = await a_letter(watched)
    async with watched.moves("dead_letters_late_total"):
        client = await watched.listen(query="?last=1")
    await client.stop()
    assert (await request(watched.admin, "GET", f"/v1/dead-letters/{first}")).status == 404
    await watched.publish()
    again = await a_letter(watched)
    async with watched.moves("dead_letters_replayed_total"):
        await request(watched.admin, "POST", f"/v1/dead-letters/{again}/replay", JSON, b"{}")
    replayed = await a_letter(watched)
    async with watched.moves("dead_letters_purged_total"):
        await request(watched.admin, "DELETE", f"/v1/dead-letters/{replayed}")


async def test_letters_that_nobody_will_see_are_counted(watch: Watch) -> None:
    """Here because there were more than are kept."""
    watched = await watch(dead_letters={**QUICK, "max_count": 1})
    async with watched.moves("dead_letters_dropped_total"):
        await watched.publish(1)
        await watched.publish(2)


async def test_a_letter_in_doubt_is_counted(watch: Watch, tmp_path: Path) -> None:
    """What the process before this one may have handed over, and did not live to tell."""
    store = SqliteStore(tmp_path / "data")
    await store.open()
    await store.letters.begin("n1", "the process before")
    await store.append([drafted("/".join(CAR))])
    await store.close()
    watched = await watch(store="sqlite", dead_letters=QUICK)
    async with watched.moves("dead_letters_maybe_total"):
        pass


async def test_an_ack_is_counted(watch: Watch) -> None:
    """Once for each client that says that it has a message."""
    watched = await watch()
    message = (await watched.publish()).json()["data"]["message_id"]
    headers = {**signed(CAR), **JSON}
    async with watched.moves("acks_total"):
        body = json.dumps({"client": "c1"}).encode()
        await request(watched.public, "POST", f"/v1/messages/{message}/ack", headers, body)
