"""`fast-sse dlq replay`: published again, then gone from the list."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from tests.cli.conftest import Command
from tests.cli.dlq.letters import asked_for, body_of, head, ok, page, refused
from tests.cli.scripted import Scripted

ID = "s1.x.1"


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the command would have waited."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


def many(replayed: int, *failed: str, gone: int = 0, following: str | None = None) -> bytes:
    """What one call of a run came to."""
    failures = [{"id": one, "code": "forbidden", "message": "not allowed"} for one in failed]
    return ok({"replayed": replayed, "failed": failures, "gone": gone, "next": following})


def one(letter_id: str, message_id: str) -> bytes:
    """A letter that is a message again."""
    return ok({"id": letter_id, "message_id": message_id, "duplicate": False})


def test_one_letter_is_one_line(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """The id of the message that it is now."""
    with Scripted(one(ID, "s1.x.2")) as server:
        assert command("dlq", "replay", ID, "--yes", "--admin", server.url) == 0
    assert capsys.readouterr().out == "replayed 1: s1.x.2\n"
    assert asked_for(server.asked[0]) == f"POST /v1/dead-letters/{ID}/replay"
    assert body_of(server.asked[0]) == ""


def test_several_letters_are_a_line_each(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """One that fails and one that is gone are named, the others go on, and the status says that not all is done."""
    answers = (
        one("a", "s1.x.2"),
        refused(403, "forbidden", "not allowed"),
        refused(404, "not_found", "there is no such dead letter"),
    )
    with Scripted(*answers) as server:
        assert command("dlq", "replay", "a", "b", "c", "--yes", "--admin", server.url) == 1
    shown = capsys.readouterr()
    line, last = shown.out.splitlines()
    assert line == "a -> s1.x.2"
    assert re.fullmatch(r"replayed 1, failed 1, gone 1 in \d+\.\d s", last)
    assert shown.err == "b: forbidden: not allowed\nc: there is no such dead letter\n"


def test_a_named_letter_that_is_gone_is_status_1(command: Command) -> None:
    """It was named, and nothing came of it."""
    with Scripted(refused(404, "not_found", "there is no such dead letter")) as server:
        assert command("dlq", "replay", ID, "--yes", "--admin", server.url) == 1


def test_a_run_goes_on_to_its_end(
    command: Command, waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """Counted first; then call by call, at the pace, with the same filter and the target in each body."""
    answers = (page(head(1), head(2), head(3)), many(2, following="c"), many(0, "s1.y.3"))
    options = ("--event-id", "carid000001", "--to", "new place/t", "--rate", "8", "--yes")
    with Scripted(*answers) as server:
        assert command("dlq", "replay", *options, "--admin", server.url) == 1
    shown = capsys.readouterr()
    assert re.fullmatch(r"replayed 2, failed 1, gone 0 in \d+\.\d s\n", shown.out)
    assert shown.err == "s1.y.3: forbidden: not allowed\n"
    until = 1_795_953_630_004
    assert [asked_for(asked) for asked in server.asked[1:]] == [
        f"POST /v1/dead-letters/replay?event_id=carid000001&before={until}&limit=2",
        f"POST /v1/dead-letters/replay?event_id=carid000001&before={until}&limit=2&cursor=c",
    ]
    to: Any = {"to": {"event_id": "new place", "event_type": "t"}}
    assert [json.loads(body_of(asked)) for asked in server.asked[1:]] == [to, to]
    assert waits[0] == pytest.approx(2 / 8, abs=0.1)


def test_a_run_without_failures_is_status_0(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Letters that are gone were done by somebody."""
    with Scripted(page(head(1), head(2)), many(1, gone=1)) as server:
        assert command("dlq", "replay", "--all", "--yes", "--admin", server.url) == 0
    assert capsys.readouterr().out.startswith("replayed 1, failed 0, gone 1 in ")


def test_nothing_to_replay_asks_nobody(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """No question, and no call that would begin a run."""
    with Scripted(page()) as server:
        assert command("dlq", "replay", "--all", "--admin", server.url) == 0
    assert capsys.readouterr().out.startswith("replayed 0, failed 0, gone 0 in ")


def test_without_yes_nothing_happens(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody can be asked, the number is in the error."""
    with Scripted(page(head(1), head(2))) as server:
        assert command("dlq", "replay", "--all", "--admin", server.url) == 2
    assert "this would replay 2 dead letters" in capsys.readouterr().err
    assert len(server.asked) == 1


def test_a_dry_run_counts(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """And does nothing; --json gives the heads."""
    with Scripted(page(head(1), head(2)), page(head(1))) as server:
        assert command("dlq", "replay", "--reason", "expired", "--dry-run", "--admin", server.url) == 0
        assert command("dlq", "replay", "--all", "--dry-run", "--json", "--admin", server.url) == 0
    text, letter = capsys.readouterr().out.splitlines()
    assert text == "would replay 2 dead letters"
    assert json.loads(letter) == head(1)


def test_json_is_a_line_for_each_letter(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """By ids what became of each, over many what failed; the summary last."""
    with Scripted(one(ID, "s1.x.2"), page(head(1)), many(0, "f")) as server:
        assert command("dlq", "replay", ID, "--yes", "--json", "--admin", server.url) == 0
        assert command("dlq", "replay", "--all", "--yes", "--json", "--admin", server.url) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.pop("seconds", None) is not None for line in lines] == [False, True, False, True]
    assert lines == [
        {"id": ID, "message_id": "s1.x.2", "duplicate": False},
        {"replayed": 1, "failed": 0, "gone": 0},
        {"id": "f", "code": "forbidden", "message": "not allowed"},
        {"replayed": 0, "failed": 1, "gone": 0},
    ]


@pytest.mark.parametrize("options", [(), ("--all", "--reason", "expired"), ("--all", "--to", "nowhere")])
def test_wrong_arguments_ask_nothing(command: Command, options: tuple[str, ...]) -> None:
    """They are found before anything is sent."""
    assert command("dlq", "replay", *options, "--admin", "http://127.0.0.1:9") == 2
