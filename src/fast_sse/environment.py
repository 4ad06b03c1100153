"""Which variables of the environment are settings: those that begin with FAST_SSE_, but for what others put there.

Kubernetes gives every container variables for each Service of its namespace, and Docker for each link. A Service named
`fast-sse` makes `FAST_SSE_SERVICE_HOST`, `FAST_SSE_PORT_30000_TCP` and `FAST_SSE_PORT=tcp://10.0.0.1:30000`, which would
be our `port`; one named `fast-sse-redis` makes `FAST_SSE_REDIS_PORT`. They are told by their form and left alone. Everything
else that is not known is a misspelt setting and stays an error.

An empty variable is one that a template left empty, and counts as unset. Under `auth.`, and for `admin.key`, it does
not: an empty list allows nobody, and an empty secret is a mistake that must be seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

PREFIX = "FAST_SSE_"
#: What the variables of a Service or a link are called, behind our prefix and perhaps the rest of its name.
_SERVICE = re.compile(
    r"(?:.*_)?(?:SERVICE_HOST|SERVICE_PORT(?:_.*)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)\Z"
)
#: Those that are told by their value, too.
_ADDRESS = re.compile(r"(?:.*_)?PORT\Z")
_URL = re.compile(r"(?:tcp|udp|sctp)://")
_LINK = re.compile(r"(?:.*_)?(?:NAME\Z|ENV_.+)")


def settings_of(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that are settings, by their names as they are."""
    return {
        name: value
        for name, value in environment.items()
        if name.upper().startswith(PREFIX)
        and not _is_foreign(name, value)
        and (value != "" or _keeps_empty(key_of(name)))
    }


def foreign(environment: Mapping[str, str]) -> list[str]:
    """The variables in our name space that others put there, sorted."""
    return sorted(name for name, value in environment.items() if _is_foreign(name, value))


def key_of(name: str) -> str:
    """The dotted key that a variable stands for."""
    return name[len(PREFIX) :].lower().replace("__", ".")


def _is_foreign(name: str, value: str) -> bool:
    """Ours are nested by two underscores, so the name of a Service never contains one of them."""
    upper = name.upper()
    if not upper.startswith(PREFIX) or "__" in upper:
        return False
    rest = upper[len(PREFIX) :]
    if _SERVICE.match(rest):
        return True
    if _ADDRESS.match(rest):
        return _URL.match(value) is not None
    return _LINK.match(rest) is not None and (rest.find("ENV_") >= 0 or value.startswith("/"))


def _keeps_empty(key: str) -> bool:
    return key.startswith("auth.") or key == "admin.key"
