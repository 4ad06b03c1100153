"""Options that cannot be are told before anything is loaded."""

from __future__ import annotations

import resource

import pytest
from tests.cli.conftest import Command


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "must be one of original, fanout"),
        (["fanout", "--stuck", "3"], "--stuck: is not an option of fanout"),
        (["resume", "--messages", "10", "--missed", "10"], "--missed"),
        (["channels", "--channels", "10", "--subscribers", "9"], "--channels"),
        (["fanout", "--pid", "1"], "--pid"),
        (["fanout", "--compression", "payload"], "--compression: is an option of original"),
        (["fanout", "--url", "https://hub", "--secret-env", "HUB_SECRET"], "must begin with http://"),
        (["fanout", "--url", "ftp://hub", "--secret-env", "HUB_SECRET"], "must begin with http"),
    ],
)
def test_what_cannot_be_is_said_at_once(
    command: Command, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """Status 2 and one line, before anything is started."""
    assert command("bench", *arguments) == 2
    assert words in capsys.readouterr().err


def test_too_few_open_files_are_told_beforehand(
    command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many it takes, how many there are, and what to do."""
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1024, 4096))
    assert command("bench", "idle", "--subscribers", "5000", "--processes", "1") == 2
    assert "4096 are allowed" in capsys.readouterr().err
