"""Rules of `http.api.access`."""

import pytest

from fast_sse.http.api.access import Access
from fast_sse.model.channel import Channel
from fast_sse.model.errors import ForbiddenError, UnauthorizedError
from fast_sse.model.signature import Keyring, sign_v1, sign_v2

SECRET = b"s" * 32
CART = Channel("cart1", "changed")
EVERY_TYPE = Channel("cart1", "*")


def access(**changes: object) -> Access:
    """Access with one secret and one v2 key."""
    return Access(keyring=Keyring(secret=SECRET, keys={"web-1": SECRET}), **changes)  # type: ignore[arg-type]


def grant(rules: Access, channel: Channel, *, in_query: bool = False) -> object:
    """Ask with a right v1 signature."""
    return rules.grant(sign_v1(SECRET, channel), "sub", (channel,), body=None, now=1000, in_query=in_query)


def v2_for(channels: list[Channel]) -> str:
    """A right v2 signature to subscribe to all of these."""
    return sign_v2(SECRET, "web-1", "sub", channels, body=None, iat=990, exp=1090, nonce="n" * 16)


def test_unset_lists_allow_every_segment() -> None:
    """Without allow-lists a right signature is enough, wildcards included."""
    assert grant(access(), CART)
    assert grant(access(), EVERY_TYPE)


@pytest.mark.parametrize("name", ["allowed_event_ids", "allowed_event_types"])
def test_an_empty_list_allows_none(name: str) -> None:
    """An empty list is a list: nothing is on it (the original allowed all)."""
    with pytest.raises(ForbiddenError):
        grant(access(**{name: frozenset()}), CART)


def test_a_wildcard_segment_needs_a_star_in_the_list() -> None:
    """A list of names does not let a stream ask for all of them by `*`; a `*` in the list does."""
    named = access(allowed_event_types=frozenset({"changed"}))
    assert grant(named, CART)
    with pytest.raises(ForbiddenError):
        grant(named, EVERY_TYPE)
    assert grant(access(allowed_event_types=frozenset({"*"})), EVERY_TYPE)
    assert grant(access(allowed_event_types=frozenset({"*"})), CART)


@pytest.mark.parametrize("name", ["allowed_event_ids", "allowed_event_types"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_every_channel_of_a_request_is_looked_up(name: str, place: int) -> None:
    """Of several channels each must be on the lists, wherever it stands: one that is not refuses them all."""
    rules = access(**{name: frozenset({"a", "b"})})
    channels = [Channel("a", "a"), Channel("b", "b")]
    assert rules.grant(v2_for(channels), "sub", channels, body=None, now=1000).scope == "sub"
    channels.insert(place, Channel("c", "c"))
    with pytest.raises(ForbiddenError):
        rules.grant(v2_for(channels), "sub", channels, body=None, now=1000)
    assert not rules.allows(channels)


def test_a_wrong_signature_is_401_before_any_list() -> None:
    """Who cannot sign learns nothing about the lists."""
    closed = access(allowed_event_ids=frozenset())
    with pytest.raises(UnauthorizedError):
        closed.grant("0" * 64, "sub", (CART,), body=None, now=1000)


def test_v1_in_the_query_only_where_it_is_allowed() -> None:
    """A v1 signature in a URL would be a permanent right in every log; v2 may always stand there."""
    with pytest.raises(UnauthorizedError):
        grant(access(), CART, in_query=True)
    assert grant(access(v1_query=True), CART, in_query=True)
    signature = sign_v2(SECRET, "web-1", "sub", (CART,), body=None, iat=990, exp=1090, nonce="n" * 16)
    granted = access().grant(signature, "sub", (CART,), body=None, now=1000, in_query=True)
    assert granted.expires_at == 1090


def test_a_signature_of_the_channel_alone_is_right_before_the_body() -> None:
    """v1 is settled by the head, lists included; v2 to publish waits for the body, and one that ended waits for nothing."""
    rules = access(allowed_event_ids=frozenset({"cart1"}))
    assert rules.foresee(sign_v1(SECRET, CART), "pub", (CART,), now=1000)
    other = Channel("cart2", "changed")
    with pytest.raises(ForbiddenError):
        rules.foresee(sign_v1(SECRET, other), "pub", (other,), now=1000)
    with pytest.raises(UnauthorizedError):
        rules.foresee(sign_v1(b"t" * 32, CART), "pub", (CART,), now=1000)
    v2 = sign_v2(SECRET, "web-1", "pub", (CART,), body=b"x", iat=1000, exp=1060, nonce="n" * 16)
    assert not rules.foresee(v2, "pub", (CART,), now=1000)
    with pytest.raises(UnauthorizedError):
        rules.foresee(v2, "pub", (CART,), now=1120)


def test_operators_learn_which_rule_refused() -> None:
    """A list, or a signature that is not of v2 where only v2 may stand; the error says it, and no answer does."""
    closed = access(allowed_event_ids=frozenset())
    with pytest.raises(ForbiddenError) as listed:
        grant(closed, CART)
    with pytest.raises(UnauthorizedError) as ended:
        closed.grant(v2_for([CART]), "sub", (CART,), body=None, now=2000)
    with pytest.raises(UnauthorizedError) as queried:
        grant(access(), CART, in_query=True)
    with pytest.raises(UnauthorizedError) as absent:
        access().grant("", "sub", (CART,), body=None, now=1000, in_query=True)
    found = [one.value.reason for one in (listed, ended, queried, absent)]
    assert found == ["allow_list", "allow_list", "v1", "missing"]
