"""A page reads at first sight: short sentences, none of the turns that a reader stumbles over, no page without an end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.docs.prose import sentences, words
from tests.docs.shell import DOCS
from tests.support.server import ROOT

from fast_sse.cli.main import whole_commands

WORDS_MAX = 30
LINES_MAX = 200

#: What a reader has to read twice, and what to write in its place.
PHRASES = {
    r"\b(is|are|was) what\b": "name the thing first",
    r"\b[Ww]hoever\b": "say who: a client, an operator, you",
    r"\b(that|those) of\b": "repeat the noun",
    r"\bthose (who|that|which)\b": "name them",
    r"\bone (sees|reads|takes)\b": "you",
    r"\bbut for\b": "except",
    r"\b(is|are) none\b": "say what is there",
    r"\bno more\b(?! than)": "no longer, or nothing else",
    r"\bof (which|whose|whom)\b": "two sentences",
    r"\b[Ii]t is [\w ]{1,30}\bthat\b": "begin with the subject",
    r"\bis (said|told) by\b": "active",
    r"\b[Nn]obody\b.*\bnobody\b": "say who does, not who does not",
    r"\b([Nn]othing|[Nn]obody|[Nn]one)\b.*\bwithout\b": "one negation in a sentence",
    r"^(What|Who|Whatever) .*[^?]$": "a clause is no subject: name the thing",
}

#: Pages that are longer, without their programs, and why they stay so.
LONG = {
    "docs/clients.md": "a recipe for each library, most of it written by tests",
    "docs/settings.md": "a row for each setting, made from the code",
}


def pages() -> dict[str, Path]:
    """Every page that readers are sent to, decisions included, by its name from the root."""
    found = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "examples/README.md")]
    found += [*sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("adr/*.md"))]
    return {str(page.relative_to(ROOT)): page for page in found}


def helps(command: Any, name: str) -> Iterator[tuple[str, str]]:
    """What `--help` says of a command, its parameters and its subcommands, without the examples."""
    yield name, (command.help or "").partition("\b")[0]
    yield from ((f"{name} {one.opts[0]}", one.help) for one in command.params if getattr(one, "help", None))
    for inner, one in getattr(command, "commands", {}).items():
        yield from helps(one, f"{name} {inner}")


def stumbles(page: str) -> list[str]:
    """Sentences of a page that are too long or take one of those turns, with what is wrong."""
    found = []
    for sentence in sentences(page):
        if words(sentence) > WORDS_MAX:
            found.append(f"{words(sentence)} words: {sentence}")
        found += [f"{advice}: {sentence}" for turn, advice in PHRASES.items() if re.search(turn, sentence)]
    return found


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_page_reads_at_first_sight(name: str) -> None:
    """No sentence has over 30 words, and none takes a turn of the list."""
    assert stumbles(pages()[name].read_text()) == []


@pytest.mark.parametrize("name", whole_commands())
def test_help_reads_at_first_sight(name: str) -> None:
    """The same rules hold for `--help`, down to each option."""
    told = dict(helps(whole_commands()[name], name))
    assert told[name]
    assert {place: found for place, text in told.items() if (found := stumbles(text))} == {}


def test_a_long_page_exists() -> None:
    """A page that is gone leaves the list."""
    assert LONG.keys() <= pages().keys()


def test_a_long_page_is_two_pages() -> None:
    """A page has at most 200 lines without its programs; the ones that have more are known."""
    programs = re.compile(r"^```.*?^```\n?", re.MULTILINE | re.DOTALL)
    lengths = {name: len(programs.sub("", page.read_text()).splitlines()) for name, page in pages().items()}
    assert {name for name, length in lengths.items() if length > LINES_MAX} <= LONG.keys()


@pytest.mark.parametrize(
    "text",
    [
        "word " * 31 + ".",
        "A 2xx is what the store says.",
        "Whoever reads slowly is cut.",
        "What is signed stays the id.",
        "Nothing that was acknowledged disappears without being named.",
        "- An item of a list\n  that is " + "long " * 30,
        "| cell | " + "word " * 31 + "|",
    ],
)
def test_a_bad_sentence_is_found(text: str) -> None:
    """The rule sees prose, lists and tables."""
    assert len(stumbles(text)) == 1


def test_programs_and_names_are_no_prose() -> None:
    """Blocks of code, code in a line, and addresses of links are not counted; a full stop ends a sentence."""
    text = (
        "See [here]("
        + "a/" * 40
        + ").\n\n```sh\n"
        + "whoever " * 40
        + "\n```\n\n"
        + "Go on. " * 40
        + "`is what`"
    )
    assert stumbles(text) == []
