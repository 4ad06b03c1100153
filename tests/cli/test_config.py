"""`fast-sse config`: a file to begin with, what a hub would run with, and what keeps it from starting."""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
from tests.cli.conftest import Command

from fast_sse.cli.config import TEMPLATE, config_app
from fast_sse.config import load
from fast_sse.model.errors import ConfigError

SECRET = "0123456789abcdef0123456789abcdef"
DOCS = Path(__file__).parent.parent.parent / "docs" / "cli.md"


def test_init_writes_a_file_that_starts_a_hub(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Two random secrets, for its owner alone to read, and the check finds nothing wrong."""
    assert command("config", "init") == 0
    file = Path("fast-sse.toml")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    config = load(file)
    assert len(config.keyring.secret) == len(config.keyring.publish_secret) == 64
    assert config.keyring.secret != config.keyring.publish_secret
    assert config.keyring.secret.decode() not in capsys.readouterr().out
    assert command("config", "check", "--config", "fast-sse.toml") == 0
    assert capsys.readouterr().out == "the settings are right\n"


def test_init_replaces_nothing_unasked(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """A second init would throw secrets away that clients use: it needs --force, and keeps the mode."""
    assert command("config", "init", "--output", "hub.toml") == 0
    first = Path("hub.toml").read_text()
    capsys.readouterr()
    assert command("config", "init", "--output", "hub.toml") == 2
    assert capsys.readouterr().err == (
        "fast-sse: --output: hub.toml exists; choose another name, or --force to replace it and its secrets\n"
    )
    assert Path("hub.toml").read_text() == first
    Path("hub.toml").chmod(0o644)
    assert command("config", "init", "--output", "hub.toml", "--force") == 0
    assert Path("hub.toml").read_text() != first
    assert stat.S_IMODE(Path("hub.toml").stat().st_mode) == 0o600
    assert [file.name for file in Path().iterdir()] == ["hub.toml"]
    assert command("config", "init", "--output", "absent/hub.toml") == 2


def test_the_template_tells_the_defaults(tmp_path: Path) -> None:
    """Each line that is commented out, put in force, changes nothing."""
    text = TEMPLATE.format(name="x", secret=SECRET, publish_secret=SECRET[::-1])
    file = tmp_path / "hub.toml"
    file.write_text(text)
    shown = re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE)
    assert shown.count("\n# ") < text.count("\n# ") - 8
    before = load(file).model_dump()
    file.write_text(shown)
    assert load(file).model_dump() == before


def test_show_says_where_each_value_is_from(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Flag, environment, file or default, and never a secret."""
    Path("hub.toml").write_text(
        f"port = 1\nadmin_port = 2\nlog_level = 'debug'\n[auth]\nsecret = '{SECRET}'\n[auth.keys]\nweb = '{SECRET}'"
    )
    monkeypatch.setenv("FAST_SSE_ADMIN_PORT", "3")
    monkeypatch.setenv("FAST_SSE_LOG_LEVEL", "error")
    assert command("config", "show", "--config", "hub.toml", "--log-level", "warning") == 0
    shown = capsys.readouterr().out
    lines = {
        line.partition(" = ")[0]: re.split(r" +# ", line.partition(" = ")[2]) for line in shown.splitlines()
    }
    assert lines["port"] == ["1", "file"]
    assert lines["admin_port"] == ["3", "environment FAST_SSE_ADMIN_PORT"]
    assert lines["log_level"] == ['"warning"', "flag"]
    assert lines["host"] == ['"127.0.0.1"', "default"]
    assert lines["auth.secret"] == ["(set)", "file"]
    assert lines["auth.keys"] == ["{web = (set)}", "file"]
    assert SECRET not in shown


def test_check_names_every_problem(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line each and status 2, of shape and of sense; no line shows a value."""
    monkeypatch.setenv("FAST_SSE_PROT", "1")
    Path("hub.toml").write_text("port = 99999\nhots = 'x'\n[auth]\nsecrt = 'hunter2'")
    assert command("config", "check", "--config", "hub.toml") == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert [line.partition(":")[0] for line in shown.err.splitlines()] == [
        "prot",
        "port",
        "auth.secrt",
        "hots",
    ]
    assert "hunter2" not in shown.err
    monkeypatch.delenv("FAST_SSE_PROT")
    Path("hub.toml").write_text("admin_host = '0.0.0.0'\ntls.cert = 'x'")
    assert command("config", "check", "--config", "hub.toml") == 2
    keys = [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert keys == ["auth.secret", "tls.key", "admin.key"]
    assert command("config", "check", "--config", "absent.toml") == 2
    assert capsys.readouterr().err.startswith("--config: cannot read absent.toml")


def test_check_and_start_agree(monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    """What the check lets pass starts, and the other way round."""
    for secret, status in ((SECRET, 0), ("short", 2)):
        monkeypatch.setenv("FAST_SSE_AUTH__SECRET", secret)
        assert command("config", "check") == status
        if status:
            with pytest.raises(ConfigError):
                load()
        else:
            load()


def test_every_flag_is_documented() -> None:
    """Each command of the group and each of its options stands in docs/cli.md."""
    group: Any = typer.main.get_command(config_app())
    text = DOCS.read_text()
    for name, found in group.commands.items():
        assert f"fast-sse config {name}" in text
        options = [option for parameter in found.params for option in parameter.opts if option[0] == "-"]
        assert [option for option in options if not re.search(rf"`{option}[` ]", text)] == []


def test_the_template_is_toml() -> None:
    """It holds nothing but what TOML takes, with exactly the secrets in force."""
    found = tomllib.loads(TEMPLATE.format(name="x", secret="s", publish_secret="p"))
    assert found == {"auth": {"secret": "s", "publish_secret": "p", "keys": {}}, "retention": {}, "cors": {}}
