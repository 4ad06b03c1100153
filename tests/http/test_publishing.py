"""Rules of `http.publishing` beyond the single publish: batches, gzip, the publish rate."""

import gzip
import json
from typing import Any

import pytest
from tests.http.rig import NOW, PUBLISH, SECRET, V1, Rig, publish, rigged

from fast_sse.http.access import Access
from fast_sse.http.clients import Clients
from fast_sse.http.message import Request
from fast_sse.model.channel import Channel
from fast_sse.model.errors import DiskFullError
from fast_sse.model.limits import Limits
from fast_sse.model.signature import Keyring, sign_v1, sign_v2

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


async def test_a_gzip_body_is_the_same_message(rig: Rig) -> None:
    """`Content-Encoding: gzip` is inflated; the conflict check sees the inflated body, a v2 signature the sent one."""
    body = b'{"data":{"n":1}}'
    assert (await rig.ask(publish(body, idempotency_key="k"))).status == 200
    packed = publish(gzip.compress(body), content_encoding="gzip", idempotency_key="k")
    assert json.loads((await rig.ask(packed)).body)["data"]["duplicate"] is True
    sent = gzip.compress(b'{"data":2}')
    now = int(NOW)
    channel = Channel("cart1", "changed")
    signature = sign_v2(SECRET, "web-1", "pub", (channel,), body=sent, iat=now, exp=now + 9, nonce="m" * 16)
    assert (await rig.ask(publish(sent, content_encoding="gzip", x_signature=signature))).status == 200


async def test_the_publish_rate_is_429_and_certainly_not_stored() -> None:
    """Above the rate: 429 with Retry-After; who cannot sign is told 401 and charged nothing."""
    async with rigged(Limits(), clients=Clients(publish_rate=1)) as rig:
        assert await rig.code(publish(x_signature="0" * 64)) == (401, "unauthorized")
        assert (await rig.ask(publish())).status == 200
        answer = await rig.ask(publish())
        assert (answer.status, json.loads(answer.body)["code"]) == (429, "rate_limited")
        assert dict(answer.headers)["Retry-After"] == "1"
        assert len(await rig.log()) == 1


async def test_the_original_package_is_a_publish(rig: Rig) -> None:
    """The body of the original's curl line is stored as it is."""
    body = {
        "event_name": "CartItemUpdatedssss",
        "user": {"from_user": "system-inventory", "to_user": "user-session-abc123"},
        "data": {"car_id": "carid00000177777"},
        "headers": {"X-Trace-ID": "trace-abc-def"},
    }
    signature = sign_v1(SECRET, Channel("cart1", "changed"))
    assert (await rig.ask(publish(body, path=PUBLISH, x_signature=signature))).status == 200
    (record,) = await rig.log()
    assert json.loads(record.data) == body["data"]
    assert json.loads(record.meta) == {"event_name": body["event_name"], "user": body["user"]}
