"""Three nodes that publish, take, hand over, tell, stop, die and come back, in any order, against `model`.

After every step the letters are those that must be there, and no other. At the end all nodes are woken and time passes: then
exactly what nobody was ever handed has died, each of it once, and a letter of what somebody was handed says that it
may have been delivered.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.contract.asserting import put
from tests.contract.backends import FOREVER, Backend, Clock, draft
from tests.contract.letters.model import WAITS_MS, NodeModel, World
from tests.contract.letters.node import every_letter, letters_of
from tests.contract.places import DurablePlace

from fast_sse.model.cursor import Cursor
from fast_sse.store.base import Windows

T = TypeVar("T")
NAMES = ("a", "b", "c")
CLOSE_S = 30

names = st.sampled_from(NAMES)


class LettersMachine(RuleBasedStateMachine):
    backend: Backend

    @initialize()
    def start(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.root = Path(tempfile.mkdtemp(prefix="fast-sse-letters-"))
        self.place = self.backend.place(self.root / "log")
        self.clock = Clock()
        self.world = World()
        self.log: list[Cursor] = []
        self.starts = 0
        self.nodes: dict[str, NodeModel | None] = {}
        self.open()
        for name in NAMES:
            self.begin(name)

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        try:
            if hasattr(self, "store"):
                if self.nodes:
                    self.finish()
                self.run(asyncio.wait_for(self.store.close(), CLOSE_S))
            if hasattr(self, "place"):
                self.run(self.place.clear())
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            shutil.rmtree(self.root)

    # -- small steps --------------------------------------------------------------------------------

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(step)

    def open(self) -> None:
        self.store = self.place.make(FOREVER, Windows(), self.clock)
        self.run(self.store.open())
        self.letters = letters_of(self.store)

    def begin(self, name: str) -> None:
        self.starts += 1
        node = NodeModel(name, str(self.starts))
        begun = self.run(self.letters.begin(name, node.start))
        node.begin(begun, self.log, self.clock.ms)
        self.world.begins(node.process, begun.newest, self.clock.ms)
        assert self.world.letters == set(begun.letters)
        self.nodes[name] = node

    def awake(self, name: str) -> NodeModel | None:
        node = self.nodes[name]
        return None if node is None or node.stopped else node

    def told(self, node: NodeModel, *, answered: bool = True, goodbye: bool = False) -> None:
        turn = node.turn(self.log, self.clock.ms, goodbye=goodbye)
        settled = self.run(self.letters.settle(turn))
        self.world.applied(turn, settled, self.clock.ms)
        if answered:
            node.hear(settled)
            for position, count in node.heard.items():
                assert count <= self.world.written[position], "a hand-over was told twice"

    # -- what happens -------------------------------------------------------------------------------

    @rule(count=st.integers(1, 3))
    def publish(self, count: int) -> None:
        self.log += self.run(put(self.store, *(draft() for _ in range(count))))

    @rule(name=names)
    def take(self, name: str) -> None:
        if node := self.awake(name):
            node.take(self.log, self.clock.ms)

    @rule(name=names)
    def load(self, name: str) -> None:
        if node := self.awake(name):
            node.loading = False

    @rule(name=names, which=st.integers(0, 5))
    def hand_over(self, name: str, which: int) -> None:
        node = self.awake(name)
        taken = [cursor for cursor in self.log if node and cursor.position <= node.through]
        if node and taken:
            cursor = taken[-1 - which % len(taken)]
            node.hand_over(cursor)
            self.world.hands_over(node.process, cursor.position)

    @rule(name=names, answered=st.sampled_from([True, True, True, False]))
    def tell(self, name: str, answered: bool) -> None:
        if node := self.awake(name):
            self.told(node, answered=answered)

    @rule(
        but=st.sampled_from([None, *NAMES]), seconds=st.sampled_from([0, 1, 4, 33, 130]), purged=st.booleans()
    )
    def the_others_keep_pace(self, but: str | None, seconds: float, purged: bool) -> None:
        """They take and tell, before and after some time; letters that are made may be purged."""
        for wait_s in (0, seconds):
            self.clock.pass_s(wait_s)
            for name in NAMES:
                if name != but:
                    self.load(name)
                    self.take(name)
                    self.tell(name, answered=True)
            if purged:
                self.purge(0)

    @rule(name=names)
    def stop_or_wake(self, name: str) -> None:
        if (node := self.nodes[name]) is not None:
            node.stopped = not node.stopped

    @rule(name=names)
    def kill(self, name: str) -> None:
        self.nodes[name] = None

    @rule(name=names, tells=st.booleans(), then=st.sampled_from(["stop", "kill", "restart"]))
    def publish_hand_over_and_vanish(self, name: str, tells: bool, then: str) -> None:
        """The worst moment: written, and not told. `tells`: it had said before that it looked that far."""
        if node := self.awake(name):
            self.publish(2)
            if tells:
                self.take(name)
                self.tell(name, answered=True)
            self.take(name)
            self.hand_over(name, 0)
            node.stopped = True
            if then != "stop":
                self.kill(name)
            if then == "restart":
                self.begin(name)

    @rule(name=names)
    def restart(self, name: str) -> None:
        if self.nodes[name] is None:
            self.begin(name)

    @rule(name=names)
    def leave(self, name: str) -> None:
        """A process ends well: all that it has to say, then its goodbye."""
        if node := self.awake(name):
            if node.unanswered is not None:
                self.told(node)
            self.told(node, goodbye=True)
            self.nodes[name] = None

    @rule(which=st.integers(0, 9))
    def purge(self, which: int) -> None:
        letters = self.run(every_letter(self.store))
        if letters:
            one = letters[which % len(letters)]
            assert self.run(self.letters.drop([one.id])) == 1
            self.world.letters.discard(one.position)

    @rule(seconds=st.sampled_from([0.5, 1, 3, 3.001, 10, 33, 130]))
    def time_passes(self, seconds: float) -> None:
        self.clock.pass_s(seconds)

    @precondition(lambda self: self.backend.durable)
    @rule(how=st.sampled_from(["kill", "close"]))
    def the_store_is_opened_anew(self, how: str) -> None:
        if how == "kill":
            assert isinstance(self.place, DurablePlace)
            self.run(self.place.kill(self.store))
        else:
            self.run(self.store.close())
        self.open()

    # -- what must be -------------------------------------------------------------------------------

    @invariant()
    def the_letters_are_those_of_the_model(self) -> None:
        if not self.nodes:
            return
        found = {letter.position: letter.maybe_delivered for letter in self.run(every_letter(self.store))}
        assert found == {position: self.world.dead[position] for position in self.world.letters}

    def finish(self) -> None:
        """Every node is there and keeps pace, until nothing waits."""
        for name in NAMES:
            node = self.nodes[name]
            if node is None:
                self.begin(name)
            else:
                node.stopped = False
        for wait_ms in (0, WAITS_MS, 1000, 1000, 1000):
            self.clock.ms += wait_ms
            for name in NAMES:
                node = self.nodes[name]
                assert node is not None
                node.loading = False
                node.take(self.log, self.clock.ms)
                self.told(node)
        self.the_letters_are_those_of_the_model()
        for node in self.nodes.values():
            assert node is not None
            assert (node.waiting, node.handed, node.unanswered) == ({}, {}, None)
        never = {cursor.position for cursor in self.log} - self.world.handed
        assert never <= self.world.dead.keys(), "what nobody was handed did not die"
        assert not self.world.letters & self.world.told, "a letter of what was told is left"
        newest = max([0, *(cursor.position for cursor in self.log)])
        assert not self.log or self.run(self.letters.begin("z", "1")).decided == newest


def walk(backend: Backend, examples: int) -> None:
    machine = type("Machine", (LettersMachine,), {"backend": backend})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_three_nodes_in_any_order(backend: Backend) -> None:
    """What is promised of dead letters holds after every step of every sequence."""
    walk(backend, backend.examples)


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_three_nodes_at_length(backend: Backend) -> None:
    """The same, twenty times as many."""
    walk(backend, 20 * backend.examples)
