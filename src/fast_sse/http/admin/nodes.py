"""What a node is made of, and who its siblings are: the settings in force, and the nodes that share its log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fast_sse.http.admin.answers import ok
from fast_sse.http.admin.asked import parameters, refusing
from fast_sse.hub.hub import Hub
from fast_sse.model.cursor import KINDS, Position
from fast_sse.store.letters import Turner

#: How long a node must be known to be behind what it told of until it counts as silent.
SILENT_S = 5.0


class Made(Protocol):
    """A node with settings and siblings.

    Attributes:
        name: of this process among those that share a store.
        hub: the hub. Raises UnavailableError before the store is open.
    """

    @property
    def name(self) -> str: ...  # noqa: D102  see the class
    @property
    def hub(self) -> Hub: ...  # noqa: D102

    def settings(self) -> Iterable[tuple[str, str, str]]:
        """Name, value and origin of every setting in force; a secret is only said to be set."""


class Others:
    """What can be said of the other processes of a log. `clock`: seconds that only go forward.

    A node that has nothing to tell tells nothing, and one that is gone neither. So only one that is behind what it should have
    told of is silent, and only when it has been so for a while; of an idle one nothing is known.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        #: By process: how far it told, and since when it is known to be behind there.
        self._behind: dict[tuple[str, str], tuple[Position, float]] = {}

    def current(self, turners: Sequence[Turner], level: Position) -> list[bool | None]:
        """Of each process: whether it tells what it does, None where that is not known."""
        now_s, before, self._behind = self._clock(), self._behind, {}
        found: list[bool | None] = []
        for one in turners:
            if one.current:
                found.append(True)
                continue
            silent = None
            if one.through < level:
                who = (one.node, one.start)
                through, since_s = before.get(who, (one.through, now_s))
                since_s = since_s if through == one.through else now_s
                self._behind[who] = (one.through, since_s)
                silent = False if now_s - since_s >= SILENT_S else None
            found.append(silent)
        return found


def routes(node: Made, clock: Callable[[], float] = time.monotonic) -> list[Route]:
    """Settings and nodes."""
    others = Others(clock)

    async def settings(request: Request) -> Response:
        parameters(request, frozenset())
        found = [{"name": name, "value": value, "origin": origin} for name, value, origin in node.settings()]
        return ok({"items": found})

    async def nodes(request: Request) -> Response:
        parameters(request, frozenset())
        turners = node.hub.nodes()
        return ok(
            {
                "shared": node.hub.store.letters.shared,
                "known": turners is not None and node.hub.following,
                "items": _nodes_json(node, turners or (), others),
            }
        )

    return [
        Route("/v1/settings", refusing(settings), methods=["GET"]),
        Route("/v1/nodes", refusing(nodes), methods=["GET"]),
    ]


def _nodes_json(node: Made, turners: Sequence[Turner], others: Others) -> list[dict[str, Any]]:
    """Itself first, as it knows itself, then the others by name. Of those nothing is known while the store is away."""
    hub = node.hub
    counts = KINDS[hub.level.kind].counts
    told = sorted((one for one in turners if one.node != node.name), key=lambda one: one.node)
    current = others.current(told, hub.level.position) if hub.following else [None] * len(told)
    return [
        {"node": node.name, "self": True, "current": True, "behind": 0 if counts else None},
        *(
            {
                "node": one.node,
                "self": False,
                "current": heard,
                "behind": max(0, hub.level.position - one.through) if counts else None,
            }
            for one, heard in zip(told, current, strict=True)
        ),
    ]
