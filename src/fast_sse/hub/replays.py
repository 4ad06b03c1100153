"""From a dead letter to the draft of its replay.

What was published is published again as it was, its old `send_time` included, but without its time to live. A header that no
publisher can set names the letter, and the meta says where the message stands in a row of replays. The key is made of the
letter's id and outlives the letter, whatever the store's own window is.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec

from fast_sse.hub.send_time import SendTime
from fast_sse.model.channel import Channel
from fast_sse.model.keys import key_digest
from fast_sse.model.letter import REPLAY_HEADER, Letter, replay_meta
from fast_sse.model.message import Draft, Key, PublishBody, draft

#: Owner of the keys of replays.
_PRINCIPAL = "hub:dead-letters"
#: How much longer than a letter the key of its replay is remembered.
_KEY_REST_S = 86_400.0

#: Reads poison again by the rules of today: its channel and body. Raises ClientFaultError when it is still no message.
Parse = Callable[[Letter], tuple[Channel, PublishBody]]


class ReplayDrafts:
    """Makes the drafts of replays.

    Args:
        check: raises ForbiddenError for a channel that is not allowed here.
        parse: reads poison again.
        max_age_s: how long a letter is kept.
        now: seconds since 1970, for the `send_time` of poison, which has none of its own.
    """

    def __init__(
        self,
        check: Callable[[Channel], None],
        parse: Parse,
        max_age_s: float,
        now: Callable[[], float],
    ) -> None:
        self._check = check
        self._parse = parse
        self._window_ms = int((max_age_s + _KEY_REST_S) * 1000)
        self._now = now
        self._send_time = SendTime()

    def draft(self, letter: Letter, to: Channel | None = None) -> Draft:
        """The draft of a whole letter, for its own channel or another. Raises ClientFaultError when there can be none."""
        made = self._message(letter)
        target = to or made.channel
        self._check(target)
        headers: dict[str, Any] = msgspec.json.decode(made.headers)
        meta: dict[str, Any] = msgspec.json.decode(made.meta or b"{}", type=dict[str, msgspec.Raw])
        digest = key_digest("replay", _PRINCIPAL, target, letter.id)
        return Draft(
            channel=target,
            data=made.data,
            headers=msgspec.json.encode({**headers, REPLAY_HEADER: letter.id}),
            event=made.event,
            meta=msgspec.json.encode({**meta, "replay": replay_meta(letter)}),
            keys=(Key(digest, self._window_ms),),
            body_sha256=sha256(letter.id.encode()).digest(),  # what a letter holds never changes
        )

    def _message(self, letter: Letter) -> Draft:
        """What is published again: a letter's record, or what poison says by the rules of today."""
        if (record := letter.record) is not None:
            return Draft(
                channel=record.channel,
                data=record.data,
                headers=record.headers,
                event=record.event,
                meta=record.meta,
            )
        target, body = self._parse(letter)
        return draft(target, body, send_time=self._send_time.text(self._now()))
