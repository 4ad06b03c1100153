"""A terminal that stays open: a page's blocks are pasted one after another, and what one of them started runs on meanwhile."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Self

import pytest
from tests.docs.shell import end
from tests.newcomer.machine import Machine

#: A block of a page, and the file that the line before it names, if it names one.
BLOCK = re.compile(
    r"^(?:[^\n]*`(?P<file>\w+\.\w+)`[^\n]*\n\n)?```(?P<language>\w+)\n(?P<text>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


def typed(page: str) -> list[str]:
    """What a reader of a page types, in order: its commands as they stand, and its programs, saved under their names."""
    pasted = []
    for block in BLOCK.finditer(page):
        if block["language"] == "sh":
            pasted.append(block["text"])
        elif block["file"]:
            pasted.append(
                f"cat > {block['file']} << 'END OF {block['file']}'\n{block['text']}END OF {block['file']}\n"
            )
    return pasted


class Terminal:
    """A shell on a machine that was just logged in to, in the home directory. A context manager: leaving it ends all it runs."""

    def __init__(self, newcomer: Machine) -> None:
        self._shell = newcomer.start()
        self._pasted = 0
        self.paste("cd")

    def paste(self, block: str) -> str:
        """Type a block; what it printed until its last command returned. Fails with that when a command fails."""
        assert self._shell.stdin
        assert self._shell.stdout
        self._pasted += 1
        mark = f"== {self._pasted}\n"
        self._shell.stdin.write(f"{block}\necho {mark}")
        self._shell.stdin.flush()
        printed: list[str] = []
        for line in self._shell.stdout:
            if line == mark:
                return "".join(printed)
            printed.append(line)
        pytest.fail(f"{block}\n{''.join(printed)[-4000:]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self._shell.pid)
        self._shell.communicate()
