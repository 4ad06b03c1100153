"""What makes a secret no secret: too short, or what a template holds before somebody fills it in.

The original took `{HMAC_SECRET_FROM_ENV}` for an unset variable, replaced it by nothing, and signed with an empty
key that is public (CWE-798, CWE-1188). Nothing here can tell a bad secret of 32 bytes from a good one; it
finds those that are certainly bad.
"""

from __future__ import annotations

import re

#: As long as the output of the hash: RFC 2104 discourages less.
SECRET_BYTES_MIN = 32
#: A random secret that is long enough has more than these.
_DISTINCT_BYTES_MIN = 4

#: `{...}`, `${...}`, `<...>`, or words of samples.
_PLACEHOLDER = re.compile(
    rb"\A\$?\{.*\}\Z|\A<.*>\Z|change.?me|your.?secret|placeholder|replace.?(?:me|this)|insert.?here",
    re.IGNORECASE | re.DOTALL,
)


def weakness(secret: bytes) -> str:
    """Why a secret must not be used, as the end of a sentence; empty when nothing speaks against it."""
    if is_placeholder(secret):
        return "is a placeholder"
    if len(secret) < SECRET_BYTES_MIN:
        return f"is shorter than {SECRET_BYTES_MIN} bytes"
    if len(set(secret)) < _DISTINCT_BYTES_MIN:
        return "is a placeholder"
    return ""


def is_placeholder(secret: bytes) -> bool:
    """Whether it was left as a template had it, however long."""
    return _PLACEHOLDER.search(secret) is not None
