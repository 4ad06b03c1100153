"""What a granted request asks for: the values that a stream is opened with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from fast_sse.hub.form import Form
from fast_sse.model.channel import Filter
from fast_sse.model.moment import Moment


class Start(msgspec.Struct, frozen=True):
    """Where a stream begins: after a client's cursor text (whatever it is), at the earliest record, at a time of the
    store, at the last `last` records that match, or now.
    """

    after: str | None = None
    earliest: bool = False
    since: Moment | None = None
    last: int = 0

    @property
    def is_now(self) -> bool:
        """Whether it begins with what is published from now on."""
        return self.after is None and not (self.earliest or self.since or self.last)


class Subscription(msgspec.Struct, frozen=True):
    """One stream, as it is asked for.

    Attributes:
        expires_in_s: the rest of its grant; None for a right that never ends.
        age_s: after which the client is told to come back, so that long streams spread over nodes; None for never.
        right: what it was granted by, opaque to the hub; `Streams.revoke` asks about it.
        refused: why it is told at once to come back: a bound of its client is reached, or the key of its token is not here yet, or
            the application around the hub could not say what it may read.
        expired: its grant was right and has ended: it is told so at once.
        on_end: called once when the stream has ended.
    """

    filter: Filter
    form: Form
    start: Start = Start()
    expires_in_s: float | None = None
    age_s: float | None = None
    right: object = None
    refused: Literal["overload", "keys_awaited", "undecided"] | None = None
    expired: bool = False
    on_end: Callable[[], None] | None = None
