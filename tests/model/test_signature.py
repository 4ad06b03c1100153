"""What the published vectors cannot say: grants, arguments of the signers, cost of the unknown, odd input."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_sse.model import signature as module
from fast_sse.model.channel import FILTER_CHANNELS_MAX, Channel
from fast_sse.model.errors import BadChannelError, ForbiddenError, UnauthorizedError
from fast_sse.model.signature import (
    LIFETIME_S_MAX,
    SKEW_S,
    Grant,
    Keyring,
    Scope,
    awaits_body,
    claimed_scope,
    derive_key,
    sign_v1,
    sign_v2,
    still_stands,
    verify,
)

CART = Channel("carid000001", "cart_changed")
RING = Keyring(secret=b"s" * 32, keys={"web-2": b"k" * 32, "empty": b""}, signing_kid="web-2")
NOW = 1_795_000_000
NONCE = "nonce-of-twenty-byte"

characters = st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="/\\%")
segments = st.text(characters, min_size=1, max_size=8)
channels = st.builds(Channel, segments, segments)
scopes = st.sampled_from(["pub", "sub", "batch"])


def signed(
    scope: Scope = "sub", *at: Channel, body: bytes | None = None, ttl: int = 60, kid: str = "web-2"
) -> str:
    """A v2 signature made at NOW."""
    at = at or (CART,)
    return sign_v2(RING.keys["web-2"], kid, scope, at, body=body, iat=NOW, exp=NOW + ttl, nonce=NONCE)


def check(
    signature: str, scope: Scope = "sub", *at: Channel, body: bytes | None = None, now: float = NOW
) -> Grant:
    """Verify against RING."""
    return verify(signature, scope, at or (CART,), body=body, now=now, keyring=RING)


def test_a_v1_grant_never_expires():
    """A v1 grant belongs to the principal `v1`, has no kid and no nonce, and lasts."""
    grant = check(sign_v1(RING.secret, CART), "pub", body=b"anything")
    plain = msgspec.structs.replace(grant, secret_mark="")
    assert plain == Grant(scope="pub", scheme="v1", principal="v1", kid="", expires_at=None, nonce="")


def test_a_v2_grant_carries_what_the_hub_needs_later():
    """A v2 grant ends at `exp`, carries its nonce, and belongs to the kid up to its first `-`."""
    grant = check(signed())
    plain = msgspec.structs.replace(grant, secret_mark="")
    assert plain == Grant("sub", "v2", principal="web", kid="web-2", expires_at=float(NOW + 60), nonce=NONCE)


def test_no_error_tells_more_than_another():
    """One answer for missing, malformed, wrong, expired and unknown: nothing can be probed."""
    unknown = signed(kid="web-3")
    refused = ["", "x", "é" * 64, "0" * 64, "v2." + "x" * 80, signed()[:-2] + "AA", unknown]
    messages = set()
    for text in refused:
        with pytest.raises(UnauthorizedError) as caught:
            check(text)
        messages.add(str(caught.value))
    with pytest.raises(UnauthorizedError) as caught:
        check(signed(), now=NOW + 3600)
    assert messages == {str(caught.value)}


def test_an_unknown_kid_costs_a_mac(monkeypatch):
    """An unknown kid is checked against a dummy key, so that its answer takes as long as a wrong one's."""
    keys = []

    def spy(secret: bytes, scope: str) -> bytes:
        keys.append(secret)
        return derive_key(secret, scope)

    monkeypatch.setattr(module, "derive_key", spy)
    for kid in ("web-3", "empty"):
        with pytest.raises(UnauthorizedError):
            check(signed(kid=kid))
    assert keys.count(module._NOBODY) == 2


def test_the_dummy_key_grants_nothing():
    """A MAC made with the published dummy key under an unknown or empty kid is refused."""
    for kid in ("web-3", "empty"):
        forged = sign_v2(module._NOBODY, kid, "sub", [CART], body=None, iat=NOW, exp=NOW + 60, nonce=NONCE)
        with pytest.raises(UnauthorizedError):
            check(forged)


@pytest.mark.parametrize("scope", ["pub", "sub", "batch"])
@pytest.mark.parametrize(
    "ring",
    [
        Keyring(),
        Keyring(keys={"web-2": b""}, signing_kid="web-2"),
        Keyring(secret=b"s" * 32),  # without a previous one
        Keyring(publish_secret=b"p" * 32),
    ],
)
def test_a_secret_that_is_absent_verifies_nothing(ring, scope):
    """An absent secret is no empty one: a MAC under an empty key, which anybody can make, grants nothing."""
    channels = [] if scope == "batch" else [CART]
    forged = [
        sign_v1(b"", CART),
        sign_v2(b"", "web-2", scope, channels, body=None, iat=NOW, exp=NOW + 60, nonce=NONCE),
        sign_v2(module._NOBODY, "web-2", scope, channels, body=None, iat=NOW, exp=NOW + 60, nonce=NONCE),
        sign_v2(bytes(32), "web-2", scope, channels, body=None, iat=NOW, exp=NOW + 60, nonce=NONCE),
    ]
    for text in forged:
        with pytest.raises(UnauthorizedError):
            verify(text, scope, channels, body=None, now=NOW, keyring=ring)
    assert not still_stands(Grant("sub", "v1", "v1", secret_mark=module._mark(b"")), ring)
    mark = module._mark(b"")
    assert not still_stands(Grant("sub", "v2", "web", kid="web-2", secret_mark=mark), ring)


@pytest.mark.parametrize(
    ("ring", "scope"),
    [
        (Keyring(), "sub"),
        (Keyring(), "pub"),
        (Keyring(v1="off", keys={"web": b"k" * 32}), "sub"),
        (Keyring(publish_secret=b"p" * 32), "sub"),
    ],
)
def test_operators_learn_that_a_hub_has_no_secret_for_this(ring: Keyring, scope: Scope) -> None:
    """The client is told one word for all; the reason names what the hub lacks."""
    with pytest.raises(UnauthorizedError) as caught:
        verify("0" * 64, scope, [CART], body=None, now=NOW, keyring=ring)
    assert (caught.value.reason, str(caught.value)) == ("no_secret", module._REFUSAL)


@pytest.mark.parametrize("scope", ["pub", "sub", "batch"])
def test_a_signature_lives_from_iat_to_exp_with_the_skew_on_both_sides(scope):
    """Accepted while iat - 60 s <= now < exp + 60 s, for every scope, to the second and below."""
    ttl = LIFETIME_S_MAX[scope]
    text = signed(scope, ttl=ttl, body=b"{}")
    for now in (NOW - SKEW_S, NOW, NOW + ttl + SKEW_S - 1, NOW + ttl + SKEW_S - 0.001):
        assert check(text, scope, body=b"{}", now=now).expires_at == NOW + ttl
    for now in (NOW - SKEW_S - 0.001, NOW + ttl + SKEW_S, float("inf"), float("nan")):
        with pytest.raises(UnauthorizedError):
            check(text, scope, body=b"{}", now=now)


def test_a_wrong_signature_is_401_even_where_v1_is_off():
    """403 needs a right MAC; otherwise the answer would tell the mode."""
    ring = msgspec.structs.replace(RING, v1="off")
    with pytest.raises(UnauthorizedError):
        verify("0" * 64, "sub", [CART], body=None, now=NOW, keyring=ring)
    with pytest.raises(ForbiddenError):
        verify(sign_v1(RING.secret, CART), "sub", [CART], body=None, now=NOW, keyring=ring)


def test_a_previous_publish_secret_alone_changes_nothing():
    """Without `publish_secret`, publishing is checked under `secret`, whatever its previous one was."""
    ring = msgspec.structs.replace(RING, publish_secret_previous=b"p" * 32)
    assert verify(sign_v1(b"s" * 32, CART), "pub", [CART], body=None, now=NOW, keyring=ring).scheme == "v1"
    with pytest.raises(UnauthorizedError):
        verify(sign_v1(b"p" * 32, CART), "pub", [CART], body=None, now=NOW, keyring=ring)


def test_signers_refuse_what_no_verifier_takes():
    """A signature that would be refused is never made: the caller learns it at once."""
    with pytest.raises(BadChannelError, match=":"):
        sign_v1(b"s" * 32, Channel("a:b", "c"))
    with pytest.raises(BadChannelError, match="list"):
        signed("sub", Channel("0" * 64, "-"))
    for bad in ({"kid": ""}, {"kid": "a.b"}, {"kid": "k" * 33}, {"ttl": 0}, {"ttl": 3601}):
        with pytest.raises(ValueError, match=r"kid|exp"):
            signed(**bad)
    with pytest.raises(ValueError, match="2 channels"):
        signed("pub", CART, Channel("a", "b"))
    with pytest.raises(ValueError, match="nonce"):
        sign_v2(b"k" * 32, "k", "sub", [CART], body=None, iat=NOW, exp=NOW + 1, nonce="x" * 15)


def test_a_stream_without_channels_is_refused():
    """Only a batch names no channel."""
    with pytest.raises(UnauthorizedError):
        verify(signed(), "sub", [], body=None, now=NOW, keyring=RING)
    with pytest.raises(UnauthorizedError):
        verify(sign_v1(RING.secret, CART), "sub", [], body=None, now=NOW, keyring=RING)


def test_v1_cannot_sign_a_batch():
    """A batch may publish anywhere, so no v1 signature is good for one, whatever channel it is of."""
    for at in ([], [CART]):
        with pytest.raises(UnauthorizedError):
            verify(sign_v1(RING.secret, CART), "batch", at, body=b"", now=NOW, keyring=RING)


def test_numbers_have_one_spelling():
    """A leading zero is refused even under a right MAC: the text of a signature has one form."""
    for iat, exp in ((f"0{NOW}", f"{NOW + 9}"), (f"{NOW}", f"0{NOW + 9}"), (f"+{NOW}", f"{NOW + 9}")):
        lines = module._lines("sub", "web-2", iat, exp, CART, None, NONCE)
        mac = module._mac(RING.keys["web-2"], "sub", lines).decode()
        with pytest.raises(UnauthorizedError):
            check(f"v2.web-2.sub.{iat}.{exp}.{NONCE}.{mac}")


@given(st.text(max_size=200))
def test_any_text_is_refused_with_401(text):
    """A signature comes from outside: whatever it is, the answer is 401 and nothing else."""
    with pytest.raises(UnauthorizedError):
        check(text)


@given(channels, channels)
def test_no_two_channels_share_a_v2_target(one, other):
    """Two channels have the same lines only if they are the same channel (CVE-2026-39972)."""
    assert (module._target("sub", [one]) == module._target("sub", [other])) == (one == other)


@given(channels, channels)
def test_v1_grants_its_own_channel_only(one, other):
    """A v1 signature that exists is good for its own channel and for no other."""
    if any(":" in segment for segment in one):
        with pytest.raises(BadChannelError):
            sign_v1(RING.secret, one)
        return
    text = sign_v1(RING.secret, one)
    assert check(text, "sub", one).scheme == "v1"
    if other != one:
        with pytest.raises(UnauthorizedError):
            check(text, "sub", other)


@given(st.lists(channels, min_size=2, max_size=FILTER_CHANNELS_MAX, unique=True), st.randoms())
def test_a_list_is_signed_as_a_set(listed, random):
    """Order and repetition of channels change nothing; taking one away does."""
    text = signed("sub", *listed)
    shuffled = [*listed, listed[0]]
    random.shuffle(shuffled)
    assert check(text, "sub", *shuffled).scope == "sub"
    with pytest.raises(UnauthorizedError):
        check(text, "sub", *listed[1:])


@given(scopes, scopes, st.binary(max_size=20), st.binary(max_size=20))
def test_scope_and_body_are_bound(made_for, used_for, body, sent):
    """Right scope and body: granted. Right body, wrong scope: 403. Wrong body: 401. A subscribe signature covers none."""
    if made_for == "sub":
        body = None
    text = signed(made_for, body=body)
    if sent != body and not made_for == "sub" != used_for:
        with pytest.raises(UnauthorizedError):
            check(text, used_for, body=sent)
    elif used_for != made_for:
        with pytest.raises(ForbiddenError):
            check(text, used_for, body=sent)
    else:
        assert check(text, used_for, body=sent).scope == used_for


def test_a_grant_stands_as_long_as_its_secret_does() -> None:
    """After a reload: a rotated secret still verifies, a removed or replaced one does not, nor one that v1 forbids now."""
    a, b = b"a" * 32, b"b" * 32
    channel = Channel("cart1", "changed")
    v1 = verify(sign_v1(a, channel), "sub", (channel,), body=None, now=0, keyring=Keyring(secret=a))
    assert still_stands(v1, Keyring(secret=a))
    assert still_stands(v1, Keyring(secret=b, secret_previous=a))
    assert still_stands(v1, Keyring(secret=a, v1="subscribe"))
    assert not still_stands(v1, Keyring(secret=b))
    assert not still_stands(v1, Keyring(secret=b, publish_secret=a))
    assert not still_stands(v1, Keyring(secret=a, v1="off"))
    text = sign_v2(a, "web-1", "sub", (channel,), body=None, iat=0, exp=60, nonce="n" * 16)
    v2 = verify(text, "sub", (channel,), body=None, now=0, keyring=Keyring(keys={"web-1": a}))
    assert still_stands(v2, Keyring(keys={"web-1": a, "web-2": b}))
    assert not still_stands(v2, Keyring(keys={"web-2": a}))
    assert not still_stands(v2, Keyring(keys={"web-1": b}))
    assert a.decode() not in repr(v2)


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        (signed("pub", body=b"x"), True),
        (signed("batch", body=b"x"), True),
        (signed("sub"), False),
        (sign_v1(RING.secret, CART), False),
        ("0" * 64, False),
    ],
)
def test_only_a_publish_in_v2_waits_for_its_body(signature: str, expected: bool) -> None:
    """Every other signature is right or wrong by the head alone."""
    assert awaits_body(signature, now=NOW, keyring=RING) is expected


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "v2.web-2.pub",
        signed("pub", body=b"x", kid="nobody"),
        signed("pub", body=b"x", kid="empty"),
        sign_v2(b"k" * 32, "web-2", "pub", (CART,), body=b"", iat=NOW - 200, exp=NOW - SKEW_S, nonce=NONCE),
        sign_v2(
            b"k" * 32, "web-2", "pub", (CART,), body=b"", iat=NOW + SKEW_S + 1, exp=NOW + 99, nonce=NONCE
        ),
        signed("pub", body=b"x").replace(str(NOW + 60), str(NOW + 301)),
    ],
)
def test_what_no_body_can_mend_is_refused_without_one(signature: str) -> None:
    """A form, a kid or a time that can never verify is 401 at once: nobody's bytes are kept for it."""
    with pytest.raises(UnauthorizedError):
        awaits_body(signature, now=NOW, keyring=RING)
    for body in (b"", b"x"):
        with pytest.raises(UnauthorizedError):
            check(signature, "pub", body=body)


@pytest.mark.parametrize(
    ("signature", "expected"), [(signed("batch", body=b"x"), "batch"), ("0" * 64, ""), ("v2.", "")]
)
def test_a_scope_is_claimed_whether_it_is_right_or_not(signature: str, expected: str) -> None:
    """What a signature says about itself is read without a key; it grants nothing."""
    assert claimed_scope(signature) == expected


@pytest.mark.parametrize(
    ("reason", "text", "scope", "now"),
    [
        ("missing", "", "sub", NOW),
        ("malformed", "v2.web-2", "sub", NOW),
        ("malformed", "0" * 63, "sub", NOW),
        ("wrong", "0" * 64, "sub", NOW),
        ("wrong", signed()[:-2] + "AA", "sub", NOW),
        ("unknown_kid", signed(kid="web-3"), "sub", NOW),
        ("expired", signed(), "sub", NOW + 3600),
        ("expired", signed("pub"), "pub", NOW + 3600),
        ("not_yet", signed(), "sub", NOW - 3600),
        ("lifetime", signed().replace(f".{NOW + 60}.", f".{NOW + 7200}."), "sub", NOW),
        ("scope", signed(), "pub", NOW),
        ("v1", sign_v1(RING.secret, CART), "batch", NOW),
    ],
)
def test_operators_learn_why_a_signature_was_refused(
    reason: str, text: str, scope: Scope, now: float
) -> None:
    """By a word on the error that no answer shows; what is told to the client is one sentence for all of them."""
    with pytest.raises((UnauthorizedError, ForbiddenError)) as caught:
        check(text, scope, now=now)
    assert caught.value.reason == reason
    assert str(caught.value) in (module._REFUSAL, "the signature is for sub, not for pub")


@pytest.mark.parametrize(
    ("reason", "text", "now"),
    [
        ("missing", "", NOW),
        ("malformed", "x", NOW),
        ("unknown_kid", signed("pub", kid="web-3"), NOW),
        ("expired", signed("pub"), NOW + 3600),
    ],
)
def test_operators_learn_why_no_body_was_awaited(reason: str, text: str, now: float) -> None:
    """The head of a request is refused for the same words."""
    with pytest.raises(UnauthorizedError) as caught:
        awaits_body(text, now=now, keyring=RING)
    assert caught.value.reason == reason


def test_a_channel_that_cannot_be_signed_is_named_as_that() -> None:
    """A right MAC over two readings of a channel, and v1 where it is off."""
    split = Channel("a:b", "c")
    with pytest.raises(UnauthorizedError) as caught:
        check("0" * 64, "sub", split)
    assert caught.value.reason == "channel"
    with pytest.raises(ForbiddenError) as refused:
        verify(
            sign_v1(RING.secret, CART), "sub", (CART,), body=None, now=NOW,
            keyring=msgspec.structs.replace(RING, v1="off"),
        )  # fmt: skip
    assert refused.value.reason == "v1"
