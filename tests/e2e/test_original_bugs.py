"""Defects that were found in the original by reading it, each with the test that keeps it away.

(Number 4, a message that reaches one node of several only, needs several nodes: it comes with the stores that have
them.)
"""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from tests.faults.checker import check
from tests.support.http1 import request
from tests.support.publisher import Pair, publish_once, publish_target, signed, subscribe_target
from tests.support.refusals import assert_refused
from tests.support.server import UNSET, Hub
from tests.support.sign import SECRET, v1, v2
from tests.support.sse import Client

pytestmark = [pytest.mark.wire, pytest.mark.slow]

CAR: Pair = ("car", "sold")
PUBLISH_SECRET = "a-secret-of-its-own-for-those-who-publish"
QUICK = {"FAST_SSE_DRAIN_S": "0.3"}


def client_of(hub: Hub, channel: Pair = CAR, query: str = "") -> Client:
    """A started client."""
    target = subscribe_target(channel) + query
    return Client("c", hub.public, target, signed(channel)).start()


async def test_original_bug_01(tmp_path: Path) -> None:
    """A publish that the store could not take was answered 200. Here it is 503, 504 or 507, and it heals by itself."""
    async with Hub(tmp_path) as hub:
        stored = [
            number for number in range(10) if (await publish_once(hub.public, CAR, number)).status == 200
        ]
        assert stored == list(range(10))
        limits = resource.prlimit(hub.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (4096, limits[1]))
        refused = [await publish_once(hub.public, CAR, f"refused {number}") for number in range(5)]
        assert {reply.status for reply in refused} <= {503, 504, 507}, refused
        assert {reply.code for reply in refused} <= {"not_stored", "unknown", "disk_full"}
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, limits)
        while (await publish_once(hub.public, CAR, "healed")).status != 200:
            pass
        client = client_of(hub, query="?last_event_id=earliest")
        await client.until_payload("healed")
        certain = [f"refused {number}" for number, reply in enumerate(refused) if reply.status != 504]
        assert not [payload for payload in client.payloads if payload in certain], "refused, yet delivered"
        assert [payload for payload in client.payloads if isinstance(payload, int)] == stored
        await client.stop()


@pytest.mark.parametrize("extra", [{}, {"send_direct": True}, {"send_direct": False}], ids=str)
async def test_original_bug_02(tmp_path: Path, extra: dict[str, bool]) -> None:
    """`send_direct` absent or true bypassed the store, and a missing `user` crashed. Here everything is stored."""
    async with Hub(tmp_path) as hub:
        reply = await publish_once(hub.public, CAR, "kept", **extra)
        assert (reply.status, reply.json()["data"]["durability"]) == (200, "fsync")
        client = await client_of(hub, query="?last_event_id=earliest").count(1)
        assert client.payloads == ["kept"]
        await client.stop()


async def test_original_bug_03(tmp_path: Path) -> None:
    """Acknowledged before it was delivered, a message died with the process. Here it outlives kill -9."""
    async with Hub(tmp_path) as hub:
        for number in range(20):
            assert (await publish_once(hub.public, CAR, number)).status == 200
        hub.kill_now()
        assert await hub.await_exit() == -9
        await hub.astart()
        client = await client_of(hub, query="?last_event_id=earliest").count(20)
        assert client.payloads == list(range(20))
        await client.stop()


async def test_original_bug_05(tmp_path: Path) -> None:
    """Channels were keyed by event_id alone: a signature for one type heard all types. Here it hears its own."""
    async with Hub(tmp_path, store="memory") as hub:
        client = await client_of(hub, CAR).ready()
        await publish_once(hub.public, ("car", "stolen"), "secret")
        await publish_once(hub.public, CAR, "mine")
        await client.count(1)
        assert client.payloads == ["mine"]
        for wildcard in (("car", "*"), ("*", "sold"), ("*", "*"), ("car", "stolen")):
            assert_refused(
                await request(hub.public, "GET", subscribe_target(wildcard), signed(CAR)), 401, "unauthorized"
            )
        await client.stop()


@pytest.mark.parametrize(
    "secret",
    [
        "{HMAC_SECRET_FROM_ENV}",
        "${SECRET}",
        "",
        "too-few-bytes",
        "change-me-change-me-change-me-change-me",
        UNSET,
    ],
    ids=["unsubstituted", "shell form", "empty", "short", "placeholder", "unset"],
)
def test_original_bug_06(tmp_path: Path, secret: str) -> None:
    """An unset or unsubstituted secret became the empty key, and anybody could sign. Here the hub does not start."""
    settings = {"FAST_SSE_AUTH__SECRET": secret, "FAST_SSE_AUTH__KEYS": UNSET}
    status, said = Hub(tmp_path, settings=settings).refuses_to_start()
    assert status == 2, said
    assert "auth.secret" in said
    assert "Traceback" not in said
    assert not secret or secret not in said


async def test_original_bug_06_empty_list(tmp_path: Path) -> None:
    """An empty allow-list allowed everything. Here it allows nothing, and a wildcard needs a `*` in it."""
    settings = {"FAST_SSE_AUTH__ALLOWED_EVENT_IDS": "[]"}
    async with Hub(tmp_path, store="memory", settings=settings) as hub:
        assert_refused(await publish_once(hub.public, CAR, 1), 403, "forbidden")
        assert_refused(await request(hub.public, "GET", subscribe_target(CAR), signed(CAR)), 403, "forbidden")


async def test_original_bug_06_wildcards(tmp_path: Path) -> None:
    """A list of event ids allows these and no wildcard."""
    settings = {"FAST_SSE_AUTH__ALLOWED_EVENT_IDS": "car,bus"}
    async with Hub(tmp_path, store="memory", settings=settings) as hub:
        assert (await publish_once(hub.public, CAR, 1)).status == 200
        for place in (("*", "sold"), ("cab", "sold")):
            assert_refused(await publish_once(hub.public, place, 1), 403, "forbidden")
            assert_refused(
                await request(hub.public, "GET", subscribe_target(place), signed(place)), 403, "forbidden"
            )


async def test_original_bug_07(tmp_path: Path) -> None:
    """The raw path was signed and the decoded one used; one signature published and subscribed. Here both are closed."""
    settings = {"FAST_SSE_AUTH__PUBLISH_SECRET": PUBLISH_SECRET}
    async with Hub(tmp_path, store="memory", settings=settings) as hub:
        place = ("car é", "sold")
        headers = {"Content-Type": "application/json"}
        for signature, status in (
            (v1("car%20%C3%A9", "sold", secret=PUBLISH_SECRET), 401),
            (v1(*place, secret=PUBLISH_SECRET), 200),
            (v1(*place), 401),
        ):
            reply = await request(
                hub.public,
                "POST",
                publish_target(place),
                {**headers, "x-signature": signature},
                b'{"data":1}',
            )
            assert reply.status == status, reply
        wrong = {"x-signature": v1(*place, secret=PUBLISH_SECRET)}
        assert_refused(await request(hub.public, "GET", subscribe_target(place), wrong), 401, "unauthorized")


@pytest.mark.parametrize(("mode", "publishes", "opens"), [("subscribe", 403, True), ("off", None, False)])
async def test_original_bug_07_modes(
    tmp_path: Path, mode: str, publishes: int | None, *, opens: bool
) -> None:
    """`auth.v1` takes away what a v1 signature may do; a right signature that may not is 403."""
    async with Hub(tmp_path, store="memory", settings={"FAST_SSE_AUTH__V1": mode}) as hub:
        reply = await publish_once(hub.public, CAR, 1)
        assert reply.status == (publishes or reply.status)
        assert reply.status in (401, 403)
        if opens:
            client = await client_of(hub).ready()
            await client.stop()
        else:
            refused = await request(hub.public, "GET", subscribe_target(CAR), signed(CAR))
            assert refused.status in (401, 403)


async def test_original_bug_08(tmp_path: Path) -> None:
    """No ids, a gap called `error`, signatures in the debug log. Here: ids, `fast-sse.gap`, and nothing in the log."""
    signature = v2("sub", *CAR)
    async with Hub(tmp_path, store="memory", settings={"FAST_SSE_LOG_LEVEL": "debug"}) as hub:
        client = Client("c", hub.public, f"{subscribe_target(CAR)}?signature={signature}")
        client.last_event_id = "unreadable"
        await client.start().count(1)
        await publish_once(hub.public, CAR, 1)
        await client.count(2)
        assert [event.event for event in client.seen] == ["fast-sse.gap", "message"]
        assert all(event.id for event in client.seen)
        assert (
            await request(hub.public, "GET", f"{subscribe_target(CAR)}?signature={signature}x")
        ).status == 401
        await client.stop()
    said = hub.tail_of_log(10**9)
    assert said
    assert not [word for word in (signature, signature.rpartition(".")[2], v1(*CAR), SECRET) if word in said]


async def test_original_bug_09(tmp_path: Path) -> None:
    """SO_LINGER 0 cut the tail off every closed stream. Here a drain delivers the last message and ends every stream whole."""
    async with Hub(tmp_path, settings=QUICK) as hub:
        clients = [await client_of(hub).ready() for _ in range(20)]
        for number in range(50):
            await publish_once(hub.public, CAR, f"{number}" + "x" * 5_000)
        hub.terminate_now()
        assert await hub.await_exit() == 0
        for client in clients:
            await client.until(lambda client=client: bool(client.ended_whole))  # type: ignore[misc]
            assert client.ended_whole == [True], "the stream was cut, not ended"
            assert len(client.seen) == 50
            assert not client.finals
            await client.stop()


def test_original_bug_10() -> None:
    """A report of "0 out of 0" counted as a pass. Here a check that looked at nothing fails."""
    assert "empty" in check([], []).found
