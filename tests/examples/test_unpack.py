"""What unpacks messages in JavaScript and Python: examples/unpack.mjs, and the recipes of docs/payload-compression.md as they stand."""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.docs.shell import DOCS, blocks
from tests.support.node import node_missing, node_program
from tests.support.server import ROOT

from fast_sse.model.payload import packed

pytestmark = pytest.mark.slow

needs_node = pytest.mark.skipif(node_missing(), reason="node is not installed")

PAGE = (DOCS / "payload-compression.md").read_text()
EXAMPLE = (ROOT / "examples" / "unpack.mjs").read_text()
PAKO = ROOT / "tests" / "clients" / "node_modules" / "pako"


def recipe(word: str, language: str = "js") -> str:
    """The one block of the page that holds a word."""
    (found,) = [block for block in blocks(PAGE, language) if word in block]
    return found


def texts() -> list[str]:
    """What the hub sends: short and long ones, of all kinds of text, packed or not."""
    words = random.Random(1).choices(
        ["red", "b\u00e4r", "\u65e5\u672c", "\U0001f389", '"', "\\", "\n", "\x00"], k=30_000
    )
    datas: list[Any] = [None, 0, "", {"a": [1]}, "x" * 2000, " ".join(words), {"deep": [words[:900]] * 3}]
    datas += [
        base64.b64encode(random.Random(2).randbytes(3000)).decode(),
        {"encoding": "base64+gzip", "data": "?"},
    ]
    plain = [json.dumps({"data": data, "headers": {"send_time": "x"}}, ensure_ascii=False) for data in datas]
    return [packed(text.encode()).decode() for text in plain] + plain


def node(directory: Path, program: str, given: Any) -> Any:
    """What a program makes of `given`; both are JSON."""
    (directory / "main.mjs").write_text(program)
    done = subprocess.run(
        [node_program(), str(directory / "main.mjs")],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


#: Reads what it is given; what it says is the last expression.
READ = 'import { readFileSync } from "node:fs";\nconst given = JSON.parse(readFileSync(0, "utf8"));\n'


@needs_node
@pytest.mark.parametrize("word", ["examples/unpack.mjs", "node:zlib", "pako"])
def test_javascript_reads_what_the_hub_packs(tmp_path: Path, word: str) -> None:
    """Every way that the page shows gives the envelope as it was before it was packed, and the plain one as it is."""
    given = texts()
    if word == "pako":
        if not PAKO.exists() and os.environ.get("CI") != "true":
            pytest.skip("pako is not installed")
        (tmp_path / "node_modules").mkdir()
        (tmp_path / "node_modules" / "pako").symlink_to(PAKO)
    (tmp_path / "unpack.mjs").write_text(EXAMPLE if word.startswith("examples") else recipe(word))
    program = f'import {{ unpack }} from "./unpack.mjs";\n{READ}'
    program += "console.log(JSON.stringify(await Promise.all(given.map((text) => unpack(text)))));"
    half = len(given) // 2
    assert sum('"encoding"' in text[:12] for text in given[:half]) >= 3
    assert node(tmp_path, program, given) == [json.loads(text) for text in given[half:]] * 2


def test_python_reads_what_the_hub_packs() -> None:
    """The page's function, as it stands."""
    space: dict[str, Any] = {}
    exec(compile(recipe("def unpack", "py"), "payload-compression.md", "exec"), space)
    given = texts()
    half = len(given) // 2
    assert [space["unpack"](text) for text in given] == [json.loads(text) for text in given[half:]] * 2


@needs_node
def test_a_short_message_does_not_overtake_a_long_one(tmp_path: Path) -> None:
    """Unpacked one beside the other, handed on one after the other; what fails is told in its turn, and holds up nobody."""
    long = packed(json.dumps({"data": "x" * 3_000_000, "headers": {}}).encode()).decode()
    given = [long, '{"data":1,"headers":{}}', '{"encoding":"base64+gzip","data":"H4sI"}', "no JSON", long]
    (tmp_path / "unpack.mjs").write_text(EXAMPLE)
    program = 'import { inOrder } from "./unpack.mjs";\n' + READ
    program += """
    const seen = [];
    const listen = inOrder(
      async ({ data }, { at }) => { await 0; seen.push([at, String(data).length]); },
      (problem, { at }) => seen.push([at, "problem"]),
    );
    let last;
    given.forEach((data, at) => { last = listen({ data, at }); });
    await last;
    console.log(JSON.stringify(seen));
    """
    assert node(tmp_path, program, given) == [
        [0, 3_000_000],
        [1, 1],
        [2, "problem"],
        [3, "problem"],
        [4, 3_000_000],
    ]


@needs_node
def test_a_page_unpacks_no_more_than_it_wants(tmp_path: Path) -> None:
    """A bomb is given up at the bound; damage, an unknown encoding and text that is not UTF-8 are errors, too."""

    def said(member: bytes, encoding: str = "base64+gzip") -> str:
        return json.dumps({"encoding": encoding, "data": base64.b64encode(member).decode()})

    good = gzip.compress(b'{"data":1,"headers":{}}')
    bad = [said(good[:-1]), said(good, "zstd"), said(gzip.compress(b'"\xff"')), said(good[:-8] + bytes(8))]
    given = [said(gzip.compress(b" " * 5_000_000 + b"1")), *bad, said(good)]
    (tmp_path / "unpack.mjs").write_text(EXAMPLE)
    program = 'import { unpack } from "./unpack.mjs";\n' + READ
    program += """
    const settled = await Promise.allSettled(given.map((text) => unpack(text, 1_000_000)));
    console.log(JSON.stringify(settled.map(({ status, reason }) => (status === "fulfilled" ? status : reason.message))));
    """
    first, *others, last = node(tmp_path, program, given)
    assert first == "more than 1000000 bytes when unpacked"
    assert len(others) == 4
    assert "fulfilled" not in others
    assert last == "fulfilled"


@needs_node
def test_data_that_its_publisher_compressed_is_unpacked_by_the_same_module(tmp_path: Path) -> None:
    """`gunzip` gives its text."""
    (tmp_path / "unpack.mjs").write_text(EXAMPLE)
    program = (
        f'import {{ gunzip }} from "./unpack.mjs";\n{READ}console.log(JSON.stringify(await gunzip(given)));'
    )
    given = base64.b64encode(gzip.compress('{"quantity":5,"é":1}'.encode())).decode()
    assert node(tmp_path, program, given) == '{"quantity":5,"é":1}'
