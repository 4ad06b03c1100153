"""One node: a store, the hub over it, the public routes before it, the queues it reads, and what operators may ask of it.

A node has no socket. `app.py` serves it on listeners of its own, `asgi.py` under a server of the user's choice. Both
compose this one node, so that nothing about a hub depends on who serves it.

    open -> serve -> drain -> close
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from fast_sse import __version__
from fast_sse.config import Config
from fast_sse.environment import foreign
from fast_sse.http.api.endpoints import Endpoints
from fast_sse.hub.delivery import Indicator
from fast_sse.hub.ending import reached
from fast_sse.hub.hub import Erased, Hub
from fast_sse.hub.letters import LetterDesk
from fast_sse.ingest.source import QueueSource
from fast_sse.model.backoff import Backoff
from fast_sse.model.channel import Channel
from fast_sse.model.errors import NotStoredError, UnavailableError
from fast_sse.model.letter import Reason
from fast_sse.model.limits import Limits
from fast_sse.observe.history import History
from fast_sse.observe.logging import Log, LogObserver, cause
from fast_sse.observe.loop_lag import LoopLag
from fast_sse.observe.metrics import Sample, Sampler
from fast_sse.observe.observer import Observer
from fast_sse.observe.observers import Observers
from fast_sse.observe.process import process_samples
from fast_sse.observe.prometheus import exposition
from fast_sse.observe.spans import Spans
from fast_sse.parts import (
    MakeSources,
    make_access,
    make_endpoints,
    make_hub,
    make_letter_desk,
    make_spans,
    warn,
)
from fast_sse.store.base import Appended, Store

#: How long the numbers wait for a store that is slow to say where its log ends.
LOOK_S = 1.0
_NOT_OPEN = "the store is not open yet"


class Node:
    """One hub and all that belongs to it. `open` it, `serve`, `drain`, and `close` it however far it came.

    Args:
        config: the settings.
        store: not yet open; the node closes it.
        make_sources: makes the foreign queues, once there is a hub.
        log: gets every fact, and the steps of the node's life.
        demo: lets a v1 signature stand in a query although it never expires, so that a link in a browser works.
        observers: get every fact, too.
        samplers: numbers of the process around the node.

    Attributes:
        config: as given.
        log: as given.
        name: of this process among those that share a store.
        observer: all observers as one.
        spans: what traces publishes, once the node is open; None where tracing is off.
        samplers: the numbers of all parts; a server adds its own.
        history: the last of them; a server that shows them takes its points.
        instance: a mark that no other process has.
        started_ms: when it was made, in milliseconds since 1970.
        state: `starting`, `ready` while it serves, `draining` from then on.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        make_sources: MakeSources,
        log: Log,
        *,
        demo: bool = False,
        observers: Sequence[Observer] = (),
        samplers: Sequence[Sampler] = (),
    ) -> None:
        self.config = config
        self.log = log
        self.name = config.node_name
        self.state = "starting"
        self.observer = Observers([LogObserver(log, store.where), *observers])
        self._loop_lag = LoopLag()
        self.samplers: list[Sampler] = [
            process_samples,
            self._loop_lag.samples,
            self._samples,
            *samplers,
            self.observer.samples,
            store.samples,
        ]
        self.history = History(self.samplers)
        self.instance = secrets.token_hex(8)
        self.started_ms = int(time.time() * 1000)
        self.spans: Spans | None = None
        self._reloaded = config  # of which only some is in force
        self._limits = config.bounds
        self._at = {"at": store.where} if store.where else {}
        self._demo = demo
        self._store = store
        self._store_is_open = False
        self._make_sources = make_sources
        self._sources: list[QueueSource] = []
        self._hub: Hub | None = None
        self._endpoints: Endpoints | None = None
        self._letters: LetterDesk | None = None

    # -- life -----------------------------------------------------------------------------------------------

    async def open(self) -> Endpoints:
        """Open the store, follow its log, and return the public routes.

        After an UnavailableError it may be called again and goes on where it stopped: a store is opened once.

        Raises:
            ConfigError: the store can never work as configured.
            UnavailableError: the store is away.
        """
        self._loop_lag.start()
        if self.config.tracing and self.spans is None:
            self.spans = await asyncio.to_thread(make_spans, self.config)  # it looks at files and the machine
        if not self._store_is_open:
            await self._store.open()
            self._store_is_open = True
        if self._hub is None:
            self._hub = make_hub(self.config, self._store, self.observer, self.spans)
        await self._hub.start()
        self._endpoints = make_endpoints(self.config, self._hub, self.observer, demo=self._demo)
        self._letters = make_letter_desk(
            self.config, self._hub, self.observer, self._endpoints.check, self.spans
        )
        self.samplers += [self._hub.samples, self._endpoints.samples, self._letters.samples]
        return self._endpoints

    async def open_unless(self, stopped: asyncio.Event) -> Endpoints | None:
        """`open`, however long the store is away; None when `stopped` was set first. Raises ConfigError."""
        backoff = Backoff(self._limits.retry_store_s, self._limits.retry_store_s_max)
        while not stopped.is_set():
            try:
                return await self.open()
            except UnavailableError as error:
                wait_s = backoff.next_s()
                self.log.error(  # noqa: TRY400  the message says it; a traceback adds nothing
                    "store is not available",
                    error=error.message,
                    **cause(error),
                    retry_s=wait_s,
                    **self._at,
                    do="start the store or correct its address; the hub waits for it and tries again",
                )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), wait_s)
        return None

    def serve(self) -> None:
        """Begin to serve: ready from now on. Reads the foreign queues. The node is open."""
        assert self._hub is not None
        assert self._endpoints is not None
        self.state = "ready"
        self._sources = self._make_sources(self._hub, self.observer, self._endpoints.check)
        for source in self._sources:
            self.samplers.append(source.samples)
            source.start()

    def withdraw(self) -> None:
        """Ready no more, so that balancers choose other nodes. What is open goes on."""
        self.state = "draining"

    async def drain(self) -> None:
        """Let go of the queues and end every stream, spread over `drain_s`; each says when to come back."""
        self.withdraw()
        if self._hub is not None:
            await asyncio.gather(self._release_queues(), self._hub.drain(self._limits.drain_s))

    async def close(self) -> None:
        """Stop every task and close the store, however far the node came, and whether or not the caller is cancelled."""
        self.withdraw()
        await reached(self._close())

    async def _close(self) -> None:
        self._loop_lag.stop()
        await self._release_queues()
        if self._hub is not None:
            await self._hub.close()
        await self._store.close()
        if self.spans is not None:
            await self.spans.close()

    async def _release_queues(self) -> None:
        await asyncio.gather(*(source.stop() for source in self._sources))

    def reload(self, config: Config) -> int:
        """Take over secrets, keys and allow-lists; how many streams ended, because the new rules would not grant them.

        The node is open.
        """
        assert self._endpoints is not None
        self._reloaded = config
        earlier = self._endpoints.access
        return self._endpoints.reload(make_access(config, self.observer, demo=self._demo, earlier=earlier))

    # -- what operators ask ---------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether the store is open and its log is followed, so that there are routes."""
        return self._endpoints is not None

    @property
    def store_name(self) -> str:
        """The store, as the setting calls it."""
        return self.config.store

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
            raise UnavailableError(_NOT_OPEN)
        await self._hub.probe_publish()

    async def look(self) -> None:
        """Ask the store what the numbers say of it, at most for LOOK_S."""
        if self._hub is not None:
            await self._hub.look(LOOK_S)

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """The numbers of all parts in a form that the Accept header asks for, and its media type."""
        await self.look()
        return exposition(self.samplers, self.name, accept)

    async def erase(self, target: Channel) -> Erased:
        """Erase a channel's history and dead letters, and end its streams; how many went. Raises UnavailableError."""
        if self._hub is None:
            raise NotStoredError(_NOT_OPEN)
        return await self._hub.erase(target)

    @property
    def limits(self) -> Limits:
        """The bounds of this node."""
        return self._limits

    def settings(self) -> Iterator[tuple[str, str, str]]:
        """Name, value and origin of every setting in force; a secret is only said to be set."""
        for now, at_start in zip(self._reloaded.effective(), self.config.effective(), strict=True):
            yield now if now[0].startswith("auth.") else at_start

    @property
    def hub(self) -> Hub:
        """The hub, to be looked at. Raises UnavailableError before the store is open."""
        if self._hub is None or self._endpoints is None:
            raise UnavailableError(_NOT_OPEN)
        return self._hub

    @property
    def letters_by_reason(self) -> Mapping[Reason, int] | None:
        """Dead letters that the store keeps, as of this node's last turn; None while that is not known."""
        tally = None if self._hub is None else self._hub.dead_letters.report.tally
        return None if tally is None else tally.by_reason

    async def put(self, target: Channel, raw: bytes) -> Appended:
        """Publish what an operator tries. The body and the rules are those of HTTP. Raises FastSseError."""
        if self._endpoints is None:
            raise NotStoredError(_NOT_OPEN)
        self._endpoints.check(target)
        return await self._endpoints.put(target, raw, "hub:operator")

    @property
    def letters(self) -> LetterDesk:
        """What operators do with dead letters. Raises UnavailableError before the store is open."""
        if self._letters is None:
            raise UnavailableError(_NOT_OPEN)
        return self._letters

    async def delivery(self, message_id: str) -> Indicator:
        """How far a message has come. Raises BadRequestError, NotFoundError, UnavailableError."""
        if self._hub is None:
            raise UnavailableError(_NOT_OPEN)
        delivery = self._hub.delivery
        return delivery.indicator(await delivery.find(message_id))

    def _samples(self) -> Iterator[Sample]:
        facts = (("store", self.store_name), ("durability", self.durability))
        yield Sample(
            "node_info", "gauge", "The store of this node and its durability, in the labels.", 1, facts
        )
        yield Sample(
            "ready", "gauge", "1 while the node serves, 0 before and in a drain.", self.state == "ready"
        )

    # -- the log ----------------------------------------------------------------------------------------

    def log_start(self, **where: Any) -> None:
        """One line that says what starts, `where` it is reached included; then a warning for each door that is open."""
        config = self.config
        self.log.info(
            "start",
            version=__version__,
            **where,
            store=self.store_name,
            durability=self.durability,
            retention=msgspec.structs.asdict(config.kept),
            limits=msgspec.structs.asdict(self._limits),
            v1=config.auth.v1,
            kids=sorted(config.auth.keys),
        )
        auth = config.auth
        if not (auth.secret or auth.publish_secret or auth.keys):
            self.log.info("no signature is taken: there is neither auth.secret nor auth.keys")
        if names := foreign(os.environ):
            self.log.info("variables of services and links are left alone", names=names)
        if not self._demo:  # there, what it warns of is meant
            warn(config, self.log)
