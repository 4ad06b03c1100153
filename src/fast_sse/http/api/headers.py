"""The headers that the API reads, each with what reads it: the one place to add another.

A server keeps these of a request, and those of its own framing, and drops all others: a header that is missing here never
arrives, under any server. A test holds this list and the code that reads headers together, in both directions.
"""

from __future__ import annotations

from typing import Final

#: Lower-case names.
READ: Final = {
    "accept": "`subscribing`: only a client that asks for an event stream is refused inside one",
    "accept-encoding": "`forms`: gzip for streams",
    "authorization": "`credential`: a token of an identity provider",
    "content-encoding": "`body`: gzip",
    "content-type": "`body`, `delivery`: JSON or NDJSON",
    "host": "`page`: the demo page is shown under its own names only",
    "idempotency-key": "`publishing`; `batching` refuses it",
    "last-event-id": "`subscribing`: the cursor",
    "origin": "`cors`",
    "traceparent": "`publishing`, `batching`: the publisher's trace, for the headers of its message",
    "x-forwarded-for": "`clients`, as far as the proxies are trusted",
    "x-signature": "`publishing`, `batching`, `credential`",
}
#: Headers of which there is one: two would be two messages.
SINGLE: Final = frozenset({"idempotency-key"})
