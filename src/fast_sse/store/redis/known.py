"""The newest place that this node has given to anybody, by whatever way: an answer, a page, its reader.

A server that comes back without its last writes does not know it. The node does: it asks that no place up to it is
given again, and it says how far a loss reaches.
"""

from __future__ import annotations

from fast_sse.model.cursor import Cursor, Position


class Known:
    """`cursor` is the newest place that is taken to stand in the log; `floor` never goes back within an epoch."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.floor: Position = cursor.position

    def learn(self, cursor: Cursor) -> None:
        """A place that was given; one of another epoch begins anew."""
        if cursor.epoch != self.cursor.epoch:
            self.cursor, self.floor = cursor, cursor.position
        elif cursor.position > self.cursor.position:
            self.cursor = cursor
            self.floor = max(self.floor, cursor.position)

    def go_back(self, cursor: Cursor) -> None:
        """What was given after this place is lost."""
        self.learn(cursor)
        self.cursor = cursor
