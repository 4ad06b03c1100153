"""The hub under a server of your choice, or inside your own application: `uvicorn --factory fast_sse.asgi:app`.

    hub = fast_sse.asgi.app()                      settings from FAST_SSE_..., as for `fast-sse serve`
    application = FastAPI(lifespan=hub.lifespan)
    application.mount("/sse", hub)
    hub = fast_sse.asgi.app(authorize=channels_of)         your session decides what a request may read; see http/asgi/authorize.py
    hub.stream_url("carid000001/cart_changed", base="/sse")                      or an address with a signature that ends
    await hub.publish("carid000001", "cart_changed", {"quantity": 2})
    async for message in hub.subscribe("carid000001/cart_changed"): ...          in this process, too
    hub.publish_from_thread("carid000001", "cart_changed", {"quantity": 2})      in a plain `def` endpoint
    text, media_type = await hub.metrics(accept)                                 for a route of yours, behind your guard
    await hub.letters.replay(letter_id)                                          so, too: dead letters, and hub.delivery(id)

What a server promises (deadlines, slow clients, drain) is then that server's promise; docs/asgi.md has the list.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import CancelledError
from functools import partial
from typing import Any, TextIO

import msgspec

from fast_sse.checks import missing_secrets
from fast_sse.config import Config, load
from fast_sse.http.api.endpoints import Endpoints
from fast_sse.http.api.subscribing import takes_events
from fast_sse.http.asgi.app import AsgiApp, Scope
from fast_sse.http.asgi.authorize import Allowed, Authorize, ask_application
from fast_sse.http.asgi.stream import Receive, Send
from fast_sse.http.message import Interface, Request
from fast_sse.hub.consumer import Gap, Message, consume
from fast_sse.hub.delivery import Indicator
from fast_sse.hub.letters import LetterDesk
from fast_sse.model.channel import Filter, channel
from fast_sse.model.errors import BadRequestError, ConfigError, NotStoredError, UnknownOutcomeError
from fast_sse.model.signature import Grant
from fast_sse.model.trace import carrying
from fast_sse.node import Node
from fast_sse.observe.lines import CLOSE_S, Lines
from fast_sse.observe.logging import Log, dropped_notice, form_of, make_log
from fast_sse.observe.metrics import Sample
from fast_sse.parts import make_interface, make_public_access, make_sources, make_store, on_defect
from fast_sse.signing import STREAM_TTL_S, Name, Signer, channel_named

__all__ = ["Allowed", "Gap", "HubApp", "Message", "app"]

#: Owner of the idempotency keys of `HubApp.publish`.
_PRINCIPAL = "hub:app"
#: How much longer than the hub's own deadline a thread waits for the loop to say so.
_PATIENCE_S = 5.0
_NOT_RUNNING = "the hub is not running"
#: Where a scope keeps what `authorize` raised, until the request is answered.
_FAILURE = "fast_sse.failure"
#: The server reads connections, so nothing of ours could read a PROXY header. `parts.make_endpoints` still believes no
#: X-Forwarded-For: behind a proxy that introduces connections it is the client's own text (CWE-348).
_NO_PROXY_PROTOCOL = "proxy_protocol has no effect under ASGI, and X-Forwarded-For is not believed"


class HubApp(AsgiApp):
    """The public routes of one hub as an ASGI application.

    From start-up to shutdown it is one node, with a store of its own; it may be started again after a shutdown.
    """

    def __init__(
        self,
        config: Config,
        log: Log,
        access_log: Log | None = None,
        written: Callable[[], object] = lambda: None,
        authorize: Authorize | None = None,
    ) -> None:
        """`written` waits until the lines of the log are, for a bounded time. `authorize`: see `app`."""
        access = make_public_access(config, access_log)
        super().__init__(self._life, config.bounds, self._on_defect, access)
        self._config = config
        self._log = log
        self._written = written
        self._authorize = authorize
        self._make_sources = make_sources(config)
        #: Those of this life, or of the last one.
        self._node: Node | None = None
        self._endpoints: Endpoints | None = None

    async def publish(
        self,
        event_id: str,
        event_type: str,
        data: Any,
        *,
        event: str | None = None,
        headers: Mapping[str, str] | None = None,
        ttl_s: float | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Publish from this process, without a signature; returns the message id once the message is in the store.

        `data` is any value that msgspec writes as JSON; the other fields are those of the body of a publish.

        Raises:
            FastSseError: what HTTP would have been answered with. ClientFaultError: certainly not stored.
                UnknownOutcomeError: perhaps stored; repeat with the same `idempotency_key`.
            RuntimeError: on another loop than the hub's; certainly not stored.
        """
        endpoints = self._endpoints
        if endpoints is None or self._node is None or self._node.state != "ready":
            raise NotStoredError(_NOT_RUNNING)
        self._at_home()
        if (spans := self._node.spans) is not None:
            headers = carrying(None if headers is None else dict(headers), spans.here())
        body = {
            "data": data,
            "event": event,
            "headers": headers,
            "ttl_s": ttl_s,
            "idempotency_key": idempotency_key,
        }
        try:
            raw = msgspec.json.encode(body)
        except (TypeError, ValueError) as error:
            raise BadRequestError(f"this cannot be written as JSON: {error}") from error
        appended = await endpoints.put(channel(event_id, event_type), raw, _PRINCIPAL)
        return appended.cursor.text

    def publish_from_thread(
        self,
        event_id: str,
        event_type: str,
        data: Any,
        *,
        event: str | None = None,
        headers: Mapping[str, str] | None = None,
        ttl_s: float | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """`publish` for a thread of this process, such as that of a plain `def` endpoint; blocks until it is known.

        Raises what `publish` raises, and UnknownOutcomeError when the hub's loop ends or stands still meanwhile.
        RuntimeError: on the thread of the hub's loop, which would wait for itself; certainly not stored.
        """
        loop = self._loop
        if loop is None:
            raise NotStoredError(_NOT_RUNNING)
        if _running_loop() is loop:
            raise RuntimeError(
                "this is the thread of the hub's loop, and nothing was done: await hub.publish"
            )
        publish = self.publish(
            event_id,
            event_type,
            data,
            event=event,
            headers=headers,
            ttl_s=ttl_s,
            idempotency_key=idempotency_key,
        )
        try:
            future = asyncio.run_coroutine_threadsafe(publish, loop)
        except RuntimeError as error:  # the loop is closed
            publish.close()
            raise NotStoredError(_NOT_RUNNING) from error
        try:
            return future.result(self._config.bounds.append_s + _PATIENCE_S)
        except (TimeoutError, CancelledError) as error:
            raise UnknownOutcomeError("the hub's loop did not answer") from error

    def subscribe(self, *channels: Name, after: str | None = None) -> AsyncGenerator[Message | Gap, None]:
        """What is published to these channels, for code of this process: an iterator that ends with the hub.

        It begins behind the message whose id is `after`, with the oldest one (`earliest`), or with what is published after this
        call. It needs no signature. What cannot be continued is a Gap among the messages. Close it, or leave the loop, and the
        stream ends.

        Raises:
            BadChannelError: a channel is none.
            RuntimeError: the hub is not running, or lives on another loop.
        """
        hub = self._running().hub
        wanted = Filter.of(*map(channel_named, channels))
        return consume(hub, wanted, after or hub.level.text, Grant("sub", "app", "app"))

    def stream_url(
        self, *channels: Name, ttl_s: float = STREAM_TTL_S, base: str = "", **query: str | int
    ) -> str:
        """The address of a stream of these channels, with a signature of format v2 that is good for `ttl_s` seconds.

        `base`: where the hub is mounted, such as `/sse`. `query`: more of the query, such as `last=1`.

        Raises:
            BadChannelError, ValueError: what cannot be signed.
            ConfigError: `auth.keys` has no key to sign with.
        """
        keyring = self._config.keyring
        key = keyring.keys.get(keyring.signing_kid)
        if key is None:
            named = "auth.signing_kid" if keyring.keys else "auth.keys"
            signs_nothing = (
                "" if keyring.secret or keyring.keys else ", and so is auth.secret: this hub signs nothing"
            )
            raise ConfigError(
                named, f"is missing{signs_nothing}; set it: an address takes a signature of format v2"
            )
        signer = Signer(kid=keyring.signing_kid, key=key)
        return signer.stream_url(base, *channels, ttl_s=ttl_s, **query)

    async def metrics(self, accept: str = "") -> tuple[bytes, str]:
        """The numbers of this hub and their media type; `accept` is the Accept header of who asks.

        The hub serves them nowhere: they are for operators, so the route is yours, behind a guard of yours.

        Raises:
            RuntimeError: the hub is not running, or lives on another loop.
        """
        return await self._running().metrics(accept)

    async def delivery(self, message_id: str) -> Indicator:
        """How far a message has come, without a signature: for operators, or for the code that published it.

        Raises:
            FastSseError: what HTTP would have been answered with: BadRequestError, NotFoundError, UnavailableError.
            RuntimeError: the hub is not running, or lives on another loop.
        """
        return await self._running().delivery(message_id)

    @property
    def letters(self) -> LetterDesk:
        """What operators do with dead letters: list, show, replay, purge. The hub serves them nowhere, as its metrics.

        Raises RuntimeError: the hub is not running, or lives on another loop.
        """
        return self._running().letters

    async def _introduce(self, scope: Scope, request: Request) -> None:
        """Ask the application what a request may read that shows nothing which the hub judges itself."""
        if (
            self._authorize is not None
            and self._endpoints is not None
            and self._endpoints.asks_around(request)
        ):
            waits = takes_events(request.headers)
            request.right, scope[_FAILURE] = await ask_application(self._authorize, scope, waits=waits)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super()._serve(scope, receive, send)
        failure: Exception | None = scope.pop(_FAILURE, None)
        if failure is not None:
            raise failure

    def _running(self) -> Node:
        """The node of this loop. Raises RuntimeError."""
        if self._node is None or self._loop is None:
            raise RuntimeError(_NOT_RUNNING)
        self._at_home()
        return self._node

    @contextlib.asynccontextmanager
    async def _life(self) -> AsyncIterator[Interface]:
        """One node, from the opening of its store to its end."""
        config = self._config.of_worker(os.getpid())
        self._node = node = Node(
            config,
            make_store(config),
            self._make_sources,
            self._log,
            samplers=[self._defects],
        )
        try:
            self._endpoints = endpoints = await node.open()
            node.log_start(server="asgi")
            if self._config.proxy_protocol:
                self._log.warning(
                    _NO_PROXY_PROTOCOL,
                    setting="proxy_protocol",
                    do="let the server read PROXY headers, or remove it",
                )
            node.serve()
            yield make_interface(endpoints, node.spans)
            await node.drain()  # what the server has left open
        finally:
            await node.close()
            self._log.info("stopped")
            await asyncio.to_thread(self._written)

    def _on_defect(self, request_id: str, error: BaseException) -> None:
        assert self._node is not None
        on_defect(self._node.observer)(request_id, error)

    def _defects(self) -> Iterable[Sample]:
        return () if self._boundary is None else self._boundary.samples()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs on this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def app(config: Config | None = None, *, authorize: Authorize | None = None) -> HubApp:
    """The application, from `config` or else from the environment (FAST_SSE_A__B); logs go to standard error.

    `authorize` is asked what a request may read that shows no signature. It gets the request, as Starlette has it, and answers
    with channels (`ID/TYPE`, `*` for all) or an Allowed with an end; with None or no channel the request is 401. It may be
    async.

    The hub needs no `auth.secret` where `authorize` or tokens (`auth.jwt`) say who reads, and this process publishes. It then
    takes no signature.

    Raises ConfigError when a setting is wrong.
    """
    config = config or load(mounted=True)
    if authorize is None and not config.auth.jwt.is_on:
        for key, problem in missing_secrets(config.auth):
            raise ConfigError(key, problem)
    form = form_of(config.log_format, terminal=sys.stderr is not None and sys.stderr.isatty())
    name = config.of_worker(os.getpid()).node_name
    errors = _standard_error(dropped_notice(name, form))
    access_log = make_log("info", errors, name, form) if config.access_log else None
    written = partial(errors.drain, CLOSE_S) if isinstance(errors, Lines) else errors.flush
    return HubApp(config, make_log(config.log_level, errors, name, form), access_log, written, authorize)


def _standard_error(notice: Callable[[int], str]) -> Lines | TextIO:
    """Standard error, whose reader the loop never waits for; as it is where the application put something else there."""
    try:
        return Lines(None if sys.stderr is None else sys.stderr.fileno(), notice)
    except OSError:  # no file
        return sys.stderr
