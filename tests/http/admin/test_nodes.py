"""Settings in force, and the nodes that share a log."""

from __future__ import annotations

import pytest
from tests.http.admin.conftest import ask, published
from tests.support.sign import SECRET

from fast_sse.config import load, setting_names
from fast_sse.http.admin.nodes import Others, _nodes_json
from fast_sse.node import Node
from fast_sse.store.letters import Turner


async def found(node: Node) -> dict[str, tuple[str, str]]:
    """Value and origin of each setting."""
    items = (await ask(node, "/v1/settings")).json()["data"]["items"]
    return {item["name"]: (item["value"], item["origin"]) for item in items}


async def test_every_setting_is_shown_with_its_origin(real: Node) -> None:
    """As `fast-sse config show` has them, and no secret."""
    settings = await found(real)
    assert list(settings) == setting_names()
    assert settings["auth.secret"] == ("(set)", "environment FAST_SSE_AUTH__SECRET")
    assert settings["store"] == ('"memory"', "flag")
    assert settings["port"] == ("30000", "default")
    assert SECRET not in (await ask(real, "/v1/settings")).text


async def test_what_a_reload_took_over_is_in_force(real: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else of what was read then: it waits for a start."""
    monkeypatch.setenv("FAST_SSE_AUTH__ALLOWED_EVENT_IDS", "b")
    monkeypatch.setenv("FAST_SSE_LOAD_ROUTE", "true")
    real.reload(load(None, {"store": "memory", "node": "n1"}))
    settings = await found(real)
    assert settings["auth.allowed_event_ids"] == ('["b"]', "environment FAST_SSE_AUTH__ALLOWED_EVENT_IDS")
    assert settings["load_route"] == ("false", "default")


async def test_a_node_alone(real: Node) -> None:
    """It names itself, and that nobody shares its log."""
    await published(real, "a/t", 1)
    data = (await ask(real, "/v1/nodes")).json()["data"]
    assert data["shared"] is False
    assert data["items"] == [{"node": "n1", "self": True, "current": True, "behind": 0}]


def turner(node: str, through: int, *, current: bool) -> Turner:
    """One process."""
    return Turner(node=node, start=f"start of {node}", through=through, current=current)


async def test_the_others_are_as_their_store_names_them(real: Node) -> None:
    """Itself first, then the others by name, with how far each was behind when it told last."""
    await published(real, "a/t", 1, 2, 3)
    level = real.hub.level.position
    turners = [
        turner("n3", 0, current=False),
        turner("n1", level, current=True),
        turner("n2", level - 1, current=True),
    ]
    assert _nodes_json(real, turners, Others(lambda: 0.0)) == [
        {"node": "n1", "self": True, "current": True, "behind": 0},
        {"node": "n2", "self": False, "current": True, "behind": 1},
        {"node": "n3", "self": False, "current": None, "behind": level},
    ]


def test_a_node_is_silent_when_it_stays_behind() -> None:
    """An idle one tells nothing and is not called silent; one that has just got something to tell has a moment for it."""
    now_s = 0.0
    others = Others(lambda: now_s)
    idle = turner("n2", 7, current=False)
    for now_s in (0.0, 10.0, 20.0):  # noqa: B007  the clock
        assert others.current([idle], 7) == [None]
    assert others.current([idle], 8) == [None]
    now_s = 24.9
    assert others.current([idle], 9) == [None]
    now_s = 25.0
    assert others.current([idle], 9) == [False]
    told = turner("n2", 8, current=False)
    assert others.current([told], 9) == [None]
    now_s = 40.0
    assert others.current([turner("n2", 9, current=True)], 9) == [True]
    assert others.current([turner("n2", 8, current=False)], 9) == [None]


async def test_while_the_store_is_away_nothing_is_known_of_the_others(
    real: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it said before is no answer about now."""
    monkeypatch.setattr(type(real.hub), "following", False)
    found = _nodes_json(real, [turner("n2", 1, current=True)], Others(lambda: 0.0))
    assert [one["current"] for one in found] == [True, None]
    assert (await ask(real, "/v1/nodes")).json()["data"]["known"] is False


async def test_whoever_asks_gets_an_answer_of_now(real: Node) -> None:
    """With the next turn, which a node that has nothing to tell would not take."""
    await ask(real, "/v1/nodes")
    assert real.hub.dead_letters.telling.wanted


@pytest.mark.parametrize("path", ["/v1/settings", "/v1/nodes"])
async def test_there_is_nothing_to_ask_for(real: Node, path: str) -> None:
    """An unknown parameter is named."""
    answer = await ask(real, path + "?all=1")
    assert (answer.status_code, "all" in answer.json()["message"]) == (400, True)
