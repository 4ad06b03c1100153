"""The composition root: the order of start and drain; `parts.py` makes what is ordered here.

    start   bind both sockets -> admin answers -> open the store -> follow the log -> listen -> announce
            -> read foreign queues
    drain   readiness off -> close the public listener -> finish publishes, let go of queues, spread stream ends
            -> stop admin -> stop the hub -> close the store

A socket that is bound but does not listen refuses connections, which clients retry; one that accepts and cannot
answer would give them a 503, which is final for an EventSource. For the same reason the listener closes before
the first stream ends: who is sent away must not come back to the same node.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import ssl
from collections.abc import Callable, Iterator, Sequence

import msgspec

from fast_sse import __version__
from fast_sse.config import Config
from fast_sse.environment import foreign
from fast_sse.http.admin.routes import admin_app
from fast_sse.http.admin.server import CONNECTIONS_MAX, AdminServer
from fast_sse.http.api.endpoints import Endpoints
from fast_sse.http.front.descriptors import Descriptors, for_clients, for_operators
from fast_sse.http.front.front import Fronts
from fast_sse.http.front.listener import Listener, bind
from fast_sse.http.front.tls import renew, tls_context
from fast_sse.hub.hub import Hub
from fast_sse.model.channel import Channel
from fast_sse.model.errors import ConfigError, NotStoredError, UnavailableError
from fast_sse.observe.logging import Log, LogObserver
from fast_sse.observe.metrics import Measured, Sample, Sampler
from fast_sse.observe.process import process_samples
from fast_sse.observe.prometheus import exposition
from fast_sse.parts import (
    make_access,
    make_endpoints,
    make_hub,
    make_introductions,
    make_sources,
    make_store,
    on_defect,
    warn,
)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
#: Connections that may wait to be accepted: a whole fleet of browsers comes back at once after a restart.
BACKLOG_MAX = 4096
#: How long the numbers wait for a store that is slow to say where its log ends.
LOOK_S = 1.0
#: Called once with the public and the admin address when both accept.
Announce = Callable[[str, str], None]


class App:
    """One node in this process. Build it, then `run` it once.

    `demo` lets a v1 signature stand in a query although it never expires, so that a link in a browser works.
    `reload` reads the settings again, at SIGHUP; `missed_reload` says whether one came before there was an `App` to take
    it. `samplers` are numbers of the process around it. `end_at_once` ends the process as a crash would.
    """

    def __init__(
        self,
        config: Config,
        log: Log,
        announce: Announce,
        *,
        demo: bool = False,
        reload: Callable[[], Config] | None = None,
        missed_reload: Callable[[], bool] = lambda: False,
        samplers: Sequence[Sampler] = (),
        end_at_once: Callable[[], object] = lambda: os._exit(1),
    ) -> None:
        self.state = "starting"
        self.node = config.node_name
        self.store = config.store
        self._config = config
        self._limits = config.bounds
        self._log = log
        self._observer = LogObserver(log)
        self._announce = announce
        self._demo = demo
        self._store = make_store(config)
        self._make_sources = make_sources(config)
        self._samplers: list[Sampler] = [process_samples, self._samples, *samplers]
        if isinstance(self._store, Measured):
            self._samplers.append(self._store.samples)
        self._hub: Hub | None = None
        self._endpoints: Endpoints | None = None
        self._reload = reload
        self._missed_reload = missed_reload
        self._reload_waits = False
        self._end_at_once = end_at_once
        self._tls: ssl.SSLContext | None = None
        self._stop = asyncio.Event()

    # -- what the admin listener asks -----------------------------------------------------------------------

    @property
    def durability(self) -> str:
        """What a 2xx means with this store."""
        return self._store.durability

    @property
    def erased_stays(self) -> bool:
        """Whether the backend keeps what was erased until retention takes it."""
        return self._store.erased_stays

    @property
    def damaged(self) -> bool:
        """Whether part of the log was found unreadable since the start."""
        return self._store.damaged

    @property
    def following(self) -> bool:
        """Whether this node reads the log right now."""
        return self._hub is not None and self._hub.following

    async def probe_publish(self) -> None:
        """Raises UnavailableError when a publish would not be stored."""
        if self._hub is None:
            raise UnavailableError("the store is not open yet")
        await self._hub.probe_publish()

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """The numbers of all parts, and the media type of the text."""
        if self._hub is not None:
            await self._hub.look(LOOK_S)
        return exposition(self._samplers, self.node, accept)

    def _samples(self) -> Iterator[Sample]:
        facts = (("store", self.store), ("durability", self.durability))
        yield Sample("node_info", "gauge", "What this node keeps its log in, in its labels.", 1, facts)
        yield Sample(
            "ready", "gauge", "1 while the node serves, 0 before and in a drain.", self.state == "ready"
        )

    async def erase(self, target: Channel) -> int:
        """Erase a channel's history and end its streams; how many entries went."""
        if self._hub is None:
            raise NotStoredError("the store is not open yet")
        return await self._hub.erase(target)

    # -- life -----------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Begin to drain; `run` returns when it is done. Asked a second time: end at once, as after a crash."""
        if self._stop.is_set():
            self._log.error("ended at once by a second signal")
            self._end_at_once()
        self._log.info("stop", state=self.state)
        self.state = "draining"
        self._stop.set()

    def reload(self) -> None:
        """Read the settings again and take over secrets, keys, allow-lists and the certificate; all else waits for a start.

        Streams that the new rules would not grant are told `fast-sse.expired`. Wrong settings change nothing. Before the
        hub serves, it waits until then.
        """
        if self._reload is None:
            self._log.warning("reload ignored", state=self.state)
            return
        if self._endpoints is None:
            self._reload_waits = True
            return
        try:
            config = self._reload()
            if self._tls is not None and config.chain is not None:
                renew(self._tls, config.chain)
        except ConfigError as error:
            self._log.error(
                "reload refused: the settings in force stay", setting=error.key, problem=error.problem
            )
            return
        ended = self._endpoints.reload(make_access(config, demo=self._demo))
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
            key = config.admin.key.get_secret_value().encode() if config.admin.key else b""
            app = admin_app(self, key, config.admin_host, metrics_open=config.admin.metrics_open)
            most = for_operators(_open_files_max(), CONNECTIONS_MAX) // len(operators.sockets)
            admins = [AdminServer(app, sock, self._limits, most, loop.time) for sock in operators.sockets]
            try:
                for admin in admins:
                    await admin.start()
                self._log_start(public.address, operators.address)
                if hub := await self._start_hub():
                    await self._serve(hub, public, tls, operators.address)
            finally:
                await asyncio.gather(*(admin.stop() for admin in admins))
                if self._hub is not None:
                    await self._hub.close()
                await self._store.close()
                for number in (*SIGNALS, signal.SIGHUP):
                    loop.remove_signal_handler(number)
        self._log.info("stopped")

    async def _start_hub(self) -> Hub | None:
        """Open the store and follow its log, however long it takes; None when `stop` came first."""
        wait_s, opened = self._limits.retry_store_s, False
        while not self._stop.is_set():
            try:
                if not opened:
                    await self._store.open()
                    opened = True
                if self._hub is None:
                    self._hub = make_hub(self._config, self._store, self._observer)
                    self._samplers.append(self._hub.samples)
                await self._hub.start()
                return self._hub
            except UnavailableError as error:
                self._log.error("store is not available", error=error.message, retry_s=wait_s)
            try:
                await asyncio.wait_for(self._stop.wait(), wait_s)
            except TimeoutError:
                wait_s = min(2 * wait_s, self._limits.retry_store_s_max)
        return None

    async def _serve(
        self, hub: Hub, public: Listener, tls: ssl.SSLContext | None, admin_address: str
    ) -> None:
        """Accept until `stop`, then drain."""
        loop = asyncio.get_running_loop()
        self._endpoints = endpoints = make_endpoints(self._config, hub, demo=self._demo)
        descriptors = Descriptors(for_clients(_open_files_max()), self._on_full)
        fronts = Fronts(
            endpoints.handle,
            self._limits,
            clock=loop.time,
            on_defect=on_defect(self._observer),
            descriptors=descriptors,
            admit=endpoints.admit,
            names_peers=bool(self._limits.publish_rate or self._limits.streams_per_address_max),
        )
        self._samplers += [endpoints.samples, fronts.samples]
        introductions = make_introductions(self._config, fronts, descriptors, self._on_cut)
        if introductions is not None:
            self._samplers.append(introductions.samples)
        await public.serve(
            introductions or fronts, backlog=BACKLOG_MAX, tls=tls, handshake_s=self._limits.header_s
        )
        if self._reload_waits or self._missed_reload():
            self.reload()
        if not self._stop.is_set():
            self.state = "ready"
            self._log.info("ready", public=public.address, admin=admin_address)
            self._announce(public.address, admin_address)
        sources = self._make_sources(hub, self._observer, endpoints.check)
        for source in sources:
            self._samplers.append(source.samples)
            source.start()
        await self._stop.wait()
        public.stop()
        if introductions is not None:
            introductions.close()
        await asyncio.gather(
            *(source.stop() for source in sources),
            hub.drain(self._limits.drain_s),
            self._finish_answers(fronts),
        )

    async def _finish_answers(self, fronts: Fronts) -> None:
        """Let requests under way end, each with its answer; whoever only dawdles is cut."""
        try:
            async with asyncio.timeout(max(self._limits.drain_s, self._limits.append_s) + 1):
                await fronts.drain()
        except TimeoutError:
            self._log.warning("connections cut at the end of the drain", connections=fronts.connections)
            fronts.abort()

    # -- what the log is told -------------------------------------------------------------------------------

    def _on_full(self, turned_away: int) -> None:
        """Say it at the first, second, fourth, eighth …: a crowd at the door must not fill the log."""
        if not turned_away & (turned_away - 1):
            self._log.warning(
                "connections turned away: open files are at their limit", connections=turned_away
            )

    def _on_cut(self, cut: int, reason: str, peer: str) -> None:
        """Say it as seldom as `_on_full`: a proxy that sends no header does so on every connection."""
        if not cut & (cut - 1):
            self._log.warning(
                "connections cut: not introduced by a PROXY header of a trusted proxy",
                connections=cut,
                reason=reason,
                peer=peer,
            )

    def _log_start(self, public: str, admin: str) -> None:
        config = self._config
        self._log.info(
            "start",
            version=__version__,
            public=public,
            admin=admin,
            tls=config.tls.cert is not None,
            store=config.store,
            durability=self.durability,
            retention=msgspec.structs.asdict(config.kept),
            limits=msgspec.structs.asdict(self._limits),
            v1=config.auth.v1,
            kids=sorted(config.auth.keys),
        )
        if names := foreign(os.environ):
            self._log.info("variables of services and links are left alone", names=names)
        if not self._demo:  # there, what it warns of is meant
            warn(config, self._log)


def _open_files_max() -> int:
    """The limit of open files of this process; 0 where there is none."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 0 if limit == resource.RLIM_INFINITY else limit
