"""Hooks of the schemathesis run: half of the generated requests are signed rightly, so that they get past the door.

The others keep what was generated, or get a signature that is right for something else. Which of them a request
gets depends on the request alone, so that a failure can be shrunk and shown again.
"""

from __future__ import annotations

import gzip
import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
import schemathesis
from hypothesis import strategies as st
from tests.support import sign

Pair = tuple[str, str]


def lines_of_a_batch() -> st.SearchStrategy[bytes]:
    """NDJSON: mostly messages, some with a mistake in them, some lines that are none."""
    segment = st.one_of(st.sampled_from(["carid000001", "*", "", "a/b", "ü"]), st.text(max_size=8))
    value = st.recursive(st.none() | st.integers() | st.text(max_size=8), st.lists, max_leaves=4)
    message = st.fixed_dictionaries(
        {"event_id": segment, "event_type": segment, "data": value},
        optional={
            "event": st.sampled_from(["cart", "error", "a\nb", 1]),
            "ttl_s": st.sampled_from([60, -1, 1e400, None]),
            "idempotency_key": st.sampled_from(["order-17", "", "k" * 300]),
            "headers": st.dictionaries(st.text(max_size=4), st.text(max_size=4) | st.none(), max_size=3),
        },
    )
    line = message.map(json.dumps) | st.text(max_size=20)
    return st.lists(line, max_size=5).map(lambda lines: "\n".join(lines).encode("utf-8", "replace"))


schemathesis.openapi.media_type("application/x-ndjson", lines_of_a_batch())


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """A body may repeat its channel, which must then be that of the path: of a thousand guesses none would be."""
    if isinstance(body, dict) and context.operation and "{event_type}" in context.operation.path:
        return {
            name: value
            for name, value in body.items()
            if name not in ("event_id", "event_type") or not isinstance(value, str)
        }
    return body


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: Any, kwargs: dict[str, Any]) -> None:
    """Sign, rightly or wrongly, in the header or in the query."""
    sent = prepared(case)
    scope, channels = wanted(sent)
    if not scope:
        return
    body = sent.body.encode() if isinstance(sent.body, str) else sent.body or b""
    assert isinstance(body, bytes)
    if "gzip" in str(case.headers.get("Content-Encoding", "")) and len(body) % 4:
        body = kwargs["data"] = gzip.compress(body, mtime=0)
    chance = sha256(f"{sent.method} {sent.url}".encode() + body).digest()[0] % 16
    signature = made(chance, scope, channels, body)
    if signature is None:
        return
    if scope == "sub" and chance % 4 == 1:
        case.headers.pop("x-signature", None)
        case.query["signature"] = signature
    else:
        case.headers["x-signature"] = signature


def prepared(case: Any) -> requests.PreparedRequest:
    """The request as it will be sent, body and path in their bytes."""
    fields = case.as_transport_kwargs(base_url="http://hub")
    names = ("method", "url", "headers", "params", "data", "json", "files", "cookies")
    return requests.Request(**{name: fields[name] for name in names if name in fields}).prepare()


def wanted(sent: requests.PreparedRequest) -> tuple[str, list[Pair]]:
    """The scope that a request needs, and its channels; no scope where nothing is signed."""
    parts = urlsplit(str(sent.url))
    places = parts.path.split("/")
    match places:
        case ["", "v1", "sse", "events", event_id, "types", event_type]:
            return "pub", [(unquote(event_id), unquote(event_type))]
        case ["", "v1", "subscribe", "events", event_id, "types", event_type]:
            return "sub", [(unquote(event_id), unquote(event_type))]
        case ["", "v1", "sse", "batch"]:
            return "batch", []
        case ["", "v1", "subscribe"]:
            named = [value for name, value in parse_qsl(parts.query) if name == "channel"]
            return "sub", [(halves[0], halves[1]) for value in named if len(halves := value.split("/")) == 2]
        case ["", "v1", "messages", _, "delivery" | "ack"]:
            named = [value for name, value in parse_qsl(parts.query) if name == "channel"]
            return "sub", [(halves[0], halves[1]) for value in named if len(halves := value.split("/")) == 2]
    return "", []


def made(chance: int, scope: str, channels: list[Pair], body: bytes) -> str | None:
    """A right signature in 8 of 16 chances, else a wrong one or None for what was generated."""
    if chance >= 12:
        return None
    place = place_of(channels)
    try:
        if chance < 4 and scope != "batch" and len(channels) == 1:
            return sign.v1(*channels[0])
        signed = None if scope == "sub" else body
        if chance < 8:
            return sign.v2(scope, *place, body=signed)
        if chance < 10:
            return sign.v2({"pub": "sub", "sub": "pub", "batch": "sub"}[scope], *place, body=signed)
        return sign.v2(scope, *place, body=signed, now=0) if chance == 10 else sign.v1("another", "channel")
    except UnicodeEncodeError:
        return None


def place_of(channels: list[Pair]) -> Pair:
    """The id and type lines of a v2 signature."""
    distinct = list(dict.fromkeys(channels))
    if not distinct:
        return "-", "-"
    return distinct[0] if len(distinct) == 1 else (sign.several(distinct), "-")


@schemathesis.hook
def after_call(context: schemathesis.HookContext, case: Any, response: schemathesis.Response) -> None:
    """Note which operation answered what, so that a run can show that it got past the door."""
    if journal := os.environ.get("FUZZING_JOURNAL"):
        name = case.operation.definition.raw.get("operationId", "preflight")
        with Path(journal).open("a") as file:
            file.write(f"{name} {response.status_code}\n")
