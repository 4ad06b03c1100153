"""The hub that the bench loads is signed for, channel by channel."""

from __future__ import annotations

import pytest

from fast_sse.cli.bench.target import make_target
from fast_sse.cli.credentials import Signer
from fast_sse.cli.remote import Remote
from fast_sse.model.errors import ConfigError
from fast_sse.model.signature import Keyring

SIGNER = Signer(Keyring(secret=b"s" * 32))


def test_a_target_is_signed_for_every_channel() -> None:
    """Each channel has its own signature; without a v2 key there are no batches."""
    target = make_target(Remote.at("http://127.0.0.1:8080/base"), SIGNER, 3, 0)
    signatures = {route.publish_headers["x-signature"] for route in target.routes}
    assert len(signatures) == 3
    assert target.routes[2].subscribe_path == "/base/v1/subscribe/events/carid000003/types/cart_changed"
    assert (target.authority, target.kid, target.signs_publishes) == ("127.0.0.1:8080", "", False)


def test_a_subscription_may_have_a_query() -> None:
    """It stands behind each path to listen at, and behind none to publish to."""
    target = make_target(Remote.at("http://127.0.0.1:8080"), SIGNER, 2, 0, query="compression=payload")
    assert {route.subscribe_path.partition("?")[2] for route in target.routes} == {"compression=payload"}
    assert not any("?" in route.publish_path for route in target.routes)


def test_a_host_without_an_address_is_told() -> None:
    """Before any load is made."""
    with pytest.raises(ConfigError, match="no address"):
        make_target(Remote.at("http://no.such.host.invalid"), SIGNER, 1, 0)
