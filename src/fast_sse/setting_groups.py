"""What groups of settings are made of: a group, lists and JSON that are given as text, and secrets that stand in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from fast_sse.model.errors import ConfigError


def json_value(value: Any) -> Any:
    """A value given as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("must be JSON") from None


def words(value: Any) -> Any:
    """A list given as text: a JSON array, or words between commas; empty text is the empty list."""
    if not isinstance(value, str) or value.lstrip().startswith("["):
        return json_value(value)
    return [word.strip() for word in value.split(",") if word.strip()]


Words = Annotated[frozenset[str], BeforeValidator(words)]


class Group(BaseModel):
    """Settings that belong together: `[group]` in TOML, `FAST_SSE_GROUP__` in the environment.

    A secret may stand in a file: `name_file` beside `name` names it, and is read before the group is checked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    #: The dotted name of the group.
    place: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, given: Any) -> Any:
        """Put what files hold in its place. Raises ConfigError, which names the key."""
        if not isinstance(given, dict):
            return given
        for name in cls.model_fields:
            value = name.removesuffix("_file")
            if value == name or value not in cls.model_fields or given.get(name) is None:
                continue
            key = f"{cls.place}.{name}"
            if given.get(value) is not None:
                raise ConfigError(key, f"and {cls.place}.{value} are both set; remove one of them")
            given = {**given, value: _text_of(Path(str(given[name])), key)}
        return given


def _text_of(file: Path, key: str) -> str:
    """What a file of a secret holds, without one line end at its end, which editors put there."""
    try:
        text = file.read_bytes().decode()
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(key, f"cannot read {file}: {problem}") from None
    return text.removesuffix("\n").removesuffix("\r")
