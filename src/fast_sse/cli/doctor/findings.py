"""What a check of `fast-sse doctor` says: one line, its colour, and what to do about it."""

from __future__ import annotations

from typing import Literal

import msgspec
import typer

from fast_sse.observe.logging import visible

Level = Literal["green", "yellow", "red"]


class Finding(msgspec.Struct, frozen=True):
    """The outcome of one check.

    Attributes:
        name: of the check, the same in every run.
        level: green: nothing to do; yellow: it works, but you should know; red: it will not work, or is open to strangers.
        found: what was seen.
        advice: what to do; empty when green.
    """

    name: str
    level: Level
    found: str
    advice: str = ""

    def text(self) -> str:
        """For a person: a coloured word first, what to do on a line of its own."""
        word = typer.style(_WORDS[self.level], fg=self.level, bold=self.level == "red" or None)
        advice = f"\n{'':22}-> {visible(self.advice)}" if self.advice else ""
        return f"{word}  {self.name:15} {visible(self.found)}{advice}"


_WORDS = {"green": "ok  ", "yellow": "look", "red": "BAD "}
