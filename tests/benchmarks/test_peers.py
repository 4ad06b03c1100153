"""Every peer is driven by the same generator, and one that is not here says what to do.

The smoke runs start real servers and belong to `make chaos`; the rest runs everywhere.
"""

from __future__ import annotations

import base64
import json
import signal
from pathlib import Path

import pytest
from benchmarks.peers import bare_sqlite, centrifugo, environment, hub, mercure
from benchmarks.peers.process import PeerError, program_of
from benchmarks.peers.registry import PEERS
from benchmarks.peers.routes import NotMeasuredError, one_channel_only, plain_target
from benchmarks.plan import FULL, Part

from benchmarks import plan, report, sidebyside


@pytest.mark.parametrize(("variable", "peer"), [("MERCURE", mercure), ("CENTRIFUGO", centrifugo)])
def test_a_missing_binary_says_what_to_set(monkeypatch, variable: str, peer) -> None:
    """Not installed from here: the message names the variable, also when it names no program."""
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(PeerError, match=f"{variable}=/path/to"):
        peer.install()
    monkeypatch.setenv(variable, "/no/such/file")
    with pytest.raises(PeerError, match="not a program"):
        peer.install()
    monkeypatch.setenv(variable, "/bin/true")
    assert program_of(variable, "it") == str(Path("/bin/true").resolve())


def test_an_unknown_store_of_mercure_is_refused(monkeypatch) -> None:
    """Rather than measured as another one."""
    monkeypatch.setenv("MERCURE_STORE", "redis")
    with pytest.raises(PeerError, match="memory, bolt"):
        mercure.store()


def test_mercures_configuration_is_filled_in(monkeypatch) -> None:
    """No placeholder is left, and the comment above it is not filled in."""
    monkeypatch.setenv("MERCURE_STORE", "bolt")
    comments, _, body = mercure.configuration(1234).partition("{\n")
    assert "STORE is" in comments
    assert "http://127.0.0.1:1234 {" in body
    assert "path mercure.db" in body
    assert not {"PORT", "ISSUER", "KEY", "RESOURCE", "STORE"} & set(body.split())


def test_mercures_token_is_an_access_token() -> None:
    """`typ: at+jwt`, not over for a day, and a grant to publish."""
    head, claims, _ = (part + "=" * (-len(part) % 4) for part in mercure.token(1000.0).split("."))
    assert json.loads(base64.urlsafe_b64decode(head))["typ"] == "at+jwt"
    found = json.loads(base64.urlsafe_b64decode(claims))
    assert found["exp"] > 1000 + 3600
    assert found["authorization_details"][0]["actions"] == ["publish"]


def test_centrifugos_configuration_is_json_without_a_port() -> None:
    """The port comes from the environment, so that a run never meets another's."""
    assert "port" not in json.loads(centrifugo.CONFIG.read_text())["http_server"]


def test_one_channel_is_said_where_there_can_be_no_more() -> None:
    """A server that names the channel in the body is left out of eight channels, not measured with one."""
    one_channel_only("x", 1)
    with pytest.raises(NotMeasuredError, match="one channel"):
        one_channel_only("x", 8)


def test_routes_are_as_many_as_channels() -> None:
    """Each with its own path; ours with the product's own v1 signature."""
    assert [route.publish_path for route in plain_target("x", 1, 1, 2).routes] == ["/pub/c0", "/pub/c1"]
    route = hub.route(3)
    assert route.channel is not None
    assert route.publish_headers["x-signature"] == hub.signature(route.channel)
    assert "carid000003" in route.subscribe_path


def test_python_peers_are_pinned() -> None:
    """Every requirement names one version."""
    assert all("==" in line for line in environment.requirements())


@pytest.mark.parametrize("name", FULL)
def test_the_generator_can_play_every_scenario(name: str) -> None:
    """What it could not would be left out with a line; today that is nothing."""
    scenario, options = FULL[name]
    assert not sidebyside.unsupported(Part(name, scenario, options))


def test_what_the_generator_cannot_do_is_said() -> None:
    """An unknown scenario or option is a line and no run."""
    assert "no scenario dance" in sidebyside.unsupported(Part("x", "dance", {}))
    assert "does not know hats" in sidebyside.unsupported(Part("x", "fanout", {"hats": 3}))


def test_a_measurement_has_an_end() -> None:
    """The bound of the whole run ends what is under way."""

    @sidebyside.at_most(0.01)
    def wait() -> None:
        signal.pause()

    with pytest.raises(sidebyside.TooLongError, match="not over"):
        wait()


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.parametrize("name", [name for name, peer in PEERS.items() if peer.running])
def test_smoke(name: str) -> None:
    """Each peer that is to be had takes a tiny fan-out, delivers all of it, and ends."""
    peer = PEERS[name]
    try:
        peer.install()
    except PeerError as error:
        pytest.skip(str(error))
    options = {"subscribers": 5, "rate": 20.0, "seconds": 0.5, "size": 200}
    run = sidebyside.measure(peer, Part("smoke", "fanout", options), 30.0)
    assert "figures" in run, run
    assert run["figures"]["delivered"] == 50
    assert run["figures"]["lost"] == run["figures"]["duplicates"] == 0
    assert peer.version()


def test_what_follows_ids_is_asked_of_hubs_only() -> None:
    """A server without ids in its answers is not asked to replay from one; the bare loop plays what it has a loop for."""
    assert [name for name, peer in PEERS.items() if peer.plays("replay", 1)] == [
        "fast-sse memory",
        "fast-sse sqlite",
        "bare sqlite",
    ]
    assert not PEERS["bare sqlite"].plays("fanout", 1)
    assert PEERS["nchan"].plays("fanout", 5)


def test_a_peer_that_no_goal_is_judged_by_takes_fewer_rounds() -> None:
    """Time goes to the pairs that count."""
    judged = {goal.base for goal in report.GOALS} | {goal.ours for goal in report.GOALS}
    for name, peer in PEERS.items():
        assert peer.plays("publish", plan.ROUNDS) == (name in judged)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["publish", "replay"])
def test_the_bare_loop_answers_in_the_names_of_a_hub(scenario: str) -> None:
    """Its figures stand in the rows of the same table, as a process of its own on the servers' core."""
    options = {"channels": 2, "publishers": 4, "seconds": 0.04, "size": 200, "messages": 300}
    figures = bare_sqlite.figures(0, scenario, options)
    known = {row.key.replace("_32_", "_4_") for row in report.ROWS if row.scenario == scenario}
    assert known & figures.keys()
    assert all(value > 0 for value in figures.values())


def test_a_bare_loop_that_fails_says_so() -> None:
    """A figure that was not measured is an error and not a zero."""
    with pytest.raises(PeerError, match="status 1"):
        bare_sqlite.figures(0, "fanout", {})
