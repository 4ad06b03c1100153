"""One test for each number: docs/metrics.md names them, and a test of this directory, or one that is named here, moves them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from tests.numbers.conftest import CAR, Watch, read
from tests.support.http1 import request
from tests.support.publisher import Pair, publish_target, signed

from fast_sse.observe.history import SERIES

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGE = (ROOT / "docs" / "metrics.md").read_text()

#: What a node of these tests cannot come to in a moment: by the test that does, on the part that counts it.
ELSEWHERE = {
    "log_unreadable_total": "store/sqlite/test_damage.py::test_a_page_of_records_is_a_gap",
    "log_wal_held": "store/rows/test_wal.py::test_a_stranger_is_told_refused_and_forgotten",
    "receipts_forgotten_total": "store/redis/test_letter_bounds.py::test_too_many_receipts_are_forgotten_and_told",
    "ingest_tombstones_total": "ingest/test_kafka_topic.py::test_tombstones_are_passed_over_and_counted",
}


def described() -> set[str]:
    """Each number of docs/metrics.md, without the prefix."""
    names = re.findall(r"^\| `(?:fast_sse_)?(\w+)` \| (?:counter|gauge|histogram) \|", PAGE, re.MULTILINE)
    return set(names)


def proved(source: str) -> Iterator[str]:
    """The numbers that a test's source says it moves or tells."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            words = [one.value for one in node.args if isinstance(one, ast.Constant)]
            if node.func.attr == "moves":
                yield from (str(word) for word in words)
            elif node.func.attr == "tells":
                yield str(words[0])


def test_each_number_has_a_test_that_moves_it() -> None:
    """A number that nothing moves may never have counted anything; one that is not described is none."""
    here = {name for file in HERE.glob("test_*.py") for name in proved(file.read_text())}
    assert len(here) > 60, "no number found: a rule that looks at nothing proves nothing"
    assert here & ELSEWHERE.keys() == set()
    assert here | ELSEWHERE.keys() == described()


def test_each_line_of_a_chart_is_made_of_numbers_that_there_are() -> None:
    """By their kind: a rate of a counter, a level of a gauge, a percentile of a histogram. Its words are those of the page."""
    kinds = {"rate": "counter", "level": "gauge", "quantile": "histogram"}
    for one in SERIES:
        row = re.search(rf"^\| `(?:fast_sse_)?{one.metric}` \| {kinds[one.kind]} \|.*", PAGE, re.MULTILINE)
        assert row, one
        assert all(f"`{word}`" in row[0] for word in one.only | one.but), one


@pytest.mark.parametrize("name", ELSEWHERE)
def test_tests_that_are_named_prove_it(name: str) -> None:
    """The test is there, and names the number."""
    file, _, test = ELSEWHERE[name].partition("::")
    source = (HERE.parent / file).read_text()
    (found,) = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == test
    ]
    assert f'"{name}"' in (ast.get_source_segment(source, found) or "")


def test_the_rule_can_complain() -> None:
    """Of a source it reads every name, wherever it stands in the call, and nothing else."""
    source = 'async with watch(), a.moves("x", "y_total"):\n    await a.tells("z", 1, how="no")\nf("w")'
    assert [*proved(f"async def f():\n    {source.replace(chr(10), chr(10) + '    ')}")] == [
        "x",
        "y_total",
        "z",
    ]


@pytest.mark.wire
@pytest.mark.slow
async def test_the_scrape_parses(watch: Watch) -> None:
    """By Prometheus' own parsers, in both formats, with everything that a busy node says; and no part fails."""
    watched = await watch(store="sqlite")
    await watched.listen(query="?last=1")
    await watched.publish()
    await request(watched.public, "GET", "/nothing")
    found, families = read(await watched.text())
    assert len(families) > 60
    assert found["metrics_failed"] == {(): 0}
    accept = {"Accept": "application/openmetrics-text;version=1.0.0"}
    text = (await request(watched.admin, "GET", "/metrics", accept)).body.decode()
    # Of two families of one name this parser says that their samples are in disorder.
    names = [family.name for family in openmetrics.text_string_to_metric_families(text)]
    assert len(names) == len(set(names)) == len(families)


async def series(watch: Watch, channels: int) -> set[str]:
    """What a node shows after a message to each of so many channels, and a stream of each twentieth."""
    watched = await watch(node="n1")
    told: list[Pair] = [(f"c{number}", CAR[1]) for number in range(channels)]
    for channel in told[::20]:
        await watched.listen(channel)
    for first in range(0, channels, 5000):
        assert (await watched.publish_each(told[first : first + 5000])).status == 200
    assert await watched.value("publishes_total") == channels
    wrong = {**signed(("x", "y")), "content-type": "application/json"}
    for channel in told[:20]:
        await request(watched.public, "POST", publish_target(channel), wrong, b'{"data": 1}')
    lines = (await watched.text()).splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.parametrize(
    "channels", [pytest.param(1000, id="1000"), pytest.param(50_000, id="50000", marks=pytest.mark.chaos)]
)
async def test_channels_add_no_series(watch: Watch, channels: int) -> None:
    """A node of many channels shows the very series that a node of twenty shows: no word of a client is a label (CWE-770)."""
    assert await series(watch, 20) == await series(watch, channels)
