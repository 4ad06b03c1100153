"""Who gets what: every form of publish against every form of subscription, live and on replay (protocol, Channels)."""

from __future__ import annotations

import itertools
import json

import pytest
from tests.e2e.conftest import Listen
from tests.faults.checker import Subscription
from tests.support.http1 import request
from tests.support.publisher import Pair, publish_once, signed, subscribe_target
from tests.support.server import Hub
from tests.support.sign import v2

pytestmark = pytest.mark.wire


def forms(channel: Pair) -> list[Pair]:
    """(id,type), (id,*), (*,type), (*,*)."""
    event_id, event_type = channel
    return [channel, (event_id, "*"), ("*", event_type), ("*", "*")]


@pytest.mark.parametrize("replayed", [False, True], ids=["live", "replay"])
async def test_every_form_against_every_form(
    listen: Listen, hub: Hub, channel: Pair, *, replayed: bool
) -> None:
    """A record is seen where each segment is equal or a wildcard on either side, and nowhere else; replay agrees."""
    other = (f"{channel[0]}-other", f"{channel[1]}-other")
    places = list(dict.fromkeys([*forms(channel), *forms(other), (channel[0], other[1])]))
    start = await listen(("*", "*")).ready()
    cursor = start.last_event_id
    clients = {} if replayed else {place: await listen(place).ready() for place in places}
    own = f"{channel[0]}-{replayed}"
    for number, place in enumerate(places):
        assert (await publish_once(hub.public, place, [own, number])).status == 200
    if replayed:
        clients = {place: listen(place, cursor) for place in places}
    checked = 0
    for pattern, client in clients.items():
        wanted = [
            [own, number] for number, place in enumerate(places) if Subscription("", [pattern]).wants(place)
        ]
        await client.count(len(wanted))
        assert client.payloads == wanted, f"{pattern} saw {client.payloads}"
        checked += len(places)
    assert checked == len(places) ** 2 == 64


@pytest.mark.parametrize(("sent", "asked"), list(itertools.product(range(4), range(4))))
async def test_sixteen_combinations_match(
    listen: Listen, hub: Hub, channel: Pair, sent: int, asked: int
) -> None:
    """All four forms of one channel publish to, and all four subscribe to, each other."""
    client = await listen(forms(channel)[asked]).ready()
    answer = await publish_once(hub.public, forms(channel)[sent], [channel[0]])
    await client.until_payload([channel[0]])
    (event,) = [event for event in client.events if event.payload == [channel[0]]]
    assert event.id == answer.json()["data"]["message_id"]


async def test_wildcard_streams_name_the_channel(listen: Listen, hub: Hub, channel: Pair) -> None:
    """A stream that can carry several channels says in the headers which one it was; an exact one says nothing."""
    exact, wild = await listen(channel).ready(), await listen((channel[0], "*")).ready()
    await publish_once(hub.public, channel, 1)
    await exact.count(1)
    await wild.count(1)
    assert set(json.loads(exact.events[0].data)["headers"]) == {"send_time"}
    headers = json.loads(wild.events[0].data)["headers"]
    assert (headers["event_id"], headers["event_type"]) == channel


async def test_replay_is_byte_for_byte_what_was_live(listen: Listen, hub: Hub, channel: Pair) -> None:
    """An envelope is the same live, replayed, exact or wildcard, whenever it is read."""
    live = await listen(channel).ready()
    cursor = live.last_event_id
    for number in range(3):
        await publish_once(hub.public, channel, {"n": number, "t": "é\u2028"}, headers={"X-A": "b"})
    await live.count(3)
    replayed = await listen(channel, cursor).count(3)
    assert [event.data for event in replayed.events] == [event.data for event in live.events]


async def test_a_stream_carries_exactly_its_grant(listen: Listen, hub: Hub, channel: Pair) -> None:
    """Neighbours of a channel, in id or in type, are never on its stream, live or replayed."""
    event_id, event_type = channel
    neighbours = [
        (event_id, event_type + "x"),
        (event_id + "x", event_type),
        (event_type, event_id),
        (event_id.upper(), event_type),
        (event_id, event_type[:-1] or "y"),
    ]
    live = await listen(channel).ready()
    cursor = live.last_event_id
    for place in neighbours:
        assert (await publish_once(hub.public, place, "theirs")).status == 200
    assert (await publish_once(hub.public, channel, "mine")).status == 200
    await live.count(1)
    replayed = await listen(channel, cursor).count(1)
    assert live.payloads == replayed.payloads == ["mine"]


@pytest.mark.parametrize("text", ["é", "日本", "a b", "a?b#c&d=e", "a+b", "~", "🙂", "x" * 256])
async def test_decoded_segments_are_the_channel(listen: Listen, hub: Hub, channel: Pair, text: str) -> None:
    """A segment is percent-decoded once; what is signed, routed and stored is that value."""
    place = (channel[0], text)
    client = await listen(place).ready()
    await publish_once(hub.public, place, "here")
    await client.count(1)
    assert client.payloads == ["here"]


async def test_encoded_and_plain_spelling_are_one_channel(listen: Listen, hub: Hub, channel: Pair) -> None:
    """`%61` and `a` are one channel, and one signature covers both."""
    event_id, event_type = f"a{channel[0]}", channel[1]
    client = await listen((event_id, event_type)).ready()
    headers = {"Content-Type": "application/json", **signed((event_id, event_type))}
    target = f"/v1/sse/events/%61{channel[0]}/types/{event_type}"
    assert (await request(hub.public, "POST", target, headers, b'{"data":1}')).status == 200
    await client.count(1)


async def test_expired_grant_ends_the_stream_with_its_name(listen: Listen, hub: Hub, channel: Pair) -> None:
    """A stream ends with its grant: `fast-sse.expired`, then close; what was published before was delivered."""
    signature = v2("sub", *channel, lives_s=5)  # a busy machine has published before
    client = listen(channel, headers={"x-signature": signature})
    await client.ready()
    await publish_once(hub.public, channel, "in time")
    await client.until(lambda: bool(client.closed_ns))
    assert [event.event for event in client.seen] == ["message", "fast-sse.expired"]


async def test_v2_signature_in_the_query(listen: Listen, hub: Hub, channel: Pair) -> None:
    """EventSource cannot send headers: a v2 signature may stand in the query, a v1 one may not (it never expires)."""
    client = await listen(channel, query=f"signature={v2('sub', *channel)}", headers={"X-None": "1"}).ready()
    await publish_once(hub.public, channel, 1)
    await client.count(1)
    target = f"{subscribe_target(channel)}?signature={signed(channel)['x-signature']}"
    assert (await request(hub.public, "GET", target)).status == 401
