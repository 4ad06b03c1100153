"""Clients in Go, Java and Rust: rows of the full counts, where the language is there and new enough.

Each language's `setup` builds its drivers into a directory, from a lock. Where the language is missing or too old it
says why and exits 3; the table names that in place of the row.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.clients.catalogue import HERE, HOME, MENDED, PLAIN, Client

#: Exit status of a `setup` whose language is not to be had.
SKIPPED = 3
#: The first build of all crates, or a Maven without a cache.
BUILD_S = 900

#: Where the lock of a language has the version of a package, as a pattern around the package's name.
LOCKS = {
    "Go": ("go/go.mod", r"^\s*{}\s+v(\S+)"),
    "Java": ("java/jars.sha256", r"\s{}-([\d.]+)\.jar$"),
    "Rust": ("rust/Cargo.lock", r'^name = "{}"\nversion = "([^"]+)"'),
}


class Foreign(Client):
    """A row whose driver is built. `lock` is the package's name in the lock of its language."""

    @property
    def version(self) -> str:
        """What the lock says."""
        file, pattern = LOCKS[self.language]
        (found,) = re.findall(pattern.format(re.escape(self.lock)), (HERE / file).read_text(), re.MULTILINE)
        return str(found)

    @property
    def needs(self) -> list[str]:
        """What is not built."""
        jars = [path.removesuffix("*") for path in self.command if path.endswith("/jars/*")]
        return [path for path in (self.command[0], *jars) if path.startswith("/") and not Path(path).exists()]


def build(language: str, home: Path = HOME) -> str:
    """Build a language's drivers; the reason why there are none, or nothing. The second time takes a second.

    Raises:
        CalledProcessError: the language is there, and its drivers cannot be built.
    """
    setup = [str(HERE / language.lower() / "setup"), str(home)]
    done = subprocess.run(setup, capture_output=True, text=True, check=False, timeout=BUILD_S)
    if done.returncode == SKIPPED:
        return done.stderr.strip()
    done.check_returncode()
    return ""


def foreign(home: Path = HOME) -> list[Client]:
    """Every client in another language, as its README shows it and mended, built or not."""
    jars = home / "java" / "jars"
    # A driver lives for seconds: the first of the compilers is enough, and no second thread collects garbage.
    java = (shutil.which("java") or "/usr/bin/java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
    rows = (
        ("Go r3labs/sse", "Go", "github.com/r3labs/sse/v2", (str(home / "go" / "r3labs"),)),
        ("Go tmaxmax/go-sse", "Go", "github.com/tmaxmax/go-sse", (str(home / "go" / "tmaxmax"),)),
        ("Java okhttp-sse", "Java", "okhttp-sse", (*java, "-cp", f"{jars}/*", "Driver")),
        (
            "Rust reqwest-eventsource",
            "Rust",
            "reqwest-eventsource",
            (str(home / "rust" / "reqwest-eventsource"),),
        ),
    )
    return [
        Foreign(name, command, language, lock, lock, variant)
        for name, language, lock, command in rows
        for variant in (PLAIN, MENDED)
    ]
