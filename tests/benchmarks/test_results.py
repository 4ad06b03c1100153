"""Only a run that may be quoted changes what is committed, and it changes nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.report import MEMORY, Run

from benchmarks import plan, results

FACTS = {
    "command": "benchmarks/sidebyside.py",
    "commit": "abc",
    "changed_sources": True,
    "date": "today",
    "cpu": "some",
    "cores": 2,
    "memory_kib": 4 * 1024**2,
    "kernel": "6",
    "load_average": 0.1,
    "peers": {"nchan": {"note": "C", "version": {"nginx": "1"}}},
    "absent": ["mercure: not here"],
}
OPTIONS = {"subscribers": 10.0}
RUNS: list[Run] = [
    {"scenario": name, "peer": peer, "round": 1, "options": OPTIONS, "figures": {"cpu_us_per_delivery": 2.0}}
    for name in ("fanout", plan.BY_SUBSCRIBERS)
    for peer in ("nchan", MEMORY)
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with both pages."""
    (tmp_path / "benchmarks").mkdir()
    for page in (tmp_path / "README.md", tmp_path / "benchmarks" / "README.md"):
        page.write_text(f"before\n{results.BEGIN}\nold\n{results.END}\nafter\n")
    return tmp_path


def test_a_run_that_may_not_be_quoted_writes_to_scratch_only(tree: Path) -> None:
    """Pages stay as they are; raw runs and charts are beside one another."""
    written = results.write(tree, FACTS, RUNS, quotable=False)
    assert {path.parent for path in written} == {tree / "benchmarks" / "scratch"}
    assert "old" in (tree / "README.md").read_text()


def test_a_quotable_run_replaces_what_is_between_the_markers(tree: Path) -> None:
    """Both pages, and nothing around the markers; raw runs with command, commit and machine."""
    written = results.write(tree, FACTS, RUNS, quotable=True)
    for page in (tree / "README.md", tree / "benchmarks" / "README.md"):
        text = page.read_text()
        assert text.startswith("before\n")
        assert text.endswith(f"{results.END}\nafter\n")
        assert "old" not in text
    assert "abc with uncommitted changes" in (tree / "benchmarks" / "README.md").read_text()
    kept = json.loads(next(path for path in written if path.suffix == ".json").read_text())
    assert kept == {"facts": FACTS, "runs": RUNS}
    assert (tree / "docs" / "images" / "cpu-against-subscribers.svg").exists()
    assert "(../docs/images/cpu-against-subscribers.svg)" in (tree / "benchmarks" / "README.md").read_text()


def test_what_is_not_there_is_said(tree: Path) -> None:
    """A server that was not to be had has its line on the page, and so have versions and settings."""
    results.write(tree, FACTS, RUNS, quotable=True)
    text = (tree / "benchmarks" / "README.md").read_text()
    for words in ("mercure: not here", "nchan (C): nginx 1", "fanout: subscribers 10", "4.0 GiB"):
        assert words in text


def test_a_page_without_markers_is_an_error() -> None:
    """Rather than a table that nobody sees."""
    with pytest.raises(ValueError, match="bench:begin"):
        results.between_markers("nothing here", "new")
    with pytest.raises(ValueError, match="bench:end"):
        results.between_markers(f"{results.END} {results.BEGIN}", "new")


def test_the_pages_of_this_repository_have_their_markers() -> None:
    """The tool finds its places."""
    root = Path(__file__).parents[2]
    for page in (root / "README.md", root / "benchmarks" / "README.md"):
        assert results.between_markers(page.read_text(), "x")


def test_memory_is_read_from_the_kernels_own_list() -> None:
    """In KiB, whatever stands around it."""
    assert results.memory_kib("Foo: 1 kB\nMemTotal:       4026000 kB\nMemFree: 3 kB\n") == 4026000
