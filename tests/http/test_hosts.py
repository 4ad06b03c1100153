"""Which names a listener answers to, where an answer is not for the pages of strangers."""

from __future__ import annotations

import pytest

from fast_sse.http.hosts import is_ours


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:9", "127.0.0.1", "127.0.0.1:30000", "[::1]", "[::1]:30000", "10.1.2.3:1"),
        *("hub.internal", "Hub.Internal:30000"),
    ],
)
def test_an_address_localhost_and_the_own_name_are_ours(host: str) -> None:
    """Whatever the port, which tunnels change, and in whatever case."""
    assert is_ours(host, {"hub.internal"})


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            ":30000",
            "evil.example",
            "evil.example:30000",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
        ),
        *("1.2.3", "localhost:30000:evil", "hub.internal.evil.example", "xn--localhost", "[localhost.evil]"),
    ],
)
def test_a_name_of_somebody_else_is_not(host: str) -> None:
    """DNS rebinding (CWE-350): a page whose name resolves to this machine still sends its own name."""
    assert not is_ours(host, {"hub.internal"})
