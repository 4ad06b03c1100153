"""Bound sockets: what accepted ones inherit, and what a taken or impossible address is called."""

from __future__ import annotations

import socket
import struct
from contextlib import ExitStack
from select import select

import pytest

from fast_sse.http.listener import address, listening_socket
from fast_sse.model.errors import ConfigError, UnavailableError

pytestmark = pytest.mark.wire


def test_accepted_sockets_inherit_every_option() -> None:
    """No delay, keep-alive 30/10/3, the stall limit as user timeout, and a close that is no reset."""
    with listening_socket("127.0.0.1", 0, "", 12_345) as listener, socket.socket() as client:
        listener.listen()
        client.connect(listener.getsockname())
        listener.setblocking(True)
        accepted, _ = listener.accept()
        with accepted:
            tcp = socket.IPPROTO_TCP
            assert accepted.getsockopt(tcp, socket.TCP_NODELAY)
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert accepted.getsockopt(tcp, socket.TCP_KEEPIDLE) == 30
            assert accepted.getsockopt(tcp, socket.TCP_KEEPINTVL) == 10
            assert accepted.getsockopt(tcp, socket.TCP_KEEPCNT) == 3
            assert accepted.getsockopt(tcp, socket.TCP_USER_TIMEOUT) == 12_345
            linger = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
            assert struct.unpack("ii", linger) == (0, 0)


def test_bound_is_not_listening() -> None:
    """Until the hub can answer, a client is refused, which it retries."""
    with listening_socket("127.0.0.1", 0, "", 1000) as listener, socket.socket() as client:  # noqa: SIM117
        with pytest.raises(ConnectionRefusedError):
            client.connect(listener.getsockname())


@pytest.mark.parametrize("prefix", ["", "admin_"])
def test_a_taken_port_is_named_with_its_setting(prefix: str) -> None:
    """The line says which address, and which setting to change."""
    with listening_socket("127.0.0.1", 0, "", 1000) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(UnavailableError) as caught:
            listening_socket("127.0.0.1", port, prefix, 1000)
    assert str(caught.value) == f"{prefix}port: 127.0.0.1:{port} is already in use"


def test_a_shared_port_is_given_to_all_who_share() -> None:
    """Both processes that ask for it get the port, and each hears of some of the connections."""
    with listening_socket("127.0.0.1", 0, "", 1000, shared=True) as first:
        port = first.getsockname()[1]
        with listening_socket("127.0.0.1", port, "", 1000, shared=True) as second, ExitStack() as clients:
            first.listen()
            second.listen()
            for _ in range(64):
                clients.enter_context(socket.create_connection(("127.0.0.1", port)))
            heard = [0, 0]
            for number, listener in enumerate((first, second)):
                while select([listener], [], [], 0)[0]:
                    listener.accept()[0].close()
                    heard[number] += 1
    assert sum(heard) == 64
    assert min(heard) > 0, "the kernel's hash gave 64 connections to one of two: one in 2**63 runs"


@pytest.mark.parametrize("mine", [True, False])
def test_a_port_is_shared_only_by_all(mine: bool) -> None:
    """A process that did not ask to share neither gets in nor is joined."""
    with listening_socket("127.0.0.1", 0, "", 1000, shared=mine) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(UnavailableError, match="already in use"):
            listening_socket("127.0.0.1", port, "", 1000, shared=not mine)


def test_a_shared_port_that_does_not_listen_yet_gets_nobody() -> None:
    """A process that is still catching up takes no connection from those that are ready."""
    with listening_socket("127.0.0.1", 0, "", 1000, shared=True) as first:
        port = first.getsockname()[1]
        with listening_socket("127.0.0.1", port, "", 1000, shared=True):
            first.listen()
            for _ in range(32):
                socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "a" * 300, "é..x"])
def test_an_impossible_address_is_a_wrong_setting(host: str) -> None:
    """An address that is not this machine's never becomes free by waiting."""
    with pytest.raises(ConfigError, match=r"^admin_host: "):
        listening_socket(host, 0, "admin_", 1000)


def test_ipv6_addresses_are_written_in_brackets() -> None:
    """So that the port can be told from the address."""
    try:
        listener = listening_socket("::1", 0, "", 1000)
    except ConfigError:
        pytest.skip("this machine has no IPv6")
    with listener:
        assert address(listener) == f"[::1]:{listener.getsockname()[1]}"
