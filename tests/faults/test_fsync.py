"""fsync comes before the answer, shown by the system calls themselves (guarantee G1)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.faults.audit import STRACE, Audit, audit, token
from tests.faults.counts import AUDITED, Record, each_scale
from tests.support.http1 import Connection, request_bytes
from tests.support.publisher import publish_target, signed, subscribe_target
from tests.support.server import Hub, missing
from tests.support.sse import Client

CHANNEL = ("car0", "sold")
PUBLISHERS = 8

pytestmark = [
    pytest.mark.wire,
    pytest.mark.skipif(missing("strace"), reason="strace is not installed"),
]


async def traced(directory: Path, publishes: int, module: str = "fast_sse") -> Audit:
    """Publish over several connections, with one subscriber, to a hub under strace; judge its trace."""
    trace = directory / "trace"
    quiet = {"UV_USE_IO_URING": "0"}
    hub = Hub(directory, module=module, prefix=(*STRACE, "-o", str(trace)), settings=quiet)
    async with hub:
        client = await Client("s0", hub.public, subscribe_target(CHANNEL), signed(CHANNEL)).start().ready()
        payload_of: dict[str, str] = {}
        numbers = iter(range(publishes))

        async def work() -> None:
            async with await Connection.open(hub.public) as connection:
                for number in numbers:
                    payload_of.update(await publish(connection, token(f"{number}")))

        async with asyncio.TaskGroup() as group:
            for _ in range(PUBLISHERS):
                group.create_task(work())
        await client.until(lambda: len(client.seen) == publishes)
        await client.stop()
        hub.terminate_now()
        assert await hub.await_exit() == 0, hub.tail_of_log()
    with trace.open(encoding="latin-1") as lines:
        return audit(lines, payload_of)


async def publish(connection: Connection, payload: str) -> dict[str, str]:
    """One publish: the acknowledged message_id and its payload."""
    body = b'{"data":"%b"}' % payload.encode()
    headers = {"Content-Type": "application/json", **signed(CHANNEL)}
    reply = await connection.exchange(request_bytes("POST", publish_target(CHANNEL), headers, body))
    assert reply.status == 200, reply
    assert reply.json()["data"]["durability"] == "fsync"
    return {reply.json()["data"]["message_id"]: payload}


@each_scale
async def test_no_answer_leaves_before_its_fsync(tmp_path: Path, scale: str, record: Record) -> None:
    """No byte that names a message reaches a socket before the fdatasync that makes it durable has returned 0."""
    found = await traced(tmp_path, AUDITED[scale])
    record(f"{AUDITED[scale]:,} publishes over {PUBLISHERS} connections", found.text())
    found.assert_clean(AUDITED[scale])


@pytest.mark.slow
async def test_audit_catches_a_build_that_does_not_sync(tmp_path: Path) -> None:
    """The same audit of a build with `synchronous=OFF` finds every answer early: the audit can see."""
    found = await traced(tmp_path, 50, module="tests.faults.broken.no_sync")
    assert len(found.early_acks) == found.acks == 50, found.text()


@pytest.mark.slow
async def test_audit_catches_an_answer_before_the_commit(tmp_path: Path) -> None:
    """The same audit of a build that answers before its commit finds early answers."""
    found = await traced(tmp_path, 50, module="tests.faults.broken.ack_before_commit")
    assert found.early_acks, found.text()
    assert found.acks == 50
