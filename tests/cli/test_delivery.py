"""`fast-sse delivery`: how far a message has come."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Command
from tests.cli.dlq.letters import asked_for, ok, refused
from tests.cli.scripted import Scripted

from fast_sse.cli.delivery import Indicator, progress

FOUND = {
    "message_id": "s1.k3v9x2qah5m2c.42",
    "event_id": "carid000001",
    "event_type": "cart_changed",
    "state": "acked",
    "stored_ms": 1,
    "written": 3,
    "acked": 2,
    "clients": ["a", "b"],
    "first_written_ms": 2,
    "complete": True,
    "silent": [],
}


def test_one_line_says_how_far(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Id, channel, state, sockets, and who acked; --json is the answer as the hub gave it."""
    with Scripted(ok(FOUND), ok(FOUND)) as server:
        assert command("delivery", "s1.k3v9x2qah5m2c.42", "--admin", server.url) == 0
        assert command("delivery", "s1.k3v9x2qah5m2c.42", "--admin", server.url, "--json") == 0
    line, shown = capsys.readouterr().out.splitlines()
    assert line == "s1.k3v9x2qah5m2c.42  carid000001/cart_changed  acked  3 sockets, acked by 2 (a, b)"
    assert '"first_written_ms": 2' in shown
    assert asked_for(server.asked[0]) == "GET /v1/messages/s1.k3v9x2qah5m2c.42/delivery"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"state": "written", "written": 1, "complete": True}, "written  1 socket"),
        (
            {"state": "written", "written": 3, "silent": ["node-b"]},
            "written  at least 3 sockets (node-b has not told yet)",
        ),
        (
            {"state": "written", "written": 3, "silent": ["b", "c"]},
            "written  at least 3 sockets (b, c have not told yet)",
        ),
        ({"state": "stored", "written": 0, "complete": True}, "stored  handed to nobody so far"),
        ({"state": "stored", "written": None}, "stored  its counts are not held any more"),
        ({"state": "dead", "written": None}, "dead  handed to nobody: fast-sse dlq show says why"),
        (
            {"state": "acked", "written": 9, "acked": 7, "clients": list("abcdefg"), "complete": True},
            "acked  9 sockets, acked by 7 (a, b, c, d, e, …)",
        ),
        (
            {"state": "acked", "written": 1, "acked": 1, "clients": ["\x1b[2J\u202e"], "complete": True},
            "acked  1 socket, acked by 1 (\\x1b[2J\\u202e)",
        ),
    ],
)
def test_what_is_not_known_is_said(fields: dict, text: str) -> None:
    """Counts that are not complete are at least; a client's name may not drive a terminal (CWE-150)."""
    assert progress(Indicator(message_id="s1.x.1", **fields)) == text


def test_an_unknown_message_is_an_error(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, status 1."""
    with Scripted(refused(404, "not_found", "no such message")) as server:
        assert command("delivery", "s1.x.1", "--admin", server.url) == 1
    assert capsys.readouterr().err == "fast-sse: 404 not_found: no such message\n"
