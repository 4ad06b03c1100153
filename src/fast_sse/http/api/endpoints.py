"""Every public route: Request -> Response | Stream | Deferred. The rules of the public API stand in this package only.

    POST /v1/sse/events/{event_id}/types/{event_type}        publish
    POST /v1/sse/batch                                       publish many, NDJSON
    POST /v1/sse/events                                      load route (demo mode or `load_route`; unsigned)
    GET  /v1/subscribe/events/{event_id}/types/{event_type}  subscribe
    GET  /v1/subscribe?channel=ID/TYPE&channel=ID/TYPE       subscribe to several channels
    GET  /v1/messages/{id}/delivery                          how far a message has come
    POST /v1/messages/{id}/ack                               a client's word that it has it
    GET  `health_path`                                       for balancers (where it is set)
    GET  /                                                   demo page, and what it asks (demo mode)

Checks go from cheap to dear and from public to private: route, method, channel, media type, signature,
allow-lists, body. OPTIONS is answered on every route without a signature (CORS preflight).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator

from fast_sse.http.api.access import Access
from fast_sse.http.api.batching import Batching
from fast_sse.http.api.clients import Clients
from fast_sse.http.api.cors import Cors
from fast_sse.http.api.credential import credential_of
from fast_sse.http.api.delivery import ACK_BYTES_MAX, DeliveryRoutes
from fast_sse.http.api.drafting import Drafting
from fast_sse.http.api.forms import Forms
from fast_sse.http.api.headers import READ, SINGLE
from fast_sse.http.api.health import healthy
from fast_sse.http.api.history import HistoryRoute
from fast_sse.http.api.later import Later
from fast_sse.http.api.page import DemoPages
from fast_sse.http.api.paths import (
    ACK,
    BATCH,
    DELIVERY,
    HISTORY,
    LOAD,
    MESSAGE,
    PUBLISH,
    SUBSCRIBE,
    SUBSCRIBE_SEVERAL,
)
from fast_sse.http.api.publishing import Publishing
from fast_sse.http.api.refusals import Refusals
from fast_sse.http.api.routes import Route, Routes
from fast_sse.http.api.subscribing import Subscribing, parse_query
from fast_sse.http.errors import BEARER, SIGNATURE, error_response
from fast_sse.http.message import Admission, Answer, Deferred, Intake, Request, Response, Stream
from fast_sse.hub.hub import Hub
from fast_sse.model.channel import Channel
from fast_sse.model.errors import FastSseError
from fast_sse.model.limits import Limits
from fast_sse.observe.metrics import Sample, counted
from fast_sse.observe.observer import NullObserver
from fast_sse.store.base import Appended

#: Methods whose requests have no body that is read.
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})


class Endpoints:
    """The public routes of one hub: the `Interface` that a server calls.

    Attributes:
        access: the rules of access of this moment; a reload swaps the whole value.
        routes: the table.
        intake: what a server keeps of a request.
    """

    def __init__(  # noqa: PLR0913  what a deployment may choose, each with a default
        self,
        hub: Hub,
        limits: Limits,
        access: Access,
        *,
        now: Callable[[], float],
        load_route: bool = False,
        cors: Cors | None = None,
        clients: Clients | None = None,
        pages: DemoPages | None = None,
        health_path: str | None = None,
        refusals: Refusals | None = None,
        forms: Forms | None = None,
    ) -> None:
        self.access = access  # verdicts hold under this very value: a new one voids them all
        self._refused: Counter[str] = Counter()
        self._denied: Counter[str] = Counter()
        self._refusals = refusals or Refusals(NullObserver())
        self._hub = hub
        self._cors = cors or Cors()
        self._limits = limits
        clients = clients or Clients(
            publish_rate=limits.publish_rate, streams_max=limits.streams_per_address_max
        )
        drafting, later = Drafting(limits), Later(self._refuse)
        self._publishing = Publishing(hub, limits, clients, now, drafting, later)
        self._batching = Batching(hub, limits, clients, now, drafting, later)
        self._subscribing = Subscribing(hub, limits, clients, now, forms or Forms())
        self._history = HistoryRoute(hub, now, later)
        self._delivery = DeliveryRoutes(hub.delivery, now, later)
        most = limits.body_bytes_max
        table = [
            *self._table(limits, load_route=load_route),
            *_pages(pages or DemoPages({}), health_path, most),
        ]
        self.routes = Routes(table, self._cors.preflight)
        self.intake = Intake(
            headers=frozenset(READ),
            single=SINGLE,
            bodies={
                route.path: route.body_bytes_max
                for route in table
                if route.body_bytes_max != most
                and MESSAGE not in route.path  # those are judged, and looked at again
            },
        )

    def _table(self, limits: Limits, *, load_route: bool) -> Iterator[Route]:
        one, many, streams, most = self._publishing, self._batching, self._subscribing, limits.body_bytes_max
        yield Route("POST", PUBLISH, one.publish, most, one.admit)
        yield Route("POST", BATCH, many.publish, limits.batch_bytes_max, many.admit)
        if load_route:
            yield Route("POST", LOAD, one.load, most, one.admit_load)
        yield Route("GET", SUBSCRIBE, streams.one, most, reads=True)
        yield Route("GET", SUBSCRIBE_SEVERAL, streams.several, most, reads=True)
        yield Route("GET", HISTORY, self._history.show, most, reads=True)
        yield Route("GET", DELIVERY, self._delivery.show, most, reads=True)
        yield Route("POST", ACK, self._delivery.ack, ACK_BYTES_MAX, self._delivery.admit_ack, reads=True)

    def handle(self, request: Request) -> Answer:
        """Answer one request."""
        verdict = None if request.head is None else request.head.verdict
        try:
            if verdict is not None and verdict.rules is self.access:
                answer = verdict.answer(request)
            else:
                route, segments = self.routes.find(request.method, request.path)
                answer = route.answer(request, segments, self.access)
        except FastSseError as error:
            answer = self._refuse(error)
        if "origin" not in request.headers:
            return answer
        return self._marked(request, answer)

    def admit(self, request: Request) -> Admission | Response:
        """Judge a request by its head, its body still on the way: what may come of it, or the answer that refuses it.

        What the head alone refuses is refused before a byte of the body is kept.
        """
        if request.method in _BODILESS:
            return Admission(self._limits.body_bytes_max)
        try:
            route, segments = self.routes.find(request.method, request.path)
            assert route.judge is not None
            return route.judge(request, segments, self.access)
        except FastSseError as error:
            answer = self._refuse(error)
        return answer if "origin" not in request.headers else self._cors.mark(request, answer)

    def asks_around(self, request: Request) -> bool:
        """Whether the application around the hub may say what a request may read: see `Access.asks_around`."""
        try:
            route, _ = self.routes.find(request.method, request.path)
            shown = credential_of(request, dict(parse_query(request.query)))
        except FastSseError:
            return False  # it will be refused for that
        return route.reads and self.access.asks_around(shown)

    def _refuse(self, error: FastSseError) -> Response:
        self._refused[error.code] += 1
        if error.reason:
            self._denied[error.reason] += 1
        challenge = SIGNATURE if self.access.tokens is None else f"{SIGNATURE}, {BEARER}"
        answer = error_response(error, challenge=challenge)
        if error.reason:
            self._refusals.note(error, answer.request_id)
        return answer

    def check(self, channel: Channel) -> None:
        """Raise ForbiddenError when the allow-lists in force now do not name the channel."""
        self.access.check(channel)

    def put(self, target: Channel, raw: bytes, principal: str) -> Awaitable[Appended]:
        """Publish for code of this process, which needs no signature and no allow-list. See `Publishing.put`."""
        return self._publishing.put(target, raw, principal)

    def reload(self, access: Access) -> int:
        """Swap the rules of access; streams that these would not grant end as expired. How many ended."""
        self.access = access
        return self._hub.revoke(access.stands)

    def samples(self) -> Iterable[Sample]:
        """Refusals by code; what the store refuses is the hub's to count."""
        text = "Requests refused before the store was asked, by the code of the answer."
        yield from counted("refused_total", text, "code", self._refused)
        text = "Of those, requests whose signature or rights did not do, by why. Clients are told one word for all."
        yield from counted("auth_failures_total", text, "reason", self._denied)

    def _marked(self, request: Request, answer: Answer) -> Answer:
        """The answer with the headers of CORS; a preflight has them."""
        if isinstance(answer, Deferred):
            render = answer.render
            return Deferred(answer.future, lambda future: self._cors.mark(request, render(future)))
        if isinstance(answer, Stream):
            return self._cors.mark(request, answer)
        return answer if request.method == "OPTIONS" else self._cors.mark(request, answer)


def _pages(pages: DemoPages, health_path: str | None, most: int) -> Iterator[Route]:
    """What may be read without a signature."""
    for method in ("GET", "HEAD"):
        if health_path is not None:
            yield Route(method, health_path, healthy, most)
    yield from pages.routes(most)
