"""Run one Python client of the field and say on standard output what it does, one JSON object a line.

    drive.py NAME URL VARIANT

NAME is a module of this directory that uses one library and has a function for each variant: `plain` does what the
library's README says, `mended` adds the lines that docs/clients.md recommends. A variant that returns or raises
has given up for good. The process ends when its standard input does, so that it cannot outlive whoever started it.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import sys
import threading
from pathlib import Path

# In place of this directory, whose modules are called as the libraries are that they use.
sys.path[0] = str(Path(__file__).parents[3])

from tests.clients.python.say import say_closed  # noqa: E402  found only now


def main(name: str, url: str, variant: str) -> None:
    """Run a variant of a client to its end, which may never come."""
    watch = threading.Thread(target=_end_with_standard_input, daemon=True)
    watch.start()
    client = getattr(importlib.import_module(f"tests.clients.python.{name}"), variant)
    try:
        if inspect.iscoroutinefunction(client):
            asyncio.run(client(url))
        else:
            client(url)
    except Exception as error:  # noqa: BLE001  what a library lets through to its user is what we are here to see
        say_closed(repr(error))
    else:
        say_closed("the events ended")
    watch.join()


def _end_with_standard_input() -> None:
    sys.stdin.read()
    os._exit(0)  # the client may wait for its server and never look up


if __name__ == "__main__":
    main(*sys.argv[1:])
