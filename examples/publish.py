"""Publish one message to a Fast SSE hub, with nothing but the standard library.

    FAST_SSE_SECRET=... python examples/publish.py carid000001 cart_changed '{"quantity": 2}'

The secret is read from the environment, since arguments are visible to every user of the machine. The message gets an
idempotency key, so that an answer that was lost can be asked for again without publishing twice.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from typing import Any
from urllib.parse import quote

ATTEMPTS_MAX = 5


def sign(secret: str, event_id: str, event_type: str) -> str:
    """The v1 signature of a channel, as it is before percent-encoding."""
    return hmac.new(secret.encode(), f"{event_id}:{event_type}".encode(), hashlib.sha256).hexdigest()


def publish(url: str, secret: str, event_id: str, event_type: str, data: Any) -> str:
    """Publish `data` and return the message id, which is the `id:` that subscribers see.

    Tries again, under the same key, while the outcome is unknown or the hub cannot store.
    Raises urllib.error.HTTPError for a refusal, OSError when the hub was not reached.
    """
    path = f"/v1/sse/events/{quote(event_id, safe='')}/types/{quote(event_type, safe='')}"
    request = urllib.request.Request(  # noqa: S310  the address is the caller's own
        url.rstrip("/") + path,
        data=json.dumps({"data": data}).encode(),
        headers={
            "Content-Type": "application/json",
            "Idempotency-Key": str(uuid.uuid4()),
            "x-signature": sign(secret, event_id, event_type),
        },
        method="POST",
    )
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:  # noqa: S310
                message_id: str = json.load(answer)["data"]["message_id"]
                return message_id
        except urllib.error.HTTPError as error:
            if error.code not in (503, 504) or attempt == ATTEMPTS_MAX:
                raise
        except OSError:
            if attempt == ATTEMPTS_MAX:
                raise
        time.sleep(0.2 * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


def main() -> int:
    """Read the arguments, publish, print the message id."""
    parser = argparse.ArgumentParser(description="Publish one message to a Fast SSE hub.")
    parser.add_argument("event_id")
    parser.add_argument("event_type")
    parser.add_argument("data", help="any JSON value")
    parser.add_argument("--url", default="http://127.0.0.1:30000")
    given = parser.parse_args()
    data = json.loads(given.data)
    try:
        print(publish(given.url, os.environ["FAST_SSE_SECRET"], given.event_id, given.event_type, data))
    except urllib.error.HTTPError as error:
        print(f"{error.code}: {error.read().decode()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
