"""Entries of a dead-letter stream, as the hub takes them."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.json_texts import TEXTS

from fast_sse.cli.dlq import entries
from fast_sse.cli.dlq.entries import Item, StreamEntry, chunks, item

PACKAGE = b'{"event_type": "cart_changed", "date": {"price": 1.10}}'
NAMED = b'{"event_id":"carid000001","event_type": "cart_changed", "date": {"price": 1.10}}'


def encoded(text: bytes) -> bytes:
    """Base64."""
    return base64.b64encode(text)


@pytest.mark.parametrize(
    ("fields", "raw"),
    [
        pytest.param((b"carid000001", PACKAGE), NAMED, id="original"),
        pytest.param(
            (b"reason", b"poison", b"error", b"x", b"field", b"carid000001", b"raw", encoded(PACKAGE)),
            NAMED,
            id="earlier version",
        ),
        pytest.param(
            (b"reason", b"poison", b"source_id", b"5-0", b"fields", b'["YQ=="]'),
            b'["YQ=="]',
            id="not one field",
        ),
        pytest.param((b"a", b"\xff{"), b"\xff{", id="no JSON"),
        pytest.param((b"a", b"[1]"), b"[1]", id="no object"),
        pytest.param((b"a", b" {} "), b'{"event_id":"a"} ', id="empty object"),
        pytest.param((b"\xff", b"{}"), b"{}", id="name that is no text"),
        pytest.param((b"a", b"1", b"a", b"\xff"), b'["YQ==","MQ==","YQ==","/w=="]', id="a field twice"),
        pytest.param(
            (b"reason", b"poison", b"raw", b"!"), b'["cmVhc29u","cG9pc29u","cmF3","IQ=="]', id="bad base64"
        ),
        pytest.param((), b"[]", id="nothing"),
    ],
)
def test_forms_of_entries(fields: tuple[bytes, ...], raw: bytes) -> None:
    """The bytes that were no message, and the name of the field in them where there is one package."""
    assert item("q:dead_letter", StreamEntry("5-0", fields)) == Item(
        queue="q:dead_letter", place="5-0", raw=raw
    )


@given(TEXTS, st.text(st.characters(codec="utf-8"), max_size=9))
def test_a_package_keeps_its_bytes(text: str, name: str) -> None:
    """Behind its event_id an object is what it was, byte for byte; where it names its own, that one counts."""
    package = f'{{"event_type":"t","data":{text},"event_id":"own"}}'.encode()
    raw = item("q", StreamEntry("1-0", (name.encode(), package))).raw
    assert raw.startswith(b'{"event_id":')
    assert raw.endswith(package[1:])
    assert bytes(msgspec.json.decode(raw, type=dict[str, msgspec.Raw])["event_id"]) == b'"own"'


def test_an_item_is_json() -> None:
    """In the form of the route: the bytes in base64."""
    found = json.loads(msgspec.json.encode(Item(queue="q", place="5-0", raw=b"\xff")))
    assert found == {"kind": "redis_stream", "queue": "q", "place": "5-0", "raw": "/w=="}


def test_requests_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By number and by bytes; one that is larger goes alone; all go, in order."""
    monkeypatch.setattr(entries, "ITEMS_MAX", 3)
    monkeypatch.setattr(entries, "BYTES_MAX", 10)
    sizes = [1, 1, 1, 1, 9, 2, 11, 1]
    items = [Item(queue="q", place=f"{n}-0", raw=b"x" * size) for n, size in enumerate(sizes)]
    found = [[len(one.raw) for one in chunk] for chunk in chunks(items)]
    assert found == [[1, 1, 1], [1, 9], [2], [11], [1]]
    assert list(chunks([])) == []
