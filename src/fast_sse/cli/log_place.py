"""Where the SQLite log lies that a command is about: in the directory that it was given, or in that of the settings."""

from __future__ import annotations

from pathlib import Path
from secrets import token_hex
from typing import Annotated

from typer import Option, echo

from fast_sse.config import load, problems
from fast_sse.model.errors import ConfigError

DataDirOption = Annotated[
    Path | None, Option("--data-dir", metavar="DIR", help="The data_dir of the hub; else as set.")
]

#: What to do where the log is not in a directory of ours.
_ELSEWHERE = {
    "redis": "the log is in Redis: back that server up, by its RDB or append-only file",
    "kafka": "the log is a topic of Kafka: back the cluster up, or mirror it; the view in data_dir is made again from it",
    "memory": "the log is in the memory of the hub, and gone with it: there is nothing to back up",
}


def log_directory(file: Path | None, data_dir: Path | None) -> Path:
    """The directory. The secrets of a hub are not needed. Raises ConfigError: the settings name another store."""
    if data_dir is not None and file is None:
        return data_dir
    flags: dict[str, object] = {"data_dir": data_dir}
    if [error.key for error in problems(file, flags)] == ["auth.secret"]:
        flags["auth"] = {"secret": token_hex(32)}
    config = load(file, flags)
    if config.store in _ELSEWHERE:
        raise ConfigError("store", _ELSEWHERE[config.store])
    return config.data_dir


def show_percent(what: str, percent: int) -> None:
    """Progress, on standard error: what scripts read is the last line alone."""
    echo(f"{what}: {percent} %", err=True)
