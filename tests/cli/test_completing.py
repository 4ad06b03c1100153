"""What a tab offers for a value, asked in the protocol that each shell speaks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from fast_sse.bench.scenarios import SCENARIOS
from fast_sse.cli.commands import COMMANDS
from fast_sse.cli.completing import LOG_FORMATS, LOG_LEVELS, STORES, variables, words
from fast_sse.cli.main import app_main
from fast_sse.config import Config

#: How each shell gets `sub` and `pub`, and how nothing, so that it completes files itself.
SHELLS = {
    "bash": ("sub\npub\n", "\n"),
    "zsh": ('_arguments \'*: :(("sub"\n"pub"))\'\n', "_files\n"),
    "fish": ("sub\npub\n", "\n"),
}


class Tab:
    """A key pressed behind a line, in one of the shells."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, line: str, shell: str = "bash") -> str:
        whole = f"fast-sse {line}"
        asked = {
            "_FAST_SSE_COMPLETE": f"complete_{shell}",
            "COMP_WORDS": whole,
            "COMP_CWORD": str(whole.count(" ")),
            "_TYPER_COMPLETE_ARGS": whole,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
        with self._monkeypatch.context() as context:
            for name, value in asked.items():
                context.setenv(name, value)
            with pytest.raises(SystemExit) as end:
                app_main()
        assert end.value.code == 0
        return self._capsys.readouterr().out


@pytest.fixture
def tab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Tab:
    """Pressed in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return Tab(monkeypatch, capsys)


@pytest.mark.parametrize("shell", SHELLS)
def test_values_reach_the_shell(tab: Tab, shell: str) -> None:
    """A command that is imported only now offers the values of its option, in the words of the shell."""
    assert tab("sign --scope ", shell) == SHELLS[shell][0]


@pytest.mark.parametrize("line", ["serve --config f", "serve --data-dir ", "publish --batch ", "compact "])
@pytest.mark.parametrize("shell", SHELLS)
def test_files_are_left_to_the_shell(tab: Tab, shell: str, line: str) -> None:
    """Nothing is offered where a file or a directory stands: each shell then completes those, quotes and ~ included."""
    assert tab(line, shell) == SHELLS[shell][1]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("serve --store ", STORES),
        ("serve --log-level ", LOG_LEVELS),
        ("serve --log-format ", LOG_FORMATS),
        ("config show --store r", ["redis"]),
        ("config show --log-level w", ["warning"]),
        ("doctor --store k", ["kafka"]),
        ("bench ", [*SCENARIOS, "all"]),
        ("bench fanout --store ", ["memory", "sqlite"]),
        ("bench original --compression ", ["payload"]),
        ("publish --wait ", ["written", "acked"]),
        ("subscribe a b --from ", ["earliest"]),
        ("dlq list --reason e", ["expired"]),
    ],
)
def test_a_fixed_set_is_offered(tab: Tab, line: str, offered: list[str]) -> None:
    """Every option with a fixed set of values offers it, and of it what begins as the word does."""
    assert tab(line).split() == list(offered)


@pytest.mark.parametrize(
    "line", ["sign --secret-env ", "dlq list --admin-key-env ", "dlq import --redis-url-env "]
)
def test_variables_are_offered_by_name(tab: Tab, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """Of an option that takes the name of a variable. Values stay where they are."""
    monkeypatch.setenv("ZZ_SECRET_OF_A_TEST", "hidden")
    assert tab(f"{line}ZZ_SECRET_OF") == "ZZ_SECRET_OF_A_TEST\n"
    assert variables("ZZ_") == ["ZZ_SECRET_OF_A_TEST"]


def test_key_ids_are_those_of_the_file(tab: Tab) -> None:
    """--kid offers the ids of auth.keys, and never a key. A file that cannot be read offers nothing."""
    Path("hub.toml").write_text('[auth.keys]\nshop = "a secret"\nbilling = "another"\n')
    assert tab("sign --config hub.toml --kid ").split() == ["shop", "billing"]
    assert tab("sign --config hub.toml --kid b").split() == ["billing"]
    Path("hub.toml").write_text("auth = 1")
    assert tab("sign --config hub.toml --kid ").split() == []
    assert tab("sign --config missing.toml --kid ").split() == []


def test_key_ids_of_the_environment_and_of_a_demo(tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --config they come from where a command would look next."""
    assert tab("sign --kid ").split() == []
    Path("var/demo").mkdir(parents=True)
    Path("var/demo/key").write_text("a secret")
    assert tab("sign --kid ").split() == ["demo"]
    monkeypatch.setenv("FAST_SSE_AUTH__KEYS", '{"node": "a secret"}')
    assert tab("sign --kid ").split() == ["node"]


def test_what_is_offered_is_what_settings_take() -> None:
    """The lists are those of the settings, which a tab does not import."""
    hints = get_type_hints(Config)
    taken = [get_args(hints[name]) for name in ("store", "log_level", "log_format")]
    assert taken == [STORES, LOG_LEVELS, LOG_FORMATS]


def test_a_word_is_offered_by_its_beginning() -> None:
    """And only then."""
    assert words("sqlite", "memory")("s") == ["sqlite"]
    assert words("sqlite", "memory")("x") == []


@pytest.mark.slow
def test_a_tab_waits_for_no_hub() -> None:
    """No command but demo imports the hub before it runs, so that its options complete at once."""
    names = sorted(COMMANDS.keys() - {"demo"})
    program = (
        "import sys\n"
        "from fast_sse.cli.commands import loaded\n"
        f"for name in {names!r}:\n    loaded(name)\n"
        "heavy = {'fast_sse.app', 'uvloop', 'starlette'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
