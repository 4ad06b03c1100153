"""Builds whose dead letters are broken on purpose turn the judge red, on the very runs that the product passes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.cluster.nodes import Log, on_redis
from tests.faults.letters.scenarios import (
    answers_lost,
    clocks_step,
    killed_after_a_catch_up,
    nobody_anywhere,
    one_is_off,
    purged_while_stopped,
    restarted_under_load,
    store_away,
    told_by_another,
)
from tests.support.redis_server import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.wire]

FEW = 4
HOUR_S = 3600.0


def broken(name: str) -> str:
    """The module of a broken build."""
    return f"tests.faults.broken.letters_{name}"


async def test_a_node_that_hears_nothing_is_found(tmp_path: Path, redis_server: RedisServer) -> None:
    """It lets die what another node handed over."""
    log = on_redis(redis_server)
    verdict = await told_by_another(tmp_path, log, messages=2 * FEW, module=broken("deaf"))
    assert "false" in verdict.found, verdict.figure


async def test_letters_of_each_node_are_found(tmp_path: Path, log_on: Callable[[str], Log]) -> None:
    """Each message dies on each node."""
    log, build = log_on("kafka"), broken("per_node")  # its positions are those of a table
    verdict = await nobody_anywhere(tmp_path, log, messages=FEW, nodes=2, module=build)
    assert "doubled" in verdict.found, verdict.figure


async def test_doubt_by_the_place_alone_is_found(tmp_path: Path, log_on: Callable[[str], Log]) -> None:
    """A node told that it looked there, then handed over what it has, and was killed: the letter is sure, and wrong."""
    build = broken("through_alone")
    killed = await killed_after_a_catch_up(tmp_path, log_on("kafka"), messages=FEW, module=build)
    assert "false" in killed.verdict.found, killed.verdict.figure


async def test_decisions_that_are_not_told_are_found(tmp_path: Path, redis_server: RedisServer) -> None:
    """A letter that was purged comes back by a node that stood still."""
    log = on_redis(redis_server)
    verdict = await purged_while_stopped(tmp_path, log, messages=FEW, module=broken("decided_untold"))
    assert "doubled" in verdict.found, verdict.figure


async def test_turns_that_are_applied_twice_are_found(tmp_path: Path, redis_server: RedisServer) -> None:
    """Sockets count more often than once."""
    log = on_redis(redis_server)
    _, written = await answers_lost(tmp_path, log, messages=FEW, module=broken("renumbered"))
    assert max(written) > 1


async def test_a_process_that_loads_nothing_is_found(tmp_path: Path) -> None:
    """What waited over a restart never dies."""
    log, build = Log("sqlite", {}), broken("not_loaded")
    verdict = await restarted_under_load(tmp_path, log, messages=40, module=build)
    assert "missing" in verdict.found, verdict.figure


async def test_a_grace_by_the_clock_is_found_as_clocks_step(tmp_path: Path) -> None:
    """All that waits is overdue at once."""
    log, build = Log("sqlite", {}), broken("by_clock")
    verdict = await clocks_step(tmp_path, log, messages=FEW, steps_s=(HOUR_S,), module=build)
    assert "false" in verdict.found, verdict.figure


async def test_a_grace_by_the_clock_is_found_as_the_store_is_away(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    """All that waited meanwhile is overdue on its return."""
    pause, resume = redis_server.pause, redis_server.resume
    log, build = on_redis(redis_server), broken("by_clock")
    verdict = await store_away(
        tmp_path, log, messages=FEW, grace_s=1.0, pause=pause, resume=resume, module=build
    )
    assert "false" in verdict.found, verdict.figure


async def test_a_node_that_is_off_and_decides_is_found(tmp_path: Path, redis_server: RedisServer) -> None:
    """It hides what it let go from those that are on."""
    log = on_redis(redis_server)
    verdict = await one_is_off(tmp_path, log, messages=2 * FEW, module=broken("off_decides"))
    assert "missing" in verdict.found, verdict.figure
