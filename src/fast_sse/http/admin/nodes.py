"""What a node is made of, and who its siblings are: the settings in force, and the nodes that share its log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fast_sse.http.admin.answers import ok
from fast_sse.http.admin.asked import parameters, refusing
from fast_sse.hub.hub import Hub
from fast_sse.model.cursor import KINDS
from fast_sse.store.letters import Turner


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


def routes(node: Made) -> list[Route]:
    """Settings and nodes."""

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
                "items": _nodes_json(node, turners or ()),
            }
        )

    return [
        Route("/v1/settings", refusing(settings), methods=["GET"]),
        Route("/v1/nodes", refusing(nodes), methods=["GET"]),
    ]


def _nodes_json(node: Made, turners: Sequence[Turner]) -> list[dict[str, Any]]:
    """Itself first, as it knows itself, then the others by name. Of those nothing is known while the store is away."""
    level = node.hub.level
    counts = KINDS[level.kind].counts
    others = sorted((one for one in turners if one.node != node.name), key=lambda one: one.node)
    return [
        {"node": node.name, "self": True, "current": True, "behind": 0 if counts else None},
        *(
            {
                "node": one.node,
                "self": False,
                "current": one.current if node.hub.following else None,
                "behind": max(0, level.position - one.through) if counts else None,
            }
            for one in others
        ),
    ]
