"""The load generator's publishers take answers in any framing and any cut."""

from __future__ import annotations

import pytest

from fast_sse.bench.publisher import Answers
from fast_sse.bench.target import LoadError

#: A body with a length, an interim answer, chunks with an extension and trailing answer, none at all.
ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/"
    b"HTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n"
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
    b"HTTP/1.1 204 No Content\r\n\r\n"
)


def test_pipelined_answers_cut_anywhere() -> None:
    """Statuses come in order, each once, whatever the border between two reads; 1xx are no answers."""
    for cut in range(1, len(ANSWERS)):
        answers = Answers()
        told = answers.feed(ANSWERS[:cut]) + answers.feed(ANSWERS[cut:])
        assert [status for status, _ in told] == [200, 202, 503, 204], cut


def test_answers_byte_by_byte() -> None:
    """A status is told with the last byte of its answer and not before."""
    answers = Answers()
    told = [answers.feed(ANSWERS[at : at + 1]) for at in range(len(ANSWERS))]
    assert [status for part in told for status, _ in part] == [200, 202, 503, 204]
    first = ANSWERS.index(b"HTTP/1.1 100")
    assert told[first - 2 : first + 1] == [[], [(200, b"HTTP/")], []]


def test_an_answer_without_a_length_is_an_error() -> None:
    """A body until close would take the next answer for its own."""
    with pytest.raises(LoadError, match="without a length"):
        Answers().feed(b"HTTP/1.1 200 OK\r\n\r\n")
