"""A node on listeners of its own: the order in which it starts and ends.

    start   bind both sockets -> admin answers -> open the node -> listen -> announce -> read foreign queues
    drain   readiness off -> close the public listener -> finish publishes, let go of queues, spread stream ends
            -> stop admin -> close the node

A socket that is bound but does not listen refuses connections, which clients retry; one that accepts and cannot
answer would give them a 503, which is final for an EventSource. For the same reason the listener closes before
the first stream ends: a client that is sent away must not come back to the same node.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import ssl
import time
from collections.abc import Callable

from starlette.types import ASGIApp

from fast_sse.config import Config
from fast_sse.http.admin.app import admin_app
from fast_sse.http.admin.event_stream import OpenStreams
from fast_sse.http.admin.live import Live
from fast_sse.http.admin.logged import Logged
from fast_sse.http.admin.server import CONNECTIONS_MAX, AdminServer
from fast_sse.http.api.endpoints import Endpoints
from fast_sse.http.front.descriptors import Descriptors, for_clients, for_operators
from fast_sse.http.front.front import Front
from fast_sse.http.front.listener import Listener, bind
from fast_sse.http.front.tls import renew, tls_context
from fast_sse.hub.supervised import supervised
from fast_sse.model.backoff import Backoff
from fast_sse.model.errors import ConfigError
from fast_sse.node import Node
from fast_sse.observe.access import AccessLog
from fast_sse.observe.logging import Log
from fast_sse.parts import make_interface, make_introductions, make_public_access, on_defect
from fast_sse.systemd import ServiceManager

SIGNALS = (signal.SIGTERM, signal.SIGINT)
#: Connections that may wait to be accepted: a whole fleet of browsers comes back at once after a restart.
BACKLOG_MAX = 4096
#: Called once with the public and the admin address when both accept.
Announce = Callable[[str, str], None]


class App:
    """One node in this process, with its sockets and signals. Build it, then `run` it once.

    `reload` reads the settings again, at SIGHUP; `missed_reload` says whether one came before there was an `App` to take
    it. `end_at_once` ends the process as a crash would. `access_log` gets a line for each request, where there is one.
    `manager` is told how far the node is.
    """

    def __init__(
        self,
        node: Node,
        announce: Announce,
        *,
        reload: Callable[[], Config] | None = None,
        missed_reload: Callable[[], bool] = lambda: False,
        end_at_once: Callable[[], object] = lambda: os._exit(1),
        access_log: Log | None = None,
        manager: ServiceManager | None = None,
    ) -> None:
        self._node = node
        self._config = node.config
        self._limits = node.config.bounds
        self._log = node.log
        self._announce = announce
        self._reload = reload
        self._missed_reload = missed_reload
        self._reload_waits = False
        self._end_at_once = end_at_once
        self._access_log = access_log
        self._manager = manager or ServiceManager()
        self._tls: ssl.SSLContext | None = None
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Begin to drain; `run` returns when it is done. Asked a second time: end at once, as after a crash."""
        if self._stop.is_set():
            self._log.error(
                "ended at once by a second signal", do="nothing to do: clients come back by themselves"
            )
            self._end_at_once()
        self._log.info("stop", state=self._node.state)
        self._node.withdraw()
        self._manager.stopping()
        self._stop.set()

    def reload(self) -> None:
        """Read the settings again and take over secrets, keys, allow-lists and the certificate; all else waits for a start.

        Streams that the new rules would not grant end with `fast-sse.expired`. Wrong settings change nothing. Before
        the node is open, it waits until then.
        """
        if self._reload is None:
            self._log.warning(
                "reload ignored",
                state=self._node.state,
                do="restart the hub: these settings were not read from a file",
            )
            return
        if not self._node.is_open:
            self._reload_waits = True
            return
        with self._manager.reloading():
            self._take_over(self._reload)

    def _take_over(self, read: Callable[[], Config]) -> None:
        try:
            config = read()
            if self._tls is not None and config.chain is not None:
                renew(self._tls, config.chain)
        except ConfigError as error:
            self._log.error(
                "reload refused: the settings in force stay",
                setting=error.key,
                problem=error.problem,
                do="correct the setting, and send SIGHUP again",
            )
            return
        ended = self._node.reload(config)
        self._log.info("reloaded", kids=sorted(config.auth.keys), streams_ended=ended)

    async def run(self) -> None:
        """Serve until `stop` or a signal.

        Raises:
            ConfigError: a setting is wrong in a way that only opening or binding shows.
            UnavailableError: an address is taken.
        """
        config, loop = self._config, asyncio.get_running_loop()
        tls = self._tls = None if config.chain is None else tls_context(config.chain)
        stall_ms = int(self._limits.stall_s * 1000)
        with (
            bind(config.host, config.port, "", stall_ms, shared=config.reuse_port) as public,
            bind(config.admin_host, config.admin_port, "admin_", stall_ms) as operators,
        ):
            for number in SIGNALS:
                loop.add_signal_handler(number, self.stop)
            loop.add_signal_handler(signal.SIGHUP, self.reload)
            self._manager.begin()
            streams = OpenStreams()
            live = Live(self._node, streams, time.time)
            admins = self._make_admins(operators, live, streams)
            watching = self._watch(live)
            try:
                for admin in admins:
                    await admin.start()
                self._node.log_start(public=public.address, admin=operators.address, tls=tls is not None)
                if endpoints := await self._node.open_unless(self._stop):
                    await self._serve(endpoints, public, operators.address)
            finally:
                streams.stop()
                await asyncio.gather(*(admin.stop() for admin in admins))
                for task in watching:
                    task.cancel()
                await self._node.close()
                for number in (*SIGNALS, signal.SIGHUP):
                    loop.remove_signal_handler(number)
                self._manager.end()
        self._log.info("stopped")

    def _watch(self, live: Live) -> list[asyncio.Task[None]]:
        """What the dashboard shows, taken from now on."""
        loop, observer = asyncio.get_running_loop(), self._node.observer
        return [
            loop.create_task(supervised("dashboard", work, observer, Backoff(1.0, 60.0)), name="dashboard")
            for work in (live.take_points, live.look_on)
        ]

    def _make_admins(self, operators: Listener, live: Live, streams: OpenStreams) -> list[AdminServer]:
        """One server for each socket of the operators' listener."""
        config, clock = self._config, asyncio.get_running_loop().time
        key = config.admin.key.get_secret_value().encode() if config.admin.key else b""
        app: ASGIApp = admin_app(
            self._node,
            key,
            [config.admin_host, *config.admin.names],
            metrics_open=config.admin.metrics_open,
            viewers=live,
            streams=streams,
        )
        if self._access_log is not None:
            app = Logged(app, AccessLog(self._access_log, "admin"))
        most = for_operators(_open_files_max(), CONNECTIONS_MAX) // len(operators.sockets)
        return [AdminServer(app, sock, self._limits, most, clock) for sock in operators.sockets]

    async def _serve(self, endpoints: Endpoints, public: Listener, admin_address: str) -> None:
        """Accept until `stop`, then drain."""
        descriptors = Descriptors(for_clients(_open_files_max()), self._on_full)
        access = make_public_access(self._config, self._access_log)
        front = Front(
            make_interface(endpoints, self._node.spans),
            self._limits,
            clock=asyncio.get_running_loop().time,
            on_defect=on_defect(self._node.observer),
            descriptors=descriptors,
            names_peers=bool(access or self._limits.publish_rate or self._limits.streams_per_address_max),
            access=access,
        )
        self._node.samplers.append(front.samples)
        introductions = make_introductions(self._config, front, descriptors, self._on_cut)
        if introductions is not None:
            self._node.samplers.append(introductions.samples)
        await public.serve(
            introductions or front, backlog=BACKLOG_MAX, tls=self._tls, handshake_s=self._limits.header_s
        )
        if self._reload_waits or self._missed_reload():
            self.reload()
        if not self._stop.is_set():
            self._node.serve()
            self._log.info("ready", public=public.address, admin=admin_address)
            self._announce(public.address, admin_address)
            self._manager.ready(public.address)
        await self._stop.wait()
        public.stop()
        if introductions is not None:
            introductions.close()
        await asyncio.gather(self._node.drain(), self._finish_answers(front))

    async def _finish_answers(self, front: Front) -> None:
        """Let requests under way end, each with its answer; one that only dawdles is cut."""
        try:
            async with asyncio.timeout(max(self._limits.drain_s, self._limits.append_s) + 1):
                await front.drain()
        except TimeoutError:
            self._log.warning(
                "connections cut at the end of the drain",
                connections=front.connections,
                do="nothing to do: these clients were too slow; raise drain_s if there are many",
            )
            front.abort()

    def _on_full(self, turned_away: int) -> None:
        """Say it at the first, second, fourth, eighth …: a crowd at the door must not fill the log."""
        if not turned_away & (turned_away - 1):
            self._log.warning(
                "connections turned away: open files are at their limit",
                connections=turned_away,
                do="raise the limit of open files (LimitNOFILE, ulimit -n), or add a node",
            )

    def _on_cut(self, cut: int, reason: str, peer: str) -> None:
        """Say it as seldom as `_on_full`: a proxy that sends no header does so on every connection."""
        if not cut & (cut - 1):
            self._log.warning(
                "connections cut: not introduced by a PROXY header of a trusted proxy",
                connections=cut,
                reason=reason,
                peer=peer,
                do="let the proxy send PROXY headers, and name its address in trusted_proxies",
            )


def _open_files_max() -> int:
    """The limit of open files of this process; 0 where there is none."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 0 if limit == resource.RLIM_INFINITY else limit
