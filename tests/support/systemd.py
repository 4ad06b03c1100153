"""The end of NOTIFY_SOCKET that systemd reads."""

from __future__ import annotations

import asyncio
import secrets
import socket


class Systemd:
    """An address, and what was said to it. `listen` makes it hear.

    Args:
        address: as NOTIFY_SOCKET has it: a path, which must be short, or `@` and a name of the abstract namespace.
    """

    def __init__(self, address: str = "") -> None:
        self.address = address or f"@fast-sse-{secrets.token_hex(8)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def listen(self) -> None:
        """Hear from now on."""
        self._socket.bind(self.address.replace("@", "\0", 1))

    def heard(self) -> list[str]:
        """What has arrived, and was not taken yet."""
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return found

    async def next(self, within_s: float = 20.0) -> str:
        """The next word. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            return (await asyncio.get_running_loop().sock_recv(self._socket, 4096)).decode()

    async def until(self, word: str) -> list[str]:
        """What is said before a word that begins so."""
        found: list[str] = []
        while not (said := await self.next()).startswith(word):
            found.append(said)
        return found

    def close(self) -> None:
        """Hear nothing any more."""
        self._socket.close()
