"""`fast-sse subscribe`: it goes on where it was, and says when it could not."""

from __future__ import annotations

import itertools
import json
import re
import time
from types import SimpleNamespace
from typing import Any

import pytest
from tests.cli.conftest import Command
from tests.cli.scripted import Scripted, answer, stream

from fast_sse.cli.remote import advised
from fast_sse.model.payload import packed

CHANNEL = ("carid000001", "cart_changed")
HERE = ("--secret-env", "HUB_SECRET")


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the command would have waited before each reconnect."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


def cursors(server: Scripted) -> list[str]:
    """What each connection sent as Last-Event-ID, empty for none."""
    found = (re.search("Last-Event-ID: (.*)\r", asked) for asked in server.asked)
    return [match[1] if match else "" for match in found]


@pytest.mark.wire
@pytest.mark.slow
def test_a_real_stream(command: Command, at: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """From a real hub: all that is kept, the last one, or what follows an id; envelopes, or JSON with id and event."""
    ids = []
    for number in range(3):
        assert command("publish", *CHANNEL, *at, "--data", str(number)) == 0
        ids.append(capsys.readouterr().out.strip())

    def listen(*options: str) -> list[Any]:
        assert command("subscribe", *CHANNEL, *at, *options) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert [seen["data"] for seen in listen("--from", "earliest", "--count", "3")] == [0, 1, 2]
    assert [seen["data"] for seen in listen("--last", "1", "--count", "1")] == [2]
    assert [seen["data"] for seen in listen("--since", "15m", "--count", "3")] == [0, 1, 2]
    (after,) = listen("--from-id", ids[0], "--count", "1", "--json")
    assert (after["id"], after["event"], after["data"]["data"]) == (ids[1], "message", 1)


def test_a_cut_stream_goes_on_where_it_was(
    command: Command, waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """The next connection sends the last complete id, even one without data, after the wait that the hub asked for."""
    first = stream("retry: 4000\nid: a1\n\nid: a2\ndata: one\n\nid: a3\ndata: incompl")
    with Scripted(first, stream("id: b9\n\n"), stream("id: b10\ndata: two\n\n")) as server:
        assert command("subscribe", *CHANNEL, *HERE, "--url", server.url, "--count", "2") == 0
    assert cursors(server) == ["", "a2", "b9"]
    assert capsys.readouterr().out == "one\ntwo\n"
    assert len(waits) == 2
    assert 2.0 <= waits[0] <= 4.0


def test_events_of_the_hub_move_the_cursor_and_are_no_messages(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """The start, a position and a heartbeat are not printed and not counted; their ids are kept."""
    own = "event: fast-sse.start\ndata: {}\nid: a1\n\nevent: fast-sse.heartbeat\ndata: {}\n\n"
    moved = "event: fast-sse.position\ndata: {}\nid: a2\n\n"
    with Scripted(stream(own), stream(moved), stream("data: x\nid: a3\n\n")) as server:
        assert command("subscribe", *CHANNEL, *HERE, "--url", server.url, "--count", "1") == 0
    assert cursors(server) == ["", "a1", "a2"]
    assert capsys.readouterr().out == "x\n"


def test_packed_messages_are_printed_as_they_were_published(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether the hub packs messages or not, the output is the same."""
    plain = b'{"data":"%b","headers":{"send_time":"x"}}' % (b"red blue " * 500)
    for data in (plain, packed(plain)):
        with Scripted(stream(f"data: {data.decode()}\nid: a1\n\n")) as server:
            assert command("subscribe", *CHANNEL, *HERE, "--url", server.url, "--count", "1") == 0
        assert capsys.readouterr().out == plain.decode() + "\n"
    assert len(packed(plain)) < len(plain)


def test_a_message_that_cannot_be_unpacked_is_named(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """Damage ends the command with the id of the message: half of it is no message."""
    data = packed(b'{"data":"%b"}' % (b"x" * 5000)).replace(b"H4sI", b"H4sJ")
    with Scripted(stream(f"data: {data.decode()}\nid: a1\n\n")) as server:
        assert command("subscribe", *CHANNEL, *HERE, "--url", server.url, "--count", "1") == 1
    assert "the message a1 cannot be unpacked: data is not valid gzip" in capsys.readouterr().err


@pytest.mark.parametrize(
    "data",
    [
        '{"price": 1.10, "n": -0, "far": 1e400}',
        pytest.param("9" * 5000, id="5,000 digits"),
        '{"a": 1, "a": 2}',
        '"\\u00e9 é \u2028 \\/"',
        "[1 , 2]",
    ],
)
def test_data_passes_byte_for_byte(
    data: str, command: Command, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """`--json` reads no number: every digit, escape and doubled name is printed as it came."""
    with Scripted(stream(f'data: {data}\nid: a"1\nevent: é\n\n')) as server:
        assert command("subscribe", *CHANNEL, *HERE, "--url", server.url, "--json", "--count", "1") == 0
    assert capfdbinary.readouterr().out == f'{{"id": "a\\"1", "event": "é", "data": {data}}}\n'.encode()


def test_a_message_is_one_line_whatever_it_is(
    command: Command, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A line break becomes a space, what is no JSON a string, broken UTF-8 a replacement character; nothing ends it."""
    odd = stream('data: {"a":\ndata: 1}\n\ndata: NaN\n\ndata: "\x80"\n\ndata: 1\n\n').replace(
        b"\xc2\x80", b"\x80\x80"
    )
    with Scripted(odd, odd) as server:
        options = ("--url", server.url, "--count", "4")
        assert command("subscribe", *CHANNEL, *HERE, *options, "--json") == 0
        lines = capfdbinary.readouterr().out.decode().splitlines()
        assert command("subscribe", *CHANNEL, *HERE, *options) == 0
    assert [json.loads(line)["data"] for line in lines] == [{"a": 1}, "NaN", '"\ufffd\ufffd"', 1]
    assert capfdbinary.readouterr().out.decode() == '{"a": 1}\nNaN\n"\ufffd\ufffd"\n1\n'


def test_a_time_to_begin_at(
    command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--since` is asked for until there is a cursor; one that the hub would refuse is refused here."""
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    with Scripted(b"", stream("data: x\nid: a1\n\n"), stream("data: y\n\n")) as server:
        options = ("--since", "15m", "--count", "2", "--url", server.url)
        assert command("subscribe", *CHANNEL, *HERE, *options) == 0
    ages = [int(found[1]) if (found := re.search(r"since=(\d+)s ", asked)) else 0 for asked in server.asked]
    assert 900 < ages[0] < ages[1], "the same moment, however long it takes to get there"
    assert ages[2] == 0
    assert cursors(server) == ["", "", "a1"]
    assert command("subscribe", *CHANNEL, *HERE, "--since", "1764417600") == 2
    assert "milliseconds" in capsys.readouterr().err


def test_a_service_outlives_what_a_browser_does_not(command: Command, waits: list[float]) -> None:
    """503 from a proxy, an empty answer, a stream that ends at once: it comes back, later each time, from the same place."""
    failures = answer(503, "busy"), b"", answer(429, "{}"), stream("")
    with Scripted(*failures, stream("data: x\n\n")) as server:
        options = ("--from-id", "s1.0.5", "--count", "1", "--url", server.url)
        assert command("subscribe", *CHANNEL, *HERE, *options) == 0
    assert cursors(server) == ["s1.0.5"] * 5
    assert all(earlier < 4 * later for earlier, later in itertools.pairwise(waits))
    assert len(waits) == 4


def test_a_gap_is_loud_and_not_a_message(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """What the hub could not deliver is said on standard error, and counts as no message (G6)."""
    gap = 'event: fast-sse.gap\nid: a1\ndata: {"reason":"trimmed","from":"a0","resumed_at":"a1"}\n\n'
    with Scripted(stream(gap + "id: a2\ndata: x\n\n")) as server:
        assert command("subscribe", *CHANNEL, *HERE, "--url", server.url, "--count", "1") == 0
    shown = capsys.readouterr()
    assert shown.out == "x\n"
    assert shown.err.startswith('GAP: {"reason":"trimmed"')


def test_an_expired_grant_is_renewed(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """After fast-sse.expired the next connection brings a new signature and the same place."""
    expired = stream("id: a1\ndata: x\n\nevent: fast-sse.expired\ndata: {}\n\n")
    with Scripted(expired, stream("data: y\n\n")) as server:
        options = ("--kid", "web-1", "--count", "2", "--url", server.url)
        assert command("subscribe", *CHANNEL, *HERE, *options) == 0
    signatures = {re.search("x-signature: (v2.*)\r", asked)[1] for asked in server.asked}  # type: ignore[index]
    assert len(signatures) == 2
    assert cursors(server) == ["", "a1"]
    assert capsys.readouterr().out == "x\ny\n"


def test_after_an_expired_grant_it_comes_back_soon(command: Command, waits: list[float]) -> None:
    """The hub spreads over a minute those who must fetch a signature; who signs here waits no longer than by itself."""
    start = "event: fast-sse.start\ndata: {}\nid: a1\n\n"
    expired = stream(start + "retry: 45000\nevent: fast-sse.expired\ndata: {}\n\n")
    with Scripted(
        expired, expired, b"", stream("retry: 45000\ndata: y\n\n"), stream("data: z\n\n")
    ) as server:
        options = ("--kid", "web-1", "--count", "2", "--url", server.url)
        assert command("subscribe", *CHANNEL, *HERE, *options) == 0
    assert [wait <= most for wait, most in zip(waits, (1, 2, 4, 45), strict=True)] == [True] * 4
    assert waits[3] > 20, "any other end of a stream is the hub's to tell"


def test_a_stream_that_held_makes_the_next_wait_short_again(
    command: Command, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waits double between connections that fail at once; after one that lasted, the first wait comes again."""
    clock = itertools.count(step=20)
    monkeypatch.setattr(
        "fast_sse.cli.subscribe.time", SimpleNamespace(monotonic=clock.__next__, sleep=waits.append)
    )
    start = "event: fast-sse.start\ndata: {}\nid: a1\n\n"
    expired = stream(start + "retry: 45000\nevent: fast-sse.expired\ndata: {}\n\n")
    with Scripted(expired, expired, expired, stream("data: y\n\n")) as server:
        options = ("--kid", "web-1", "--count", "1", "--url", server.url)
        assert command("subscribe", *CHANNEL, *HERE, *options) == 0
    assert len(waits) == 3
    assert max(waits) <= 1


def test_a_new_signature_that_is_over_at_once_is_final(
    command: Command, waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """Coming back would not help: one line says where to look, and the status that something is wrong."""
    with Scripted(stream("retry: 45000\nevent: fast-sse.expired\ndata: {}\n\n")) as server:
        assert command("subscribe", *CHANNEL, *HERE, "--kid", "web-1", "--url", server.url) == 1
    assert waits == []
    assert "clock" in capsys.readouterr().err


def test_an_event_without_an_id_keeps_the_cursor(command: Command) -> None:
    """Whatever is dispatched before the first id of a connection: the next one still shows what it had."""
    bare = stream("event: fast-sse.heartbeat\ndata: {}\n\ndata: x\n\n")
    with Scripted(bare, stream("data: y\n\n")) as server:
        options = ("--from-id", "s1.0.5", "--count", "2", "--url", server.url)
        assert command("subscribe", *CHANNEL, *HERE, *options) == 0
    assert cursors(server) == ["s1.0.5", "s1.0.5"]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_final(
    status: int, command: Command, waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """What will not get better by waiting ends with one line and 1, and says what to change if that is known."""
    with Scripted(answer(status, '{"code":"the_code","message":"the reason"}')) as server:
        assert command("subscribe", *CHANNEL, *HERE, "--url", server.url) == 1
    assert waits == []
    assert capsys.readouterr().err == f"fast-sse: {advised(status, f'{status} the_code: the reason')}\n"


def test_a_refusal_in_other_words_is_a_line_too(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """A body of a proxy's that nests too deep to be read is no traceback."""
    with Scripted(answer(403, "[" * 60_000)) as server:
        assert command("subscribe", *CHANNEL, *HERE, "--url", server.url) == 1
    assert capsys.readouterr().err == f"fast-sse: {advised(403, '403 Said')}\n"


def test_one_beginning(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Two options that both say where to begin are a mistake."""
    assert command("subscribe", *CHANNEL, *HERE, "--from", "earliest", "--last", "3") == 2
    assert capsys.readouterr().err.startswith("fast-sse: --from: ")
