"""Messages: strict JSON in, one line of the same JSON out."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_sse.model.channel import Channel
from fast_sse.model.errors import BadRequestError
from fast_sse.model.limits import Limits
from fast_sse.model.message import (
    CONTROL_EVENTS,
    EVENT_BYTES_MAX,
    TTL_S_MAX,
    Draft,
    PublishBody,
    Record,
    addressed_envelope,
    bare_envelope,
    check_event_name,
    draft,
    encode_headers,
    parse_publish,
)

LIMITS = Limits()
CART = Channel("carid000001", "cart_changed")
SENT = "2026-11-23 12:00:00.000"

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def parse(data: bytes, **fields: bytes) -> PublishBody:
    """A body with this `data` and these further fields, all of them raw JSON."""
    rest = b"".join(b',"%b":%b' % (name.encode(), value) for name, value in fields.items())
    return parse_publish(b'{"data":%b%b}' % (data, rest), LIMITS)


def drafted(data: bytes = b"1", **fields: bytes) -> Draft:
    """The draft of such a body."""
    return draft(CART, parse(data, **fields), send_time=SENT)


def refused(body: bytes) -> str:
    """The sentence that a body is refused with."""
    with pytest.raises(BadRequestError) as caught:
        parse_publish(body, LIMITS)
    return caught.value.message


# -- fields ---------------------------------------------------------------------------------------------


def test_null_is_absent():
    """For every optional field `null` is the same as leaving it out."""
    names = [field for field in PublishBody.__struct_fields__ if field != "data"]
    assert len(names) == 9
    nulls = draft(CART, parse(b"1", **dict.fromkeys(names, b"null")), send_time=SENT)
    assert (
        nulls
        == drafted(b"1")
        == Draft(channel=CART, data=b"1", headers=b'{"send_time":"%b"}' % SENT.encode())
    )


def test_of_duplicates_the_last_wins():
    """Our own fields and header names may come twice; the last one counts."""
    body = parse_publish(b'{"data":1,"event":"a","data":2,"event":"b","headers":{"x":"1","x":"2"}}', LIMITS)
    assert (bytes(body.data), body.event, body.headers) == (b"2", "b", {"x": "2"})


TEXTS = ("event_name", "event", "idempotency_key", "event_id", "event_type")
WRONG_TYPES = {
    **{name: [b"1", b"[]", b"true"] for name in TEXTS},
    "headers": [b"[]", b'"x"', b'{"a":1}', b'{"a":null}', b'{"a":["b"]}'],
    "ttl_s": [b'"5"', b"true", b"[]"],
    "dead_letter": [b"1", b'"true"', b"0"],
}


@pytest.mark.parametrize(("field", "values"), WRONG_TYPES.items(), ids=WRONG_TYPES)
def test_wrong_types_are_400(field, values):
    """No field is converted from another type, and the answer names the field."""
    for value in values:
        assert f"$.{field}" in refused(b'{"data":1,"%b":%b}' % (field.encode(), value))


def test_unknown_fields_are_ignored():
    """A field of the original that we do not have, or one of tomorrow, changes nothing."""
    assert drafted(b"1", send_direct=b"true", x=b"{}") == drafted(b"1")


@pytest.mark.parametrize(
    ("ttl", "ttl_ms"), [(b"1", 1000), (b"0.5", 500), (b"0.0001", 1), (b"315360000", 315_360_000_000)]
)
def test_a_time_to_live_is_in_milliseconds(ttl, ttl_ms):
    """Seconds become milliseconds, never 0, which would mean for ever."""
    assert drafted(ttl_s=ttl).ttl_ms == ttl_ms


@pytest.mark.parametrize("ttl", [b"0", b"-1", b"-0.0", b"315360001", b"1e300", b"1e999", b"1" * 400])
def test_a_time_to_live_is_bounded(ttl):
    """Above 0 and at most ten years."""
    assert "ttl_s" in refused(b'{"data":1,"ttl_s":%b}' % ttl)


def test_ttl_bound_is_ten_years():
    """The bound is the one that the message names."""
    assert TTL_S_MAX == 10 * 365 * 24 * 3600


@pytest.mark.parametrize(
    "name", ["a\nb", "a\rb", "a\0", "\r\n", "open", "error", "fast-sse.", "fast-sse.gap", "é" * 129]
)
def test_bad_event_names_are_refused(name):
    """No line break or NUL (CWE-93), none of EventSource's own or the hub's names, 256 bytes at most (S12, S15)."""
    assert "event" in refused(json.dumps({"data": 1, "event": name}).encode())


@pytest.mark.parametrize(
    "name", ["message", "Error", "opened", "fast-sse", "x fast-sse.gap", " a:b ", "\u2028", "é" * 128]
)
def test_good_event_names_are_kept(name):
    """Anything else is a name; names are case-sensitive, as event types are."""
    assert len(name.encode()) <= EVENT_BYTES_MAX
    assert drafted(event=json.dumps(name).encode()).event == name


def test_an_empty_event_name_is_none():
    """`onmessage` fires for it, as for a message without one."""
    assert drafted(event=b'""') == drafted()


def test_reserved_headers_are_dropped():
    """A publisher cannot claim what the hub says: channel, time and `fast-sse-*`, in any spelling of case."""
    dropped = dict.fromkeys(
        ("event_id", "Event_Type", "SEND_TIME", "fast-sse-replay-of", "Fast-SSE-x"), "spoof"
    )
    kept = {"X-Trace-ID": "t", "event-id": "1", "fast-sse": "2", "x-fast-sse-y": "3", "": "4"}
    assert json.loads(encode_headers(dropped | kept, SENT)) == {**kept, "send_time": SENT}
    assert (
        encode_headers(None, SENT)
        == encode_headers(dropped, SENT)
        == b'{"send_time":"2026-11-23 12:00:00.000"}'
    )


def test_headers_are_64_at_most():
    """The 65th is refused, by name."""
    headers = {str(number): "" for number in range(65)}
    assert "64" in refused(json.dumps({"data": 1, "headers": headers}).encode())
    del headers["64"]
    assert len(json.loads(drafted(headers=json.dumps(headers).encode()).headers)) == 65


def test_meta_holds_what_only_operators_see():
    """event_name, user and dead_letter are kept beside the message and are in no envelope."""
    made = drafted(event_name=b'"N"', user=b'{"to_user": "u"}', dead_letter=b"false")
    assert json.loads(made.meta) == {"event_name": "N", "user": {"to_user": "u"}, "dead_letter": False}
    assert drafted().meta == b""
    assert made.headers == drafted().headers


def test_a_draft_weighs_its_bytes():
    """The queue's bound counts what a draft holds."""
    assert drafted(b'"%b"' % (b"x" * 1000)).size_bytes >= 1000


# -- envelopes ------------------------------------------------------------------------------------------


def record(channel: Channel = CART, data: bytes = b'{"a":1}', /, **headers: str) -> Record:
    """A stored record."""
    return Record(1, channel, data, encode_headers(headers, SENT), "", b"", time_ms=0)


def test_the_bare_envelope_is_the_original_s():
    """`data` and `headers`, with the time of sending."""
    assert (
        bare_envelope(record(x="1"))
        == b'{"data":{"a":1},"headers":{"x":"1","send_time":"2026-11-23 12:00:00.000"}}'
    )


@given(json_values, st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3))
def test_the_addressed_envelope_adds_the_channel_and_nothing_else(value, headers):
    """Both are one line of JSON; the addressed one has the record's channel in its headers, told by the hub only."""
    for channel in (CART, Channel("*", 'caf"é')):
        stored = record(channel, json.dumps(value).encode(), **headers)
        bare, addressed = json.loads(bare_envelope(stored)), json.loads(addressed_envelope(stored))
        assert b"\n" not in addressed_envelope(stored)
        assert bare["data"] == addressed["data"] == value
        assert addressed["headers"] == bare["headers"] | {"event_id": channel[0], "event_type": channel[1]}


@pytest.mark.parametrize(
    ("expires_ms", "now_ms", "expired"), [(0, 10**15, False), (5, 4, False), (5, 5, True), (5, 6, True)]
)
def test_a_record_expires_at_its_time(expires_ms, now_ms, expired):
    """0 is never; from its time on it has expired."""
    assert msgspec.structs.replace(record(), expires_ms=expires_ms).expired(now_ms) == expired


@pytest.mark.parametrize(
    ("event", "control"),
    [("", False), ("note", False), ("fast-sse", False), ("fast-sse.erased", True), ("fast-sse.future", True)],
)
def test_a_control_record_is_for_no_client(event, control):
    """Whatever its event begins with the hub's own prefix: also one that a later version wrote."""
    stored = msgspec.structs.replace(record(), event=event)
    assert (stored.is_control, stored.due(0)) == (control, not control)


@pytest.mark.parametrize("event", CONTROL_EVENTS)
def test_a_control_event_cannot_be_published(event):
    """The prefix is reserved."""
    with pytest.raises(BadRequestError, match="a name that begins with fast-sse"):
        check_event_name(event)
