"""Dead letters, as operators see, replay and purge them."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from tests.http.admin.conftest import KEY, Answer, FakeNode
from tests.http.admin.conftest import ask as ask_node
from tests.http.rig import rigged
from tests.hub.letter_box import CART, FORBIDDEN, DeskRig, desk_rig

from fast_sse.http.message import Request
from fast_sse.model.channel import Channel
from fast_sse.model.errors import DiskFullError, NotFoundError, UnavailableError
from fast_sse.model.limits import Limits
from fast_sse.observe.observer import LettersImported, LettersPurged, LettersReplayed

OTHER = Channel("other", "t")
#: What an operator's browser or terminal must not be driven by.
NASTY = "<img src=x onerror=alert(1)>\u202egnp.exe\x1b[2J"


class Desk(FakeNode):
    """A node with letters."""

    def __init__(self, rig: DeskRig) -> None:
        super().__init__()
        self.rig = rig
        self.letters = rig.desk
        self.delivery_error: Exception | None = None

    async def delivery(self, message_id: str) -> Any:
        """One message."""
        if self.delivery_error is not None:
            raise self.delivery_error
        return SimpleNamespace(
            message_id=message_id,
            channel=CART,
            state="dead",
            stored_ms=1000,
            written=None,
            acked=None,
            clients=[],
            first_written_ms=None,
            complete=False,
            silent=["n2"],
        )

    async def ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        """One request of an operator."""
        return await ask_node(self, path, method=method, body=body)

    async def data(self, method: str, path: str, body: bytes = b"") -> Any:
        """What a request is answered with."""
        answer = await self.ask(method, path, body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["code"] == "ok"
        return answer.json()["data"]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """A node without letters, so far."""
    async with desk_rig() as rig:
        yield Desk(rig)


async def test_the_list_is_of_heads(desk: Desk) -> None:
    """The newest first; nothing of what was published is in it; `waiting` is what may become a letter yet."""
    first, second = await desk.rig.die(2, user=b'{"id":7}')
    page = await desk.data("GET", "/v1/dead-letters")
    assert [item["id"] for item in page["items"]] == [second, first]
    assert (page["next"], page["total"], page["waiting"]) == (None, 2, 5)
    assert page["items"][0] == {
        "id": second,
        "event_id": "cart1",
        "event_type": "changed",
        "reason": "no_subscriber",
        "description": "nobody was handed it within 30 s",
        "published_ms": 1_000_000,
        "dead_ms": 1_000_000,
        "first_seen_ms": 1_000_000,
        "attempts": 1,
        "original_id": second,
        "maybe_delivered": False,
        "node": "n1",
        "size_bytes": page["items"][0]["size_bytes"],
    }


@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_pages_hold_each_letter_once(desk: Desk, order: str) -> None:
    """In both orders, also on another node, whatever a page holds."""
    ids = await desk.rig.die(7)
    desk.rig.letters.short = 3
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        desk.letters = desk.rig.new_desk()
        page = await desk.data("GET", f"/v1/dead-letters?order={order}&limit=2&cursor={cursor}")
        found += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert found == (ids if order == "oldest" else ids[::-1])


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("reason=no_subscriber", 3),
        ("reason=poison", 1),
        ("reason=expired", 0),
        ("event_id=cart1", 2),
        ("event_type=t&event_id=other", 1),
        ("event_id=cart1&event_type=t", 0),
        ("after=1000000", 4),
        ("before=1000001", 3),
        ("after=1000001&before=1000002", 1),
    ],
)
async def test_filters(desk: Desk, query: str, count: int) -> None:
    """By reason, by each half of the channel, by the time of death; all that are given must hold."""
    await desk.rig.die(2)
    await desk.rig.die(1, OTHER)
    desk.rig.now_ms += 1
    await desk.rig.keep(b"x")
    assert len((await desk.data("GET", f"/v1/dead-letters?{query}"))["items"]) == count


MANY = [("GET", ""), ("DELETE", ""), ("POST", "/replay")]


@pytest.mark.parametrize(("method", "path"), MANY)
@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("event_ld=cart1", "event_ld"),
        ("event_id=cart1&resaon=expired", "resaon"),
        ("Reason=expired", "Reason"),
        ("event-id=cart1", "event-id"),
        ("form=raw", "form"),
        ("event_id=cart1&event_id=other", "event_id"),
        ("reason=lost", "reason"),
        ("reason=", "reason"),
        ("event_id=", "segment"),
        ("event_id=a%2Fb", "segment"),
        ("event_id=%ff", "UTF-8"),
        ("after=yesterday", "after"),
        ("after=-1", "after"),
        ("before=1e3", "before"),
        ("before=" + "9" * 5000, "before"),
        ("event_id=cart1&limit=0", "limit"),
        ("event_id=cart1&limit=1001", "limit"),
        ("event_id=cart1&limit=x", "limit"),
        ("event_id=cart1&cursor=%21", "cursor"),
    ],
)
async def test_what_is_misspelt_is_refused_and_nothing_is_gone(
    desk: Desk, method: str, path: str, query: str, named: str
) -> None:
    """400 with its name; a filter that is not one would be none."""
    await desk.rig.die(2)
    answer = await desk.ask(method, f"/v1/dead-letters{path}?{query}")
    assert answer.status_code == 400
    assert named in answer.json()["message"]
    assert len(await desk.rig.ids()) == 2
    assert len(await desk.rig.log()) == 2


@pytest.mark.parametrize(
    "query", ["", "limit=5", "cursor=", "all=false", "all=", "all=1", "all=true&event_id=cart1"]
)
async def test_a_purge_needs_a_filter_or_all(desk: Desk, query: str) -> None:
    """One of them, so that nothing is purged by what is missing."""
    await desk.rig.die(2)
    answer = await desk.ask("DELETE", f"/v1/dead-letters?{query}")
    assert (answer.status_code, len(await desk.rig.ids())) == (400, 2)


async def test_a_purge_is_bounded_and_logged(desk: Desk) -> None:
    """1,000 a call; who, which filter, and how many."""
    kept = await desk.rig.die(1, OTHER)
    await desk.rig.die(3)
    assert (await desk.data("DELETE", "/v1/dead-letters?event_id=cart1&limit=2"))["purged"] == 2
    assert await desk.data("DELETE", "/v1/dead-letters?event_id=cart1") == {"purged": 1, "next": None}
    assert await desk.rig.ids() == kept
    assert await desk.data("DELETE", "/v1/dead-letters?all=true") == {"purged": 1, "next": None}
    assert desk.rig.facts == [
        LettersPurged("10.0.0.1", "event_id=cart1", 2),
        LettersPurged("10.0.0.1", "event_id=cart1", 1),
        LettersPurged("10.0.0.1", "all", 1),
    ]


async def test_one_letter_is_purged(desk: Desk) -> None:
    """200, and 404 from then on."""
    (first,) = await desk.rig.die()
    assert await desk.data("DELETE", f"/v1/dead-letters/{first}") == {"purged": 1}
    for method, path in (("DELETE", ""), ("GET", ""), ("GET", "?form=raw"), ("POST", "/replay")):
        answer = await desk.ask(method, f"/v1/dead-letters/{first}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_whole_letter(desk: Desk) -> None:
    """Its head, and the message as it was published, digits included; `form=raw` is its data as a file."""
    (first,) = await desk.rig.die()
    record = (await desk.letters.show(first)).record
    assert record is not None
    whole = await desk.data("GET", f"/v1/dead-letters/{first}")
    head = (await desk.data("GET", "/v1/dead-letters"))["items"][0]
    more = {"event_name": None, "event": None, "user": None, "headers": json.loads(record.headers), "data": 0}
    assert whole == {**head, **more}
    raw = await desk.ask("GET", f"/v1/dead-letters/{first}?form=raw")
    assert raw.body == b"0"
    assert (await desk.ask("GET", f"/v1/dead-letters/{first}?form=xml")).status_code == 400
    assert (await desk.ask("GET", f"/v1/dead-letters/{first}?from=raw")).status_code == 400


async def test_poison_is_shown_and_never_rendered(desk: Desk) -> None:
    """In JSON as base64, raw as a file to keep: no browser shows it, and NUL and all other bytes are exact."""
    raw = NASTY.encode() + bytes(range(256))
    poison = await desk.rig.keep(raw)
    whole = await desk.data("GET", f"/v1/dead-letters/{poison}")
    assert (whole["event_id"], whole["event_type"]) == (None, None)
    assert base64.b64decode(whole["raw"]) == raw
    assert (whole["raw_bytes"], whole["source"]["place"], "data" in whole) == (len(raw), "1-0", False)
    answer = await desk.ask("GET", f"/v1/dead-letters/{poison}?form=raw")
    assert answer.body == raw
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == f'attachment; filename="{poison}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    assert answer.headers["cache-control"] == "no-store"


async def test_a_message_of_any_characters_is_json_and_nothing_else(desk: Desk) -> None:
    """What a publisher chose is inside a string of JSON that no browser takes for a page."""
    channel = Channel("<img onerror=1>", "\u202et")
    (first,) = await desk.rig.die(1, channel, headers={"a": NASTY}, event="<b>")
    for path in (f"/v1/dead-letters/{first}", "/v1/dead-letters"):
        answer = await desk.ask("GET", path)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert b"\x1b" not in answer.body
    whole = await desk.data("GET", f"/v1/dead-letters/{first}")
    assert (whole["event_id"], whole["event_type"], whole["event"]) == (*channel, "<b>")
    assert whole["headers"]["a"] == NASTY


async def test_a_replay(desk: Desk) -> None:
    """To its own channel, or to another one; the second replay of a letter finds none."""
    first, second = await desk.rig.die(2)
    done = await desk.data("POST", f"/v1/dead-letters/{first}/replay")
    assert done == {"id": first, "message_id": done["message_id"], "duplicate": False}
    body = b'{"to":{"event_id":"other","event_type":"t"}}'
    await desk.data("POST", f"/v1/dead-letters/{second}/replay", body)
    assert [record.channel for record in await desk.rig.log()] == [CART, CART, CART, OTHER]
    assert desk.rig.facts == [
        LettersReplayed("10.0.0.1", f"id={first}", "", 1, 0, 0),
        LettersReplayed("10.0.0.1", f"id={second}", "other/t", 1, 0, 0),
    ]
    assert (await desk.ask("POST", f"/v1/dead-letters/{first}/replay")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{}", 200),
        (b'{"to":null}', 200),
        (b"  ", 200),
        (b'{"too":{"event_id":"other","event_type":"t"}}', 400),
        (b'{"to":{"event_id":"other"}}', 400),
        (b'{"to":{"event_id":"a/b","event_type":"t"}}', 400),
        (b'{"to":{"event_id":"other","event_type":"t","event":"x"}}', 400),
        (b'{"to":{"event_id":"forbidden","event_type":"t"}}', 403),
        (b"[]", 400),
        (b"\xff", 400),
        (b"[" * 4096, 400),
        (b" " * 4097, 413),
    ],
)
@pytest.mark.parametrize("many", [False, True])
async def test_where_a_replay_goes(desk: Desk, body: bytes, status: int, many: bool) -> None:
    """A body that does not say exactly that is refused: the letters would go to their own channels."""
    (first,) = await desk.rig.die()
    answer = await desk.ask("POST", f"/v1/dead-letters/{'' if many else first + '/'}replay", body)
    if many and status == 403:
        assert [failure["code"] for failure in answer.json()["data"]["failed"]] == ["forbidden"]
    else:
        assert answer.status_code == status, answer.text
    assert len(await desk.rig.log()) == (2 if status == 200 else 1)


async def test_a_replay_of_poison(desk: Desk) -> None:
    """By the rules of today; what still is no message is 400, and stays."""
    good = await desk.rig.keep(b'{"event_id":"other","event_type":"t","data":1}')
    bad = await desk.rig.keep(b"\x00" + NASTY.encode())
    assert (await desk.data("POST", f"/v1/dead-letters/{good}/replay"))["duplicate"] is False
    assert (await desk.ask("POST", f"/v1/dead-letters/{bad}/replay")).status_code == 400
    assert await desk.rig.ids() == [bad]
    assert [record.channel for record in await desk.rig.log()] == [OTHER]


async def test_a_run(desk: Desk) -> None:
    """Bounded calls, each of which says what came of it and where the next one goes on."""
    await desk.rig.die(2)
    (forbidden,) = await desk.rig.die(1, FORBIDDEN)
    await desk.rig.die()
    done = await desk.data("POST", "/v1/dead-letters/replay?limit=2")
    assert (done["replayed"], done["failed"], done["gone"]) == (2, [], 0)
    last = await desk.data("POST", f"/v1/dead-letters/replay?cursor={done['next']}")
    message = "this channel is not allowed here"
    failed = [{"id": forbidden, "code": "forbidden", "message": message}]
    assert last == {"replayed": 1, "failed": failed, "gone": 0, "next": None}
    assert desk.rig.facts == [
        LettersReplayed("10.0.0.1", "all", "", 2, 0, 0),
        LettersReplayed("10.0.0.1", "all", "", 1, 1, 0),
    ]


async def test_a_store_that_is_away(desk: Desk) -> None:
    """Its own error; nothing is lost."""
    (first,) = await desk.rig.die()
    desk.rig.refusals[0] = DiskFullError("full")
    for path in (f"{first}/replay", "replay"):
        assert (await desk.ask("POST", f"/v1/dead-letters/{path}")).status_code == 507
    desk.rig.letters.away = {"list", "get", "drop"}
    for method, path in (
        ("GET", ""),
        ("GET", f"/{first}"),
        ("DELETE", f"/{first}"),
        ("DELETE", "?all=true"),
        ("POST", "/replay"),
    ):
        answer = await desk.ask(method, f"/v1/dead-letters{path}")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_stored")
        assert answer.headers["retry-after"] == "1"
    assert await desk.rig.ids() == [first]


async def test_delivery_needs_no_signature_here(desk: Desk) -> None:
    """The same answer as on the public listener; what is not known is null."""
    shown = await desk.data("GET", "/v1/messages/m1.0000000000000.7/delivery")
    assert (shown["message_id"], shown["event_id"], shown["state"]) == ("m1.0000000000000.7", "cart1", "dead")
    assert (shown["written"], shown["silent"]) == (None, ["n2"])
    for error, status in ((NotFoundError("no"), 404), (UnavailableError("away"), 503)):
        desk.delivery_error = error
        assert (await desk.ask("GET", "/v1/messages/m1.0000000000000.7/delivery")).status_code == status


ROUTES = [
    ("GET", "/v1/dead-letters"),
    ("DELETE", "/v1/dead-letters"),
    ("GET", "/v1/dead-letters/m1.0000000000000.7"),
    ("DELETE", "/v1/dead-letters/m1.0000000000000.7"),
    ("POST", "/v1/dead-letters/m1.0000000000000.7/replay"),
    ("POST", "/v1/dead-letters/replay"),
]


@pytest.mark.parametrize(("method", "path"), [*ROUTES, ("GET", "/v1/messages/m1.0000000000000.7/delivery")])
async def test_every_route_asks_for_the_key(desk: Desk, method: str, path: str) -> None:
    """Nothing is done or shown without it."""
    await desk.rig.die()
    assert (await ask_node(desk, f"{path}?all=true", KEY, method)).status_code == 401
    assert len(await desk.rig.ids()) == 1


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_no_route_is_on_the_public_listener(method: str, path: str) -> None:
    """404, as any path that there is none of, with or without the operators' key."""
    async with rigged(Limits()) as rig:
        request = Request(method, path, "", {"authorization": "Bearer operators-only"})
        assert await rig.code(request) == (404, "not_found")
        if method == "POST":
            assert getattr(rig.endpoints.admit(request), "status", 0) == 404


def imported(*raws: bytes, queue: str = "old:dead_letter", **more: Any) -> bytes:
    """The body of an import."""
    items = [
        {
            "kind": "redis_stream",
            "queue": queue,
            "place": f"{number}-0",
            "raw": base64.b64encode(raw).decode(),
            **more,
        }
        for number, raw in enumerate(raws, 1)
    ]
    return json.dumps({"items": items}).encode()


IMPORT = "/v1/dead-letters/import"
PACKAGE = b'{"event_id":"cart1","event_type":"changed","data":1}'


async def test_letters_of_another_hub_are_imported_once(desk: Desk) -> None:
    """What is a message died undelivered there, all else is poison; the same again is known, and each call is logged."""
    body = imported(PACKAGE, b"\xff", PACKAGE)
    assert await desk.data("POST", IMPORT, body) == {"kept": 3, "known": 0}
    assert await desk.data("POST", IMPORT, body) == {"kept": 0, "known": 3}
    page = await desk.data("GET", "/v1/dead-letters")
    found = {item["source"]["place"]: (item["reason"], item["event_id"]) for item in page["items"]}
    assert found == {
        "1-0": ("no_subscriber", "cart1"),
        "2-0": ("poison", None),
        "3-0": ("no_subscriber", "cart1"),
    }
    assert {item["source"]["queue"] for item in page["items"]} == {"old:dead_letter"}
    assert desk.rig.facts == [LettersImported("10.0.0.1", 3, 0), LettersImported("10.0.0.1", 0, 3)]


async def test_an_imported_letter_is_shown_and_replayed(desk: Desk) -> None:
    """It has its bytes, and becomes the message that they are."""
    await desk.data("POST", IMPORT, imported(PACKAGE))
    (letter_id,) = await desk.rig.ids()
    whole = await desk.data("GET", f"/v1/dead-letters/{letter_id}")
    assert base64.b64decode(whole["raw"]) == PACKAGE
    assert (await desk.ask("GET", f"/v1/dead-letters/{letter_id}?form=raw")).body == PACKAGE
    done = await desk.data("POST", "/v1/dead-letters/replay?reason=no_subscriber")
    assert (done["replayed"], done["failed"]) == (1, [])
    (record,) = await desk.rig.log()
    assert (record.channel, record.data) == (CART, b"1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"items":[],"all":true}',
        imported(PACKAGE, kind="kafka_topic"),
        imported(PACKAGE, queue=""),
        imported(PACKAGE, queue="q" * 513),
        imported(PACKAGE, place="1-0\n"),
        imported(PACKAGE, place=7),
        imported(PACKAGE, raw="***"),
        imported(PACKAGE, reason="poison"),
        imported(*[b"x"] * 501),
        imported(b"x") + b"\xff",
    ],
    ids=range(13),
)
async def test_of_an_import_that_is_not_valid_nothing_is_kept(desk: Desk, body: bytes) -> None:
    """400; also where only one of many is wrong."""
    answer = await desk.ask("POST", IMPORT, body)
    assert (answer.status_code, await desk.rig.ids()) == (400, [])


async def test_an_import_is_bounded(desk: Desk) -> None:
    """500 letters and 4 MiB a call; one that is larger is 413."""
    assert (await desk.data("POST", IMPORT, imported(*[b"x"] * 500)))["kept"] == 500
    large = imported(b"x" * (3 << 20))
    assert len(large) > 4 << 20
    assert (await desk.ask("POST", IMPORT, large)).status_code == 413
    assert (await desk.ask("POST", f"{IMPORT}?all=true", imported(b"y"))).status_code == 400
    assert len(await desk.rig.ids()) == 500


async def test_an_import_that_the_store_refuses_is_asked_again(desk: Desk) -> None:
    """503, and not logged as done; the same again keeps each once."""
    desk.rig.letters.away = {"keep"}
    assert (await desk.ask("POST", IMPORT, imported(b"x"))).status_code == 503
    assert desk.rig.facts == []
    desk.rig.letters.away = set()
    assert await desk.data("POST", IMPORT, imported(b"x")) == {"kept": 1, "known": 0}
