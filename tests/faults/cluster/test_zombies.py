"""Nodes that are not quite there: stopped and continued, cut off from the store, wrong about the time (F9, F14)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.faults.cluster.nodes import Log, cluster, on_redis
from tests.faults.cluster.scenarios import one_order, stopped_node
from tests.faults.counts import STOPS, Record, each_scale
from tests.support.http1 import Address, request
from tests.support.publisher import publish_once, publish_target, signed, subscribe_target
from tests.support.redis_server import RedisServer
from tests.support.server import missing
from tests.support.sse import Client

pytestmark = pytest.mark.wire

CHANNEL = ("car0", "sold")


@each_scale
async def test_a_node_that_was_stopped_goes_on_where_it_was(
    tmp_path: Path, log: Log, scale: str, record: Record
) -> None:
    """SIGSTOP under load: the other node serves on; continued, the node delivers all it missed once and in order."""
    count = STOPS[scale]
    run = await stopped_node(tmp_path, log, stops=count.stops, stopped_s=count.seconds)
    record(f"{count.stops} stops of {count.seconds:g} s, 2 nodes on {log.store}", run.figure)
    run.report.assert_clean()


@pytest.mark.slow
async def test_cut_connections_to_the_store_lose_nothing(
    tmp_path: Path, redis_server: RedisServer, record: Record
) -> None:
    """Redis ends every connection of every node under load, three times: publishes are repeated, streams miss nothing."""
    killed = 0

    def cut() -> None:
        nonlocal killed
        killed += redis_server.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    run = await one_order(tmp_path, on_redis(redis_server), nodes=2, messages=800, disturb=cut)
    record(f"{killed} connections cut, 2 nodes on redis", run.figure)
    run.report.require(connections_cut=killed).assert_clean()


class Ahead(NamedTuple):
    """How to run nodes of which all but the first have a wall clock that is an hour ahead."""

    module: str
    settings: Callable[[int], dict[str, str]]


def an_hour_ahead(log: Log) -> Ahead:
    """By libfaketime, which the whole process believes; beside Kafka's client by the clock of Python alone."""
    if log.store == "kafka":
        return Ahead(
            "tests.faults.cluster.skewed", lambda number: {"CLOCK_AHEAD_S": "3600"} if number else {}
        )
    if missing("faketime"):
        pytest.skip("faketime is not installed: see scripts/setup-test-packages")
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    faked = {"LD_PRELOAD": str(library), "FAKETIME": "+1h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return Ahead("fast_sse", lambda number: faked if number else {})


@pytest.mark.slow
async def test_a_node_an_hour_ahead_changes_no_order(tmp_path: Path, log: Log, record: Record) -> None:
    """One of two nodes is an hour ahead: one order, nothing missing, and no gap."""
    ahead = an_hour_ahead(log)
    run = await one_order(tmp_path, log, nodes=2, messages=400, module=ahead.module, settings=ahead.settings)
    record(f"400 messages, one of 2 nodes an hour ahead, {log.store}", run.figure)
    run.report.assert_clean()


@pytest.mark.slow
async def test_lifetimes_and_windows_are_the_store_s(tmp_path: Path, log: Log) -> None:
    """A node an hour ahead delivers what lives for a minute, live and replayed, and knows the keys of the others."""
    ahead = an_hour_ahead(log)
    async with cluster(tmp_path, log, 2, module=ahead.module, settings=ahead.settings) as group:
        right, wrong = group.addresses
        assert await says(wrong) - await says(right) == pytest.approx(3600, abs=60), "the clock is not ahead"
        client = await Client("c", wrong, subscribe_target(CHANNEL), signed(CHANNEL)).start().ready()
        for number, address in enumerate((right, wrong)):
            published = await publish_once(address, CHANNEL, number, ttl_s=60)
            assert published.status == 200
        await client.count(2)
        late = Client(
            "late", wrong, subscribe_target(CHANNEL) + "?last_event_id=earliest", signed(CHANNEL)
        ).start()
        await late.count(2)
        assert client.payloads == late.payloads == [0, 1]
        answers = [await keyed(address) for address in (right, wrong, right)]
        assert [answer["duplicate"] for answer in answers] == [False, True, True]
        for one in (client, late):
            assert one.gaps == []
            await one.stop()


async def says(address: Address) -> float:
    """What time a node thinks it is, in seconds: the `send_time` that it stamps on a message."""
    channel = ("clock", "asked")
    client = await Client("clock", address, subscribe_target(channel), signed(channel)).start().ready()
    port = address[1]  # what another node was asked may come here only now
    assert (await publish_once(address, channel, port)).status == 200
    await client.until_payload(port)
    await client.stop()
    (text,) = [
        json.loads(seen.data)["headers"]["send_time"] for seen in client.events if seen.payload == port
    ]
    return datetime.strptime(f"{text} +0000", "%Y-%m-%d %H:%M:%S.%f %z").timestamp()


async def keyed(address: Address) -> dict[str, object]:
    """The answer to a publish under one and the same key."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k", **signed(CHANNEL)}
    body = json.dumps({"data": "keyed"}).encode()
    reply = await request(address, "POST", publish_target(CHANNEL), headers, body)
    assert reply.status == 200
    data: dict[str, object] = reply.json()["data"]
    return data
