"""What a first hour takes is in the tree and in the README. The hour itself is test_first_hour.py, in full counts."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from tests.newcomer.machine import ROOT
from tests.newcomer.terminal import typed
from tests.newcomer.test_first_hour import before
from tests.newcomer.times import HEAD, PAGE, STEPS, Times
from tests.newcomer.tutorial import PAGE as TUTORIAL

README = (ROOT / "README.md").read_text()


def test_readme_begins_with_two_commands() -> None:
    """Its first block of shell is `make demo` and `make test`, and both are verbs of the Makefile that say what they do."""
    block = re.search(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert block
    commands = [line.partition("#")[0].strip() for line in block[1].splitlines()]
    assert commands == ["make demo", "make test"]
    verbs = re.findall(r"^(\w+):.*## \S", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test"} <= set(verbs)


def test_readme_names_what_a_bare_machine_lacks() -> None:
    """The line to type before holds make, and what scripts/find-python would ask for; root needs make alone."""
    packages = set(before("an ordinary user").partition("&& apt-get install ")[2].split())
    asked = re.findall(r"sudo apt-get install (python3 .*)", (ROOT / "scripts" / "find-python").read_text())
    assert {"make", *asked[0].split()} <= packages
    assert "python3" not in before("root")


def test_a_clone_can_run_what_make_runs() -> None:
    """Each script that the Makefile calls, and each that those call, is committed as a program."""
    listed = subprocess.run(
        ["git", "ls-files", "--stage", "--", "scripts"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    modes = {line.split("\t")[1]: line.split()[0] for line in listed}
    called = set(re.findall(r"@?(scripts/[a-z-]+)", (ROOT / "Makefile").read_text()))
    for script in sorted(called):
        called |= set(re.findall(r"scripts/[a-z-]+", (ROOT / script).read_text()))
    assert {name: modes.get(name) for name in called} == dict.fromkeys(called, "100755")


def test_the_tutorial_is_typed_whole(tmp_path: Path) -> None:
    """Its commands are pasted as they stand, its programs are saved as they stand, and it kills the shop once."""
    pasted = typed(TUTORIAL.read_text())
    saved = [block for block in pasted if block.startswith("cat > ")]
    subprocess.run(["bash", "-eu", "-c", "".join(saved)], cwd=tmp_path, check=True)
    shop = ROOT / "examples" / "shop"
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        file.name: file.read_text() for file in shop.iterdir()
    }
    kinds = ("pip install", "cat > ", "uvicorn", "kill -9")
    order = [kind for block in pasted for kind in kinds if kind in block]
    assert order == ["pip install", "cat > ", "cat > ", "uvicorn", "kill -9", "uvicorn"]


def test_the_page_has_the_head_of_its_rows() -> None:
    """A step that was added has its column on the page, too, and each row has a cell for it."""
    page = PAGE.read_text()
    assert page.startswith(HEAD)
    assert {row.count("|") for row in page.removeprefix(HEAD).splitlines()} <= {len(STEPS) + 5}


def test_times_are_a_row(tmp_path: Path) -> None:
    """A page has its head once, a row for each run, and a dash for a step that was not reached."""
    times, page = Times(), tmp_path / "page.md"
    times.of("bare Debian", "root", "abc")
    times.note(STEPS[1], 17.04)
    times.write(page)
    times.write(page)
    text = page.read_text()
    assert text.count("# A newcomer's first hour") == 1
    assert (
        len(
            re.findall(
                r"^\| \d{4}-.*\| bare Debian, \d+ cores, load \d+\.\d \| root \| - \| 17\.0 \| - \| - \| - \| - \|$",
                text,
                re.MULTILINE,
            )
        )
        == 2
    )
    assert times.row(datetime(2026, 11, 29, 12, tzinfo=UTC)).startswith("| 2026-11-29 12:00 | abc | ")
