"""The shapes of settings, each group by itself; where their values come from is tests/test_config.py's matter."""

from __future__ import annotations

import msgspec
import pytest
from pydantic import ValidationError

from fast_sse.model.limits import Limits
from fast_sse.settings import TOP_LEVEL_LIMITS, Auth, CorsRules, Group, LimitBounds


@pytest.mark.parametrize("group", Group.__subclasses__())
def test_a_group_refuses_what_it_does_not_know(group: type[Group]) -> None:
    """A misspelt key never counts as left out."""
    with pytest.raises(ValidationError, match="extra_forbidden"):
        group.model_validate({"no_such_setting": 1})


def test_a_mistake_does_not_show_the_value() -> None:
    """What stands under a wrong name may be a secret (CWE-532)."""
    with pytest.raises(ValidationError) as caught:
        Auth.model_validate({"v1": "hunter2", "publik_secret": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_a_group_does_not_change() -> None:
    """What was checked is what runs."""
    with pytest.raises(ValidationError, match="frozen"):
        CorsRules().origins = frozenset()


def test_limits_have_the_model_s_kinds_and_defaults() -> None:
    """A limit's setting is its field: same name, same kind, same default."""
    fields = {field.name: field.default for field in msgspec.structs.fields(Limits)}
    assert dict(LimitBounds()) == {
        name: value for name, value in fields.items() if name not in TOP_LEVEL_LIMITS
    }
