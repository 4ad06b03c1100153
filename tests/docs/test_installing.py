"""docs/installing.md: the wheel holds what it takes, and the lines that install it work."""

from __future__ import annotations

import email
import os
import shlex
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.docs.shell import DOCS, blocks
from tests.support.server import ROOT

from fast_sse import __version__

pytestmark = pytest.mark.slow

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WEB = ROOT / "src" / "fast_sse" / "web"


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """What a command prints; it must end well."""
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make dist` does."""
    directory = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", directory)
    [built] = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """What an index or `pip show` would tell of it."""
    with ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


def files(place: Path) -> Iterator[str]:
    """Files below a package, as a wheel names them."""
    for path in place.rglob("*"):
        if path.is_file():
            yield path.relative_to(ROOT / "src").as_posix()


def test_the_wheel_holds_the_pages(wheel: Path) -> None:
    """Every file of the demo and of the dashboard is in it, and the licence; no test and no bytecode is."""
    with ZipFile(wheel) as archive:
        held = set(archive.namelist())
    wanted = set(files(WEB))
    assert len(wanted) > 20
    assert wanted <= held
    assert [name for name in held if name.endswith("/licenses/LICENSE")]
    assert [name for name in held if "tests" in name.split("/") or name.endswith(".pyc")] == []


def test_the_metadata_is_complete(metadata: Message) -> None:
    """Name, summary, licence, readme, keywords and classifiers are there, and each extra."""
    assert metadata["Name"] == "fast-sse-hub"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).lstrip().startswith("# Fast SSE")
    assert all(metadata[field] for field in ("Summary", "Author", "Keywords", "Requires-Python"))
    assert "Topic :: Internet :: WWW/HTTP :: HTTP Servers" in metadata.get_all("Classifier", [])
    assert set(metadata.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])


def test_every_extra_is_explained() -> None:
    """The table has a row for each extra, and no other."""
    page = (DOCS / "installing.md").read_text()
    rows = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(PROJECT["optional-dependencies"])


def test_the_lines_of_the_page_install_it(wheel: Path, tmp_path: Path) -> None:
    """From the wheel, and with extras, they end with a command that runs; the libraries are those of this environment."""
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / wheel.name).symlink_to(wheel)
    pages = blocks((DOCS / "installing.md").read_text(), "sh")
    [alone] = [block for block in pages if "make dist" in block]
    [extras] = [block for block in pages if "[redis,jwt]" in block]
    pasted = (alone + extras).replace("make dist\n", "")
    assert pasted.count("hub/bin/pip install ") == 2
    # No index is asked, and the pip of this environment does what another would take two seconds to install.
    pasted = pasted.replace("-m venv", "-m venv --without-pip")
    pasted = pasted.replace(
        "hub/bin/pip install ",
        f"{shlex.quote(sys.executable)} -m pip --python hub/bin/python install -q --no-index --no-deps ",
    )
    shell = subprocess.run(
        ["bash", "-eu", "-c", pasted],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": sysconfig.get_path("purelib")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (shell.returncode, shell.stdout) == (0, f"{__version__}\n"), shell.stderr
