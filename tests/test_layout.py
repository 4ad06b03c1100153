"""House rules that a machine can keep: how big a file is, what it may touch, and which test proves it.

Each rule is a function from source text to a list of complaints, so that it can be shown to complain.
The direction of imports between packages is kept elsewhere, by the contracts of import-linter in pyproject.toml; here it
is looked at file by file, the imports of types included: what names each other must be read together.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from graphlib import CycleError, TopologicalSorter
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
    "store/letters.py": "the contract of dead letters: tests/contract/letters is its test, run against every store",
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


def imported(source: str, known: AbstractSet[str]) -> set[str]:
    """Modules of ours (`known`) that a source text imports, wherever in it and for whatever use."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= inside & known or {node.module}
    return names & known


def modules(under: Path) -> dict[str, str]:
    """Source texts by the dotted names of their modules; a package's `__init__` has the name of the package."""
    found = {}
    for path in sorted(under.rglob("*.py")):
        parts = path.relative_to(under.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text()
    return found


def cycles(sources: Mapping[str, str]) -> list[str]:
    """A circle of modules that import one another, if there is any."""
    graph = {name: imported(source, sources.keys()) - {name} for name, source in sources.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" <- ".join(error.args[1])]
    return []


def upward(sources: Mapping[str, str], package: str) -> list[str]:
    """Imports within a package of what stands below in the list at its head, and modules that are not in that list."""
    head = ast.get_docstring(ast.parse(sources[package]), clean=False) or ""
    order = [f"{package}.{name}" for name in re.findall(r"^    ([a-z_]+) {2,}\S", head, re.MULTILINE)]
    place = {name: number for number, name in enumerate(order)}
    members = {name for name in sources if name.startswith(f"{package}.")}
    said = [f"{name} is not in the list at the head of {package}" for name in sorted(members - place.keys())]
    said += [
        f"{name} imports {other}, which stands below it"
        for name in order
        for other in sorted(imported(sources[name], members))
        if place.get(other, -1) > place[name]
    ]
    return said


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


@pytest.mark.slow
def test_no_modules_import_one_another() -> None:
    """However long the way round, and also where only a type is wanted: such files can only be read together."""
    expect_none(cycles(modules(SRC)))


def test_the_hub_reads_from_top_to_bottom() -> None:
    """Each file of the hub imports only files above it in the list at the head of the package."""
    expect_none(upward(modules(SRC), "fast_sse.hub"))


#: A package of three modules, the list at its head, and what each imports.
HEAD = '"""Rule.\n\n    low   a\n    high  b\n"""'
LOW_HIGH = {"p": HEAD, "p.low": "import os", "p.high": "from p.low import x"}


@pytest.mark.parametrize(
    "low",
    [
        "from p.high import y",
        "from p import high",
        "import p.high",
        "def f():\n    from p.high import y",
        "if TYPE_CHECKING:\n    from p.high import y",
    ],
)
def test_rules_of_imports_can_complain(low: str) -> None:
    """Every way to import counts: at the top, in a function, for a type only, by the module or by its package."""
    sources = LOW_HIGH | {"p.low": low}
    (circle,) = cycles(sources)
    assert "p.low" in circle
    assert "p.high" in circle
    assert upward(sources, "p") == ["p.low imports p.high, which stands below it"]


def test_a_circle_may_be_long() -> None:
    """It is named whole, and modules outside of it are not."""
    sources = {"p": "", "p.a": "import p.b", "p.b": "import p.c", "p.c": "import p.a", "p.d": "import p.a"}
    (circle,) = cycles(sources)
    assert set(circle.split(" <- ")) == {"p.a", "p.b", "p.c"}


def test_a_module_must_be_in_the_list() -> None:
    """A new file has a place in the order, or the rule would not look at it."""
    assert upward(LOW_HIGH | {"p.new": "import p.high"}, "p") == ["p.new is not in the list at the head of p"]


def test_rules_of_imports_leave_a_straight_line_alone() -> None:
    """What is above may be imported, and so may what is no module of ours."""
    assert cycles(LOW_HIGH) == upward(LOW_HIGH, "p") == []


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
