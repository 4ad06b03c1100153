"""Where a command finds the log: what it was told, what is set, and a sentence where there is no such log."""

from __future__ import annotations

from pathlib import Path

import pytest

from fast_sse.cli.log_place import log_directory, show_percent
from fast_sse.model.errors import ConfigError


def test_a_directory_that_was_given_needs_no_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root backs up a hub whose settings are in its unit, and wrong ones in the shell do not matter."""
    monkeypatch.setenv("FAST_SSE_STORE", "redis")
    assert log_directory(None, tmp_path) == tmp_path


def test_settings_say_where_it_is_and_no_secret_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the file, the environment or, with a file, the flag, in the order of `serve`."""
    file = tmp_path / "hub.toml"
    file.write_text('data_dir = "/from/file"')
    assert log_directory(file, None) == Path("/from/file")
    monkeypatch.setenv("FAST_SSE_DATA_DIR", "/from/environment")
    assert log_directory(file, None) == log_directory(None, None) == Path("/from/environment")
    assert log_directory(file, Path("/from/flag")) == Path("/from/flag")


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    """Only the missing secret is passed over."""
    file = tmp_path / "hub.toml"
    file.write_text("prot = 1")
    with pytest.raises(ConfigError, match="prot: unknown setting"):
        log_directory(file, None)


@pytest.mark.parametrize(("store", "said"), [("redis", "RDB"), ("kafka", "mirror"), ("memory", "nothing")])
def test_another_store_says_what_to_do_instead(
    monkeypatch: pytest.MonkeyPatch, store: str, said: str
) -> None:
    """Its log is in no directory of ours."""
    monkeypatch.setenv("FAST_SSE_STORE", store)
    monkeypatch.setenv("FAST_SSE_REDIS__URL", "redis://127.0.0.1")
    monkeypatch.setenv("FAST_SSE_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:9092")
    with pytest.raises(ConfigError, match=f"store: .*{said}"):
        log_directory(None, None)


def test_progress_is_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """What scripts read is the last line alone."""
    show_percent("copying", 12)
    assert capsys.readouterr() == ("", "copying: 12 %\n")
