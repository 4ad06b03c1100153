"""A notification that must arrive: publish it, wait until the app says that it has it, else take another way.

    export FAST_SSE_SECRET=...
    python examples/must_arrive.py user-17 alarm '{"text": "your parcel is at the door"}' --wait-s 10

That a message was written to a socket does not mean that a person has it: the phone may be in a tunnel. So the app acks what it
shows (`POST /v1/messages/{id}/ack`), and this waits for that. When no ack comes in time, `by_mail` is called, here a line that is
printed. When it cannot be known, it is called, too: two notifications are better than none.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from fast_sse.signing import Signer

#: Answers after which a later try may end otherwise; 404: another node answered, which has not read the message yet.
LATER = {404, 408, 429, 502, 503, 504, 507}


class Hub:
    """One channel of a hub, for its publisher."""

    def __init__(self, url: str, secret: str, event_id: str, event_type: str) -> None:
        self.url, self.channel = url.rstrip("/"), f"{quote(event_id, safe='')}/{quote(event_type, safe='')}"
        self.path = f"/v1/sse/events/{quote(event_id, safe='')}/types/{quote(event_type, safe='')}"
        self.signer, self.named = Signer(secret=secret), (event_id, event_type)

    def ask(self, path: str, timeout_s: float, body: bytes | None = None, key: str = "") -> Any:
        """The `data` of one answer. Raises urllib.error.HTTPError for a refusal, OSError when there is no answer."""
        if body is None:
            headers = {"x-signature": self.signer.subscribe(self.named)}
        else:
            headers = self.signer.publish_headers(self.named, body)
        if key:
            headers["Idempotency-Key"] = key
        request = urllib.request.Request(self.url + path, body, headers)  # noqa: S310  the caller's own address
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            return json.load(answer)["data"]

    def publish(self, data: Any, ends_s: float) -> str:
        """The id of the message, tried again under one key until it is stored. Raises as `ask`."""
        body, key, wait_s = json.dumps({"data": data}).encode(), str(uuid.uuid4()), 0.1
        while True:
            try:
                message_id: str = self.ask(self.path, 5, body, key)["message_id"]
                return message_id
            except OSError as error:  # HTTPError is one
                if isinstance(error, urllib.error.HTTPError) and error.code not in LATER - {404}:
                    raise
                if time.monotonic() + wait_s > ends_s:
                    raise
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, 2.0)

    def state(self, message_id: str, ends_s: float) -> str:
        """`acked`, or as far as it came: `written`, `stored`, `dead`, `unknown`. Raises as `ask` for a refusal."""
        state, wait_s = "unknown", 0.1
        while state != "acked":
            try:
                path = f"/v1/messages/{quote(message_id, safe='')}/delivery?channel={self.channel}"
                state = self.ask(path, 5)["state"]
            except OSError as error:
                if isinstance(error, urllib.error.HTTPError) and error.code not in LATER:
                    raise
            if state == "dead" or time.monotonic() + wait_s > ends_s:
                break
            if state != "acked":
                time.sleep(wait_s)
                wait_s = min(2 * wait_s, 1.0)
        return state


def notify(hub: Hub, data: Any, wait_s: float, otherwise: Callable[[Any, str], None]) -> str:
    """Publish, wait for an ack, else call `otherwise` with the data and why; the state at the end."""
    ends_s = time.monotonic() + wait_s
    try:
        state = hub.state(hub.publish(data, ends_s), ends_s)
    except OSError as error:
        state = str(error)
    if state != "acked":
        otherwise(data, state)
    return state


def by_mail(data: Any, why: str) -> None:
    """The other way. Put your mail here."""
    print("mail", json.dumps(data, ensure_ascii=False), f"({why})", flush=True)


def main() -> int:
    """Read the arguments, notify."""
    parser = argparse.ArgumentParser(description="Publish, wait for an ack, else send a mail.")
    parser.add_argument("event_id")
    parser.add_argument("event_type")
    parser.add_argument("data", help="any JSON value")
    parser.add_argument("--wait-s", type=float, default=10.0)
    parser.add_argument("--url", default="http://127.0.0.1:30000")
    given = parser.parse_args()
    try:
        hub = Hub(given.url, os.environ["FAST_SSE_SECRET"], given.event_id, given.event_type)
    except ValueError as error:  # a secret that is none
        sys.exit(str(error))
    if notify(hub, json.loads(given.data), given.wait_s, by_mail) == "acked":
        print("acked")
    return 0


if __name__ == "__main__":
    sys.exit(main())
