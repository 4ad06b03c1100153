"""Every public route: Request -> Response | Stream | Deferred. The public API's rules live here and in the
modules this one routes to, `publishing.py`, `batching.py` and `subscribing.py`, and nowhere else.

    POST /v1/sse/events/{event_id}/types/{event_type}        publish
    POST /v1/sse/batch                                       publish many, NDJSON
    POST /v1/sse/events                                      load route (demo mode or `load_route`; unsigned)
    GET  /v1/subscribe/events/{event_id}/types/{event_type}  subscribe
    GET  /v1/subscribe?channel=ID/TYPE&channel=ID/TYPE       subscribe to several channels
    GET  /                                                   demo page (demo mode)

Checks go from cheap to dear and from public to private: route, method, channel, media type, signature,
allow-lists, body. OPTIONS is answered on every route without a signature (CORS preflight).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

from fast_sse.http.api.access import Access
from fast_sse.http.api.batching import Batching
from fast_sse.http.api.clients import Clients
from fast_sse.http.api.cors import Cors
from fast_sse.http.api.drafting import Drafting
from fast_sse.http.api.later import Later
from fast_sse.http.api.page import Pages
from fast_sse.http.api.publishing import Publishing
from fast_sse.http.api.subscribing import Subscribing
from fast_sse.http.errors import error_response
from fast_sse.http.message import Admission, Answer, Deferred, Request, Response, Stream
from fast_sse.hub.form import Prime
from fast_sse.hub.hub import Hub
from fast_sse.model.channel import Channel, channel_from_path
from fast_sse.model.errors import FastSseError, MethodNotAllowedError, NotFoundError
from fast_sse.model.limits import Limits
from fast_sse.observe.metrics import Sample, counted
from fast_sse.store.base import Appended

BATCH = "/v1/sse/batch"
_LOAD = "/v1/sse/events"
_SEVERAL = "/v1/subscribe"
#: Methods whose requests have no body that anybody reads.
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
_PUBLISH = re.compile(r"/v1/sse/events/([^/]+)/types/([^/]+)").fullmatch
_SUBSCRIBE = re.compile(r"/v1/subscribe/events/([^/]+)/types/([^/]+)").fullmatch


class Endpoints:
    """The public routes of one hub. `handle` is what a server calls with every request; it never raises for one.

    Attributes:
        access: the rules of access of this moment; a reload swaps the whole value.
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
        pages: Pages | None = None,
        prime: Prime = "event",
    ) -> None:
        self.access = access  # also what verdicts hold under: a new value, and no kept head is judged
        self._refused: Counter[str] = Counter()
        self._hub = hub
        self._cors = cors or Cors()
        self._load_route = load_route
        self._pages = pages or Pages({})
        clients = clients or Clients(
            publish_rate=limits.publish_rate, streams_max=limits.streams_per_address_max
        )
        self._limits = limits
        drafting, later = Drafting(limits), Later(self._refuse)
        self._publishing = Publishing(hub, limits, clients, now, drafting, later)
        self._batching = Batching(hub, limits, clients, now, drafting, later)
        self._subscribing = Subscribing(hub, limits, clients, now, prime=prime)

    def handle(self, request: Request) -> Answer:
        """Answer one request."""
        verdict = None if request.head is None else request.head.verdict
        try:
            if verdict is not None and verdict.rules is self.access:
                answer = verdict.answer(request)
            else:
                answer = self._route(request)
        except FastSseError as error:
            answer = self._refuse(error)
        if "origin" not in request.headers:
            return answer
        return self._marked(request, answer)

    def admit(self, request: Request) -> Admission | Response:
        """Judge a request by its head, its body still on the way: what may come of it, or the answer that refuses it.

        What can be refused from the head is refused from the head, before anybody's bytes are kept.
        """
        try:
            return self._admitted(request)
        except FastSseError as error:
            answer = self._refuse(error)
        return answer if "origin" not in request.headers else self._cors.mark(request, answer)

    def _admitted(self, request: Request) -> Admission | Response:
        path, method = request.path, request.method
        if method == "POST":
            if (place := _PUBLISH(path)) is not None:
                return self._publishing.admit(request, channel_from_path(*place.groups()), self.access)
            if path == BATCH:
                return self._batching.admit(request, self.access)
            if path == _LOAD and self._load_route:
                return self._publishing.admit_load(request)
        if method in _BODILESS:
            return Admission(self._limits.body_bytes_max)
        answer = self._route(request)  # no other method goes together with any route
        assert isinstance(answer, Response)
        return answer

    def _refuse(self, error: FastSseError) -> Response:
        self._refused[error.code] += 1
        return error_response(error)

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
        return counted("refused_total", text, "code", self._refused)

    def _marked(self, request: Request, answer: Answer) -> Answer:
        if isinstance(answer, Deferred):
            render = answer.render
            return Deferred(answer.future, lambda future: self._cors.mark(request, render(future)))
        if isinstance(answer, Stream):
            return self._cors.mark(request, answer)
        return answer if request.method == "OPTIONS" else self._cors.mark(request, answer)

    def _route(self, request: Request) -> Answer:
        path = request.path
        if (place := _PUBLISH(path)) is not None:
            if request.method != "POST":
                return self._other(request, "POST")
            return self._publishing.publish(request, channel_from_path(*place.groups()), self.access)
        if (place := _SUBSCRIBE(path)) is not None:
            if request.method != "GET":
                return self._other(request, "GET")
            return self._subscribing.one(request, channel_from_path(*place.groups()), self.access)
        if path == BATCH:
            if request.method != "POST":
                return self._other(request, "POST")
            return self._batching.publish(request, self.access)
        if path == _SEVERAL:
            if request.method != "GET":
                return self._other(request, "GET")
            return self._subscribing.several(request, self.access)
        return self._route_of_the_demo(request)

    def _route_of_the_demo(self, request: Request) -> Answer:
        if request.path == _LOAD and self._load_route:
            return (
                self._publishing.load(request, self.access)
                if request.method == "POST"
                else self._other(request, "POST")
            )
        if (page := self._pages.at(request)) is not None:
            return page if request.method in ("GET", "HEAD") else self._other(request, "GET, HEAD")
        raise NotFoundError("there is no such route")

    def _other(self, request: Request, methods: str) -> Response:
        """OPTIONS is a preflight; any other method that the route does not take is 405."""
        if request.method == "OPTIONS":
            return self._cors.preflight(request, methods)
        raise MethodNotAllowedError("this route does not take this method", allow=methods)
