"""`fast-sse doctor`: would a hub run well here? It looks, measures and says what to do, and changes nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Annotated

import msgspec
import typer
from typer import Option, echo

from fast_sse.cli.completing import STORES, words
from fast_sse.cli.config import ConfigFileOption
from fast_sse.cli.doctor import check_machine, check_settings, check_store
from fast_sse.cli.doctor.findings import Finding
from fast_sse.config import Config, load, problems
from fast_sse.model.errors import ConfigError
from fast_sse.parts import needs_extra

#: Stores that are servers. Each has its checks in `check_<store>.py`, in a function of its name.
_SERVERS = ("redis", "kafka")


def doctor(
    config: ConfigFileOption = None,
    store: Annotated[
        str | None,
        Option(help="sqlite, memory, redis or kafka; else as set.", autocompletion=words(*STORES)),
    ] = None,
    as_json: Annotated[bool, Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Check the machine, the store and the settings that a hub would run with, and say what to do about each thing.

    Green: nothing to do. Yellow: it works, but you should know. Red: it will not work, or is open to strangers; then
    the status is 1. Nothing is changed; a running hub is not disturbed.

    \b
    Examples:
      fast-sse doctor --config hub.toml
      FAST_SSE_REDIS__URL=redis://10.0.0.5 fast-sse doctor --store redis
      fast-sse doctor --json | jq '.checks[] | select(.level == "red")'
    """
    found = list(findings(config, store))
    red = any(finding.level == "red" for finding in found)
    if as_json:
        echo(
            json.dumps(
                {"ok": not red, "checks": [msgspec.structs.asdict(finding) for finding in found]}, indent=2
            )
        )
    else:
        for finding in found:
            echo(finding.text())
    if red:
        raise typer.Exit(1)


def findings(file: Path | None, store: str | None = None) -> Iterator[Finding]:
    """Every check, in the order of the report.

    With wrong settings only the checks that need no settings are made. A missing `auth.secret` does not count: no
    check needs it.
    """
    began = time.time(), time.monotonic()
    flags: dict[str, object] = {"store": store}
    wrong = problems(file, flags)
    yield from check_settings.wrong(wrong)
    if [error.key for error in wrong] == ["auth.secret"]:
        flags["auth"] = {"secret": token_hex(32)}
        wrong = problems(file, flags)
    if wrong:
        yield check_machine.versions(None)
        yield _clock(began, None)
        return
    config = load(file, flags)
    yield from check_settings.settings(config, file)
    if config.auth.jwt.is_on:
        yield from needs_extra("jwt", "auth.jwt", "fast_sse.cli.doctor.check_tokens", "tokens")(
            config.auth.jwt
        )
    yield check_machine.versions(config)
    yield check_machine.open_files(config)
    pid = check_store.hub_pid(config.data_dir, _text("/proc/locks")) if config.store == "sqlite" else None
    yield from check_machine.ports(config, pid)
    if config.store in _SERVERS:
        yield from _server(config)
    elif config.store == "sqlite":
        yield from _store(config, pid)
    yield _clock(began, config)


def _server(config: Config) -> Iterator[Finding]:
    """The checks of a server. They speak the store's own client, which an extra installs."""
    name = config.store
    try:
        checks = needs_extra(name, "store", f"fast_sse.cli.doctor.check_{name}", name)
    except ConfigError:
        yield Finding(name, "red", "the client is not installed", f"pip install 'fast-sse-hub[{name}]'")
        return
    yield from checks(config)


def _store(config: Config, pid: int | None) -> Iterator[Finding]:
    path = config.data_dir
    usable = check_store.directory(path)
    yield usable
    yield check_store.space(config, check_store.free_bytes(path), check_store.bytes_of(path))
    mounts = _text("/proc/self/mountinfo")
    yield check_store.filesystem(check_store.filesystem_kind(check_store.existing(path), mounts))
    yield check_store.sqlite_version()
    if usable.level == "green":
        yield from check_store.log(path, pid)
        if path.is_dir():
            yield check_store.fsync(path)


def _clock(began: tuple[float, float], config: Config | None) -> Finding:
    wall_s, steady_s = time.time() - began[0], time.monotonic() - began[1]
    written = [file.stat().st_mtime for file in config.data_dir.glob("log.*")] if config is not None else []
    return check_machine.clock(wall_s, steady_s, time.time(), max(written, default=None))


def _text(name: str) -> str:
    """A file of the kernel; empty where there is none."""
    try:
        return Path(name).read_text("utf-8", "replace")
    except OSError:
        return ""
