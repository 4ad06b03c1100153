"""Lines on a descriptor whose reader is slow, gone, or on a full disk: nobody waits, nobody ends, and it is said."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fast_sse.observe.lines import Lines


class Pipe:
    """A pipe of which the test holds the reading end."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self._open = {self.reading, self.writing}

    def close(self, *descriptors: int) -> None:
        """Close these, or all that are left."""
        for descriptor in descriptors or tuple(self._open):
            if descriptor in self._open:
                self._open.remove(descriptor)
                os.close(descriptor)

    def read(self, size: int = 1 << 20) -> bytes:
        """The next bytes."""
        return os.read(self.reading, size)

    def read_until(self, end: bytes) -> bytes:
        """All bytes up to and with these."""
        text = b""
        while end not in text:
            text += self.read()
        return text


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """One, closed at the end."""
    made = Pipe()
    yield made
    made.close()


def test_lines_arrive_in_order(pipe: Pipe) -> None:
    """As if they were written at once."""
    lines = Lines(pipe.writing)
    for number in range(100):
        lines.write(f"{number}\n")
    assert lines.drain(5)
    assert pipe.read().decode() == "".join(f"{number}\n" for number in range(100))
    lines.close()


def test_a_reader_that_stops_holds_nobody_up(pipe: Pipe) -> None:
    """The pipe is full, the bound is reached, and each write still returns; what is dropped is counted and told."""
    lines = Lines(pipe.writing, bytes_max=200_000)
    for _ in range(1000):
        lines.write("x" * 999 + "\n")
    assert not lines.drain(0.01)
    assert 1000 - 200 - 70 <= lines.dropped < 1000
    dropped = lines.dropped
    seen = b""
    while seen.count(b"x\n") < 1000 - dropped:
        seen += pipe.read()
    assert lines.drain(5)
    lines.write("after\n")
    seen += pipe.read_until(b"after\n")
    # Several notices, where lines were taken again between those that were dropped.
    assert sum(int(named) for named in re.findall(rb"(\d+) lines were dropped\n", seen)) == dropped
    assert seen.count(b"x" * 999 + b"\n") == 1000 - dropped
    (sample,) = lines.samples()
    assert sample.value == dropped
    lines.close()


def test_a_reader_that_is_gone_is_no_error(pipe: Pipe) -> None:
    """Every line is dropped and counted; none raises."""
    lines = Lines(pipe.writing)
    pipe.close(pipe.reading)
    for number in range(5):
        lines.write(f"{number}\n")
    assert lines.drain(5)
    assert lines.dropped == 5
    lines.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_no_error() -> None:
    """ENOSPC, as a log file on a full disk gives it."""
    descriptor = os.open("/dev/full", os.O_WRONLY)
    lines = Lines(descriptor)
    lines.write("a\n")
    assert lines.drain(5)
    assert lines.dropped == 1
    lines.close()
    os.close(descriptor)


def test_without_a_descriptor_everything_is_dropped() -> None:
    """A process that was started with standard error closed says nothing, and no thread is begun for it."""
    lines = Lines(None)
    before = threading.active_count()
    assert lines.write("a\n") == 2
    assert (lines.dropped, threading.active_count()) == (1, before)
    lines.close()


def test_the_end_waits_for_its_reader_only_so_long(pipe: Pipe) -> None:
    """A process that ends gives the last lines a moment; a reader that never comes does not hold it."""
    lines = Lines(pipe.writing)
    lines.write("x" * 300_000 + "\n")
    lines.close(0.01)
    assert lines.write("too late\n")
    assert lines.dropped == 1


def test_a_torn_line_is_ended_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk was full in the middle of a line: the next one is whole, and stands alone."""
    file = tmp_path / "log"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    write, left = os.write, [3]

    def filling(to: int, data: bytes) -> int:
        if to != descriptor:
            return write(to, data)
        if not left[0]:
            left[0] = -1
            raise OSError(28, "No space left on device")
        size = left[0] if left[0] > 0 else len(data)
        left[0] = 0 if left[0] > 0 else -1
        return write(to, data[:size])

    monkeypatch.setattr(os, "write", filling)
    lines = Lines(descriptor)
    lines.write("first\n")
    assert lines.drain(5)
    lines.write("second\n")
    assert lines.drain(5)
    assert file.read_text() == "fir\n1 lines were dropped\nsecond\n"
    lines.close()
    os.close(descriptor)
