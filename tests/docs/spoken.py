"""The texts that people meet at run time, collected from the code: answers, log lines, mistakes, findings, progress.

Every text with a space in it is one, wherever it stands, so that no helper of the code can hide one. What stands in a
docstring or in the help of an option is not: other tests read those. A value in a text is CODE, as code in a page is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.support.server import ROOT

from fast_sse.model import errors

SRC = ROOT / "src" / "fast_sse"

#: Languages of machines: SQL, headers, policies, patterns, and types that are written as text.
_CODE = re.compile(
    r"^\s*(SELECT|INSERT|CREATE|UPDATE|DELETE|PRAGMA|WITH|ALTER|DROP|BEGIN|REPLACE|CROSS|ORDER BY|EXISTS)\b"
    r"|UNION ALL|json_each|charset=|-src '|^\(|^#|^[A-Z][\w-]*: |^dict\[|^[a-z_]+ (=|IN|<=|>=|<|>|\|) "
)
#: Lines of the log that somebody should act on.
_LEVELS = {"warning", "error", "exception", "critical"}
_ENDS_THE_START = {"ConfigError", "HeldError"}
_ANSWERS = {name for name in vars(errors) if name.endswith("Error")} - _ENDS_THE_START
#: Where a check of the settings yields a key and a problem, and where one is raised as pydantic wants it.
_CHECKS, _SHAPES = {"checks.py", "identity.py"}, {"settings.py", "setting_groups.py"}


def modules() -> dict[str, str]:
    """The source of every file of the product, by its path."""
    return {str(file.relative_to(SRC)): file.read_text() for file in sorted(SRC.rglob("*.py"))}


def texts(source: str, _module: str = "") -> list[str]:
    """All of a file's."""
    return [
        words
        for words in _texts(ast.parse(source))
        if " " in words.strip() and len(re.findall(r"[A-Za-z]{2,}", words)) > 1 and not _CODE.search(words)
    ]


def mistakes(source: str, module: str = "") -> list[str]:
    """What ends the start: the problem of a ConfigError, and what a check of the settings says beside a key."""
    tree = ast.parse(source)
    known, found = _named(tree), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in _ENDS_THE_START and len(node.args) == 2:
            found.append(node.args[1])
        elif module in _CHECKS and isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple):
            found.append(node.value.elts[1])
        elif module in _SHAPES and isinstance(node, ast.Call) and _called(node) == "ValueError":
            found += node.args[:1]
    return [words for node in found for words in _said(node, known)]


def trouble(source: str, _module: str = "") -> list[str]:
    """Warnings of the log and worse, each with its field `do`."""
    tree = ast.parse(source)
    known: dict[str, str] = _named(tree)
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_trouble(node) and node.args:
            advice = [word.value for word in node.keywords if word.arg == "do"]
            advice += [one for one in node.args[1:] if isinstance(one, ast.Name) and one.id in known]
            more = [words for one in advice for words in _said(one, known)]
            found += ["; ".join([words, *more]) for words in _said(node.args[0], known)]
    return found


def answers(source: str, _module: str = "") -> list[str]:
    """The messages of errors that a client may get."""
    tree = ast.parse(source)
    known = _named(tree)
    return [
        words
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _called(node) in _ANSWERS
        for words in (_said(node.args[0], known) if node.args else ())
    ]


def _texts(node: ast.AST) -> Iterator[str]:
    """The texts below a node, without docstrings and the help of options."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.keyword) and node.arg == "help":
        return
    words = _words(node, {})
    if words is not None:
        yield words
        return
    for inner in ast.iter_child_nodes(node):
        yield from _texts(inner)


def _words(node: ast.AST, known: dict[str, str]) -> str | None:
    """The text of a node; None for what is not a text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%[-+.\d]*[sdrfi]", "CODE", node.value)
    if isinstance(node, ast.JoinedStr):
        parts = (
            str(part.value) if isinstance(part, ast.Constant) else _value(part, known) for part in node.values
        )
        return "".join(parts)
    return None


def _value(part: ast.AST, known: dict[str, str]) -> str:
    """A text of the module that has a name stands for itself, and PROBLEM for the words of another mistake."""
    value = part.value if isinstance(part, ast.FormattedValue) else part
    if isinstance(value, ast.Name):
        return known.get(value.id, "CODE")
    return "PROBLEM" if isinstance(value, ast.Attribute) and value.attr == "problem" else "CODE"


def _said(node: ast.AST, known: dict[str, str]) -> list[str]:
    """The texts that an argument may be; none where it is made elsewhere."""
    if isinstance(node, ast.IfExp):
        return _said(node.body, known) + _said(node.orelse, known)
    words = known.get(node.id) if isinstance(node, ast.Name) else _words(node, known)
    return [] if words is None or not re.sub("CODE|PROBLEM", "", words).strip(" ;:") else [words]


def _named(tree: ast.Module) -> dict[str, str]:
    """Texts that have a name, in a function too; of a choice of two the first."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            words = _words(node.value.body if isinstance(node.value, ast.IfExp) else node.value, found)
            if words is not None:
                found[node.targets[0].id] = words
    return found


def _is_trouble(node: ast.Call) -> bool:
    """Whether it writes to a log, of the standard library or the hub's own."""
    *place, level = ast.unparse(node.func).split(".")
    return level in _LEVELS and "log" in "".join(place).lower()


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func).rpartition(".")[2]
