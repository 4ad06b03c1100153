"""Where each value of a configuration is from, and how it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from fast_sse.config import load, setting_names
from fast_sse.origins import shown

SECRET = "0123456789abcdef0123456789abcdef"


def test_every_setting_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting is left out, and each has one origin."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    found = list(load().effective())
    assert [name for name, _, _ in found] == setting_names()
    assert {origin for _, _, origin in found} == {"default", "environment FAST_SSE_AUTH__SECRET"}


def test_keys_may_come_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable for one key of a table is where the table is from; case does not matter to the environment."""
    monkeypatch.setenv("fast_sse_auth__secret", SECRET)
    monkeypatch.setenv("FAST_SSE_AUTH__KEYS__web", SECRET)
    found = {name: (value, origin) for name, value, origin in load().effective()}
    assert found["auth.keys"] == ("{web = (set)}", "environment FAST_SSE_AUTH__KEYS")
    assert found["auth.secret"] == ("(set)", "environment FAST_SSE_AUTH__SECRET")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (SecretStr(SECRET), "(set)"),
        (True, "true"),
        (0.5, "0.5"),
        (frozenset({"b", "a"}), '["a", "b"]'),
        (Path("x y"), '"x y"'),
        ("redis://user:password@host/0", '"redis://(set)@host/0"'),
    ],
)
def test_values_are_shown_without_secrets(value: object, text: str) -> None:
    """A secret, also one inside an URL, is only said to be set."""
    assert shown(value) == text
