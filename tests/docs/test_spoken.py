"""What the hub says while it runs reads at first sight, too, and says what to do next.

A page can be read twice. A line of the log at night, an answer in somebody else's program and the last line of a start
that failed are read once.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.docs.spoken import answers, mistakes, modules, texts, trouble
from tests.docs.test_readability import stumbles

from fast_sse.observe.logging import ACTS

#: Beside the turns of a page: what trips a reader in a short line.
TURNS = {
    r"(?<![Tt]here )\b(is|are|was|were) no (?!longer\b)\w": "is not a",
    r"(?<!may or )\bmay not\b": "cannot, must not, or: it is possible that",
    r"\b(of|not) (ours|yours)\b": "the hub's, or your",
    r"\banew\b": "again, or a new one",
    r"\bcannot be had\b": "say what cannot be done",
    r"\b[Ww]hat (stands?|lies?|waits?|waited|answers?|follows?|came|comes)\b": "name the thing",
    r"\bfor whom?\b": "name who",
    r"\bbut (not )?for\b": "except",
}

#: What to do next: a verb that commands at the head of a part of the line, or what the value must be.
_VERBS = (
    "set|make|remove|use|choose|name|add|install|leave|give|write|lower|raise|correct|take|start|stop|restart|restore"
    "|look|report|let|ask|wait|run|put|sign|send|change|see|try|upgrade|keep|say|expect|end|nothing to do"
)
#: `cannot read FILE: No such file` says it by itself; PROBLEM is the text of another mistake, which has its own step.
STEP = re.compile(
    rf"(^|[;:(,] ?|\b(or|and) )({_VERBS})\b|\bmust\b|\bneeds?\b|\bdid you mean\b|\bis required\b"
    r"|^cannot (read|write|write to) CODE: CODE$|PROBLEM"
)
#: Words that are written like this wherever they stand.
_NAMES = re.compile(r"(Redis|Kafka|TLS|PROXY|HTTP|JSON)\b|[A-Z][a-z]+-[A-Z]|[A-Z]+_|CODE|Expect must")
Rule = Callable[[str, str], list[str]]
SOURCES = modules()
PACKAGES = sorted({module.rpartition("/")[0] for module in SOURCES})


@pytest.mark.parametrize("package", PACKAGES)
def test_a_text_reads_at_first_sight(package: str) -> None:
    """No text has a sentence over 30 words or takes one of the turns, those of pages included."""
    assert {at: faults(text) for at, text in said(texts, package) if faults(text)} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_mistake_says_what_to_do(package: str) -> None:
    """A line that ends the start says what to put in the place that it names, or what to do first."""
    assert [pair for pair in said(mistakes, package) if not STEP.search(pair[1])] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_line_of_trouble_says_what_to_do(package: str) -> None:
    """A warning or an error in the log is for somebody who acts."""
    assert [pair for pair in said(trouble, package) if not STEP.search(pair[1])] == []


def test_what_is_done_about_a_fact_is_a_step() -> None:
    """The same rule holds for the facts of the hub, whose advice stands in one table."""
    assert [do for _, do in ACTS.values() if do and not STEP.search(f"; {do}")] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_answers_begin_alike(package: str) -> None:
    """The message of an error is the rest of a line: no capital at its head, and no full stop at its end."""
    odd = (
        (lambda text: text[:1].isupper() and not _NAMES.match(text)),
        (lambda text: text.endswith((".", "!"))),
    )
    assert [pair for pair in said(answers, package) if any(rule(pair[1]) for rule in odd)] == []


@pytest.mark.slow
def test_the_texts_are_found() -> None:
    """A collector that finds nothing would pass every rule."""
    count = {
        rule.__name__: sum(len(rule(source, module)) for module, source in SOURCES.items())
        for rule in (texts, mistakes, trouble, answers)
    }
    assert count["texts"] > 900
    assert count["mistakes"] > 80
    assert count["trouble"] > 60
    assert count["answers"] > 150


def test_only_what_is_spoken_is_found() -> None:
    """Docstrings, help and SQL are not; a constant stands for itself, a field `do` belongs to its line."""
    source = '''"""A module that is what it is."""
_MAKE = "make one"
def work(log, key):
    """Whoever reads this."""
    Option(help="for whoever")
    execute("SELECT what FROM it")
    log.warning("it is broken", do="mend it")
    log.error("%s is broken; %s", key, _MAKE)
    log.info("it goes on")
    raise ConfigError(key, f"is wrong; {_MAKE}")
'''
    assert texts(source) == [
        "make one", "it is broken", "mend it", "CODE is broken; CODE", "it goes on", "is wrong; CODE",
    ]  # fmt: skip
    assert trouble(source) == ["it is broken; mend it", "CODE is broken; CODE; make one"]
    assert mistakes(source) == ["is wrong; make one"]
    assert mistakes('yield "port", "is taken"', "checks.py") == ["is taken"]
    assert answers('raise BadRequestError("Is odd.")') == ["Is odd."]


@pytest.mark.parametrize(
    "text",
    ["the entry is no message", "this user may not listen", "what stands there is odd", "it is made anew"],
)
def test_a_bad_turn_is_found(text: str) -> None:
    """Each of these had to be read twice."""
    assert len(faults(text)) == 1


@pytest.mark.parametrize("text", ["is missing", "names no key", "cannot be used", "another process holds it"])
def test_a_line_without_a_step_is_found(text: str) -> None:
    """It leaves a reader alone with the trouble."""
    assert not STEP.search(text)


def said(rule: Rule, package: str) -> list[tuple[str, str]]:
    """What a rule finds in the files of one package, each with its file."""
    return [
        (module, text)
        for module, source in SOURCES.items()
        if module.rpartition("/")[0] == package
        for text in rule(source, module)
    ]


def faults(text: str) -> list[str]:
    """What is wrong with one text."""
    return stumbles(text) + [f"{advice}: {text}" for turn, advice in TURNS.items() if re.search(turn, text)]
