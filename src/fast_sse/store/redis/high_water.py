"""The newest place that this node has given out: in an answer, in a page, or through its reader.

A server that comes back without its last writes does not know that place. The node does. It asks the server not to
give any place up to it again, and it says how far the loss reaches.
"""

from __future__ import annotations

from fast_sse.model.cursor import Cursor, Position


class HighWater:
    """The high-water mark of one node.

    Attributes:
        cursor: the newest place that is taken to stand in the log. It goes back when a loss is found.
        floor: the highest position ever given. It never goes back within an epoch.
    """

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.floor: Position = cursor.position

    def learn(self, cursor: Cursor) -> None:
        """Take in a place that was given. A place of another epoch begins anew."""
        if cursor.epoch != self.cursor.epoch:
            self.cursor, self.floor = cursor, cursor.position
        elif cursor.position > self.cursor.position:
            self.cursor = cursor
            self.floor = max(self.floor, cursor.position)

    def go_back(self, cursor: Cursor) -> None:
        """What was given after this place is lost. The floor stays."""
        self.learn(cursor)
        self.cursor = cursor
