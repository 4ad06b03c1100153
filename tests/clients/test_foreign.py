"""The clients in other languages have versions, drivers that say what they do, or a reason why there are none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.clients.catalogue import PLAIN, Client
from tests.clients.foreign import LOCKS, build, foreign
from tests.clients.trial import expect_end, expect_return

ROWS = [pytest.param(client, id=client.key) for client in foreign()]


@pytest.mark.parametrize("client", ROWS)
def test_version_is_the_locks(client: Client) -> None:
    """Each has one version, three numbers, in the lock of its language."""
    assert client.version.count(".") == 2
    assert client.version.replace(".", "").isdigit()


@pytest.mark.slow
@pytest.mark.parametrize("language", LOCKS)
def test_missing_language_is_named(language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a language is not installed, its setup says so and the reason is what `build` returns."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in ("sh", "mkdir", "dirname"):
        (programs / program).symlink_to(shutil.which(program) or "")
    monkeypatch.setenv("PATH", str(programs))
    assert build(language, tmp_path / "home").endswith("is not installed")


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.parametrize("client", ROWS)
async def test_driver_tells_what_happens(client: Client) -> None:
    """A cut ends the one that never reconnects; all others ask again from the last event that was handed over."""
    if reason := build(client.language):
        pytest.skip(reason)
    if client.language == "Java" and client.variant == PLAIN:
        await expect_end(client)
    else:
        await expect_return(client)
