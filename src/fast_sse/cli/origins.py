"""Where each value of a configuration is from: a flag, the environment, the file, or the default."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from fast_sse.config import Config, setting_names
from fast_sse.environment import PREFIX

SET = "(set)"

#: User and password of an URL.
_USERINFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def effective(config: Config, file: Path | None, flags: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, value and origin of every setting, in the order of their names. Secrets are `(set)`.

    The configuration was loaded from this file and these flags; the environment is looked at here.
    """
    from_file = tomllib.loads(file.read_text("utf-8")) if file else {}
    given = {name.upper() for name in os.environ}
    for name in setting_names():
        yield name, _shown(_at(config, name)), _origin(name, from_file, given, flags)


def _origin(name: str, from_file: dict[str, Any], environment: set[str], flags: Mapping[str, Any]) -> str:
    if flags.get(name) is not None:
        return "flag"
    variable = PREFIX + name.upper().replace(".", "__")
    if any(known == variable or known.startswith(variable + "__") for known in environment):
        return f"environment {variable}"
    place: Any = from_file
    for part in name.split("."):
        if not isinstance(place, dict) or part not in place:
            return "default"
        place = place[part]
    return "file"


def _at(config: Config, name: str) -> Any:
    value: Any = config
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _shown(value: Any) -> str:
    """As TOML would have it, roughly; an empty text for what is not set."""
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return SET
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_shown(inner)}" for key, inner in sorted(value.items())) + "}"
    if isinstance(value, frozenset | list | tuple):
        return "[" + ", ".join(sorted(_shown(inner) for inner in value)) + "]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(_USERINFO.sub("(set)", str(value)), ensure_ascii=False)
