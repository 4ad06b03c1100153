"""A server that answers each connection with the next bytes of a script, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class Scripted:
    """One answer a connection, in order; the connection closes behind it. Leaving it stops the server.

    Attributes:
        asked: every request as received, head and body.
        arrived: the first request is here.
        holds: answers wait for it.
        reads_body: else each connection is answered behind the head and closed.
        url: where it is.
    """

    def __init__(
        self, *answers: bytes, holds: threading.Event | None = None, reads_body: bool = True
    ) -> None:
        self.asked: list[str] = []
        self.arrived = threading.Event()
        self.holds = holds
        self.reads_body = reads_body
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        for left, answer in zip(range(len(self._answers))[::-1], self._answers, strict=True):
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if not left:
                self._listener.close()  # refused from now on, and not a moment after the last answer is read
            with connection:
                connection.settimeout(10)
                self.asked.append(_request(connection, reads_body=self.reads_body))
                self.arrived.set()
                if self.holds is not None:
                    self.holds.wait(10)
                with contextlib.suppress(OSError):  # who asked may be gone
                    connection.sendall(answer)
                if not self.reads_body:
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(1)  # its end: closing before would reset the answer
        self._listener.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.join(1)
        unused = self._thread.is_alive()
        with contextlib.suppress(OSError):  # wakes `accept`, which closing alone would not
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        if unused and kind is None:
            raise AssertionError("the script was not used up")


def _request(connection: socket.socket, *, reads_body: bool) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
    )
    while len(body) < length and reads_body:
        body += connection.recv(65_536)
    return (head + b"\r\n\r\n" + body).decode()


def answer(status: int, body: str, *headers: str) -> bytes:
    """A complete answer."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body.encode())}", *headers]
    return "\r\n".join([*lines, "", body]).encode()


def stream(body: str) -> bytes:
    """An event stream that is cut after `body`, as by a kill: its last chunk is missing."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return f"{head}{len(body.encode()):x}\r\n{body}\r\n".encode()
