"""What one process does around the application: its loop, its limits, its logs, and how it ends.

Everything here changes the whole process, so nothing else may, and nothing here runs on import.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import TextIO

from fast_sse.app import App
from fast_sse.config import Config
from fast_sse.model.errors import ConfigError
from fast_sse.node import Node
from fast_sse.observe.lines import Lines
from fast_sse.observe.logging import Log, StandardHandler, dropped_notice, form_of, make_log
from fast_sse.parts import make_sources, make_store
from fast_sse.store.sqlite.writer import SWITCH_INTERVAL_S
from fast_sse.systemd import ServiceManager

#: How long a process that is ended at once waits for the line that says so.
LAST_WORDS_S = 0.2
_STANDARD_ERROR = 2


def run(
    read: Callable[[], Config], before_ready: Callable[[str], str] | None = None, *, demo: bool = False
) -> None:
    """Serve until a signal, then drain. `before_ready` makes of the public address what is printed before the ready line.

    `read` makes the configuration, now and again at each SIGHUP.

    Raises:
        ConfigError: exit 2.
        UnavailableError: exit 1.
    """
    missed: list[int] = []
    signal.signal(signal.SIGHUP, lambda number, _frame: missed.append(number))
    _fill_standard_descriptors()
    config = read()
    form = form_of(config.log_format, terminal=_is_terminal(sys.stderr))
    notice = dropped_notice(config.node_name, form)
    errors, output = Lines(_descriptor(sys.stderr), notice), Lines(_descriptor(sys.stdout), notice)
    log = make_log(config.log_level, errors, config.node_name, form)
    access_log = make_log("info", errors, config.node_name, form) if config.access_log else None
    logging.basicConfig(handlers=[StandardHandler(log)], level=logging.WARNING)
    faulthandler.enable(_STANDARD_ERROR)  # whoever is ended by the watchdog says where it stood
    manager = ServiceManager.of(os.environ, os.getpid(), log)
    _raise_file_limit(log)
    # The store's thread comes back from an fsync while the loop computes. By default it then waits 5 ms for the
    # interpreter, longer than the fsync took, and every publish of that group with it.
    sys.setswitchinterval(SWITCH_INTERVAL_S)

    def announce(public: str, admin: str) -> None:
        _settle_garbage_collection()
        before = "" if before_ready is None else before_ready(public)
        output.write(f"{before}ready public={public} admin={admin} store={config.store}\n")

    def end_at_once() -> None:
        errors.drain(LAST_WORDS_S)
        os._exit(1)

    async def main() -> None:
        node = Node(
            config, make_store(config), make_sources(config), log, demo=demo, samplers=[errors.samples]
        )
        app = App(
            node,
            announce,
            reload=read,
            missed_reload=lambda: bool(missed),
            end_at_once=end_at_once,
            access_log=access_log,
            manager=manager,
        )
        await app.run()

    try:
        with asyncio.Runner(loop_factory=_loop_factory(config)) as runner:
            runner.run(main())
    finally:
        output.close()
        errors.close()


def _is_terminal(stream: TextIO | None) -> bool:
    """Whether a person may be looking at a standard stream."""
    return stream is not None and stream.isatty()


def _descriptor(stream: TextIO | None) -> int | None:
    """That of a standard stream; None for one that the process was started without."""
    return None if stream is None else stream.fileno()


def _fill_standard_descriptors() -> None:
    """Started with one of them closed, the next file or socket would get its number, and be written to by libraries."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _loop_factory(config: Config) -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop, unless another loop was asked for by name: on 3.11 asyncio copies what waits for every slow client."""
    if config.loop == "asyncio":
        return asyncio.new_event_loop
    try:
        import uvloop  # noqa: PLC0415  not on every platform
    except ImportError as error:
        raise ConfigError("loop", "uvloop is not installed; install it, or set loop = asyncio") from error
    return uvloop.new_event_loop


def _raise_file_limit(log: Log) -> None:
    """A stream is a file descriptor, and the usual soft limit of 1,024 is history (of select), not a bound of ours."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:
            log.warning(
                "the limit of open files could not be raised",
                soft=soft,
                hard=hard,
                error=str(error),
                do="raise the soft limit (ulimit -n, LimitNOFILE): a stream is an open file",
            )
            return
    log.info("open files", limit=hard, limit_before=soft)


def _settle_garbage_collection() -> None:
    """Keep the collector away from what never dies, and from what reference counts free anyway.

    The hub makes no cycles per message or connection. A full collection would walk modules, code and every open
    connection for nothing, and hold all streams for that long.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
