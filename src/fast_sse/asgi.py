"""The hub under a server of your choice, or inside your own application: `uvicorn --factory fast_sse.asgi:app`.

    hub = fast_sse.asgi.app()                      settings from FAST_SSE_..., as for `fast-sse serve`
    application = FastAPI(lifespan=hub.lifespan)
    application.mount("/sse", hub)
    await hub.publish("carid000001", "cart_changed", {"quantity": 2})
    hub.publish_from_thread("carid000001", "cart_changed", {"quantity": 2})      in a plain `def` endpoint

What a server promises (deadlines, slow clients, drain) is then that server's promise; docs/asgi.md has the list.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import CancelledError
from typing import Any

import msgspec

from fast_sse import __version__
from fast_sse.config import Config, load
from fast_sse.http.api.clients import Clients
from fast_sse.http.api.drafting import Drafting
from fast_sse.http.api.endpoints import Endpoints
from fast_sse.http.api.later import Later
from fast_sse.http.api.publishing import Publishing
from fast_sse.http.asgi.app import AsgiApp, Handle
from fast_sse.http.message import Admission, Request, Response
from fast_sse.model.channel import channel
from fast_sse.model.errors import BadRequestError, NotStoredError, UnknownOutcomeError
from fast_sse.observe.logging import Log, LogObserver, make_log
from fast_sse.parts import make_endpoints, make_hub, make_sources, make_store, on_defect, warn

#: Owner of the idempotency keys of `HubApp.publish`.
_PRINCIPAL = "hub:app"
#: How much longer than the hub's own deadline a thread waits for the loop to say so.
_PATIENCE_S = 5.0
_NOT_RUNNING = "the hub is not running"


class HubApp(AsgiApp):
    """The public routes of one hub as an ASGI application; the hub lives from start-up to shutdown."""

    def __init__(self, config: Config, log: Log) -> None:
        self._observer = LogObserver(log)
        super().__init__(self._hub_running, config.bounds, on_defect(self._observer), self._judged)
        self._config = config
        self._log = log
        self._make_sources = make_sources(config)
        self._publishing: Publishing | None = None
        self._endpoints: Endpoints | None = None

    def _judged(self, request: Request) -> Admission | Response:
        assert self._endpoints is not None
        return self._endpoints.admit(request)

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
        if self._publishing is None:
            raise NotStoredError(_NOT_RUNNING)
        self._at_home()
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
        appended = await self._publishing.put(channel(event_id, event_type), raw, _PRINCIPAL)
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

    @contextlib.asynccontextmanager
    async def _hub_running(self) -> AsyncIterator[Handle]:
        """Open the store and start the hub; at the end drain, then close both."""
        config, store, hub = self._config, make_store(self._config), None
        try:
            await store.open()
            hub = make_hub(config, store, self._observer)
            await hub.start()
            self._log.info(
                "start", version=__version__, server="asgi", store=config.store, durability=store.durability
            )
            warn(config, self._log)
            self._endpoints = endpoints = make_endpoints(config, hub)
            self._publishing = Publishing(
                hub, config.bounds, Clients(), time.time, Drafting(config.bounds), Later()
            )
            sources = self._make_sources(hub, self._observer, endpoints.check)
            for source in sources:
                source.start()
            yield endpoints.handle
            self._publishing = None
            await asyncio.gather(*(source.stop() for source in sources))
            await hub.drain(config.drain_s)  # what the server has left open
        finally:
            self._publishing = None
            if hub is not None:
                await hub.close()
            await store.close()
            self._log.info("stopped")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs on this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def app(config: Config | None = None) -> HubApp:
    """The application, from `config` or else from the environment (FAST_SSE_A__B); logs go to standard error.

    Raises ConfigError when a setting is wrong.
    """
    config = config or load()
    return HubApp(config, make_log(config.log_level, sys.stderr, config.node_name))
