"""deploy/nginx/shards.conf put into the recipe as it says: a channel has one log, whoever spells it, whatever restarts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.deploy.conftest import Listen
from tests.deploy.nginx import RECIPE, Nginx
from tests.deploy.proxy import Certificate, rendered
from tests.support.http1 import Address, Connection, request_bytes
from tests.support.publisher import Pair, publish_once, signed
from tests.support.server import ROOT, Hub

SHARDS = (ROOT / "deploy" / "nginx" / "shards.conf").read_text()
UPSTREAM = re.compile(r"^upstream fast_sse \{.*?^\}\n", re.MULTILINE | re.DOTALL)

pytestmark = [pytest.mark.wire, pytest.mark.slow]


def sharded(second: Hub) -> str:
    """The recipe with what the head of shards.conf says; the second hub in its place."""
    (rule,) = re.findall(r"^#   (if .*)$", SHARDS, re.MULTILINE)
    recipe, times = UPSTREAM.subn("", RECIPE.read_text())
    assert times == 1
    recipe = recipe.replace("http://fast_sse", "http://$fast_sse_shard")
    shards = rendered(SHARDS, {"127.0.0.1:30010": f"{second.public[0]}:{second.public[1]}"})
    return shards + rendered(recipe, {"    server_tokens off;": f"    server_tokens off;\n    {rule}"})


Shards = tuple[Nginx, Hub, Hub]


@contextmanager
def running(certificate: Certificate, directory: Path) -> Iterator[Shards]:
    """Nginx before two hubs, each with a log of its own."""
    for name in ("a", "b", "nginx"):
        (directory / name).mkdir()
    with (
        Hub(directory / "a") as first,
        Hub(directory / "b") as second,
        Nginx(directory / "nginx", first.public, certificate, sharded(second)) as nginx,
    ):
        yield nginx, first, second


@pytest.fixture(scope="module")
def shards(certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shards]:
    """For all tests here that only talk."""
    with running(certificate, tmp_path_factory.mktemp("shards")) as pair:
        yield pair


async def log_of(address: Address, channel: Pair) -> str:
    """The epoch of the log that a publish to a channel went to."""
    reply = await publish_once(address, channel, 1)
    assert reply.status == 200, reply.body
    return str(reply.json()["data"]["message_id"].split(".")[1])


async def test_a_channel_is_published_and_heard_in_one_log(shards: Shards, listen: Listen) -> None:
    """Twenty ids use both shards, every type of an id the same one, and whoever subscribes is where it is published."""
    nginx, first, second = shards
    ids = [f"id{number}" for number in range(20)]
    clients = {name: listen(nginx.plain, (name, "type")) for name in ids}
    for client in clients.values():
        await client.ready()
    logs = {name: await log_of(nginx.plain, (name, "type")) for name in ids}
    assert set(logs.values()) == {await log_of(hub.public, ("x", "y")) for hub in (first, second)}
    assert {name: await log_of(nginx.plain, (name, "other")) for name in ids} == logs
    for name, client in clients.items():
        await client.count(1)
        assert client.last_event_id.split(".")[1] == logs[name]


async def test_another_spelling_is_the_same_shard(shards: Shards) -> None:
    """`%69d7` and `id7` are one id to the hub, so they are one to nginx."""
    nginx, *_ = shards
    for number in range(8):
        body = b'{"data": 1}'
        headers = {"Content-Type": "application/json", **signed((f"id{number}", "type"))}
        target = f"/v1/sse/events/%69d{number}/types/type"
        async with await Connection.open(nginx.plain) as connection:
            reply = await connection.exchange(request_bytes("POST", target, headers, body))
        epoch = reply.json()["data"]["message_id"].split(".")[1]
        assert epoch == await log_of(nginx.plain, (f"id{number}", "type"))


async def test_a_shard_that_is_away_is_not_replaced(certificate: Certificate, tmp_path: Path) -> None:
    """Its publishes are 504, again and again, and never another log's; the others go on, and so does it once it is back."""
    with running(certificate, tmp_path) as (nginx, first, second):
        epoch = await log_of(second.public, ("x", "y"))
        ids = [f"id{number}" for number in range(12)]
        of_second = {name for name in ids if await log_of(nginx.plain, (name, "type")) == epoch}
        assert 0 < len(of_second) < len(ids)
        second.kill_now()
        await second.await_exit()
        for _ in range(3):
            replies = {name: await publish_once(nginx.plain, (name, "type"), 1) for name in ids}
            assert {name for name, reply in replies.items() if reply.status == 504} == of_second
            assert {reply.status for name, reply in replies.items() if name not in of_second} == {200}
        await second.astart()
        assert {await log_of(nginx.plain, (name, "type")) for name in of_second} == {epoch}
        assert first.alive()


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/v1/subscribe?channel=a/b&channel=c/d"),
        ("POST", "/v1/sse/batch"),
        ("GET", "/v1/subscribe/events/*/types/type"),
        ("POST", "/v1/sse/events/%2A/types/type"),
    ],
)
async def test_what_no_shard_can_answer_is_refused(shards: Shards, method: str, target: str) -> None:
    """A batch, several channels, all ids: 404 at the proxy, instead of the part that one log has."""
    nginx, *_ = shards
    async with await Connection.open(nginx.plain) as connection:
        raw = request_bytes(method, target, {"Content-Type": "application/json", **signed(("a", "b"))}, b"")
        assert (await connection.exchange(raw)).status == 404
