"""The pages for those who come from another system: their programs run, and what they name of ours exists."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
from tests.asgi.conftest import Served
from tests.docs.shell import DOCS, blocks
from tests.support.http1 import request

from fast_sse.config import setting_names

PAGES = sorted(page.name for page in DOCS.glob("coming-from-*.md"))


def programs(page: str) -> list[str]:
    """The Python blocks that use the hub."""
    return [block for block in blocks((DOCS / page).read_text(), "python") if "fast_sse" in block]


def test_there_are_three_pages() -> None:
    """A rule that looks at nothing proves nothing."""
    peers = [page.removeprefix("coming-from-").removesuffix(".md") for page in PAGES]
    assert peers == ["centrifugo", "mercure", "sse-starlette"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_the_same_parts(page: str) -> None:
    """The words, the code before, the code after, the balance; and when to stay where one is."""
    text = (DOCS / page).read_text()
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == ["The words", "Before", "After", "What you gain and what you lose"]
    assert text.count("**Stay with ") == text.count("**Move**") == 1


@pytest.mark.parametrize("page", PAGES)
def test_a_program_imports_what_exists(page: str) -> None:
    """Each name that a block takes from the hub is there."""
    (program,) = programs(page)
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fast_sse"):
            module = importlib.import_module(node.module)
            assert [name.name for name in node.names if not hasattr(module, name.name)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_of_a_page_exists(page: str) -> None:
    """By its dot or its unit."""
    named = re.findall(r"`((?:limits|auth|retention)\.\w+|heartbeat_s)`", (DOCS / page).read_text())
    assert set(named) <= set(setting_names())


@pytest.mark.wire
@pytest.mark.slow
async def test_the_program_after_sse_starlette_runs(tmp_path: Path) -> None:
    """What the endpoint publishes may be read where the program allows it, and nowhere else."""
    (program,) = programs("coming-from-sse-starlette.md")
    (tmp_path / "after.py").write_text(program)
    shop = Served(["uvicorn", "--app-dir", str(tmp_path), "--port", "0", "after:app"], {})
    try:
        message_id = (await request(shop.address, "POST", "/orders/7/paid")).json()
        fetch = "/sse/v1/messages?channel=orders/changed"
        (message,) = (await request(shop.address, "GET", fetch)).json()["data"]["messages"]
        other = await request(shop.address, "GET", "/sse/v1/messages?channel=orders/other")
    finally:
        shop.stop()
    assert other.status == 401
    assert (message["id"], message["data"]) == (message_id, {"order": "7", "state": "paid"})
