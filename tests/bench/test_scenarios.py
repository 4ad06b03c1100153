"""Each scenario measures what happened: against a real hub in tiny numbers, and against one that is not sound."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from tests.bench.stub import STALL_S, small_hub

from fast_sse.bench.conductor import conduct
from fast_sse.bench.crew import Crew, CrewJob
from fast_sse.bench.loop import Loop
from fast_sse.bench.scenarios import SCENARIOS
from fast_sse.bench.steps import WARM_UP_MESSAGES
from fast_sse.bench.target import LoadError, LoadRoute, LoadTarget
from fast_sse.cli.bench.hub import KID, OwnHub, own_hub
from fast_sse.cli.bench.show import doubts
from fast_sse.cli.bench.target import make_target
from fast_sse.cli.bench.verdict import passed
from fast_sse.cli.remote import Remote

TINY: dict[str, dict[str, Any]] = {
    "original": {"seconds": 0.5, "size": 51200},
    "fanout": {"subscribers": 20, "rate": 100.0, "seconds": 0.3, "size": 200},
    "burst": {"subscribers": 20, "publishers": 4, "messages": 200, "seconds": 5.0, "size": 200},
    "channels": {"channels": 20, "subscribers": 20, "rate": 200.0, "seconds": 0.3, "size": 200},
    "publish": {"channels": 2, "publishers": 4, "seconds": 0.4, "size": 200},
    "idle": {"subscribers": 100, "seconds": 0.2},
    "resume": {"subscribers": 20, "messages": 1200, "missed": 100, "size": 200},
    "slow": {"subscribers": 5, "stuck": 2, "rate": 100.0, "seconds": 1.0, "size": 102400},
    "large": {"subscribers": 10, "rate": 50.0, "seconds": 0.3, "size": 51200},
}


def play(name: str, target: LoadTarget, options: dict[str, Any], patience_s: float = 5.0) -> dict[str, Any]:
    """One scenario in this process."""
    with Loop() as loop:
        return SCENARIOS[name].play(
            Crew(loop, CrewJob(target, name, options, patience_s=patience_s)), **options
        )


@pytest.fixture(scope="module")
def hub() -> Iterator[OwnHub]:
    """A real hub for all."""
    with own_hub("memory") as hub:
        yield hub


def target_of(hub: OwnHub, channels: int, query: str = "") -> LoadTarget:
    """The real hub as a target."""
    return make_target(Remote.at(hub.url), hub.signer, channels, hub.pid, KID, query=query)


@pytest.fixture(scope="module")
def played(hub: OwnHub) -> dict[str, dict[str, Any]]:
    """The figures of every scenario, played once."""
    return {
        name: play(name, target_of(hub, SCENARIOS[name].channels(options)), options)
        for name, options in TINY.items()
    }


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_and_it_says_of_how_many(played: dict[str, dict[str, Any]], name: str) -> None:
    """Against a sound hub every scenario has something to deliver, and each of it comes once."""
    figures = played[name]
    assert figures["expected"] > 0
    assert (figures["lost"], figures["duplicates"], figures["refused"]) == (0, 0, 0)
    assert figures["closed_by_server"] == 0
    assert figures.get("witness_agrees", True)
    assert passed(figures)


@pytest.mark.wire
@pytest.mark.slow
def test_denominators_are_what_was_asked_for(played: dict[str, dict[str, Any]]) -> None:
    """Deliveries owed are messages times those who listened to them."""
    expected = {name: figures["expected"] for name, figures in played.items()}
    assert expected["fanout"] == 20 * 30
    assert expected["burst"] == 20 * 200
    assert expected["channels"] == 60  # one subscriber for each
    assert expected["idle"] == 101
    assert expected["resume"] == 1200 + 20 * 100
    assert expected["slow"] == 5 * 100
    assert expected["publish"] == played["publish"]["accepted"]


@pytest.mark.wire
@pytest.mark.slow
def test_latency_and_cost_are_there(played: dict[str, dict[str, Any]]) -> None:
    """Percentiles rise, the server's CPU and memory are known by its pid, the generator knows its share."""
    for name in ("fanout", "channels", "large", "slow", "original"):
        figures = played[name]
        assert 0 < figures["latency_min_ms"] <= figures["latency_p50_ms"] <= figures["latency_p99_ms"], name
        assert figures["latency_p99_ms"] <= figures["latency_max_ms"], name
        assert figures["server_rss_bytes"] > 1e6, name
        assert figures["generator_share"] > 0, name
    assert played["idle"]["cpu_us_per_subscribe"] >= 0
    assert played["resume"]["storm_level_s"] > 0
    assert played["resume"]["replay_messages_per_s"] > 0


@pytest.mark.wire
@pytest.mark.slow
def test_publishing_has_four_turns(played: dict[str, dict[str, Any]]) -> None:
    """One connection and many, single and in batches; together they are what is read back."""
    figures = played["publish"]
    turns = [f"{kind}_{many}" for kind in ("single", "batch") for many in (1, 4)]
    assert all(figures[f"{turn}_publishes_per_s"] > 0 for turn in turns)
    assert sum(figures[f"{turn}_accepted"] for turn in turns) == figures["delivered"]


@pytest.mark.wire
@pytest.mark.slow
def test_stuck_clients_are_stuck(played: dict[str, dict[str, Any]]) -> None:
    """They have less than the healthy ones got, and none of it counts as lost."""
    assert played["slow"]["stuck_behind"] == 2
    assert played["slow"]["alone_latency_p99_ms"] > 0


@pytest.mark.wire
@pytest.mark.slow
def test_the_original_plays_its_whole_script(played: dict[str, dict[str, Any]]) -> None:
    """All 150 messages are produced through the load route, all 50 consumers connect, some messages meet nobody."""
    figures = played["original"]
    assert figures["way"] == "load route"
    assert (figures["accepted"], figures["connections"], figures["connections_ok"]) == (150, 50, 50)
    assert figures["expected"] + figures["unheard"] == 150
    assert figures["expected"] >= 75
    assert figures["received_bytes"] >= figures["expected"] * 51200
    assert figures["unpack_samples"] == 0


@pytest.mark.wire
@pytest.mark.slow
def test_the_original_unpacks_what_it_asked_for_packed(hub: OwnHub) -> None:
    """Every message is unpacked, none is lost, and on the wire each is a small part of its 50 KB."""
    figures = play("original", target_of(hub, 50, "compression=payload"), TINY["original"])
    assert figures["expected"] >= 75
    assert (figures["lost"], figures["duplicates"]) == (0, 0)
    assert figures["unpack_samples"] == figures["delivered"]
    assert figures["unpack_p50_ms"] > 0
    assert figures["received_bytes"] < figures["delivered"] * 5120


@pytest.mark.wire
@pytest.mark.slow
def test_the_work_can_be_shared(hub: OwnHub) -> None:
    """Two processes deliver the same denominator as one, and their progress reaches who watches."""
    phases = set()
    job = CrewJob(target_of(hub, 1), "burst", TINY["burst"])
    figures = conduct(job, 2, lambda phase, _done, _total: phases.add(phase))
    assert (figures["expected"], figures["lost"], figures["generator_processes"]) == (4000, 0, 2)
    assert "connect" in phases


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.parametrize(("fault", "wrong"), [("loses", (1, 0)), ("doubles", (0, 1))])
def test_a_hub_that_is_not_sound_is_told(fault: str, wrong: tuple[int, int]) -> None:
    """One delivery that is missing or comes twice is one, not a rounding error, and the run does not pass."""
    options = {"subscribers": 3, "publishers": 1, "messages": 50, "seconds": 5.0, "size": 200}
    with small_hub(**{fault: 40}) as address:
        figures = play("burst", stub_target(address), options, patience_s=0.3)
    assert (figures["lost"], figures["duplicates"]) == wrong
    assert not passed(figures)
    assert any(sentence.startswith(("lost: 1", "duplicates: 1")) for sentence in doubts(figures))


@pytest.mark.wire
@pytest.mark.slow
def test_a_stall_is_charged_to_every_message_that_was_due_in_it() -> None:
    """No coordinated omission: of 100 messages in half a second, those due in 0.3 s of silence are late, not just one.

    There are sixty of them, so at p90 a message still waited for more than half of the silence.
    """
    options = {"subscribers": 5, "rate": 200.0, "seconds": 0.5, "size": 200}
    with small_hub(stalls=WARM_UP_MESSAGES + 10) as address:
        figures = play("fanout", stub_target(address), options)
    assert (figures["accepted"], figures["lost"]) == (100, 0)
    assert figures["latency_max_ms"] >= 0.9 * STALL_S * 1e3
    assert figures["post_p90_ms"] >= STALL_S * 1e3 / 2


def stub_target(address: tuple[str, int]) -> LoadTarget:
    """The small hub, watched as this process."""
    route = LoadRoute("/", "/", {}, {}, channel=("id", "type"))
    return LoadTarget(name="small", host=address[0], port=address[1], pid=os.getpid(), routes=[route])


def test_a_run_of_nothing_does_not_pass() -> None:
    """No deliveries owed is no proof that none was lost."""
    figures = {"expected": 0, "lost": 0, "duplicates": 0}
    assert not passed(figures)
    assert any("proves nothing" in sentence for sentence in doubts(figures))


@pytest.mark.parametrize("name", SCENARIOS)
def test_quick_is_less_of_the_same(name: str) -> None:
    """--quick changes numbers of a scenario and adds none; what was given beats both."""
    scenario = SCENARIOS[name]
    assert set(scenario.quick) <= set(scenario.full)
    quick = scenario.options(quick=True, given={"seconds": 0.7, "nonsense": 1})
    assert set(quick) == set(scenario.full)
    assert quick.get("seconds", 0.7) == 0.7


@pytest.mark.wire
def test_a_refused_publish_is_an_error(hub: OwnHub) -> None:
    """A wrong signature stops the run with the hub's own words."""
    good = target_of(hub, 1)
    bad = LoadRoute(
        good.routes[0].subscribe_path,
        good.routes[0].publish_path,
        good.routes[0].subscribe_headers,
        {"Content-Type": "application/json", "x-signature": "0" * 64},
        good.routes[0].channel,
    )
    with pytest.raises(LoadError, match="publish answered 401"):
        play(
            "fanout",
            LoadTarget(
                name="x",
                host=good.host,
                port=good.port,
                routes=[bad],
                body_prefix='{"data":',
                body_suffix="}",
            ),
            TINY["fanout"],
        )
