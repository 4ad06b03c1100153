"""The head of each package is a map of its files: complete, and of nothing that is gone.

A line of the map is a name, at least two spaces, and what the file is for; a line that goes on is indented further.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src" / "fast_sse"


def packages() -> list[Path]:
    """Every package below the root, which has no files of its own but the modules that compose the program."""
    return sorted(path.parent for path in SRC.rglob("__init__.py") if path.parent != SRC)


def mapped(docstring: str) -> list[str]:
    """The names that the lines of a map begin with."""
    found = (re.match(r"^ {0,4}([a-z_0-9]+)/?\s{2,}\S", line) for line in docstring.splitlines())
    return [match.group(1) for match in found if match]


def members(package: Path) -> list[str]:
    """The modules and packages right below one."""
    files = (path.stem for path in package.glob("*.py") if path.stem not in ("__init__", "__main__"))
    return sorted([*files, *(path.parent.name for path in package.glob("*/__init__.py"))])


@pytest.mark.parametrize("package", packages(), ids=lambda path: path.relative_to(SRC).as_posix())
def test_a_package_names_its_files(package: Path) -> None:
    """A newcomer finds each file by what it is for, and nothing that is no more."""
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text()), clean=False) or ""
    assert sorted(mapped(docstring)) == members(package)


def test_a_map_is_read_line_by_line() -> None:
    """Prose is no map, and a line that goes on is no second entry."""
    text = (
        "Rule and reason.\n\n    log     rows\n            more of it\n    since   a time\n\nProse goes on.\n"
    )
    assert mapped(text) == ["log", "since"]
