"""Rules of `http.api.batching`: many messages in one request."""

import asyncio
import base64
import gzip
import json
from random import Random
from typing import Any

import pytest
from tests.http.rig import NOW, SECRET, V1, Rig, publish, rigged
from tests.support.clock import ManualClock

from fast_sse.http.api.access import Access
from fast_sse.http.api.clients import Clients
from fast_sse.http.message import Admission, Deferred, Request, Response
from fast_sse.model.channel import Channel
from fast_sse.model.errors import DiskFullError
from fast_sse.model.limits import Limits
from fast_sse.model.signature import Keyring, sign_v2

BATCH = "/v1/sse/batch"


def sign(body: bytes, nonce: str = "n" * 16, scope: str = "batch") -> str:
    """A v2 signature of a batch."""
    now = int(NOW)
    return sign_v2(SECRET, "web-1", scope, (), body=body, iat=now, exp=now + 60, nonce=nonce)  # type: ignore[arg-type]


def batch(*lines: Any, nonce: str = "n" * 16, **headers: str) -> Request:
    """A signed batch; lines are objects or raw bytes."""
    body = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(
        "POST",
        BATCH,
        "",
        {"content-type": "application/x-ndjson", "x-signature": sign(body, nonce), **given},
        body,
    )


def line(number: int, **fields: Any) -> dict[str, Any]:
    """A good line."""
    return {"event_id": f"cart{number}", "event_type": "changed", "data": number, **fields}


async def results(rig: Rig, request: Request) -> list[dict[str, Any]]:
    """The results of a batch that is answered 200."""
    answer = await rig.ask(request)
    assert answer.status == 200, answer.body
    body = json.loads(answer.body)
    assert body["code"] == "ok"
    return body["data"]["results"]


async def test_a_bad_line_never_spoils_its_neighbours(rig: Rig) -> None:
    """Results come in the order of the lines, each a place in the log or its own error."""
    given = [
        line(1),
        b"{",
        line(2, event_id="a/b"),
        {"data": 1},
        line(3, event="error"),
        line(4, idempotency_key=""),
        line(5),
    ]
    answers = await results(rig, batch(*given))
    codes = [answer.get("code", "ok") for answer in answers]
    assert codes == ["ok", "bad_request", "bad_channel", "bad_request", "bad_request", "bad_request", "ok"]
    records = await rig.log()
    assert [json.loads(record.data) for record in records] == [1, 5]
    newest = (await rig.store.bounds()).newest
    stored = [answer for answer in answers if "message_id" in answer]
    assert stored == [
        {"message_id": newest.at(record.position).text, "durability": "process", "duplicate": False}
        for record in records
    ]


async def test_empty_lines_are_no_messages(rig: Rig) -> None:
    """A trailing line end, CRLF and blank lines are framing (NDJSON); no line at all is an empty answer."""
    body = json.dumps(line(1)).encode() + b"\r\n\r\n" + json.dumps(line(2)).encode() + b"\n"
    assert len(await results(rig, batch(body))) == 2
    assert await results(rig, batch(b"", nonce="m" * 16)) == []


async def test_a_long_batch_keeps_its_order(rig: Rig) -> None:
    """Lines parsed over several turns of the loop are stored in their order, with one answer each."""
    answers = await results(rig, batch(*[line(number) for number in range(1000)]))
    assert len({answer["message_id"] for answer in answers}) == 1000
    assert [json.loads(record.data) for record in await rig.log()] == list(range(1000))


async def test_a_repeated_batch_is_the_same_messages(rig: Rig) -> None:
    """Each line has the key nonce "." index, so a replay of the batch stores nothing twice (G3)."""
    first = await results(rig, batch(line(1), line(2)))
    again = await results(rig, batch(line(1), line(2)))
    assert again == [{**answer, "duplicate": True} for answer in first]
    assert len(await rig.log()) == 2


async def test_lines_have_keys_of_their_own(rig: Rig) -> None:
    """A line's idempotency_key counts across batches, and within one; another body is a conflict of that line."""
    keyed = line(1, idempotency_key="k")
    first = await results(rig, batch(keyed, keyed, line(2)))
    assert [answer["duplicate"] for answer in first] == [False, True, False]
    again = await results(rig, batch(keyed, line(1, idempotency_key="k", event="other"), nonce="m" * 16))
    assert again[0] == {**first[0], "duplicate": True}
    assert again[1]["code"] == "key_conflict"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"content-type": "application/json"}, (415, "unsupported_media")),
        ({"x-signature": V1}, (401, "unauthorized")),
        ({"x-signature": ""}, (401, "unauthorized")),
        ({"x-signature": sign(b"other")}, (401, "unauthorized")),
        ({"idempotency-key": "k"}, (400, "bad_request")),
    ],
)
async def test_a_batch_that_is_refused_stores_nothing(
    rig: Rig, changes: dict[str, str], expected: object
) -> None:
    """A batch takes NDJSON, a v2 signature of its scope over its body, and keys by line."""
    request = batch(line(1))
    request.headers.update(changes)
    assert await rig.code(request) == expected
    assert await rig.log() == []


async def test_allow_lists_judge_line_by_line(rig: Rig) -> None:
    """A line for a channel that is not allowed is `forbidden`, its neighbours are stored."""
    rig.endpoints.access = Access(
        keyring=Keyring(keys={"web-1": SECRET}), allowed_event_ids=frozenset({"cart1"})
    )
    answers = await results(rig, batch(line(1), line(2)))
    assert [answer.get("code", "ok") for answer in answers] == ["ok", "forbidden"]


async def test_too_many_lines_are_refused_whole() -> None:
    """Over `batch_lines_max` nothing is stored; a line over the body limit fails alone."""
    async with rigged(Limits(batch_lines_max=2, body_bytes_max=200)) as rig:
        assert await rig.code(batch(line(1), line(2), line(3))) == (413, "too_large")
        assert await rig.log() == []
        answers = await results(rig, batch(line(1), line(2, event_name="x" * 200)))
        assert [answer.get("code", "ok") for answer in answers] == ["ok", "too_large"]


async def test_an_error_of_the_store_is_each_lines_own(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the store refuses is never a 2xx of that line."""

    def full(drafts: Any) -> Any:
        raise DiskFullError("the disk is full")

    monkeypatch.setattr(rig.hub, "publish", full)
    answers = await results(rig, batch(line(1), b"{"))
    assert [answer["code"] for answer in answers] == ["disk_full", "bad_request"]


async def turns_of(rig: Rig, request: Request) -> tuple[int, int]:
    """Status of the answer, and turns that the loop had meanwhile."""
    answer = rig.endpoints.handle(request)
    assert isinstance(answer, Deferred)
    turns = 0
    while not answer.future.done():
        await asyncio.sleep(0)
        turns += 1
    return answer.render(answer.future).status, turns


async def test_each_line_of_a_batch_is_charged() -> None:
    """A line is a message for the publish rate, one that is refused by itself too; blank lines are framing, and free."""
    clock = ManualClock(NOW)
    async with rigged(Limits(), now=clock, clients=Clients(publish_rate=3)) as rig:
        assert len(await results(rig, batch(line(1), b"", b"{", b" ", line(2)))) == 3
        assert await rig.code(publish()) == (429, "rate_limited")
        clock.now += 0.5
        assert (await rig.ask(publish())).status == 200
        assert len(await rig.log()) == 3


async def test_a_batch_that_is_refused_whole_is_not_charged() -> None:
    """Only lines that are about to be published count, so a wrong signature or a line too many costs nothing."""
    limits = Limits(batch_lines_max=3)
    async with rigged(limits, now=lambda: NOW, clients=Clients(publish_rate=3)) as rig:
        assert await rig.code(batch(line(1), line(2), x_signature=sign(b"other"))) == (401, "unauthorized")
        assert await rig.code(batch(line(1), line(2), idempotency_key="k")) == (400, "bad_request")
        assert await rig.code(batch(*[line(number) for number in range(4)])) == (413, "too_large")
        assert len(await results(rig, batch(line(1), line(2), line(3)))) == 3
        assert await rig.code(batch(line(4), nonce="m" * 16)) == (429, "rate_limited")
        assert len(await rig.log()) == 3


async def test_a_batch_is_good_for_its_messages_until_its_last_moment() -> None:
    """Sent again while its signature is still taken, a skew past its end, every line is a duplicate."""
    clock = ManualClock(NOW)
    async with rigged(Limits(), now=clock) as rig:
        first = await results(rig, batch(line(1), line(2)))
        clock.now = NOW + 119
        assert await results(rig, batch(line(1), line(2))) == [{**one, "duplicate": True} for one in first]


async def test_line_ends_alone_leave_turns_to_others(rig: Rig) -> None:
    """A megabyte of line ends is looked through in slices, and is no message (CWE-400)."""
    status, turns = await turns_of(rig, batch(b"\n" * (1 << 20)))
    assert status == 200
    assert turns >= 16


async def test_a_line_too_many_is_refused_before_the_rest_is_looked_at(rig: Rig) -> None:
    """At the first line over the bound a batch is 413: what follows, however long, costs nothing."""
    lines = b"1\n" * 100_000
    assert lines.count(b"\n") > 2 * Limits().batch_lines_max
    status, turns = await turns_of(rig, batch(lines))
    assert status == 413
    assert turns < 100


async def test_long_lines_leave_turns_to_others(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few lines of many bytes hold nobody up longer than many of few."""
    monkeypatch.setattr("fast_sse.http.api.batching._BYTES_A_TURN", 1000)
    text = "x" * 1001
    _, few = await turns_of(rig, batch(line(1), nonce="f" * 16))
    _, long = await turns_of(rig, batch(*[line(number, event_name=text) for number in range(20)]))
    assert long >= few + 10


async def test_an_unsigned_batch_is_never_inflated(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signature covers the bytes as sent, so they are not looked into before it is right (CWE-409)."""

    def inflate(*_: object) -> None:
        raise AssertionError("inflated for nobody")

    request = batch(gzip.compress(b"\n" * (1 << 24)), content_encoding="gzip")
    monkeypatch.setattr("fast_sse.http.api.batching.Inflating", inflate)
    for signature in ("", V1, sign(b"another")):
        request.headers["x-signature"] = signature
        assert await rig.code(request) == (401, "unauthorized")
    refused = {one.labels: one.value for one in rig.endpoints.samples() if one.name == "refused_total"}
    assert refused == {(("code", "unauthorized"),): 3}


async def test_a_long_gzip_batch_is_the_same_messages(rig: Rig) -> None:
    """A batch that is inflated in a thread is answered line by line like any other."""
    words = Random(1)
    text = b"\n".join(
        json.dumps(line(number, event_name=words.randbytes(450).hex())).encode() for number in range(200)
    )
    packed = batch(gzip.compress(text), content_encoding="gzip")
    assert len(await results(rig, packed)) == 200
    assert [json.loads(record.data) for record in await rig.log()] == list(range(200))


async def test_a_large_batch_is_verified_all_the_same(rig: Rig) -> None:
    """A body whose hash is made in a thread is refused and taken as a small one is."""
    lines = [line(number, event_name="z" * 9_000) for number in range(40)]
    wrong = batch(*lines)
    assert len(wrong.body) > 300_000
    wrong.body += b" "
    assert await rig.code(wrong) == (401, "unauthorized")
    assert len(await results(rig, batch(*lines))) == 40


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        (sign(b"x"), 16 << 20),
        (sign_v2(SECRET, "web-1", "pub", (Channel("a", "b"),), body=b"x", iat=int(NOW), exp=int(NOW) + 60,
                 nonce="n" * 16), 1 << 20),
    ],
    ids=["batch", "pub"],
)  # fmt: skip
async def test_only_who_may_be_signing_a_batch_may_send_a_long_one(
    rig: Rig, signature: str, expected: int
) -> None:
    """The bound of batches holds for a signature of that scope, which only the whole body can prove; else that of messages."""
    request = batch()
    request.headers["x-signature"] = signature
    assert rig.endpoints.admit(request) == Admission(expected, vouched=False)


async def test_without_a_key_of_v2_no_batch_is_received(rig: Rig) -> None:
    """Where no batch could be signed at all, its head is 401 and its body is never waited for."""
    rig.endpoints.access = Access(keyring=Keyring(secret=SECRET))
    answer = rig.endpoints.admit(batch(line(1)))
    assert isinstance(answer, Response)
    assert answer.status == 401


async def test_a_line_whose_data_is_not_what_it_says_spoils_no_neighbour(rig: Rig) -> None:
    """Data that its publisher compressed is checked line by line: bombs are `too_large`, damage is `bad_request`."""

    def said(number: int, member: bytes) -> dict[str, Any]:
        text = base64.b64encode(member).decode()
        return line(number, data=text, headers={"message_compressed": "true"})

    long = gzip.compress(Random(1).randbytes(200_000))
    given = [
        said(1, gzip.compress(b"{}")),
        said(2, gzip.compress(bytes(1 << 20))),
        said(3, long[:-1]),
        said(4, long),
        line(5),
    ]
    codes = [result.get("code", "stored") for result in await results(rig, batch(*given))]
    assert codes == ["stored", "too_large", "bad_request", "stored", "stored"]
    assert len(await rig.log()) == 3


async def test_every_line_carries_the_trace_of_its_request(rig: Rig) -> None:
    """But for one that brings its own: a batch is one request of one trace."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    given = [line(1), line(2, headers={"traceparent": "mine"})]
    await results(rig, batch(*given, traceparent=trace))
    assert [json.loads(record.headers)["traceparent"] for record in await rig.log()] == [trace, "mine"]
