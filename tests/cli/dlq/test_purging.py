"""`fast-sse dlq purge`: removed for good."""

from __future__ import annotations

import json
import time

import pytest
from tests.cli.conftest import Command
from tests.cli.dlq.letters import asked_for, head, ok, page, refused
from tests.cli.scripted import Scripted


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


def test_a_purge_takes_what_was_counted(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Its filter ends with the newest letter that was counted, --all too: what dies meanwhile stays."""
    answers = (
        page(head(1), head(2), head(3)),
        ok({"purged": 1, "next": "c"}),
        ok({"purged": 1, "next": None}),
    )
    with Scripted(*answers) as server:
        assert command("dlq", "purge", "--all", "--yes", "--admin", server.url) == 0
    assert capsys.readouterr().out.startswith("purged 2, gone 1 in ")
    assert [asked_for(asked) for asked in server.asked[1:]] == [
        "DELETE /v1/dead-letters?before=1795953630004&limit=1000",
        "DELETE /v1/dead-letters?before=1795953630004&limit=1000&cursor=c",
    ]


def test_letters_by_their_ids(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """One that is gone is named, and is status 1."""
    with Scripted(ok({"purged": 1}), refused(404, "not_found", "there is no such dead letter")) as server:
        assert command("dlq", "purge", "a", "p-b", "--yes", "--json", "--admin", server.url) == 1
    shown = capsys.readouterr()
    summary = json.loads(shown.out)
    assert (summary["purged"], summary["gone"]) == (1, 1)
    assert shown.err == "p-b: there is no such dead letter\n"
    assert [asked_for(asked) for asked in server.asked] == [
        "DELETE /v1/dead-letters/a",
        "DELETE /v1/dead-letters/p-b",
    ]


def test_nothing_goes_unasked(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --yes and a terminal, without a choice, or dry, no letter is touched."""
    with Scripted(page(head(1)), page(head(1)), page()) as server:
        assert command("dlq", "purge", "--all", "--admin", server.url) == 2
        assert command("dlq", "purge", "--reason", "poison", "--dry-run", "--admin", server.url) == 0
        assert command("dlq", "purge", "--reason", "poison", "--admin", server.url) == 0
    assert command("dlq", "purge", "--yes", "--admin", "http://127.0.0.1:9") == 2
    assert all(asked.startswith("GET ") for asked in server.asked)
    assert capsys.readouterr().out.startswith("would purge 1 dead letter\npurged 0, gone 0 in ")


def test_a_refusal_is_the_end(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """What every further call would be answered with ends the run, with what was done."""
    with Scripted(page(head(1)), refused(400, "bad_request", "no")) as server:
        assert command("dlq", "purge", "--all", "--yes", "--admin", server.url) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith("purged 0, gone 0 in ")
    assert "400 bad_request: no" in shown.err
