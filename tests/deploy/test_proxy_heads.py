"""What each proxy that has a recipe does to a request on its way to the hub: nothing that the hub would notice."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from tests.deploy.conftest import Kind, Listen, Pairing
from tests.deploy.curl import curl, running
from tests.deploy.early import request_early
from tests.deploy.proxy import Certificate
from tests.deploy.upstream import OK, upstream
from tests.support.http1 import request
from tests.support.publisher import Pair, publish_once, publish_target, signed, subscribe_target

pytestmark = [pytest.mark.wire, pytest.mark.slow]

#: Encoded as `%2B`, `%C3%A4`, `%3F` and `%20`: decoded on the way, each would be another name, or none.
NAMES = ("a+ä", "b? c")


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
async def test_target_and_headers_arrive_as_they_were_sent(
    kind: Kind, certificate: Certificate, tmp_path: Path, version: str
) -> None:
    """Path, query, x-signature and Last-Event-ID reach the hub byte for byte, and the client's own address with them."""
    target = f"{subscribe_target(NAMES)}?last=5&signature=v2.a%2Bb"
    sent = {"x-signature": "v2.k.sub.1-2_3=", "last-event-id": "s1.k3v9x2qah5m2c.4711"}
    headers = [word for name, value in sent.items() for word in ("--header", f"{name}: {value}")]
    async with upstream(lambda _number: OK) as hub:
        with kind(tmp_path, hub.address, certificate) as proxy:
            words = ["--interface", "127.0.0.2", version, *headers, "--write-out", " %{http_version}"]
            command = [*curl(proxy), *words, proxy.url(target)]
            async with running(*command) as client:
                assert client.stdout is not None
                answer = (await client.stdout.read()).decode()
    assert answer == "{} " + version.removeprefix("--http").removesuffix(".0")
    first, *lines = hub.requests[0].decode().rstrip().split("\r\n")
    assert first == f"GET {target} HTTP/1.1"
    arrived = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert {name: arrived.get(name) for name in sent} == sent
    assert (arrived["x-forwarded-for"], arrived["x-forwarded-proto"]) == ("127.0.0.2", "https")


async def test_names_with_reserved_characters_are_the_same_channel(shared: Pairing, listen: Listen) -> None:
    """What is published straight to the hub reaches a subscriber behind the proxy, whatever the names are made of."""
    client = await listen(shared.proxy.plain, NAMES).ready()
    await publish_once(shared.hub.public, NAMES, "straight")
    await publish_once(shared.proxy.plain, NAMES, "through")
    await client.until(lambda: len(client.events) == 2)
    assert client.payloads == ["straight", "through"]


async def test_a_slash_in_a_name_gets_the_hubs_answer(shared: Pairing) -> None:
    """`%2F` in a name is for the hub to judge: its answer is the same with the proxy and without."""
    channel = ("a/b", "c")
    for method, target in (("GET", subscribe_target(channel)), ("POST", publish_target(channel))):
        assert "%2F" in target
        headers = {"Content-Type": "application/json", **signed(channel)}
        replies = [
            await request(address, method, target, headers, b"{}" if method == "POST" else b"")
            for address in (shared.hub.public, shared.proxy.plain)
        ]
        straight, through = [(reply.status, reply.code, reply.json()["message"]) for reply in replies]
        assert straight[0] == 400
        assert through == straight


async def test_a_far_too_large_body_is_refused_by_the_proxy(
    kind: Kind, certificate: Certificate, channel: Pair, tmp_path: Path
) -> None:
    """The hub never has a body above the recipe's limit, and its sender is told so, not that the hub is away."""
    async with upstream(lambda _number: OK) as hub:
        with kind(tmp_path, hub.address, certificate) as proxy:
            headers = {"Content-Type": "application/json", **signed(channel)}
            reply = await request_early(
                proxy.plain, "POST", publish_target(channel), headers, b"x" * 3_000_000
            )
    assert (reply.status, reply.code) == (413, "too_large")
    assert set(reply.json()) == {"code", "message", "request_id"}
    assert hub.requests == []


async def test_a_compressed_publish_passes(shared: Pairing, channel: Pair, listen: Listen) -> None:
    """A body in gzip reaches the hub in gzip, and its subscribers as it was."""
    client = await listen(shared.proxy.plain, channel).ready()
    data = list(range(20_000))
    body = gzip.compress(json.dumps({"data": data}).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", **signed(channel)}
    reply = await request(shared.proxy.plain, "POST", publish_target(channel), headers, body)
    assert reply.status == 200, reply
    await client.until(lambda: bool(client.events))
    assert client.payloads == [data]
