"""A Dockerfile and a .dockerignore as values: instructions, stages, and which files of a directory get to the builder."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from string import Template
from typing import NamedTuple


class Instruction(NamedTuple):
    """`RUN` and the rest of it, continued lines joined."""

    word: str
    rest: str


class Stage(NamedTuple):
    """One image that is built: from `base`, which is a stage before it or an image of others."""

    name: str
    base: str
    steps: list[Instruction]

    def last(self, word: str) -> str:
        """The instruction that counts where only the last one does."""
        return [step.rest for step in self.steps if step.word == word][-1]


def stages(text: str) -> list[Stage]:
    """The stages of a Dockerfile, in order. One without a name is called by its number, as Docker does."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found: list[Stage] = []
    for line in joined.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found.append(Stage(name or str(len(found)), base, []))
        else:
            found[-1].steps.append(Instruction(word, rest))
    return found


def variables(stage: Stage, given: dict[str, str]) -> dict[str, str]:
    """What a stage's ENV makes of variables that are set already."""
    known = dict(given)
    for step in stage.steps:
        if step.word == "ENV":
            pairs = (word.partition("=") for word in shlex.split(step.rest))
            known |= {name: Template(value).substitute(known) for name, _, value in pairs}
    return known


def is_ignored(path: PurePosixPath, rules: list[str]) -> bool:
    """Whether a file stays out: of the rules of a .dockerignore that match it or a folder of it, the last one counts."""
    verdict = False
    for rule in rules:
        if any(_matches(str(place), rule.removeprefix("!")) for place in (path, *path.parents[:-1])):
            verdict = not rule.startswith("!")
    return verdict


def rules_of(text: str) -> list[str]:
    """The rules of a .dockerignore, in order."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def let_in(directory: Path, rules: list[str]) -> Iterator[Path]:
    """The files of a directory that get to the builder, relative to it."""
    again = {rule.removeprefix("!").partition("/")[0] for rule in rules if rule.startswith("!")}
    for top in sorted(directory.iterdir()):
        if rules[0] == "*" and top.name not in again:
            continue  # nothing of it can be let in again, and some folders are large
        for file in [top] if top.is_file() else top.rglob("*"):
            relative = file.relative_to(directory)
            if file.is_file() and not is_ignored(PurePosixPath(relative), rules):
                yield relative


def _matches(place: str, pattern: str) -> bool:
    """`*` stands for anything within a name, `**/` at the beginning for any number of folders."""
    if pattern.startswith("**/"):
        names = place.split("/")
        return any(_matches("/".join(names[start:]), pattern[3:]) for start in range(len(names)))
    return fnmatchcase(place, pattern) and place.count("/") == pattern.count("/")
