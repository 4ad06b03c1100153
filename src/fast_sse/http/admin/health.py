"""Is the loop alive, and may this node be sent publishers or subscribers?

Liveness and the two kinds of readiness are three questions, because each has another right reaction. A dead loop is
restarted. A node whose store is lost gets no publishers, but keeps its subscribers: a load balancer without any backend
would answer 503, and a browser's EventSource never comes back from that.

The probes are open, with or without `admin.key`: what restarts and balances has no key.
"""

from __future__ import annotations

from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fast_sse.http.admin.answers import json_answer, ok
from fast_sse.http.errors import new_request_id
from fast_sse.model.errors import UnavailableError

ALIVE = "/healthz"
PUBLISH = "/readyz/publish"
SUBSCRIBE = "/readyz/subscribe"
#: What a probe may ask without a key.
PROBES = frozenset({ALIVE, PUBLISH, SUBSCRIBE})


class Probed(Protocol):
    """What the probes ask of a node.

    Attributes:
        name: the name of this process among those that share a store.
        state: `starting`, `ready` or `draining`.
        store_name: the store, as the setting calls it.
        durability: what a 2xx means with this store.
        following: whether this node reads the log right now.
        damaged: whether part of the log was found unreadable since the start.
    """

    @property
    def name(self) -> str: ...  # noqa: D102  see the class
    @property
    def state(self) -> str: ...  # noqa: D102
    @property
    def store_name(self) -> str: ...  # noqa: D102
    @property
    def durability(self) -> str: ...  # noqa: D102
    @property
    def following(self) -> bool: ...  # noqa: D102
    @property
    def damaged(self) -> bool: ...  # noqa: D102

    async def probe_publish(self) -> None:
        """Raises UnavailableError when a publish would not be stored."""


def routes(node: Probed) -> list[Route]:
    """The three probes."""

    async def alive(_request: Request) -> Response:
        return ok({"state": "alive"})

    async def publish(_request: Request) -> Response:
        if node.state == "ready":
            try:
                await node.probe_publish()
            except UnavailableError as error:
                return _not_ready(node, error.message)
        return _readiness(node)

    async def subscribe(_request: Request) -> Response:
        return _readiness(node)

    return [Route(ALIVE, alive), Route(PUBLISH, publish), Route(SUBSCRIBE, subscribe)]


def _readiness(node: Probed) -> Response:
    if node.state != "ready":
        return _not_ready(node, f"the hub is {node.state}")
    return ok(_facts(node))


def _not_ready(node: Probed, why: str) -> Response:
    body = {"code": "not_ready", "message": why, "request_id": new_request_id(), "data": _facts(node)}
    return json_answer(503, body)


def _facts(node: Probed) -> dict[str, Any]:
    facts = {
        "node": node.name,
        "state": node.state,
        "store": node.store_name,
        "durability": node.durability,
        "following": node.following,
    }
    return {**facts, "damaged": True} if node.damaged else facts
