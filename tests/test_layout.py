"""House rules that a machine can keep: how big a file is, what it may touch, and which test proves it.

Each rule is a function from source text to a list of complaints, so that it can be shown to complain.
The direction of imports is kept elsewhere, by the contracts of import-linter in pyproject.toml.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "fast_sse"
TESTS = ROOT / "tests"

#: Ratchets: they may go down. A file that needs more holds two ideas.
FILE_LINES_MAX = 350
FUNCTION_LINES_MAX = 70

#: Modules without a test file of their own, each with the reason.
UNMIRRORED = {
    "app.py": "tests/app runs it, one file a subject",
    "model/limits.py": "numbers without behaviour; each is tested where it bites",
    "store/base.py": "the contract: tests/contract is its test, run against every store",
    **dict.fromkeys(
        (
            f"bench/{name}.py"
            for name in ("connections", "steps", "steady", "burst", "publishes", "idle", "resume")
        ),
        "played against a real hub, and one that loses, by tests/bench/test_scenarios.py",
    ),
    "http/message.py": "values without behaviour; the endpoints' and the front's tests are made of them",
}

#: A clock, chance, the environment, another thread or process, or the outside world.
IMPURE_MODULES = {
    *("asyncio", "concurrent", "contextvars", "multiprocessing", "queue", "sched", "selectors", "signal"),
    *("glob", "logging", "os", "pathlib", "shutil", "subprocess", "sys", "tempfile", "threading", "time"),
    *("anyio", "http", "random", "requests", "secrets", "socket", "sqlite3", "ssl", "uuid", "uvloop"),
}
#: `hash` is here because its answer differs from process to process.
IMPURE_BUILTINS = {"__import__", "breakpoint", "eval", "exec", "hash", "input", "open", "print"}
CLOCK_CALLS = {f"{kind}.{call}" for kind in ("date", "datetime") for call in ("now", "today", "utcnow")}

Rule = Callable[[str], list[str]]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules_imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and first segment of every module that is imported, wherever in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, (node.module or "").partition(".")[0]


def functions(source: str) -> Iterator[Function]:
    """Every function of a source text, nested ones too."""
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, Function))


def impurities(source: str) -> list[str]:
    """What keeps a module from being a function of its arguments."""
    tree = ast.parse(source)
    found = [f"{line}: imports {name}" for line, name in modules_imported(tree) if name in IMPURE_MODULES]
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await):
            found.append(f"{node.lineno}: is async")
        elif isinstance(node, ast.Name) and node.id in IMPURE_BUILTINS:
            found.append(f"{node.lineno}: uses {node.id}")
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in CLOCK_CALLS:
            found.append(f"{node.lineno}: asks the clock with {ast.unparse(node)}")
    return found


def undocumented_tests(source: str) -> list[str]:
    """Test functions that do not say which rule they prove."""
    return [
        f"{function.lineno}: {function.name} has no docstring; it is the rule that the test proves"
        for function in functions(source)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]


def long_functions(source: str) -> list[str]:
    """Functions, from `def` to their last line, that are past the ratchet."""
    lengths = ((function, (function.end_lineno or 0) - function.lineno + 1) for function in functions(source))
    return [
        f"{function.lineno}: {function.name} has {lines} lines; {FUNCTION_LINES_MAX} are enough"
        for function, lines in lengths
        if lines > FUNCTION_LINES_MAX
    ]


def long_file(source: str) -> list[str]:
    """A file past the ratchet."""
    lines = len(source.splitlines())
    return [f"1: {lines} lines; {FILE_LINES_MAX} are enough"] if lines > FILE_LINES_MAX else []


def complaints(rule: Rule, under: Path) -> list[str]:
    """What a rule says about every Python file under a directory, as file:line: text."""
    files = sorted(under.rglob("*.py"))
    assert files, f"no Python file under {under}: a rule that looks at nothing proves nothing"
    return [f"{file.relative_to(ROOT)}:{said}" for file in files for said in rule(file.read_text())]


def expect_none(said: list[str]) -> None:
    """Fail with the complaints and nothing else: they are for the person who has to mend them."""
    if said:
        pytest.fail("\n".join(said), pytrace=False)


def mirrored_modules() -> list[str]:
    """Modules that need a test file, relative to the package; a package's `__init__` holds a sentence only."""
    every = (path.relative_to(SRC).as_posix() for path in SRC.rglob("*.py"))
    return sorted(name for name in every if not name.endswith(("__init__.py", "__main__.py")))


@pytest.mark.parametrize(
    ("rule", "under"),
    [
        pytest.param(impurities, SRC / "model", id="the model is pure"),
        pytest.param(undocumented_tests, TESTS, id="a test's docstring is its rule"),
        pytest.param(long_file, SRC, id="files are short"),
        pytest.param(long_functions, SRC, id="functions are short"),
    ],
)
def test_house_rule(rule: Rule, under: Path) -> None:
    """No file breaks the rule; every place that does is named."""
    expect_none(complaints(rule, under))


def test_tests_mirror_src() -> None:
    """Every module has tests/<layer>/test_<module>.py, or a reason in UNMIRRORED why not."""
    missing = []
    for name in mirrored_modules():
        module = Path(name)
        test = TESTS / module.parent / f"test_{module.name.lstrip('_')}"
        if name not in UNMIRRORED and not test.exists():
            missing.append(f"src/fast_sse/{name} has no {test.relative_to(ROOT)}")
    expect_none(missing)


def test_exceptions_are_still_needed() -> None:
    """An exception for a module that is gone goes too."""
    assert set(UNMIRRORED) <= set(mirrored_modules())


@pytest.mark.parametrize(
    ("rule", "bad"),
    [
        (impurities, "import os.path"),
        (impurities, "from time import monotonic"),
        (impurities, "def f():\n    import random"),
        (impurities, "stamp = datetime.now()"),
        (impurities, "text = open('x').read()"),
        (impurities, "async def f(): ..."),
        (undocumented_tests, "class TestX:\n    async def test_y(self): ..."),
        (long_functions, "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX),
        (long_file, "x = 1\n" * (FILE_LINES_MAX + 1)),
    ],
)
def test_rules_can_complain(rule: Rule, bad: str) -> None:
    """A rule that never complains would pass on anything: each one turns red on a text that breaks it."""
    assert len(rule(bad)) == 1


@pytest.mark.parametrize(
    ("rule", "good"),
    [
        (impurities, "import hashlib\nfrom fast_sse.model.errors import BadRequestError"),
        (impurities, "def f(now: float) -> float:\n    return now"),
        (undocumented_tests, "def test_x():\n    '''Says its rule.'''\ndef helper(): ..."),
        (long_functions, "def f():\n" + "    x = 1\n" * (FUNCTION_LINES_MAX - 1)),
        (long_file, "x = 1\n" * FILE_LINES_MAX),
    ],
)
def test_rules_leave_good_text_alone(rule: Rule, good: str) -> None:
    """A rule is about what breaks it, to the line, and nothing else."""
    assert not rule(good)
