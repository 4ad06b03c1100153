"""What is wrong with the shape of a setting's value, in our words: each the end of a sentence that begins with the key.

The library that checks shapes has words for people who write programs. The value itself is in none of them: it may be a
secret pasted under the wrong name (CWE-532).
"""

from __future__ import annotations

import re
from typing import Any

#: By the library's word for the kind of mistake; `{...}` are what it says beside.
_WORDS = {
    "less_than_equal": "must be at most {le:g}",
    "less_than": "must be below {lt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "greater_than": "must be above {gt:g}",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "missing": "is missing",
}


def said(mistake: Any) -> str:
    """One mistake, as pydantic's `errors()` lists them, with its context."""
    kind, context = mistake["type"], mistake.get("ctx", {})
    if kind == "literal_error":
        *most, last = re.findall(r"'([^']*)'", context["expected"])
        return f"must be {', '.join(most)} or {last}" if most else f"must be {last}"
    words = _WORDS.get(kind)
    return words.format(**context) if words else str(mistake["msg"]).removeprefix("Value error, ")
