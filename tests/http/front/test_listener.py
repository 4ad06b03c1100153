"""Bound sockets: what accepted ones inherit, and what a taken or impossible address is called."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from select import select

import pytest
import uvloop
from tests.support.server import has_ipv6

from fast_sse.http.front import listener as module
from fast_sse.http.front.listener import Listener, bind
from fast_sse.model.errors import ConfigError, UnavailableError

pytestmark = pytest.mark.wire


def listening(bound: Listener) -> int:
    """Listen on every socket; their port."""
    for sock in bound.sockets:
        sock.listen()
    (port,) = {sock.getsockname()[1] for sock in bound.sockets}
    return int(port)


def test_accepted_sockets_inherit_every_option() -> None:
    """No delay, keep-alive 30/10/3, the stall limit as user timeout, and a close that is no reset."""
    with bind("127.0.0.1", 0, "", 12_345) as bound, socket.socket() as client:
        (listener,) = bound.sockets
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
    with bind("127.0.0.1", 0, "", 1000) as listener, socket.socket() as client:  # noqa: SIM117
        with pytest.raises(ConnectionRefusedError):
            client.connect(listener.sockets[0].getsockname())


@pytest.mark.parametrize("prefix", ["", "admin_"])
def test_a_taken_port_is_named_with_its_setting(prefix: str) -> None:
    """The line says which address, and which setting to change."""
    with bind("127.0.0.1", 0, "", 1000) as first:
        port = listening(first)
        with pytest.raises(UnavailableError) as caught:
            bind("127.0.0.1", port, prefix, 1000)
    assert (
        str(caught.value)
        == f"{prefix}port: 127.0.0.1:{port} is already in use; stop what listens there, or set {prefix}port"
    )


def test_a_shared_port_is_given_to_all_who_share() -> None:
    """Both processes that ask for it get the port, and each hears of some of the connections."""
    with bind("127.0.0.1", 0, "", 1000, shared=True) as first:
        port = listening(first)
        with bind("127.0.0.1", port, "", 1000, shared=True) as second, ExitStack() as clients:
            listening(second)
            for _ in range(64):
                clients.enter_context(socket.create_connection(("127.0.0.1", port)))
            heard = [0, 0]
            for number, listener in enumerate((*first.sockets, *second.sockets)):
                while select([listener], [], [], 0)[0]:
                    listener.accept()[0].close()
                    heard[number] += 1
    assert sum(heard) == 64
    assert min(heard) > 0, "the kernel's hash gave 64 connections to one of two: one in 2**63 runs"


@pytest.mark.parametrize("mine", [True, False])
def test_a_port_is_shared_only_by_all(mine: bool) -> None:
    """A process that did not ask to share neither gets in nor is joined."""
    with bind("127.0.0.1", 0, "", 1000, shared=mine) as first:
        port = listening(first)
        with pytest.raises(UnavailableError, match="already in use"):
            bind("127.0.0.1", port, "", 1000, shared=not mine)


def test_a_shared_port_that_does_not_listen_yet_gets_nobody() -> None:
    """A process that is still catching up takes no connection from those that are ready."""
    with bind("127.0.0.1", 0, "", 1000, shared=True) as first:
        port = first.sockets[0].getsockname()[1]
        with bind("127.0.0.1", port, "", 1000, shared=True):
            listening(first)
            for _ in range(32):
                socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "a" * 300, "é..x"])
def test_an_impossible_address_is_a_wrong_setting(host: str) -> None:
    """An address that is not this machine's never becomes free by waiting."""
    with pytest.raises(ConfigError, match=r"^admin_host: "):
        bind(host, 0, "admin_", 1000)


def test_ipv6_addresses_are_written_in_brackets() -> None:
    """So that the port can be told from the address."""
    try:
        bound = bind("::1", 0, "", 1000)
    except ConfigError:
        pytest.skip("this machine has no IPv6")
    with bound:
        assert bound.address == f"[::1]:{bound.sockets[0].getsockname()[1]}"


def test_localhost_is_both_loopback_addresses_on_one_port() -> None:
    """A client may try either first; the kernel's choice of a port is one choice."""
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with bind("localhost", 0, "", 1000) as bound:
        port = listening(bound)
        assert bound.address == f"127.0.0.1:{port}"
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port)).close()


def test_a_chosen_port_that_a_stranger_has_on_the_second_address_is_chosen_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Port 0 means any port that is free on all addresses; a port that was asked for is not."""
    with socket.create_server(("127.0.0.2", 0)) as stranger:
        taken = stranger.getsockname()[1]
        made = module._tcp_socket
        chosen: list[int] = []

        def bound(family: int, place: tuple[str, int], stall_ms: int, *, shared: bool) -> socket.socket:
            port = taken if place == ("127.0.0.1", 0) and not chosen else place[1]
            chosen.append(port)
            return made(family, (place[0], port), stall_ms, shared=shared)

        monkeypatch.setattr(module, "_tcp_socket", bound)
        monkeypatch.setattr(
            module, "_places", lambda *_: [(socket.AF_INET, (f"127.0.0.{n}", 0)) for n in (1, 2)]
        )
        with bind("both", 0, "", 1000) as listener:
            assert listening(listener) != taken
        assert chosen[0] == chosen[1] == taken
        with pytest.raises(
            UnavailableError,
            match=f"^port: both:{taken} is already in use; stop what listens there, or set port$",
        ):
            bind("both", taken, "", 1000)


def test_an_address_that_is_not_here_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a name's addresses those of this machine are taken; without one it is a wrong setting."""
    places = [(socket.AF_INET, ("192.0.2.1", 0)), (socket.AF_INET, ("127.0.0.1", 0))]
    monkeypatch.setattr(module, "_places", lambda *_: places)
    with bind("both", 0, "", 1000) as listener:
        assert len(listener.sockets) == 1
        assert listener.address.startswith("127.0.0.1:")
    del places[1]
    with pytest.raises(
        ConfigError,
        match=r"^host: cannot listen on both:0: Cannot assign requested address; set it to an address of this machine$",
    ):
        bind("both", 0, "", 1000)


def test_every_address_of_a_name_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver may name one twice, by the kinds of sockets; each is bound once."""
    found = [(socket.AF_INET, 0, 0, "", (f"127.0.0.{n}", 0)) for n in (2, 3, 2)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: found)
    with bind("hub.example", 0, "", 1000) as listener:
        assert [sock.getsockname()[0] for sock in listener.sockets] == ["127.0.0.2", "127.0.0.3"]


def test_any_address_of_ipv6_takes_ipv4_too() -> None:
    """`::` is one socket for both families, unless the machine's bindv6only says otherwise."""
    if not has_ipv6() or Path("/proc/sys/net/ipv6/bindv6only").read_text().strip() != "0":
        pytest.skip("this machine keeps IPv6 to itself")
    with bind("::", 0, "", 1000) as bound:
        port = listening(bound)
        assert bound.address == f"[::]:{port}"
        socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("host", ["localhost", "unix:{}/hub.sock"])
def test_every_socket_accepts_until_the_stop(
    host: str, loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    """`serve` answers on each of them; after `stop` each refuses, and the path is free for the next."""
    answered = []

    class Once(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            answered.append(transport.get_extra_info("peername"))
            transport.close()

    def refuses(family: int, place: object) -> bool:
        with socket.socket(family) as client:
            try:
                client.connect(place)  # type: ignore[arg-type]  # of its family
            except (ConnectionRefusedError, FileNotFoundError):
                return True
        return False

    async def talk() -> None:
        with bind(host.format(tmp_path), 0, "", 1000) as bound:
            await bound.serve(Once, backlog=16)
            places = [(sock.family, sock.getsockname()) for sock in bound.sockets]
            for family, place in places:
                with socket.socket(family) as client:
                    client.setblocking(False)
                    await asyncio.get_running_loop().sock_connect(client, place)
                    assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
            assert len(answered) == len(places)
            bound.stop()
            bound.stop()
            await asyncio.sleep(0)  # uvloop closes in the next turn
            assert all(refuses(family, place) for family, place in places)
            if host.startswith("unix:"):
                bind(host.format(tmp_path), 0, "", 1000).__exit__(None, None, None)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(talk())


async def test_an_address_that_is_taken_after_all_is_named() -> None:
    """Two processes may bind a port while neither listens; the second one to listen is told."""
    with bind("127.0.0.1", 0, "", 1000) as first:
        port = first.sockets[0].getsockname()[1]
        with bind("127.0.0.1", port, "", 1000) as second:
            listening(first)
            with pytest.raises(
                UnavailableError,
                match=f"^port: 127.0.0.1:{port} is already in use; stop what listens there, or set port$",
            ):
                await second.serve(asyncio.Protocol, backlog=16)
