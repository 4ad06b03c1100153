"""Broken on purpose: SQLite publishes are answered first and committed a moment later."""

from __future__ import annotations

import time

from fast_sse.cli.main import app_main
from fast_sse.store.sqlite.group import Job
from fast_sse.store.sqlite.keeper import Keeper
from fast_sse.store.sqlite.writer import Group, Writer

#: How long an answer is ahead of its commit.
AHEAD_S = 0.02


def answer_then_commit(self: Writer, keeper: Keeper, jobs: list[Job]) -> None:
    """`Writer._commit` the wrong way round."""
    self.tell(self._on_group, Group(jobs, None, {}))
    time.sleep(AHEAD_S)
    keeper.commit(jobs)


if __name__ == "__main__":
    Writer._commit = answer_then_commit  # type: ignore[method-assign]
    app_main()
