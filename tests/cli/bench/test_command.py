"""`fast-sse bench`: a load that is asked for in one line, figures in one file, and a status that tells of loss."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.bench.stub import small_hub
from tests.cli.conftest import Command, spawn
from tests.support.server import Hub
from tests.support.sign import KID

TINY = ("--subscribers", "10", "--rate", "50", "--seconds", "0.3")


@pytest.mark.wire
@pytest.mark.slow
def test_a_users_own_hub(
    command: Command, at: list[str], hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--url and a secret are enough; the file has the figures, their options, and what the machine was."""
    assert command("bench", "fanout", *at, *TINY, "--pid", str(hub.pid), "--json", "f.json") == 0
    said = capsys.readouterr().out
    assert "lost 0 of 150 deliveries" in said
    assert "Verdict: passed. " in said
    whole = json.loads((tmp_path / "f.json").read_text())
    assert set(whole) == {"facts", "passed", "runs"}
    assert whole["passed"] is True
    assert {"version", "date", "hub", "python", "cores", "load_average"} <= set(whole["facts"])
    (run,) = whole["runs"]
    assert set(run) == {"scenario", "options", "passed", "figures", "doubts"}
    assert (run["scenario"], run["options"]["subscribers"]) == ("fanout", 10)
    figures = run["figures"]
    assert (figures["expected"], figures["delivered"], figures["lost"], figures["duplicates"]) == (
        150,
        150,
        0,
        0,
    )
    assert {"latency_p50_ms", "latency_p99_ms", "generator_share", "server_rss_bytes"} <= set(figures)


@pytest.mark.wire
@pytest.mark.slow
def test_a_run_is_compared_with_an_earlier_one(
    command: Command, at: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What --json wrote is what --compare reads; a scenario that is not in it is turned away before anything is loaded."""
    assert command("bench", "fanout", *at, *TINY, "--json", "f.json") == 0
    assert command("bench", "fanout", *at, *TINY, "--compare", "f.json") == 0
    said = capsys.readouterr().out
    assert "Compared with version" in said
    assert "the machines differ" not in said
    assert command("bench", "burst", *at, "--compare", "f.json") == 2
    assert "--compare: f.json holds fanout, and not burst" in capsys.readouterr().err


@pytest.mark.wire
@pytest.mark.slow
def test_without_v1_everything_is_signed_in_v2(hub: Hub, tmp_path: Path) -> None:
    """With --kid each publish has a signature of its own, and the hub takes them all."""
    keys = json.dumps({KID: json.loads(hub_keys())[KID]})
    (tmp_path / "hub.toml").write_text(
        f'[auth]\nv1 = "off"\nsigning_kid = "{KID}"\n[auth.keys]\n{_toml(keys)}\n'
    )
    arguments = ["--url", f"http://{hub.public[0]}:{hub.public[1]}", "--config", str(tmp_path / "hub.toml")]
    done = subprocess.run(
        [sys.executable, "-m", "fast_sse", "bench", "fanout", *arguments, *TINY],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "lost 0 of 150" in done.stdout


def hub_keys() -> str:
    """The v2 keys of the shared hub."""
    from tests.support.server import SETTINGS

    return SETTINGS["FAST_SSE_AUTH__KEYS"]


def _toml(keys: str) -> str:
    return "\n".join(f'{kid} = "{secret}"' for kid, secret in json.loads(keys).items())


@pytest.mark.wire
@pytest.mark.slow
def test_loss_is_status_1(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that answers 200 and delivers to one subscriber less is caught, named and counted."""
    with small_hub(loses=35) as (host, port):
        status = command(
            "bench", "fanout", "--url", f"http://{host}:{port}", "--secret-env", "HUB_SECRET",
            *TINY, "--patience", "0.3", "--json", "f.json",
        )  # fmt: skip
    assert status == 1
    assert "! lost: 1" in capsys.readouterr().out
    whole = json.loads((tmp_path / "f.json").read_text())
    assert whole["passed"] is False
    assert whole["runs"][0]["figures"]["lost"] == 1


def descendants(pid: int) -> list[int]:
    """Children, and theirs."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [*children, *(one for child in children for one in descendants(child))]


def alive(pid: int) -> bool:
    """False for one that ended, whether or not somebody has asked for its status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_bench_that_is_broken_off_leaves_nothing(number: signal.Signals, status: int) -> None:
    """The hub and the generator that it started end with it."""
    bench = spawn("bench", "fanout", "--seconds", "60", "--subscribers", "5", "--processes", "1")
    started: list[int] = []
    while len(started) < 2 and bench.poll() is None:
        started = descendants(bench.pid)
    bench.send_signal(number)
    bench.communicate()
    assert bench.returncode == status
    assert len(started) == 2
    for pid in started:
        while alive(pid):  # one that was just starting ends by itself; pytest's limit is the limit
            pass


@pytest.mark.slow
def test_a_hub_that_is_away_is_named(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 1 and the reason, in the file too."""
    away = ("--url", "http://127.0.0.1:1", "--secret-env", "HUB_SECRET")
    assert command("bench", "fanout", *away, *TINY, "--json", "f.json") == 1
    assert "FAILED: subscriber cannot connect: Connection refused" in capsys.readouterr().out
    assert "cannot connect" in json.loads((tmp_path / "f.json").read_text())["runs"][0]["error"]
