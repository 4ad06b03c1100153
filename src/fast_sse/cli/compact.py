"""`fast-sse compact`: the log of a hub that does not run, as short as what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument

from fast_sse.store.sqlite.compact import compact as compact_log

_MIB = 1 << 20


def compact(
    directory: Annotated[Path, Argument(metavar="DIR", help="The data_dir of a hub with store = sqlite.")],
) -> None:
    """Give the space of what was deleted back to the disk. The hub must be stopped.

    log.db stays as long as it ever was: what retention deletes is used again, and not given back. After retention was
    lowered this writes it anew. There must be room for a second file of what is left. If it is ended on the
    way, the log stays as it was.

    \b
    Examples:
      fast-sse compact /var/lib/fast-sse
    """
    before, after = compact_log(directory, _show)
    typer.echo(f"log.db: {before / _MIB:.1f} MiB before, {after / _MIB:.1f} MiB now")


def _show(done: int, whole: int) -> None:
    typer.echo(f"compacting: {done / _MIB:.0f} of about {whole / _MIB:.0f} MiB", err=True)
