"""`fast-sse publish --wait`: ask how far a message has come until it came so far, or will not.

The public route is asked, with a signature of the publisher's own: whoever may publish may also ask.
"""

from __future__ import annotations

import re
import time
from typing import NamedTuple

import msgspec

from fast_sse.cli.credentials import Signer
from fast_sse.cli.delivery import Indicator, progress
from fast_sse.cli.publishing.link import RETRY_STATUSES
from fast_sse.cli.remote import NETWORK_ERRORS, Remote, advised
from fast_sse.model.backoff import Backoff
from fast_sse.model.channel import Channel
from fast_sse.model.errors import ConfigError, UnavailableError

WAIT_S_MIN = 0.1
WAIT_S_MAX = 1.0
_ACKED = re.compile(r"acked(?::([1-9][0-9]{0,3}))?\Z")


class Goal(NamedTuple):
    """How far a message is to come: written to a socket, or acked by so many clients."""

    acks: int = 0

    def is_met(self, found: Indicator) -> bool:
        """Whether it came so far."""
        if self.acks:
            return (found.acked or 0) >= self.acks
        return found.state in ("written", "acked")


class _Envelope(msgspec.Struct):
    code: str
    data: Indicator | None = None
    message: str = ""


_decode = msgspec.json.Decoder(_Envelope).decode


def goal(text: str) -> Goal:
    """What --wait says. Raises ConfigError."""
    if text == "written":
        return Goal()
    if (found := _ACKED.match(text)) is None:
        raise ConfigError("--wait", "must be written, acked or acked:N, N up to 9999")
    return Goal(int(found[1] or 1))


def wait_for(
    hub: Remote, to: Channel, message_id: str, signer: Signer, wanted: Goal, timeout_s: float
) -> tuple[bool, str]:
    """Whether it came so far within `timeout_s`, and the last that is known, in words.

    Raises:
        UnavailableError: the hub refuses to say.
    """
    ends_s, pace, last = time.monotonic() + timeout_s, Backoff(WAIT_S_MIN, WAIT_S_MAX), "unknown"
    while True:
        found, problem = _ask(hub, to, message_id, signer, max(0.1, ends_s - time.monotonic()))
        last = progress(found) if found is not None else problem
        if found is not None and (wanted.is_met(found) or found.state == "dead"):
            return wanted.is_met(found), last
        left_s = ends_s - time.monotonic()
        if left_s <= 0:
            return False, last
        time.sleep(min(left_s, pace.next_s()))


def _ask(
    hub: Remote, to: Channel, message_id: str, signer: Signer, timeout_s: float
) -> tuple[Indicator | None, str]:
    """One answer; None, and why, where there may be one later."""
    connection = hub.connect(timeout_s)
    try:
        headers = {"x-signature": _signature(signer, to)}
        connection.request("GET", hub.delivery_path(message_id, to), headers=headers)
        response = connection.getresponse()
        text = response.read()
    except NETWORK_ERRORS as error:
        return None, hub.trouble(error)
    finally:
        connection.close()
    try:
        found = _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _Envelope("", None, response.reason)
    if response.status == 200 and found.data is not None:
        return found.data, ""
    problem = f"{response.status} {found.code}: {found.message}"
    # 404: another node answered, which has not read the message yet.
    if response.status not in RETRY_STATUSES | {404}:
        raise UnavailableError(advised(response.status, problem))
    return None, problem


def _signature(signer: Signer, to: Channel) -> str:
    """One of the publisher's own. One of v2 that is to publish would cover a body, and there is none."""
    signature = signer.sign("pub", [to], b"")
    return signer.sign("sub", [to], None) if signature.startswith("v2.") else signature
