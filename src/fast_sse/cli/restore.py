"""`fast-sse restore`: a backup becomes the log of an empty directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, echo

from fast_sse.cli.backup import told
from fast_sse.cli.config import ConfigFileOption
from fast_sse.cli.log_place import DataDirOption, log_directory, show_percent
from fast_sse.store.sqlite.restore import restore as restore_log


def restore(
    file: Annotated[Path, Argument(metavar="FILE", help="A file that fast-sse backup made.")],
    config: ConfigFileOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make the log of a backup in a data_dir that holds none. The file is checked first, and stays as it is.

    The log has a new epoch: every client that comes back with an id of the old log gets a gap `epoch`, and then what the
    backup holds. Stop the hub and move the old files away before.

    \b
    Examples:
      fast-sse restore --data-dir /var/lib/fast-sse /backup/log.db
    """
    directory = log_directory(config, data_dir)
    contents = restore_log(file, directory, show_percent)
    echo(f"{directory}: {told(contents)}; its epoch is new")
