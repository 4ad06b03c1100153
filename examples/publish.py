"""Publish one message to a Fast SSE hub: `fast_sse.signing` signs it, and the standard library sends it.

    FAST_SSE_SECRET=... python examples/publish.py carid000001 cart_changed '{"quantity": 2}'

The secret is read from the environment, since arguments are visible to every user of the machine. The message gets an
idempotency key, so that an answer that was lost can be asked for again without publishing twice. Without our package the
signature is one line of HMAC: signatures/sign.py.
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
from typing import Any
from urllib.parse import quote

from fast_sse.signing import Signer

ATTEMPTS_MAX = 5


def publish(url: str, secret: str, event_id: str, event_type: str, data: Any) -> str:
    """Publish `data` and return the message id, which is the `id:` that subscribers see.

    Tries again, under the same key, while the outcome is unknown or the hub cannot store.
    Raises urllib.error.HTTPError for a refusal, OSError when the hub was not reached, ValueError for what cannot be signed.
    """
    body = json.dumps({"data": data}).encode()
    path = f"/v1/sse/events/{quote(event_id, safe='')}/types/{quote(event_type, safe='')}"
    request = urllib.request.Request(  # noqa: S310  the address is the caller's own
        url.rstrip("/") + path,
        data=body,
        headers={
            **Signer(secret=secret).publish_headers((event_id, event_type), body),
            "Idempotency-Key": str(uuid.uuid4()),
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
    except ValueError as error:  # a secret that is none
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
