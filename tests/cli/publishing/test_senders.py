"""Batches with a v2 key, single requests without: line by line the same outcome."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from tests.cli.scripted import Scripted, answer
from tests.support.server import Hub
from tests.support.sign import KEY, KID, SECRET

from fast_sse.cli.credentials import Signer
from fast_sse.cli.publishing.link import HubLink
from fast_sse.cli.publishing.ndjson import Line
from fast_sse.cli.publishing.senders import BatchRoute, Result, Singles, make_sender
from fast_sse.cli.remote import Remote
from fast_sse.model.channel import Channel
from fast_sse.model.errors import ConfigError, UnavailableError
from fast_sse.model.signature import Keyring

V1 = Signer(Keyring(secret=SECRET.encode()))
V2 = Signer(Keyring(keys={KID: KEY.encode()}), KID)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the sender would have waited."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr(random, "random", lambda: 1.0)
    return waits


def silent(_sentence: str) -> None:
    """Nobody watches."""


def line(number: int, data: str = "1", event_id: str = "car1", **more: str) -> Line:
    """One line with a key of its own."""
    fields = {"event_id": event_id, "event_type": "sold", "idempotency_key": f"k{number}", **more}
    body = json.dumps(fields)[:-1] + f',"data":{data}}}'
    return Line(number, Channel(event_id, "sold"), body.encode())


def results(*items: str) -> bytes:
    """The answer to a batch."""
    return answer(200, f'{{"code":"ok","data":{{"results":[{",".join(items)}]}}}}', "Connection: close")


STORED = '{"message_id":"s1.0.7","durability":"fsync","duplicate":false}'
AGAIN = '{"message_id":"s1.0.7","durability":"fsync","duplicate":true}'
BUSY = '{"code":"not_stored","message":"busy"}'
WRONG = '{"code":"bad_request","message":"data is missing"}'


def send_batch(server: Scripted, *lines: Line, retries: int = 8) -> list[Result]:
    """Send lines by the batch route of a scripted server."""
    with closing(BatchRoute(Remote.at(server.url), V2, retries, silent)) as sender:
        return sender.send(lines)


def numbers(asked: str) -> list[int]:
    """The lines of a batch as it was sent."""
    return [int(number) for number in re.findall(r'"idempotency_key": "k(\d+)"', asked)]


def test_a_key_decides_the_way() -> None:
    """Batches where a v2 key can sign them; else single requests, and that is said."""
    told: list[str] = []
    hub = Remote.at("http://127.0.0.1:1")
    both = Signer(Keyring(secret=SECRET.encode(), keys={"web": KEY.encode()}, signing_kid="web"))
    for signer, kind in ((V2, BatchRoute), (both, BatchRoute), (V1, Singles)):
        with closing(make_sender(hub, signer, 1, told.append)) as sender:
            assert type(sender) is kind
    assert len(told) == 1
    assert told[0].startswith("no v2 key at hand (--kid)")


def test_each_line_has_its_outcome(waits: list[float]) -> None:
    """Stored, stored before, refused: by number, and a refused line is not sent again."""
    with Scripted(results(STORED, AGAIN, WRONG, STORED)) as server:
        found = send_batch(server, line(1), line(2), line(5), line(6))
    assert found == [
        Result(1, "stored"),
        Result(2, "duplicate"),
        Result(5, "refused", "bad_request: data is missing"),
        Result(6, "stored"),
    ]
    assert waits == []
    assert "POST /v1/sse/batch HTTP/1.1\r\n" in server.asked[0]
    assert "Content-Type: application/x-ndjson\r\n" in server.asked[0]


def test_lines_that_may_pass_later_are_sent_again(waits: list[float]) -> None:
    """Of a batch that was taken in part only the open lines are repeated, with their keys, until all are settled."""
    with Scripted(results(STORED, BUSY, WRONG, BUSY), results(BUSY, STORED), results(AGAIN)) as server:
        found = send_batch(server, line(1), line(2), line(3), line(4), retries=1)
    assert [numbers(asked) for asked in server.asked] == [[1, 2, 3, 4], [2, 4], [2]]
    assert sorted((result.number, result.state) for result in found) == [
        (1, "stored"),
        (2, "duplicate"),
        (3, "refused"),
        (4, "stored"),
    ]
    assert waits == [0.2, 0.2]


def test_patience_ends_where_nothing_gets_through(waits: list[float]) -> None:
    """An answer that settles no line is one of the tries: after the last one the run ends with what the hub said."""
    with (
        Scripted(*3 * [results(BUSY, BUSY)]) as server,
        pytest.raises(UnavailableError, match="2 lines: not_stored: busy"),
    ):
        send_batch(server, line(1), line(2), retries=2)
    assert [numbers(asked) for asked in server.asked] == 3 * [[1, 2]]
    assert waits == [0.2, 0.4]


def test_lines_of_one_channel_share_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are sent in order by one lane; lines of many channels take more than one."""
    sent: list[tuple[HubLink, Line]] = []

    def send_one(_self: Singles, link: HubLink, one: Line) -> Result:
        sent.append((link, one))
        return Result(one.number, "stored")

    monkeypatch.setattr(Singles, "_send_one", send_one)
    lines = [line(number, event_id=f"car{number % 5}") for number in range(40)]
    with closing(Singles(Remote.at("http://127.0.0.1:1"), V1, 0, silent)) as sender:
        assert [result.number for result in sender.send(lines)] == list(range(40))
    for name in {one.to for one in lines}:
        of_one = [(link, one.number) for link, one in sent if one.to == name]
        assert len({link for link, _ in of_one}) == 1
        assert [number for _, number in of_one] == [one.number for one in lines if one.to == name]
    assert len({link for link, _ in sent}) > 1


def test_a_batch_that_is_too_large_is_halved() -> None:
    """413 to many lines is about the batch; to one line it is about the line."""
    large = answer(413, '{"code":"too_large","message":"no"}', "Connection: close")
    with Scripted(large, results(STORED), large, results(STORED), large) as server:
        found = send_batch(server, line(1), line(2), line(3))
    assert [numbers(asked) for asked in server.asked] == [[1, 2, 3], [1], [2, 3], [2], [3]]
    assert found == [Result(1, "stored"), Result(2, "stored"), Result(3, "refused", "413 too_large: no")]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            answer(401, '{"code":"unauthorized","message":"no"}'),
            "401 unauthorized: no; check the key",
        ),
        (answer(403, '{"code":"forbidden","message":"no"}'), "403 forbidden: no; use a key with this right"),
        (answer(404, "not here"), "is --url the public address of a hub?"),
        (answer(200, "[]"), "the answer is not from a hub"),
        (results(STORED), "the answer is not from a hub"),
    ],
)
def test_what_would_refuse_every_line_ends_the_run(reply: bytes, said: str, waits: list[float]) -> None:
    """It is not repeated for a million lines, and the sentence says what to change."""
    with Scripted(reply) as server, pytest.raises(UnavailableError, match=re.escape(said)):
        send_batch(server, line(1), line(2))
    assert waits == []


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A real one that allows some channels only."""
    settings = {
        "FAST_SSE_AUTH__ALLOWED_EVENT_IDS": "car1,car2,car3,car4,a:b",
        "FAST_SSE_LIMITS__JSON_DEPTH_MAX": "3",
    }
    with Hub(tmp_path_factory.mktemp("hub"), store="memory", port=0, settings=settings) as hub:
        yield hub


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.parametrize("signer", [V1, V2], ids=["singles", "batches"])
def test_both_ways_have_the_same_outcomes(signer: Signer, hub: Hub) -> None:
    """A real hub: bad lines are refused by number, neighbours stored, and all of it again is duplicates."""
    lines = [
        line(1),
        line(2, data="[[[[1]]]]"),
        line(3, event_id="truck"),
        line(4, event_id="car4", event="fast-sse.gap"),
        *(line(number, event_id=f"car{number % 4 + 1}") for number in range(5, 60)),
    ]
    at = Remote.at(f"http://127.0.0.1:{hub.public[1]}")
    with closing(make_sender(at, signer, 2, silent)) as sender:
        first, again = sender.send(lines), sender.send(lines)
    assert [result.number for result in sorted(first)] == list(range(1, 60))
    assert {result.number for result in first if result.state == "refused"} == {2, 3, 4}
    assert {result.state for result in first} == {"stored", "refused"}
    assert {result.state for result in again} == {"duplicate", "refused"}
    conflict = line(1, data="2")
    with closing(make_sender(at, signer, 2, silent)) as sender:
        (refused,) = sender.send([conflict])
    assert "key_conflict" in refused.problem


@pytest.mark.wire
@pytest.mark.slow
def test_v1_refuses_what_it_cannot_sign(hub: Hub) -> None:
    """A channel with a colon cannot be told from another one in v1: that line is refused, its neighbours are stored."""
    at = Remote.at(f"http://127.0.0.1:{hub.public[1]}")
    with closing(Singles(at, V1, 2, silent)) as sender:
        found = sender.send([line(100), line(101, event_id="a:b"), line(102)])
    assert [result.state for result in found] == ["stored", "refused", "stored"]


def test_a_keyring_that_cannot_publish_is_said() -> None:
    """A setting, not the hub, is wrong: that is status 2, before anything is sent."""
    with Scripted() as server:
        signer = Signer(Keyring(secret=SECRET.encode(), v1="subscribe"))
        with (
            closing(Singles(Remote.at(server.url), signer, 0, silent)) as sender,
            pytest.raises(ConfigError),
        ):
            sender.send([line(1)])
    assert server.asked == []


def test_single_requests_share_the_fate_of_a_hub_that_refuses_all(waits: list[float]) -> None:
    """401 to the first line ends the run; the other lines are not asked for."""
    with Scripted(answer(401, '{"code":"unauthorized","message":"no"}')) as server:
        sender = Singles(Remote.at(server.url), V1, 0, silent)
        with closing(sender), pytest.raises(UnavailableError, match="check the key"):
            sender.send([line(1), line(2)])
    assert len(server.asked) == 1


def test_closing_wakes_a_lane_that_waits(waits: list[float]) -> None:
    """A lane that waits for a hub to come back does not keep an interrupted run alive."""
    with Scripted() as server:
        pass
    sender = Singles(Remote.at(server.url), V1, 8, silent)
    links = [sender._pool.submit(sender._send_lane, link, [line(1)]) for link in sender._links]
    sender.close()
    assert all(isinstance(lane.exception(), UnavailableError) for lane in links)
