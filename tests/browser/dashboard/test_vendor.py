"""Code of others is what its README says, and what a release contains."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.support.server import ROOT

import fast_sse

DASHBOARD = Path(fast_sse.__file__).parent / "web" / "dashboard"
VENDOR = DASHBOARD / "vendor"
_ROW = re.compile(r"^\| `(\S+)` \|.*`(LICENSE\.\w+)` \| `([0-9a-f]{64})` \|$", re.MULTILINE)


def test_each_vendored_file_has_its_hash_and_its_licence() -> None:
    """The table names every file, with the hash that it has, and a licence that lies beside it."""
    rows = _ROW.findall((VENDOR / "README.md").read_text())
    assert {name for name, _licence, _digest in rows} == {path.name for path in VENDOR.glob("*.*s")}
    for name, licence, digest in rows:
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name
        assert "Copyright" in (VENDOR / licence).read_text()


@pytest.mark.slow
def test_a_release_holds_every_file(tmp_path: Path) -> None:
    """The wheel has all of the dashboard, licences of others included: nothing of it is left out by a rule for files."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("fast_sse/web/dashboard/")}
    assert packed == {
        f"fast_sse/web/dashboard/{path.relative_to(DASHBOARD)}"
        for path in DASHBOARD.rglob("*.*")
        if path.is_file()
    }


def test_pages_name_no_other_origin() -> None:
    """No file of ours has an address elsewhere: all that a page loads is its own."""
    ours = [path for path in DASHBOARD.rglob("*") if path.is_file() and path.parent != VENDOR]
    assert len(ours) > 20
    namespace = "http://www.w3.org/2000/svg"
    assert [path.name for path in ours if "://" in path.read_text().replace(namespace, "")] == []


def test_files_are_short() -> None:
    """A module holds one idea: 250 lines at most, as far as it is ours."""
    long = {
        path.name
        for path in DASHBOARD.rglob("*.*")
        if path.parent != VENDOR and path.read_text().count("\n") > 250
    }
    assert long == set()


def test_no_module_makes_elements_of_text() -> None:
    """What would read a text as markup or as code is in no file of ours (CWE-79)."""
    sharp = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|srcdoc"
    )
    assert [
        path.name
        for path in DASHBOARD.rglob("*.js")
        if path.parent != VENDOR and sharp.search(path.read_text())
    ] == []
