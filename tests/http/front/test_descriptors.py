"""Descriptors kept back from clients."""

from __future__ import annotations

import socket

import pytest
from tests.support.clock import ManualClock
from tests.support.interface import Scripted
from tests.support.transport import FakeTransport

from fast_sse.http.front.descriptors import RESERVED, Descriptors, for_clients, for_operators
from fast_sse.http.front.front import Front
from fast_sse.http.message import Response
from fast_sse.model.limits import Limits


class Numbered:
    """A transport whose socket has a number."""

    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        return self._number

    def get_extra_info(self, name: str) -> object:
        return self if name == "socket" else None


@pytest.mark.parametrize(
    ("limit", "bound"), [(65_536, 65_536 - RESERVED), (1024, 1024 - RESERVED), (128, 96), (0, 0)]
)
def test_some_are_kept_back(limit: int, bound: int) -> None:
    """256 of many, a quarter of few, none where there is no limit."""
    assert for_clients(limit) == bound


@pytest.mark.parametrize(("limit", "share"), [(65_536, 128), (1024, 128), (128, 16), (0, 128)])
def test_operators_have_half_of_what_is_kept_back(limit: int, share: int) -> None:
    """And never more than they need: the store's files come out of the same."""
    assert for_operators(limit, 128) == share


def test_the_number_of_a_socket_decides() -> None:
    """Below the bound it may stay, from the bound on it may not, and each of those is counted and told."""
    told: list[int] = []
    descriptors = Descriptors(100, told.append)
    assert [descriptors.has_room(Numbered(number)) for number in (99, 100, 101)] == [True, False, False]  # type: ignore[arg-type]
    assert told == [1, 2]
    assert descriptors.turned_away == 2


def test_no_bound_lets_everybody_in() -> None:
    """Without a limit of open files any number is low enough."""
    assert Descriptors().has_room(Numbered(10**9))  # type: ignore[arg-type]


def test_the_kernel_gives_the_lowest_number() -> None:
    """The rule that it all stands on (POSIX): the next socket takes the lowest free number."""
    with socket.socket() as low, socket.socket() as high:
        number = low.fileno()
        assert number < high.fileno()
        low.close()
        with socket.socket() as again:
            assert again.fileno() == number


async def test_who_has_no_room_is_closed_without_an_answer() -> None:
    """The connection is cut before anything of it is read, and is not one of those that a drain waits for."""

    class Full(Descriptors):
        def has_room(self, transport: object) -> bool:
            return False

    front = Front(Scripted(lambda _: Response(200)), Limits(), clock=ManualClock(), descriptors=Full())
    transport = FakeTransport(front())
    transport.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (transport.aborted, transport.sent) == (True, b"")
    assert (front.connections, front.requests) == (0, 0)
    await front.drain()


def test_the_bound_is_kept_although_few_numbers_are_looked_at() -> None:
    """One number after another, as the kernel gives them: all below the bound are let in, and none from it on."""
    asked = 0

    class Looked(Numbered):
        def get_extra_info(self, name: str) -> object:
            nonlocal asked
            asked += 1
            return super().get_extra_info(name)

    descriptors = Descriptors(1000)
    let_in = [descriptors.has_room(Looked(number)) for number in range(10, 1010)]  # type: ignore[arg-type]
    assert let_in == [True] * 990 + [False] * 10
    assert asked < 50
