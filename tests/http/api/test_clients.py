"""Rules of `http.api.clients`."""

from ipaddress import ip_network

import pytest

from fast_sse.http.api.clients import CLIENTS_MAX, Clients
from fast_sse.http.message import Request
from fast_sse.model.errors import RateLimitedError


def request(peer: str, forwarded: str | None = None) -> Request:
    """A request of a peer."""
    return Request("GET", "/", "", {} if forwarded is None else {"x-forwarded-for": forwarded}, peer=peer)


PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.66, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.66, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.66, garbage", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("", "198.51.100.7", ""),
        ("10.0.0.1", "203.0.113.7:51443", "203.0.113.7"),
        ("10.0.0.1", "[2001:db8:0:1::7]", "2001:db8:0:1::/64"),
        ("10.0.0.1", "[2001:db8:0:1::7]:51443", "2001:db8:0:1::/64"),
        ("10.0.0.1", "203.0.113.66:1, 203.0.113.7:51443, 10.0.0.2:80", "203.0.113.7"),
        ("10.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:10.0.0.1", "198.51.100.7, [::ffff:10.0.0.2]:443", "198.51.100.7"),
        ("fd00::1%eth0", "198.51.100.7", "198.51.100.7"),
        ("fe80::1%eth0", "198.51.100.7", "fe80::/64"),
        ("10.0.0.1", "198.51.100.7, unix:", "10.0.0.1"),
    ],
)
def test_forwarded_addresses_are_believed_from_trusted_hops_only(
    peer: str, forwarded: str, client: str
) -> None:
    """Read from the right up to the first hop that is not a trusted proxy; a forged left part never counts (CWE-348)."""
    assert Clients(PROXIES).address(request(peer, forwarded)) == client


def test_a_network_may_be_written_as_ipv6_calls_it() -> None:
    """A trusted `::ffff:10.0.0.0/104` is 10.0.0.0/8."""
    clients = Clients([ip_network("::ffff:10.0.0.0/104")])
    assert clients.address(request("10.9.9.9", "198.51.100.7")) == "198.51.100.7"
    assert clients.address(request("11.9.9.9", "198.51.100.7")) == "11.9.9.9"


def test_peers_of_a_unix_socket_are_believed_when_it_is_named() -> None:
    """They have no address of their own, so that alone they are one client."""
    assert Clients([*PROXIES, "unix"]).address(request("", "198.51.100.7")) == "198.51.100.7"
    assert Clients(["unix"]).address(request("", None)) == ""
    assert Clients(["unix"]).address(request("10.0.0.1", "198.51.100.7")) == "10.0.0.1"
    chain = request("", "203.0.113.66, 198.51.100.7, unix:")
    assert Clients(["unix"]).address(chain) == "198.51.100.7"
    assert Clients([*PROXIES, "unix"]).address(request("10.0.0.1", "unix:")) == "10.0.0.1"
    assert Clients([*PROXIES, "unix"]).address(request("10.0.0.1", "unix:, 10.0.0.9")) == "10.0.0.9"


def test_without_trusted_proxies_the_header_means_nothing() -> None:
    """A client cannot name its own address."""
    assert Clients().address(request("192.0.2.1", "198.51.100.7")) == "192.0.2.1"


def test_ipv6_clients_are_counted_by_their_64() -> None:
    """One /64 is one client; a mapped IPv4 address is its IPv4 client."""
    clients = Clients()
    assert clients.address(request("2001:db8:1:2:3::4")) == clients.address(request("2001:db8:1:2:ffff::1"))
    assert clients.address(request("2001:db8:1:2::1")) != clients.address(request("2001:db8:1:3::1"))
    assert clients.address(request("::ffff:192.0.2.1")) == "192.0.2.1"


def test_the_rate_has_a_burst_of_one_second_and_refills() -> None:
    """`publish_rate` messages at once, then as many a second; Retry-After says when one fits again."""
    clients = Clients(publish_rate=2)
    one = request("192.0.2.1")
    for _ in range(2):
        clients.charge(one, 1, 100.0)
    with pytest.raises(RateLimitedError) as refused:
        clients.charge(one, 1, 100.0)
    assert refused.value.retry_after_s == 1
    clients.charge(one, 1, 100.5)
    with pytest.raises(RateLimitedError):
        clients.charge(one, 1, 100.5)
    clients.charge(request("192.0.2.2"), 1, 100.5)


def test_a_batch_is_charged_by_its_lines_and_paid_off() -> None:
    """A batch above the burst passes on a full allowance, once; the debt is paid before the next message."""
    clients = Clients(publish_rate=10)
    one = request("192.0.2.1")
    clients.charge(one, 30, 100.0)
    with pytest.raises(RateLimitedError):
        clients.charge(one, 1, 101.0)
    with pytest.raises(RateLimitedError):
        clients.charge(one, 30, 102.5)
    clients.charge(one, 1, 102.5)


def test_a_clock_that_goes_back_refills_nothing() -> None:
    """Wall clocks jump; an allowance does not."""
    clients = Clients(publish_rate=1)
    one = request("192.0.2.1")
    clients.charge(one, 1, 100.0)
    with pytest.raises(RateLimitedError):
        clients.charge(one, 1, 50.0)


def test_no_rate_charges_nothing_and_remembers_nobody() -> None:
    """The limit is off by default."""
    clients = Clients()
    for _ in range(100):
        clients.charge(request("192.0.2.1"), 1000, 0.0)
    assert not clients._allowances


def test_the_memory_of_clients_is_bounded() -> None:
    """A flood of addresses forgets the longest unseen one, not the limit."""
    clients = Clients(publish_rate=1)
    clients.charge(request("first"), 1, 100.0)
    for number in range(CLIENTS_MAX):
        clients.charge(request(f"client {number}"), 1, 100.0)
    clients.charge(request("first"), 1, 100.0)
    with pytest.raises(RateLimitedError):
        clients.charge(request(f"client {CLIENTS_MAX - 1}"), 1, 100.0)


def test_streams_of_one_client_are_bounded() -> None:
    """An address may open `streams_max` streams; each that ends makes room."""
    clients = Clients(streams_max=2)
    assert clients.counts_streams
    for _ in range(2):
        assert clients.has_room("a")
        clients.opened("a")
    assert not clients.has_room("a")
    assert clients.has_room("b")
    clients.closed("a")
    assert clients.has_room("a")
    assert not Clients().counts_streams
