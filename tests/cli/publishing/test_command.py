"""`fast-sse publish`: one message in the end, whatever happens on the way."""

from __future__ import annotations

import io
import json
import re
import time

import pytest
from tests.cli.conftest import Command
from tests.cli.scripted import Scripted, answer

from fast_sse.cli.publishing import link
from fast_sse.cli.remote import advised

CHANNEL = ("carid000001", "cart_changed")
OK = answer(200, '{"code":"ok","data":{"message_id":"s1.0.7","durability":"fsync","duplicate":false}}')
NOT_STORED = answer(503, '{"code":"not_stored","message":"busy"}', "Retry-After: 3")
UNKNOWN = answer(504, '{"code":"unknown","message":"who knows"}')


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the command would have waited before each further try."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr(link.random, "random", lambda: 1.0)  # type: ignore[attr-defined]
    return waits


def keys(server: Scripted) -> set[str]:
    """The idempotency keys that a server was asked with."""
    return {re.search("Idempotency-Key: (.*)\r", asked)[1] for asked in server.asked}  # type: ignore[index]


def run(command: Command, server: Scripted, *options: str) -> int:
    """Publish 1 to a scripted server."""
    return command(
        "publish", *CHANNEL, "--data", "1", "--url", server.url, "--secret-env", "HUB_SECRET", *options
    )


@pytest.mark.wire
@pytest.mark.slow
def test_the_id_is_printed_and_repeated(
    command: Command, at: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A real hub's message_id is the output; the same key again gives the same id and says that it is a duplicate."""
    arguments = (
        "publish",
        *CHANNEL,
        *at,
        "--data",
        '{"n": 1}',
        "--event",
        "note",
        "--header",
        "X=1",
        "--key",
        "k",
    )
    assert command(*arguments) == 0
    first = capsys.readouterr()
    assert re.fullmatch(r"m1\.[0-9a-v]{13}\.\d+\n", first.out)
    assert first.err == ""
    assert command(*arguments) == 0
    again = capsys.readouterr()
    assert again.out == first.out
    assert again.err.startswith("duplicate: ")


def test_what_is_sent(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data goes as it was typed, from standard input too, there without a byte order mark; event and headers beside it."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'\xef\xbb\xbf {"price": 1.10}\n')))
    with Scripted(OK) as server:
        options = ("--data", "-", "--event", "note", "--header", "X=1=2", "--header", "Y=")
        assert run(command, server, *options) == 0
    head, _, body = server.asked[0].partition("\r\n\r\n")
    assert head.startswith("POST /v1/sse/events/carid000001/types/cart_changed HTTP/1.1\r\n")
    assert '"data":{"price": 1.10}' in body
    assert json.loads(body) == {"data": {"price": 1.1}, "event": "note", "headers": {"X": "1=2", "Y": ""}}


@pytest.mark.parametrize(
    "data",
    ["1e400", "-0", '{"a": 1, "a": 2}', '"\u00a0\\u00e9é"', pytest.param("9" * 5000, id="5,000 digits")],
)
def test_data_is_sent_byte_for_byte(data: str, command: Command) -> None:
    """No number is read on the way: what no float holds, a minus zero and doubled names go out as they were typed."""
    with Scripted(OK) as server:
        assert run(command, server, "--data", data) == 0
    assert server.asked[0].partition("\r\n\r\n")[2] == f'{{"data":{data}}}'


def test_a_key_goes_out_as_utf_8(command: Command) -> None:
    """A key beyond ASCII is its UTF-8 bytes, which the hub asks for."""
    with Scripted(OK) as server:
        assert run(command, server, "--key", "bestellung-ä→") == 0
    assert keys(server) == {"bestellung-ä→"}


@pytest.mark.parametrize(
    "failure", [NOT_STORED, UNKNOWN, b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"]
)
def test_a_failure_is_tried_again_under_one_key(
    failure: bytes, command: Command, waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """Not stored, unknown, cut before or inside the answer: the same key each time, later each time (G2, G3)."""
    with Scripted(failure, failure, OK) as server:
        assert run(command, server) == 0
    assert len(server.asked) == 3
    assert len(keys(server)) == 1
    assert waits == ([3.0, 3.0] if failure is NOT_STORED else [0.2, 0.4])
    assert capsys.readouterr().out == "s1.0.7\n"


def test_two_messages_have_two_keys(command: Command) -> None:
    """A key of ours is random: two runs are two messages."""
    with Scripted(OK, OK) as server:
        assert run(command, server) == run(command, server) == 0
    assert len(keys(server)) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 409, 413, 500])
def test_a_refusal_is_final(
    status: int, command: Command, waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """What the hub refuses is not tried again; its code and message are the line, and what to change if that is known."""
    with Scripted(answer(status, '{"code":"the_code","message":"the reason"}')) as server:
        assert run(command, server) == 1
    assert waits == []
    assert capsys.readouterr().err == f"fast-sse: {advised(status, f'{status} the_code: the reason')}\n"


def test_giving_up_says_whether_it_may_be_stored(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the last try: certainly not stored, or the key to go on with."""
    with Scripted(NOT_STORED, NOT_STORED) as server:
        assert run(command, server, "--retries", "1") == 1
    assert capsys.readouterr().err.endswith("; it is not stored\n")
    with Scripted(UNKNOWN, NOT_STORED) as server:
        assert run(command, server, "--retries", "1", "--key", "k7") == 1
    assert capsys.readouterr().err.endswith("; it may be stored; try again with --key k7\n")
    assert run(command, server, "--retries", "0") == 1  # the server is gone: refused
    assert capsys.readouterr().err.endswith("; it is not stored\n")


@pytest.mark.parametrize(
    ("options", "key"),
    [
        (["--data", "{"], "--data"),
        (["--data", "text"], "--data"),
        (["--data", "NaN"], "--data"),
        (["--data", '"\udcff"'], "--data"),
        (["--data", "[" * 10_000], "--data"),
        (["--event", "\udcff"], "--event"),
        (["--key", "\udcff"], "--key"),
        (["--header", "novalue"], "--header"),
        (["--header", "a=\udcff"], "--header"),
    ],
)
def test_what_cannot_be_sent_is_2(
    options: list[str], key: str, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake is found before anything is sent."""
    with Scripted() as server:
        assert run(command, server, *options) == 2
    assert server.asked == []
    assert capsys.readouterr().err.startswith(f"fast-sse: {key}: ")
