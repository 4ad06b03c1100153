"""The docs name everything there is: a setting, route, flag, error code or event without its words fails here."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from fast_sse.cli.main import whole_commands
from fast_sse.config import Config, setting_names
from fast_sse.http.admin.app import admin_app
from fast_sse.http.api import paths
from fast_sse.model.errors import ConfigError, FastSseError
from fast_sse.model.message import CONTROL_EVENTS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
INDEX, CLI, SUBSCRIBING, SETTINGS, ERRORS, METRICS = (
    (DOCS / f"{name}.md").read_text()
    for name in ("README", "cli", "subscribing", "settings", "errors", "metrics")
)
SETTINGS_DOCS = [sys.executable, str(ROOT / "scripts" / "settings-docs"), "--check"]
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def rows(page: str) -> dict[str, list[str]]:
    """The cells of every table row, by its first cell without backticks."""
    lines = [line.strip("| ").split("|") for line in page.splitlines() if line.startswith("| ")]
    cells = ([cell.strip() for cell in line] for line in lines)
    return {row[0].strip("`"): row[1:] for row in cells}


def default(name: str) -> str:
    """A setting's default as the table shows it."""
    value: Any = Config.model_construct()
    for part in name.split("."):
        value = getattr(value, part)
    if value is None or value == frozenset():
        return ""
    shown = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
    return f"`{shown:g}`" if isinstance(shown, float) else f"`{shown}`"


def test_every_setting_stands_with_its_default() -> None:
    """docs/settings.md has one row for each setting, no other, and the default is the code's."""
    table = {name: cells for name, cells in rows(SETTINGS).items() if cells[0] != "default" and name != "---"}
    assert sorted(table) == setting_names()
    assert {name: cells[0] for name, cells in table.items()} == {name: default(name) for name in table}


def test_the_settings_page_is_generated() -> None:
    """`scripts/settings-docs` would change nothing: names and defaults are the code's, and no row lacks its words."""
    assert subprocess.run(SETTINGS_DOCS, check=False).returncode == 0, "run scripts/settings-docs"
    assert "TO BE SAID" not in SETTINGS


def test_every_error_stands_with_its_status() -> None:
    """docs/errors.md has every pair of status and code that the tree of errors can give, and no other."""

    def tree(kind: type[FastSseError]) -> Iterator[tuple[str, str]]:
        yield str(kind.status), kind.code
        for child in kind.__subclasses__():
            if child is not ConfigError and child.__module__.startswith("fast_sse.model"):
                yield from tree(child)

    found = set(re.findall(r"^\| (\d{3}) \| `(\w+)` \|", ERRORS, re.MULTILINE))
    assert found == {*tree(FastSseError), ("503", "not_ready")}


def metrics() -> dict[str, str]:
    """Name and kind of each number that any part can tell: where a sample is made, both stand as they are."""
    found = {}
    files = [
        file for file in SOURCES if file.name != "metrics.py"
    ]  # where `counted` passes its own arguments on
    made = {"counted": "counter", "distribution": "histogram", "sample": "histogram"}
    for node in (node for file in files for node in ast.walk(ast.parse(file.read_text()))):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        maker = ast.unparse(node.func).rpartition(".")[2]
        if maker == "Sample":
            found[ast.literal_eval(node.args[0])] = ast.literal_eval(node.args[1])
        elif maker in made and isinstance(node.args[0], ast.Constant):
            found[node.args[0].value] = made[maker]
    return found


def test_every_metric_is_described() -> None:
    """docs/metrics.md has one row for each number with its kind, and no other; a counter's name ends in _total."""
    known = metrics()
    assert len(known) > 20, "no metric found: a rule that looks at nothing proves nothing"
    shown = {
        (name if name.startswith("process_") else f"fast_sse_{name}"): kind for name, kind in known.items()
    }
    table = {
        name: cells[0] for name, cells in rows(METRICS).items() if name.startswith(("fast_sse_", "process_"))
    }
    assert table == shown
    assert {name for name, kind in shown.items() if kind == "counter"} == {
        name for name in shown if name.endswith("_total")
    }


def test_every_public_route_is_named() -> None:
    """Each path of the table stands in the index, with its placeholders; tests/http/api/test_paths.py holds both together."""
    routes = [
        path
        for name, path in vars(paths).items()
        if name.isupper() and path not in (paths.CHANNEL, paths.MESSAGE)
    ]
    assert len(routes) >= 5
    assert [path for path in routes if not re.search(rf" {re.escape(path)}`", INDEX)] == []


def test_every_operators_route_is_named() -> None:
    """Each path of the admin listener stands in the index, with each of its methods."""
    node: Any = None
    routes: Any = admin_app(node, b"").routes
    named = [f"`{method} {route.path}`" for route in routes for method in route.methods - {"HEAD"}]
    assert len(named) >= 4
    assert [name for name in named if name not in INDEX] == []


def test_every_page_is_in_the_index() -> None:
    """Each file of docs/ has a link in its index, and the README has one to each page that a reader begins with."""
    files = {page.name for page in DOCS.iterdir() if page.is_file()} - {"README.md"}
    assert {name for name in files if f"]({name})" not in INDEX} == set()
    readme = (ROOT / "README.md").read_text()
    for name in ("README", "quick-start", "publishing", "subscribing", "signatures", "settings", "errors"):
        assert f"](docs/{name}.md)" in readme, name


def commands() -> dict[str, Any]:
    """Every command as the parser knows it, those of a group under both names."""
    found = whole_commands()
    for name, command in list(found.items()):
        found |= {f"{name} {inner}": one for inner, one in getattr(command, "commands", {}).items()}
    return found


@pytest.mark.parametrize("name", commands())
def test_every_flag_is_named(name: str) -> None:
    """Each command has a row in the page about the command line, and each of its options stands in the text."""
    assert name in rows(CLI)
    options = [
        option for parameter in commands()[name].params for option in parameter.opts if option[0] == "-"
    ]
    assert [option for option in options if not re.search(rf"`{option}[` ]", CLI)] == []


def test_every_event_name_is_described() -> None:
    """Each event that the hub sends by itself is described to subscribers, and so is each reason of a gap."""
    names = {name for file in SOURCES for name in re.findall(r"fast-sse\.[a-z]{3,}", file.read_text())}
    names -= {"fast-sse.db", "fast-sse.toml"}  # files
    names -= CONTROL_EVENTS.keys()  # stand in the log only
    assert {"fast-sse.gap", "fast-sse.expired"} <= names
    assert [name for name in names if name not in SUBSCRIBING] == []
    for reason in ("trimmed", "epoch", "lost_tail", "ahead", "unreadable"):
        assert f"`{reason}`" in SUBSCRIBING


def test_tests_that_are_named_exist() -> None:
    """A guarantee whose test is gone is no guarantee."""
    named = re.findall(r"`(tests/\S+\.py)(?:::(\w+))?`", (DOCS / "guarantees.md").read_text())
    assert len(named) > 10
    for file, test in named:
        assert f"def {test or 'test_'}" in (ROOT / file).read_text(), f"{file}::{test}"


def blocks(language: str) -> Iterator[str]:
    """Every line of every code block in a language, continued lines joined."""
    for page in PAGES:
        for block in re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            yield from block.replace("\\\n", "").splitlines()


def test_commands_in_the_docs_parse() -> None:
    """Every `fast-sse` line has a command and options that exist; every `make` verb is in the Makefile."""
    known, seen = commands(), 0
    verbs = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in blocks("sh"):
        captured = re.sub(r"^\w+=\$\((.*)\)$", r"\1", line)
        words = [
            *takewhile(lambda word: not re.match(r"[&|;]|\d?>", word), shlex.split(captured, comments=True))
        ]
        if "make" in words[:1]:
            assert words[1] in verbs
        while words and "=" in words[0]:
            words.pop(0)
        if words[:1] == ["fast-sse"]:
            seen += 1
            name = " ".join(words[1:3]) if " ".join(words[1:3]) in known else words[1]
            known[name].make_context(name, words[1 + len(name.split()) :])
    assert seen > 15


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in a link."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere() -> None:
    """Every relative link in the README and the docs points to a file of this tree, and to a heading that is there."""
    for page in PAGES:
        for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text()):
            place = page.parent / target if target else page
            assert place.exists(), f"{page.name}: {target}"
            assert not heading or heading in anchors(place), f"{page.name}: {target}#{heading}"
