"""`fast-sse backup`: a file of all that a log holds, while the hub runs; and whether such a file is whole."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from typer import Argument, Option, echo

from fast_sse.cli.config import ConfigFileOption
from fast_sse.cli.log_place import DataDirOption, log_directory, show_percent
from fast_sse.model.limits import MIB
from fast_sse.store.sqlite.backup import back_up
from fast_sse.store.sqlite.verify import Contents, verify


def backup(
    file: Annotated[Path, Argument(metavar="FILE", help="Where the backup goes, or with --check a backup.")],
    config: ConfigFileOption = None,
    data_dir: DataDirOption = None,
    check: Annotated[bool, Option("--check", help="Read a backup and say whether it is whole.")] = False,
) -> None:
    """Back up the log of store = sqlite: messages, idempotency keys and dead letters, in one file. The hub may run.

    Every message that was acknowledged up to the printed id is in the file. Nothing is overwritten; the file gets its name
    when it is whole and on the disk. Run it as the hub's user, or as root.

    \b
    Examples:
      fast-sse backup --data-dir /var/lib/fast-sse /backup/log-$(date +%F).db
      fast-sse backup --config hub.toml /backup/log.db
      fast-sse backup --check /backup/log.db
    """
    if check:
        echo(f"{file} is whole: {told(verify(file, show_percent))}")
        return
    began_s = time.monotonic()
    contents = back_up(log_directory(config, data_dir), file, show_percent)
    echo(f"{file}: {told(contents)}, in {time.monotonic() - began_s:.1f} s")


def told(contents: Contents) -> str:
    """What a backup holds, in words."""
    letters = "1 dead letter" if contents.letters == 1 else f"{contents.letters:,} dead letters"
    messages = "1 message" if contents.messages == 1 else f"{contents.messages:,} messages"
    return f"{messages} up to {contents.newest.text}, {letters}, {contents.size_bytes / MIB:.1f} MiB"
