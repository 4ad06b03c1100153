"""JSON as texts: white space of any kind, names given twice, and numbers that no float holds."""

from __future__ import annotations

import json

from hypothesis import strategies as st


def _array(space: str, items: list[str]) -> str:
    return f"[{space}{f',{space}'.join(items)}{space}]"


def _object(space: str, items: list[str]) -> str:
    """Every field has the same name."""
    return "{" + space + f"{space},".join(f'"a"{space}:{item}' for item in items) + "}"


SPACE = st.text(" \t\r\n", max_size=3)
NUMBERS = st.from_regex(r"\A-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?\Z")
STRINGS = st.text(st.characters(codec="utf-8")).map(
    lambda text: json.dumps(text, ensure_ascii=len(text) % 2 == 0)
)
TEXTS = st.recursive(
    NUMBERS | STRINGS | st.sampled_from(["null", "true", "false", "-0", "1e400", "9" * 5000]),
    lambda inner: (
        st.builds(_array, SPACE, st.lists(inner, max_size=4))
        | st.builds(_object, SPACE, st.lists(inner, max_size=4))
    ),
    max_leaves=10,
)
