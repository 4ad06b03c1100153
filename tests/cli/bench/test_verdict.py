"""A run is told in words: what was found, whether anything was lost, and whose speed it was."""

from __future__ import annotations

from typing import Any

import pytest

from fast_sse.bench.scenarios import SCENARIOS
from fast_sse.cli.bench.verdict import passed, verdict

SOUND: dict[str, Any] = {
    "expected": 90_000,
    "delivered": 90_000,
    "lost": 0,
    "duplicates": 0,
    "generator_share": 0.34,
    "latency_samples": 9,
    "latency_p50_ms": 2.04,
    "latency_p99_ms": 4.5,
    "alone_latency_p99_ms": 4.0,
    "cpu_us_per_delivery": 8.9,
    "deliveries_per_s": 3_372_807,
    "single_1_publishes_per_s": 18_434,
    "single_32_publishes_per_s": 47_452,
    "batch_32_publishes_per_s": 80_280,
    "rss_bytes_per_subscriber": 1_654,
    "replay_messages_per_s": 392_402,
    "storm_level_s": 0.114,
}

WORDS = {
    "original": "Consumers got 90,000 messages while they were connected. Half of the messages arrived within 2.0 ms",
    "fanout": "A delivery of 200 B took 8.9 us of the hub's CPU, so one core would make some 110,000 deliveries a second",
    "burst": "At full speed the hub made 3,400,000 deliveries a second, to 1,000 subscribers.",
    "channels": "99 of 100 within 4.5 ms",
    "publish": "18,000 from one connection, 47,000 from 32 connections, 80,000 from 32 connections with batches.",
    "idle": "A subscriber that waits takes 1.6 KiB of memory: 10,000 take 15.8 MiB.",
    "resume": "When 1,000 come back at once, who missed 100 each, all have them after 0.11 s.",
    "slow": "Healthy clients did not notice 20 that do not read",
    "large": "A delivery of 50.0 KiB took",
}


def said(name: str = "fanout", **changes: Any) -> str:
    """The verdict on a sound run of a scenario, with other figures."""
    return verdict(name, SCENARIOS[name].full, SOUND | changes)


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_says_what_it_found(name: str) -> None:
    """In a sentence of its own, with the loss and the generator's part behind it."""
    assert said(name).startswith("passed. ")
    assert WORDS[name] in said(name)
    assert said(name).endswith(
        "None of 90,000 deliveries was lost. The generator was not the limit (34% of its core)."
    )


def test_loss_fails() -> None:
    """It is counted in words, and so is what came twice."""
    text = said(lost=2, duplicates=1)
    assert text.startswith("FAILED. ")
    assert "2 of 90,000 deliveries were lost. 1 came twice." in text


def test_nothing_of_nothing_is_no_success() -> None:
    """A run in which nothing was there to be delivered fails, whatever its figures."""
    assert said(expected=0) == "FAILED. Nothing was there to be delivered: this run proves nothing."
    assert not passed(SOUND | {"expected": 0})


def test_a_generator_at_its_limit_is_told() -> None:
    """The figure is then a lower bound of what the hub can do."""
    text = said(generator_was_limit=True, generator_share=0.95)
    assert text.endswith("The generator was the limit (95% of its core): the hub may be faster than this.")


@pytest.mark.parametrize("who", ["server", "generator"])
def test_other_work_is_told(who: str) -> None:
    """A core that others took makes the figures theirs."""
    waited: dict[str, Any] = {f"{who}_waited_share": 0.3}
    assert said(**waited).endswith("measure again on a quiet machine.")


def test_a_count_that_disagrees_is_not_believed() -> None:
    """The stream that was counted twice decides."""
    assert "do not believe the count" in said(witness_agrees=False)
    assert said(witness_agrees=False).startswith("FAILED")


def test_what_was_refused_is_no_loss() -> None:
    """But it is said."""
    assert "refused 3 publishes, which are not counted as lost" in said(refused=3)


def test_slow_clients_that_are_noticed() -> None:
    """Past the noise between two runs."""
    assert "Healthy clients noticed 20" in said("slow", latency_p99_ms=6.0)


@pytest.mark.parametrize("name", ["idle", "slow", "fanout", "publish"])
def test_what_was_not_measured_is_not_told(name: str) -> None:
    """Without a pid, without samples and without a v2 key there is still a verdict."""
    counts = {key: SOUND[key] for key in ("expected", "delivered", "lost", "duplicates", "generator_share")}
    text = verdict(name, SCENARIOS[name].full, counts | {"single_1_publishes_per_s": 1.0})
    assert text.startswith("passed. ")
