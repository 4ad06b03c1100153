"""Where each value of a configuration is from: a flag, the environment, the file, or the default; and how it is shown.

It is found out when the settings are read: a file that is changed later is not what the hub runs with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import SecretStr

from fast_sse.environment import PREFIX

SET = "(set)"

#: User and password of an URL.
_USERINFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def origins(
    names: Iterable[str], flags: Mapping[str, Any], environment: Iterable[str], from_file: Mapping[str, Any]
) -> dict[str, str]:
    """The origin of each of the dotted names. `environment`: the names of its variables; `from_file`: its tables."""
    given = {name.upper() for name in environment}
    return {name: _origin(name, flags, given, from_file) for name in names}


def _origin(name: str, flags: Mapping[str, Any], environment: set[str], from_file: Mapping[str, Any]) -> str:
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


def shown(value: Any) -> str:
    """As TOML would have it, roughly; an empty text for what is not set, and SET for a secret."""
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return SET
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {shown(inner)}" for key, inner in sorted(value.items())) + "}"
    if isinstance(value, frozenset | list | tuple):
        return "[" + ", ".join(sorted(shown(inner) for inner in value)) + "]"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(_USERINFO.sub(SET, str(value)), ensure_ascii=False)
