"""Rules of `http.front.acknowledged`, on real TCP sockets."""

import socket

from fast_sse.http.front.acknowledged import acknowledged_bytes


class Transport:
    """A transport in the one respect that matters here."""

    def __init__(self, sock: object) -> None:
        self._sock = sock

    def get_extra_info(self, name: str) -> object:
        """The socket."""
        assert name == "socket"
        return self._sock


def tcp_pair(receive_buffer: int) -> tuple[socket.socket, socket.socket]:
    """Two connected TCP sockets on loopback; the second one's receive buffer is small."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    near.setblocking(False)
    return near, far


def fill(sock: socket.socket) -> None:
    """Write until the kernel takes no more."""
    try:
        while True:
            sock.send(b"x" * 65536)
    except BlockingIOError:
        pass


def test_nothing_outstanding_is_none() -> None:
    """A peer that has acknowledged everything is not suspected of anything."""
    near, far = tcp_pair(65536)
    with near, far:
        assert acknowledged_bytes(Transport(near)) is None


def test_a_peer_that_does_not_read_stands_still_and_one_that_does_moves_on() -> None:
    """With bytes outstanding the answer is how many were acknowledged: equal while it stands still, more after a read."""
    near, far = tcp_pair(4096)
    with near, far:
        fill(near)
        first = acknowledged_bytes(Transport(near))
        assert first is not None
        assert acknowledged_bytes(Transport(near)) == first
        read = 0
        while read < 3_000_000 and acknowledged_bytes(Transport(near)) == first:
            read += len(far.recv(65536))
        assert acknowledged_bytes(Transport(near)) != first


def test_a_transport_without_a_tcp_socket_is_none() -> None:
    """Other transports (an adapter, a closed or a Unix socket) are judged by their buffer only."""
    assert acknowledged_bytes(Transport(None)) is None
    left, right = socket.socketpair()
    with right:
        left.send(b"x")
        assert acknowledged_bytes(Transport(left)) is None
        left.close()
        assert acknowledged_bytes(Transport(left)) is None
