"""The load generator counts each event once, wherever the network cuts the stream."""

from __future__ import annotations

from itertools import combinations

import pytest

from fast_sse.bench import counters
from fast_sse.bench.counters import ROOM, Dechunker, FrameCounter, Witness, events, prefixes_by_last_byte

NEEDLE = b"\ndata: "
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx-metadata: none\r\n\r\n"
PRIMING = b"retry: 2731\nid: m1.k3v9x2qah5m2c.1\n\n"
EVENT = b'id: m1.k3v9x2qah5m2c.2\ndata: {"data":1}\n\n'
HEARTBEAT = b":\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


#: Priming, one event alone, a heartbeat, an id-only block, two events in one chunk: three events.
STREAM = b"".join([chunk(PRIMING), chunk(EVENT), chunk(HEARTBEAT), chunk(b"id: x\n\n"), chunk(EVENT + EVENT)])


def counted(parts: list[bytes], needle: bytes = NEEDLE) -> int:
    """Events counted when these are the reads, all into one buffer that keeps old bytes behind the new."""
    counter = FrameCounter(needle)
    buffer = bytearray(b"\ndata: " * 100)
    for part in parts:
        buffer[ROOM : ROOM + len(part)] = part
        counter.feed(buffer, ROOM + len(part))
    return counter.count


def test_one_read_with_everything() -> None:
    """Events are counted; priming, id-only blocks, heartbeats and chunk framing are not."""
    assert counted([STREAM]) == 3


def test_every_cut_in_two() -> None:
    """A stream in two reads holds what it holds in one, whatever the border."""
    assert {counted([STREAM[:cut], STREAM[cut:]]) for cut in range(1, len(STREAM))} == {3}


def test_every_pair_of_cuts_in_one_event() -> None:
    """Three reads, the middle one perhaps shorter than the needle, hold the same."""
    stream = chunk(EVENT)
    cuts = combinations(range(1, len(stream)), 2)
    assert {counted([stream[:one], stream[one:two], stream[two:]]) for one, two in cuts} == {1}


@pytest.mark.parametrize("size", range(1, len(NEEDLE) + 3))
def test_reads_of_a_few_bytes(size: int) -> None:
    """Many reads in a row may hold parts of one needle."""
    assert counted([STREAM[at : at + size] for at in range(0, len(STREAM), size)]) == 3


def test_a_needle_that_begins_and_is_broken_off() -> None:
    """What looked like the start of a needle and was not is forgotten; what follows is counted."""
    assert counted([b"\nda", b"ta\n", b"data", b": x\ndat", b"x\n", b"\ndata: "]) == 2


def test_a_prefix_cut_away_does_not_leak_between_streams() -> None:
    """Counters share a buffer and a table, never what they carry."""
    table = prefixes_by_last_byte(NEEDLE)
    one, two = FrameCounter(NEEDLE, table), FrameCounter(NEEDLE, table)
    buffer = bytearray(ROOM + 16)
    for counter, part in ((one, b"\nda"), (two, b"ta: "), (one, b"ta: ")):
        buffer[ROOM : ROOM + len(part)] = part
        counter.feed(buffer, ROOM + len(part))
    assert (one.count, two.count) == (1, 0)


@pytest.mark.parametrize("needle", [b"\n\n", b"abca", b"", b"x" * (ROOM + 1)])
def test_needles_that_could_count_twice_are_refused(needle: bytes) -> None:
    """A needle whose end is its beginning, an empty one, or one that outgrows the buffer's room is an error."""
    with pytest.raises(ValueError, match=r"needle|beginning"):
        prefixes_by_last_byte(needle)


def test_the_witness_counts_by_the_rules() -> None:
    """The slow count takes chunks apart, and knows events by their data and not by a needle."""
    witness = Witness()
    for at in range(0, len(HEAD + STREAM), 7):
        witness.feed((HEAD + STREAM)[at : at + 7])
    assert witness.ids_of_events() == [b"m1.k3v9x2qah5m2c.2"] * 3


def test_the_witness_sees_a_needle_that_a_chunk_border_cuts() -> None:
    """The one case that the fast count misses is the one that the witness is for."""
    cut = chunk(b"id: 1\nda") + chunk(b"ta: x\n\n")
    witness = Witness()
    witness.feed(HEAD + cut)
    assert (counted([cut]), len(witness.ids_of_events())) == (0, 1)


def test_the_witness_reads_streams_without_chunks() -> None:
    """A body that ends with its connection is read as it is."""
    witness = Witness()
    witness.feed(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n: hi\n\n" + EVENT + b"id: 3\nda")
    assert len(witness.ids_of_events()) == 1


def test_events_named_by_the_hub_are_not_deliveries() -> None:
    """A gap has data but no publisher: it is not counted by the witness, and so shows as a disagreement."""
    assert events(b'id: 1\nevent: fast-sse.gap\ndata: {}\n\nid: 2\ndata: {"data":1}\n\n') == [b"2"]


def test_an_unfinished_chunk_is_left_out_and_a_wrong_size_is_told() -> None:
    """Chunks count when they are whole; a size that lies is an error and not a number."""
    assert Dechunker().feed(chunk(b"whole") + b"5\r\nhal") == b"whole"
    with pytest.raises(ValueError, match="does not end"):
        Dechunker().feed(b"3\r\nabcdef\r\n")


def test_chunks_cut_anywhere() -> None:
    """The content is the same, wherever the network cuts the chunks."""
    whole = Dechunker().feed(STREAM)
    for cut in range(len(STREAM)):
        dechunker = Dechunker()
        assert dechunker.feed(STREAM[:cut]) + dechunker.feed(STREAM[cut:]) == whole


def test_the_witness_agrees_with_the_right_count_only() -> None:
    """One more or less than it counted, or an id that came twice, is a disagreement."""
    once = chunk(b"id: 1\ndata: x\n\n") + chunk(b"id: 2\ndata: x\n\n")
    for stream, count, right in (
        (once, 2, True),
        (once, 1, False),
        (once, 3, False),
        (once + once, 4, False),
    ):
        witness = Witness()
        witness.feed(HEAD + stream)
        assert witness.agrees(count) is right


def test_a_full_witness_judges_by_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long run does not fill memory: past its bound the witness keeps nothing, and may not have seen all."""
    monkeypatch.setattr(counters, "WITNESS_BYTES_MAX", 100)
    witness = Witness()
    for number in range(50):
        witness.feed((HEAD if number == 0 else b"") + chunk(b"id: %d\ndata: x\n\n" % number))
    assert 0 < len(witness.ids_of_events()) < 10
    assert witness.agrees(50)
    assert not witness.agrees(1)
