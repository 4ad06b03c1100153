"""What a tab offers for the value of an option, in every shell. Where nothing is offered, the shell offers files.

Options whose type is a Literal need nothing of this. A tab must answer at once, so nothing heavy is imported here.
"""

from __future__ import annotations

import os
from collections.abc import Callable

#: Given the part of a word that is there, what it may become.
Offer = Callable[[str], list[str]]

#: As in settings.py, whose import a tab would wait for. A test holds them together.
STORES = ("sqlite", "memory", "redis", "kafka")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("auto", "json", "console")


def words(*known: str) -> Offer:
    """An offer of a fixed set."""

    def offer(incomplete: str) -> list[str]:
        return [word for word in known if word.startswith(incomplete)]

    return offer


def variables(incomplete: str) -> list[str]:
    """Names of environment variables. Their values are not looked at."""
    return sorted(name for name in os.environ if name.startswith(incomplete))
