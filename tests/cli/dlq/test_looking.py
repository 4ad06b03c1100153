"""`fast-sse dlq list` and `fast-sse dlq show`."""

from __future__ import annotations

import base64
import json
import sys

import pytest
from tests.cli.conftest import Command
from tests.cli.dlq.letters import asked_for, head, ok, page, refused
from tests.cli.scripted import Scripted, answer


def test_a_table_and_how_many_there_are(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows in the order of the hub, then how many of all, and how many wait."""
    with Scripted(page(head(3), head(2), head(1), total=1204, waiting=17)) as server:
        assert command("dlq", "list", "--admin", server.url) == 0
    names, *rows, last = capsys.readouterr().out.splitlines()
    assert names.split() == ["id", "channel", "reason", "published", "dead", "tries", "size"]
    assert [row.split()[0].rpartition(".")[2] for row in rows] == ["3", "2", "1"]
    assert last == "3 of 1,204 dead letters, 17 waiting"
    assert asked_for(server.asked[0]) == "GET /v1/dead-letters?order=newest&limit=20"


def test_nothing_is_no_table(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line alone."""
    with Scripted(page()) as server:
        assert command("dlq", "list", "--admin", server.url) == 0
    assert capsys.readouterr().out == "0 of 0 dead letters, 0 waiting\n"


def test_filters_and_order_are_the_hubs(command: Command) -> None:
    """All of them go out as they are."""
    options = ("--reason", "poison", "--event-id", "a b", "--event-type", "*", "--after", "1764417600000")
    with Scripted(page()) as server:
        assert command("dlq", "list", "--admin", server.url, *options, "--limit", "7", "--oldest") == 0
    assert asked_for(server.asked[0]) == (
        "GET /v1/dead-letters?reason=poison&event_id=a+b&event_type=%2A&after=1764417600000&order=oldest&limit=7"
    )


def test_pages_are_read_until_there_are_enough(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """A page may be short: the next ones are asked for what is left, and none after the last that is wanted."""
    pages = (
        page(head(9), following="c1"),
        page(following="c2"),
        page(head(8), head(7), following="c3", total=9),
    )
    with Scripted(*pages) as server:
        assert command("dlq", "list", "--admin", server.url, "--limit", "3", "--json") == 0
    ids = [json.loads(line)["id"][-1] for line in capsys.readouterr().out.splitlines()]
    assert ids == ["9", "8", "7"]
    assert [asked_for(asked).partition("&limit=")[2] for asked in server.asked] == [
        "3",
        "2&cursor=c1",
        "2&cursor=c2",
    ]


WHOLE = {
    **head(4, attempts=2, original_id="s1.k3v9x2qah5m2c.1", maybe_delivered=True),
    "event_name": "CartItemUpdated",
    "event": "note",
    "user": {"to": 7},
    "headers": {"X": "1"},
    "data": {"text": "\u202e<img onerror>"},
}


def test_a_letter_for_people(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each thing there is to know; nothing in it drives a terminal."""
    with Scripted(ok(json.dumps(WHOLE, ensure_ascii=False))) as server:
        assert command("dlq", "show", WHOLE["id"], "--admin", server.url) == 0
    rows = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert rows == {
        "id": "s1.k3v9x2qah5m2c.4",
        "channel": "carid000001/cart_changed",
        "reason": "no_subscriber: nobody was handed it within 30 s",
        "published": "2026-11-29T12:00:00Z",
        "dead": "2026-11-29T12:00:30Z, by n1",
        "attempts": "2, first 2026-11-29T12:00:00Z as s1.k3v9x2qah5m2c.1",
        "delivered": "perhaps: a node that may have handed it over had not told",
        "size": "14 B",
        "event": "note",
        "event_name": "CartItemUpdated",
        "user": '{"to": 7}',
        "headers": '{"X": "1"}',
        "data": '{"text": "\\u202e<img onerror>"}',
    }


def test_json_is_the_letter_as_the_hub_has_it(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """On one line, byte for byte: no number is read."""
    with Scripted(ok('{"id":"s1.x.1",\n"data":[1.10,1e400]}')) as server:
        assert command("dlq", "show", "s1.x.1", "--admin", server.url, "--json") == 0
    assert capsys.readouterr().out == '{"id":"s1.x.1", "data":[1.10,1e400]}\n'


def test_poison_is_shown_as_text(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it came from, and its bytes: what is no text is escaped."""
    raw = base64.b64encode(b'{"a":\x00\xff\x1b[2J').decode()
    source = {"kind": "redis_stream", "queue": "sse:events", "place": "5-0"}
    letter = head(1, id="p-abc", original_id="p-abc", reason="poison", event_id=None, event_type=None)
    with Scripted(ok({**letter, "source": source, "sha256": "00ff", "raw": raw})) as server:
        assert command("dlq", "show", "p-abc", "--admin", server.url) == 0
    rows = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert (rows["channel"], rows["source"]) == ("-", "redis_stream sse:events 5-0")
    assert rows["raw"] == '{"a":\\x00\\xff\\x1b[2J'


@pytest.mark.parametrize("raw", [b"\x00\xff\x1b", b'{"code":"not_found","message":"no such route"}', b"{}"])
def test_raw_is_the_bytes_and_nothing_else(
    command: Command, capfdbinary: pytest.CaptureFixture, raw: bytes
) -> None:
    """Also when they look like an answer of the hub's own."""
    said = answer(200, "").replace(b"Content-Length: 0", b"Content-Length: %d" % len(raw)) + raw
    with Scripted(said) as server:
        assert command("dlq", "show", "p-abc", "--admin", server.url, "--raw") == 0
    assert capfdbinary.readouterr().out == raw
    assert asked_for(server.asked[0]) == "GET /v1/dead-letters/p-abc?form=raw"


def test_raw_is_not_for_a_terminal(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its bytes may drive one (CWE-150), and they are no JSON."""
    assert command("dlq", "show", "p-abc", "--raw", "--json") == 2
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert command("dlq", "show", "p-abc", "--raw") == 2
    assert capsys.readouterr().err.count("fast-sse: --raw: ") == 2


@pytest.mark.parametrize("options", [(), ("--raw",)])
def test_a_letter_that_is_gone(
    command: Command, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    """One line, status 1."""
    with Scripted(refused(404, "not_found", "there is no such dead letter")) as server:
        assert command("dlq", "show", "s1.x.1", "--admin", server.url, *options) == 1
    assert capsys.readouterr().err == "fast-sse: 404 not_found: there is no such dead letter\n"
