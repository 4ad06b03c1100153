"""The load generator's publishers take answers in any framing and any cut."""

from __future__ import annotations

import contextlib
import socket

import pytest

from fast_sse.bench.loop import Loop
from fast_sse.bench.publisher import Answers, Publisher, Reply
from fast_sse.bench.target import LoadError, LoadRoute, LoadTarget

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


@pytest.mark.wire
def test_publishes_may_go_to_another_node() -> None:
    """With a port of their own they go there: what is measured then is the way from node to node."""
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        host, port = first.getsockname()
        other = second.getsockname()[1]
        target = LoadTarget(
            name="x", host=host, port=port, publish_port=other, routes=[LoadRoute("/", "/", {}, {})]
        )
        with Loop() as loop:
            Publisher(loop, target, lambda _reply: None)
            second.settimeout(5.0)
            second.accept()[0].close()
            first.settimeout(0.0)
            with pytest.raises(BlockingIOError):
                first.accept()


@pytest.mark.wire
def test_what_a_server_says_unasked_is_no_answer() -> None:
    """A 408 before an idle connection ends belongs to no request: the publisher connects again and goes on."""
    with socket.create_server(("127.0.0.1", 0)) as server, Loop() as loop:
        host, port = server.getsockname()
        replies: list[Reply] = []
        target = LoadTarget(name="x", host=host, port=port, routes=[LoadRoute("/", "/", {}, {})])
        publisher = Publisher(loop, target, replies.append)
        with server.accept()[0] as idle:
            idle.sendall(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        server.settimeout(0.0)
        accepted: list[socket.socket] = []

        def again() -> bool:
            with contextlib.suppress(BlockingIOError):
                accepted.append(server.accept()[0])
            return bool(accepted)

        assert loop.until(again, 5.0)
        with accepted[0] as connection:
            publisher.send(target.publish_request(b"1"), "mine")
            assert loop.until(lambda: _sent(connection), 5.0)
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"message_id":"m.7"}')
            assert loop.until(lambda: bool(replies), 5.0)
        assert [(reply.request, reply.status, reply.message_id) for reply in replies] == [
            ("mine", 200, "m.7")
        ]


def _sent(connection: socket.socket) -> bool:
    connection.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        return bool(connection.recv(1000))
    return False
