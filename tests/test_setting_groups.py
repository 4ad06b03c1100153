"""What groups of settings have in common: strictness, lists that are given as text, and values that stand in files."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from fast_sse.model.errors import ConfigError
from fast_sse.setting_groups import Group, words
from fast_sse.settings import Auth, Jwt


@pytest.mark.parametrize("group", Group.__subclasses__())
def test_a_group_refuses_what_it_does_not_know(group: type[Group]) -> None:
    """A misspelt key never counts as left out."""
    with pytest.raises(ValidationError, match="extra_forbidden"):
        group.model_validate({"no_such_setting": 1})


@pytest.mark.parametrize("text", ['["a", "b"]', "a,b", " a , ,b "])
def test_a_list_may_be_text(text: str) -> None:
    """A JSON array and words between commas are the same list."""
    assert words(text) == ["a", "b"]


def test_a_file_holds_a_value(tmp_path: Path) -> None:
    """Without the line end that an editor put there; beside the value itself it is refused, by the name of its key."""
    file = tmp_path / "secret"
    file.write_text("from a file\n")
    secret = Jwt.model_validate({"secret_file": file}).secret
    assert secret is not None
    assert secret.get_secret_value() == "from a file"
    with pytest.raises(ConfigError, match=r"auth\.jwt\.secret_file.*both set"):
        Jwt.model_validate({"secret_file": file, "secret": "x"})
    with pytest.raises(ConfigError, match=r"auth\.secret_file: cannot read"):
        Auth.model_validate({"secret_file": tmp_path / "nothing"})
