"""docs/architecture.md: its walks name what is there, and visit no file twice."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.docs.shell import DOCS

SRC = Path(__file__).parents[2] / "src" / "fast_sse"
STEP = re.compile(r"^\| `(?P<file>[a-z_0-9/]+\.py)` \| `(?P<name>[A-Za-z_.]+)` \|")


class Step(NamedTuple):
    """A line of a walk."""

    file: str
    name: str


def walks() -> dict[str, list[Step]]:
    """Every walk of the page, by its heading."""
    text = (DOCS / "architecture.md").read_text().partition("## A newcomer's walk")[2]
    parts = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    return {
        part.partition("\n")[0]: [
            Step(*found.groups()) for line in part.splitlines() if (found := STEP.match(line))
        ]
        for part in parts
    }


def names(file: str) -> set[str]:
    """What a file defines: functions, classes, their methods, and names that are assigned."""
    found: set[str] = set()
    for node in ast.parse((SRC / file).read_text()).body:
        match node:
            case ast.ClassDef():
                found |= {node.name}
                found |= {
                    f"{node.name}.{one.name}"
                    for one in node.body
                    if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
                }
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                found.add(node.name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return found


def test_there_are_four_walks() -> None:
    """A message, a slow client, a stream that is behind, a new store: each of more than a few steps."""
    assert [len(steps) >= 5 for steps in walks().values()] == [True] * 4


@pytest.mark.parametrize("step", sorted({step for steps in walks().values() for step in steps}), ids=str)
def test_a_step_exists(step: Step) -> None:
    """A reader who follows the page finds the function in the file."""
    assert step.name in names(step.file)


@pytest.mark.parametrize("walk", list(walks())[:3])
def test_no_file_comes_twice(walk: str) -> None:
    """The road is a line: nobody has to come back to a file."""
    files = [step.file for step in walks()[walk]]
    assert len(files) == len(set(files))
