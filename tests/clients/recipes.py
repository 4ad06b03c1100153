"""The recipes of docs/clients.md: the very code that the drivers run, cut out of them.

A recipe is never typed into the docs. What is shown is what the table's row, the mended one where there are two, was
measured with.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.clients.catalogue import HERE, MENDED, Client

#: Where in a source file a recipe begins and ends, the end not part of it.
REGIONS = {
    "Go r3labs/sse": ("go/r3labs/main.go", "// mended comes", "\0"),
    "Go tmaxmax/go-sse": ("go/tmaxmax/main.go", "// mended comes", "\0"),
    "Java okhttp-sse": ("java/Driver.java", "    /** Comes back", "    private static synchronized void say"),
    "Rust reqwest-eventsource": ("rust/src/main.rs", "/// Comes back", "fn tell("),
}
#: Two libraries that differ in their name only.
SAME = {"aiohttp_sse_client": "aiohttp_sources", "aiohttp_sse_client2": "aiohttp_sources"}
_README = "\n// As its README shows it."


class Recipe(NamedTuple):
    """A block of code, its language for the docs, and the file that it comes from, below tests/clients."""

    code: str
    language: str
    file: str


def recipe(client: Client) -> Recipe:
    """The recipe of a client."""
    if client.family == "own":
        return Recipe("fast-sse subscribe carid000001 cart_changed", "sh", "python/own.py")
    if client.name in REGIONS:
        return _region(*REGIONS[client.name])
    if client.language == "Python":
        return _python(client.command[-1])
    return _javascript(client.command[-1])


def _javascript(name: str) -> Recipe:
    """The module without the README's way; a major version's own name becomes the package's."""
    file = f"js/recipes/{name}.mjs"
    text = (HERE / file).read_text().partition(_README)[0]
    return Recipe(re.sub(r'"eventsource-\d"', '"eventsource"', text).strip(), "js", file)


def _python(module: str) -> Recipe:
    """The imports of a driver but our own, its `mended`, and the functions of its own that this calls."""
    file = f"python/{SAME.get(module, module)}.py"
    source = (HERE / file).read_text()
    tree = ast.parse(source)
    functions = {
        node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    wanted = _reached(functions, "mended")
    code = "\n\n\n".join(_text(source, functions[name]) for name in functions if name in wanted)
    used = {
        name.id for function in wanted for name in ast.walk(functions[function]) if isinstance(name, ast.Name)
    }
    imports = [line for node in tree.body if (line := _import(node, used))]
    whole = "\n".join(imports) + "\n\n\n" + code
    return Recipe(re.sub(r"  # type: ignore\[[\w-]+\]", "", whole).strip(), "python", file)


def _reached(functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef], name: str) -> set[str]:
    """A function and all that it calls, of those that there are."""
    found, todo = set[str](), [name]
    while todo:
        one = todo.pop()
        found.add(one)
        names = {node.id for node in ast.walk(functions[one]) if isinstance(node, ast.Name)}
        todo += [other for other in names & set(functions) if other not in found]
    return found


def _import(node: ast.stmt, used: set[str]) -> str:
    """An import, of as much as the code needs; nothing when it needs none of it, or it is a module of the tests."""
    if isinstance(node, ast.ImportFrom):
        if (node.module or "").startswith(("tests", "__future__")):
            return ""
    elif not isinstance(node, ast.Import):
        return ""
    node.names = [alias for alias in node.names if (alias.asname or alias.name).partition(".")[0] in used]
    return ast.unparse(node) if node.names else ""


def _text(source: str, node: ast.stmt) -> str:
    """The lines of a statement, a comment behind the last included."""
    return "\n".join(source.splitlines()[node.lineno - 1 : node.end_lineno])


def _region(file: str, begins: str, ends: str) -> Recipe:
    _, mark, rest = (HERE / file).read_text().partition(begins)
    text = (mark + rest).partition(ends)[0]
    language = {".go": "go", ".java": "java", ".rs": "rust"}[Path(file).suffix]
    return Recipe(
        re.sub(r"^    ", "", text, flags=re.MULTILINE).strip() if language == "java" else text.strip(),
        language,
        file,
    )


#: By code and language: the libraries that have this recipe, and its files.
Grouped = dict[tuple[str, str], tuple[list[str], list[str]]]


def _grouped(clients: Sequence[Client]) -> Grouped:
    """Several libraries with one recipe together."""
    by_code: Grouped = {}
    for client in clients:
        code, language, file = recipe(client)
        names, files = by_code.setdefault((code, language), ([], []))
        names += [] if client.name in names else [client.name]
        files += [] if file in files else [file]
    return by_code


def _heading(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def rendered(clients: Sequence[Client]) -> str:
    """The section of the docs: one recipe a library."""
    parts = []
    for (code, language), (names, files) in _grouped(clients).items():
        links = ", ".join(f"[{file}](../tests/clients/{file})" for file in files)
        parts.append(f"### {_heading(names)}\n\n```{language}\n{code}\n```\n\nRun by {links}.\n")
    return "\n".join(parts)


def anchors(clients: Sequence[Client]) -> dict[str, str]:
    """Where the recipe of each library stands on the page, by the library's name."""
    return {
        name: re.sub(r"[^\w -]", "", _heading(names).lower()).replace(" ", "-")
        for names, _ in _grouped(clients).values()
        for name in names
    }


def best(clients: Sequence[Client]) -> list[Client]:
    """One row a library: the mended one where there are two."""
    mended = {client.name for client in clients if client.variant == MENDED}
    return [client for client in clients if client.variant == MENDED or client.name not in mended]
