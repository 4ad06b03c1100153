"""One run over many letters: what was counted, at a pace, until its end or Ctrl-C."""

from __future__ import annotations

import collections
import io
import os
import signal
import sys
import time
from collections import Counter

import pytest
import typer
from tests.cli.dlq.letters import asked_for, head, ok, page, refused
from tests.cli.scripted import Scripted

from fast_sse.cli.admin import RETRIES, AdminLink
from fast_sse.cli.dlq.runs import Counted, Interrupt, Pace, Work, confirm, count
from fast_sse.model.errors import ConfigError, UnavailableError


def test_what_is_counted_ends_with_the_newest() -> None:
    """All pages, short ones too; the filter that comes back means these letters and none that dies later."""
    with Scripted(page(head(1), head(9), following="c"), page(following="d"), page(head(2))) as server:
        counted = count(AdminLink(server.url), {"reason": "expired"})
    assert counted == Counted(3, {"reason": "expired", "before": str(1_795_953_630_000 + 9 + 1)})
    assert asked_for(server.asked[1]).endswith("?reason=expired&order=oldest&limit=1000&cursor=c")


def test_an_earlier_end_stays() -> None:
    """A filter that ends before the newest letter is not widened."""
    with Scripted(page(head(1))) as server:
        assert count(AdminLink(server.url), {"before": "5"}).query == {"before": "5"}


def test_each_head_can_be_looked_at() -> None:
    """As the hub gave it."""
    seen: list[bytes] = []
    with Scripted(page(head(1), head(2))) as server:
        count(AdminLink(server.url), {}, seen.append)
    assert [b'c.1"' in seen[0], b'c.2"' in seen[1]] == [True, True]


def test_nobody_is_asked_where_nobody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a script it must be said on the command line."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(ConfigError, match=r"^--yes: is required .* this would purge 1,204 dead letters"):
        confirm("purge", 1204)


@pytest.mark.parametrize(("typed", "goes_on"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_person_is_asked_with_the_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, *, goes_on: bool
) -> None:
    """On standard error; anything but a yes is a no."""
    stdin = io.StringIO(typed)
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", stdin)
    if goes_on:
        confirm("replay", 2)
    else:
        with pytest.raises(typer.Abort):
            confirm("replay", 2)
    shown = capsys.readouterr()
    assert "Replay 2 dead letters? [y/N]" in shown.err
    assert shown.out.strip() == ""


def ctrl_c() -> None:
    """What the terminal sends."""
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_lets_a_call_end() -> None:
    """The first is noted, and the next wait is none; before and after, it is what it was."""
    before = signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        interrupt.sleep()
        ctrl_c()
        with pytest.raises(KeyboardInterrupt):
            interrupt.sleep(60)
    assert signal.getsignal(signal.SIGINT) == before


def test_ctrl_c_ends_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """There nothing is under way."""
    monkeypatch.setattr(time, "sleep", lambda _: ctrl_c())
    with Interrupt() as interrupt, pytest.raises(KeyboardInterrupt):
        interrupt.sleep(60)


def test_the_second_ctrl_c_ends_at_once() -> None:
    """A hub that does not answer holds no terminal."""
    with Interrupt():
        ctrl_c()
        with pytest.raises(KeyboardInterrupt):
            ctrl_c()


def test_a_pace_spreads_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some calls a second, and after each as long a wait as the letters so far should have taken."""
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    pace = Pace(100)
    assert (pace.limit, pace.early_s(25)) == (25, 0.25)
    clock[0] += 0.2
    assert pace.early_s(25) == pytest.approx(0.05)
    clock[0] += 1
    assert pace.early_s(25) == 0
    assert (Pace(0).limit, Pace(0).early_s(10**6)) == (1000, 0)
    assert [Pace(rate).limit for rate in (0.1, 3, 10**6)] == [1, 1, 1000]


def work(server: Scripted, **options: bool) -> Work:
    """A run against a scripted hub."""
    return Work(AdminLink(server.url), Counter(purged=0, gone=0), 3, as_json=options.get("as_json", False))


def test_pages_go_on_at_the_cursor() -> None:
    """The filter stays, the cursor is that of the last answer, and the end is its."""
    answers = [
        ok({"purged": number, "next": following}) for number, following in ((3, "a"), (0, "b"), (1, None))
    ]
    with Scripted(*answers) as server:
        assert len(list(work(server).pages("DELETE", "/v1/dead-letters", {"before": "9"}))) == 3
    assert [asked_for(asked) for asked in server.asked] == [
        "DELETE /v1/dead-letters?before=9&limit=1000",
        "DELETE /v1/dead-letters?before=9&limit=1000&cursor=a",
        "DELETE /v1/dead-letters?before=9&limit=1000&cursor=b",
    ]


def test_an_answer_that_was_lost_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the same cursor: what was done is gone, so it is not done twice."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with Scripted(ok({"next": "a"}), b"", ok({"next": None})) as server:
        assert len(list(work(server).pages("DELETE", "/x", {}))) == 2
    assert server.asked[1].split("\r")[0] == server.asked[2].split("\r")[0]


def test_the_summary_comes_whatever_ends_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C is 130, a hub that stays away an error; both say what was done, and how to go on."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with Scripted(*[refused(503, "not_stored", "busy")] * (RETRIES + 1)) as server:
        run = work(server)
        run.tally["purged"] = 2

        def interrupted() -> None:
            ctrl_c()
            run.pause()

        with pytest.raises(typer.Exit) as ended:
            run.drive(interrupted)
        assert ended.value.exit_code == 130
        shown = capsys.readouterr()
        assert shown.out.startswith("purged 2, gone 0 in ")
        assert shown.err == "interrupted; the same command goes on with the rest\n"
        run = work(server, as_json=True)
        with pytest.raises(UnavailableError, match="busy; the same command goes on with the rest"):
            run.drive(lambda: collections.deque(run.pages("DELETE", "/x", {}), 0).clear())
    assert capsys.readouterr().out.startswith('{"purged":0,"gone":0,"seconds":')
