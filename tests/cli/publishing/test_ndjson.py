"""NDJSON in bounded chunks, each line with a key that is the same whenever the line is sent."""

from __future__ import annotations

import io
import json
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.json_texts import TEXTS

from fast_sse.cli.publishing import ndjson
from fast_sse.cli.publishing.ndjson import Chunk, chunks
from fast_sse.model.message import BOM

HEAD = '"event_id":"a","event_type":"b"'


def lines(*rest: str) -> bytes:
    """One message a line."""
    return "".join(f"{{{HEAD},{more}}}\n" for more in rest).encode()


def read(text: bytes, **more: int) -> list[Chunk]:
    """All chunks of a text in the run `run`."""
    return list(chunks(io.BytesIO(text), "run", **more))


def test_a_line_keeps_its_bytes_and_gets_a_key() -> None:
    """What was typed is sent as it was typed; the key is the run and the number of the line, empty lines counted."""
    (chunk,) = read(
        b'\n  {"data": {"price": 1.10} ,' + HEAD.encode() + b"}\r\n\n" + lines('"data":"\xc3\xa4"')
    )
    assert chunk.lines[0].body == (
        b'{"data": {"price": 1.10} ,' + HEAD.encode() + b',"idempotency_key":"run:2"}'
    )
    assert [(line.number, line.to) for line in chunk.lines] == [(2, ("a", "b")), (4, ("a", "b"))]
    assert chunk.through == 4


@given(st.lists(TEXTS.map(str.split).map(" ".join), max_size=5))
def test_no_number_is_read(data: list[str]) -> None:
    """Whatever JSON a line carries goes out byte for byte, the key behind it."""
    found = [line.body for chunk in read(lines(*(f'"data":{text}' for text in data))) for line in chunk.lines]
    key = ',"idempotency_key":"run:{}"}}'
    assert found == [f'{{{HEAD},"data":{text}{key.format(n)}'.encode() for n, text in enumerate(data, 1)]


def test_a_byte_order_mark_before_the_first_line_is_passed_over() -> None:
    """Only there: before any other line it is a mistake, which is named."""
    (chunk,) = read(BOM + lines('"data":1') + BOM + lines('"data":2'))
    assert [line.number for line in chunk.lines] == [1]
    assert [number for number, _ in chunk.bad] == [2]
    assert chunk.bytes_read == 2 * len(BOM + lines('"data":1'))


def test_an_own_key_stays() -> None:
    """A line that names its key is sent as it is; null names none."""
    (chunk,) = read(lines('"data":1,"idempotency_key":"mine"', '"data":1,"idempotency_key":null'))
    assert b"run" not in chunk.lines[0].body
    assert json.loads(chunk.lines[1].body)["idempotency_key"] == "run:2"


@given(st.text(), st.lists(st.sampled_from([1, None, "x"]), max_size=30), st.integers(1, 7))
def test_keys_do_not_depend_on_chunks(run: str, data: list[object], lines_max: int) -> None:
    """However the input is cut into chunks, each line has the same number and body, and none is left out."""
    text = lines(*(f'"data":{json.dumps(value)}' for value in data))
    whole = [line for chunk in chunks(io.BytesIO(text), run, lines_max=10_000) for line in chunk.lines]
    parts = list(chunks(io.BytesIO(text), run, lines_max=lines_max))
    assert [line for chunk in parts for line in chunk.lines] == whole
    assert all(0 < len(chunk.lines) <= lines_max for chunk in parts)
    assert [line.number for line in whole] == list(range(1, len(data) + 1))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nothing", "is not a message: JSON is malformed"),
        ("[1]", "is not a message: Expected `object`"),
        ("{}", "is not a message: Object missing required field `event_id`"),
        ('{"event_id":"a"}', "missing required field `event_type`"),
        ('{"event_id":1,"event_type":"b"}', "Expected `str`"),
        ('{"event_id":"..","event_type":"b"}', "bad channel: "),
        pytest.param(f'{{{HEAD},"data":{"[" * 10_000}{"]" * 10_000}}}', "nests too deep", id="deep"),
        (f'{{{HEAD},"data":1}}}}', "is not a message"),
    ],
)
def test_what_is_no_message_is_named_and_its_neighbours_stay(line: str, problem: str) -> None:
    """A line that cannot be a message stands in `bad` with its number and the reason."""
    (chunk,) = read(lines('"data":1') + line.encode() + b"\n" + lines('"data":2'))
    assert [found.number for found in chunk.lines] == [1, 3]
    ((number, said),) = chunk.bad
    assert number == 2
    assert problem in said


def test_a_line_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line over the bound is refused, its rest is dropped as it is read, and the next line is a line again."""
    monkeypatch.setattr(ndjson, "LINE_BYTES_MAX", 1000)
    monkeypatch.setattr(ndjson, "READ_BYTES", 64)
    (chunk,) = read(b'"' + b"x" * 100_000 + b'"\n' + lines('"data":1'))
    assert chunk.bad == [(1, "is longer than 1000 bytes")]
    assert [line.number for line in chunk.lines] == [2]


def test_chunks_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk is closed by the line that fills it: memory holds one chunk, whatever the size of the input."""
    monkeypatch.setattr(ndjson, "CHUNK_BYTES", 150)
    found = read(lines(*['"data":"0123456789"'] * 10))
    assert [len(chunk.lines) for chunk in found] == [3, 3, 3, 1]
    assert [chunk.through for chunk in found] == [3, 6, 9, 10]
    assert found[-1].bytes_read == len(lines(*['"data":"0123456789"'] * 10))


def test_beginning_later_changes_no_key() -> None:
    """With `from_line` what was settled is skipped, and the rest has the keys that it had."""
    text = lines('"data":1', '"data":2', '"data":3')
    whole = [line for chunk in read(text) for line in chunk.lines]
    assert [line for chunk in read(text, from_line=2) for line in chunk.lines] == whole[1:]
    assert read(text, from_line=9) == []


def test_a_slow_pipe_is_not_waited_for() -> None:
    """What has arrived goes out although the chunk is not full and the pipe is open."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb", buffering=0) as sink:
        sink.write(lines('"data":1') + b'{"half": ')
        found = chunks(source, "run")
        assert [line.number for line in next(found).lines] == [1]
        rest = threading.Thread(target=sink.write, args=(f"1, {HEAD}}}\n".encode(),))
        rest.start()
        assert [line.number for line in next(found).lines] == [2]
        rest.join()
        sink.close()
        assert list(found) == []
