"""The field's attacks on tokens, each refused with a word for operators; and the tokens that are right."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.issuer import (
    AUDIENCE,
    CLAIM,
    ISSUER,
    SECRET,
    b64,
    by_ec,
    by_rsa,
    by_secret,
    claims,
    ec_key,
    ed_key,
    jwk_of,
    pem_of,
    rsa_key,
    set_of,
    token,
)

from fast_sse.http.tokens.keys import PUBLIC, Key, keys_of_set, pem_key, secret_key
from fast_sse.http.tokens.source import FixedKeys
from fast_sse.http.tokens.verifier import TOKEN_BYTES_MAX, Issuer, Verifier
from fast_sse.model.errors import FastSseError, OverloadedError, UnauthorizedError
from fast_sse.model.right import Right

NOW = 1_795_000_000.0
RIGHT = claims("cart/changed", now=NOW)
ISSUED = Issuer(name=ISSUER, audience=AUDIENCE, claim=CLAIM, leeway_s=60)


def known() -> tuple[Key, ...]:
    """A set of three kinds."""
    return keys_of_set(
        set_of(jwk_of(rsa_key("a"), "a"), jwk_of(ec_key(), "e"), jwk_of(ed_key(), "d")), PUBLIC
    )


def verifier(*keys: Key, **changes: Any) -> Verifier:
    """One that knows these keys, or else those of `known`."""
    issuer = Issuer(**{"name": ISSUER, "audience": AUDIENCE, "claim": CLAIM, "leeway_s": 60, **changes})
    return Verifier(issuer, FixedKeys(keys or known()))


def reason(text: str, by: Verifier | None = None) -> str:
    """Why a token is refused; empty when it is not."""
    try:
        (by or verifier()).read(text, NOW)
    except UnauthorizedError as error:
        # Clients are told one thing for all.
        return error.reason if error.message == "missing, wrong or expired signature" else error.message
    return ""


def test_right_tokens_of_every_kind_are_read() -> None:
    """Each by the key that it names; a single key needs no name, and a token may have one all the same."""
    for text in (
        token(RIGHT, by_rsa(rsa_key("a")), "RS256", kid="a"),
        token(RIGHT, by_ec(ec_key()), "ES256", kid="e"),
        token(RIGHT, ed_key().sign, "EdDSA", kid="d"),
    ):
        right = verifier().read(text, NOW)
        assert (right.patterns, right.ends_at) == ((("cart", "changed"),), NOW + 600)
    single = (
        (pem_key(pem_of(rsa_key("a")).encode(), PUBLIC), by_rsa(rsa_key("a")), "RS256"),
        (secret_key(SECRET.encode()), by_secret(), "HS256"),
    )
    for key, sign, alg in single:
        for kid in (None, "any"):
            assert verifier(key).read(token(RIGHT, sign, alg, kid=kid), NOW).ends_at == NOW + 600
    (alone,) = keys_of_set(set_of(jwk_of(rsa_key("a"), "a")), PUBLIC)
    assert reason(token(RIGHT, by_rsa(rsa_key("a"))), verifier(alone)) == ""


def test_an_audience_may_be_one_of_several() -> None:
    """RFC 7519 §4.1.3: a list that holds ours."""
    assert reason(token({**RIGHT, "aud": ["shop", AUDIENCE]}, by_rsa(rsa_key("a")), kid="a")) == ""
    assert reason(token({**RIGHT, "aud": ["shop"]}, by_rsa(rsa_key("a")), kid="a")) == "audience"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, 7, ["RS256"], {"RS256": 1}])
def test_a_token_that_is_signed_by_nothing_is_refused(alg: Any) -> None:
    """`alg: none` in every spelling, with and without a signature (CVE-2015-9235)."""
    for sign in (lambda _data: b"", by_rsa(rsa_key("a"))):
        assert reason(token(RIGHT, sign, alg, kid="a")) in ("algorithm", "malformed")


@pytest.mark.parametrize("kid", ["a", None])
def test_a_public_key_is_no_secret(kid: str | None) -> None:
    """The confusion of HS256 and RS256: signed with the public key as a secret, in every form it is known in (CWE-347)."""
    pem = pem_of(rsa_key("a"))
    by_pem, by_set = verifier(pem_key(pem.encode(), PUBLIC)), verifier()
    entry = json.dumps(jwk_of(rsa_key("a"), "a"))
    for secret in (
        pem,
        pem.strip(),
        pem.replace("\n", ""),
        pem.replace("\n", "\r\n"),
        entry,
        jwk_of(rsa_key("a"))["n"],
    ):
        for alg in ("HS256", "HS384", "HS512"):
            for by in (by_pem, by_set):
                assert reason(token(RIGHT, by_secret(secret), alg, kid=kid), by) in (
                    "algorithm",
                    "unknown_kid",
                )


def test_a_secret_takes_no_public_key_s_algorithm() -> None:
    """And with a secret set up, a token of a key that somebody else made is refused by its algorithm."""
    by = verifier(secret_key(SECRET.encode()))
    assert reason(token(RIGHT, by_rsa(rsa_key("a")), "RS256"), by) == "algorithm"
    assert reason(token(RIGHT, by_secret(), "HS512"), by) == "algorithm"
    assert reason(token(RIGHT, by_secret("another-secret-0123456789abcdef0123"), "HS256"), by) == "wrong"
    assert reason(token(RIGHT, by_secret(""), "HS256"), by) == "wrong"


@pytest.mark.parametrize(
    "kid",
    [
        *("../../../../dev/null", "/dev/null", "a/../a", "file:///etc/passwd", "https://evil.example/keys"),
        *("' OR '1'='1", "a' UNION SELECT 'key' --", "a; cat /etc/passwd", "a\x00", "", "A", "a ", "%61"),
        *("k" * 257, "k" * 5000, 7, True, ["a"], {"a": 1}, None),
    ],
)
@pytest.mark.parametrize("secret", ["", "key", SECRET])
def test_a_key_s_name_is_only_compared(kid: Any, secret: str) -> None:
    """Paths, queries, commands and huge names find no key: nothing is opened or asked by a name of a stranger."""
    for text in (
        token(RIGHT, by_secret(secret), "HS256", kid=kid),
        token(RIGHT, by_rsa(rsa_key("b")), kid=kid),
    ):
        assert reason(text) in ("unknown_kid", "malformed")
    # ... and where the name is right, a stranger's signature is not.
    assert reason(token(RIGHT, by_rsa(rsa_key("b")), kid="a")) == "wrong"


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": "of a stranger"},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIB"]},
    ],
    ids=str,
)
def test_a_token_does_not_bring_its_key(header: dict[str, Any]) -> None:
    """What its header says of keys is not read (CVE-2018-0114): a token of a stranger stays one."""
    if "jwk" in header:
        header = {"jwk": jwk_of(rsa_key("b"), "a")}
    assert reason(token(RIGHT, by_rsa(rsa_key("b")), kid="a", **header)) == "wrong"
    assert reason(token(RIGHT, by_rsa(rsa_key("a")), kid="a", **header)) == ""


@pytest.mark.parametrize(
    "more",
    [
        {"crit": ["b64"], "b64": False},
        {"crit": ["b64"], "b64": True},
        {"crit": ["exp"]},
        {"crit": []},
        {"crit": 7},
    ],
)
def test_what_must_be_understood_is_refused(more: dict[str, Any]) -> None:
    """A critical header is an extension, and none is known here (RFC 7515 §4.1.11)."""
    assert reason(token(RIGHT, by_rsa(rsa_key("a")), kid="a", **more)) == "malformed"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"iss": None}, "issuer"),
        ({"iss": f"{ISSUER}/"}, "issuer"),
        ({"iss": [ISSUER]}, "issuer"),
        ({"aud": None}, "audience"),
        ({"aud": "shop"}, "audience"),
        ({"aud": "*"}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": {"fast-sse": 1}}, "audience"),
        ({"aud": f"{AUDIENCE},"}, "audience"),
        ({"exp": None}, "claim"),
        ({"exp": "9999999999"}, "claim"),
        ({"exp": True}, "claim"),
        ({"nbf": NOW + 61}, "not_yet"),
        ({"iat": NOW + 61}, "not_yet"),
        ({"iat": "now"}, "claim"),
        ({CLAIM: None}, "claim"),
        ({CLAIM: "cart/changed"}, "claim"),
        ({CLAIM: {"cart": "changed"}}, "claim"),
        ({CLAIM: [["cart", "changed"]]}, "claim"),
        ({CLAIM: ["cart"]}, "claim"),
        ({"sub": 7, "jti": 7}, ""),
    ],
    ids=str,
)
def test_claims_must_be_there_and_right(changes: dict[str, Any], expected: str) -> None:
    """Issuer, audience, times and channels, each of its type; what is not asked for may be anything."""
    said = {name: value for name, value in {**RIGHT, **changes}.items() if value is not None}
    assert reason(token(said, by_rsa(rsa_key("a")), kid="a")) == expected


def test_an_end_that_is_over_is_the_caller_s_to_judge() -> None:
    """The right is read with its end: whoever holds the channels may learn that it ran out."""
    old = token({**RIGHT, "exp": int(NOW) - 3600}, by_rsa(rsa_key("a")), kid="a")
    assert verifier().read(old, NOW).ends_at == NOW - 3600


@pytest.mark.parametrize(
    "payload",
    [b"", b"null", b"[]", b"7", b'"text"', b"{", b"\xff\xfe", b'{"exp": 1' + b"0" * 5000 + b"}", b"[" * 5000],
    ids=lambda payload: str(payload[:12]),
)
def test_a_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    """Also where its signature is right: an issuer's mistake is no crash."""
    assert reason(token(payload, by_rsa(rsa_key("a")), kid="a")) == "malformed"


def test_a_long_token_is_refused_before_it_is_read() -> None:
    """One character over the bound, right or not; up to it, a right one is read."""
    room = TOKEN_BYTES_MAX - len(token({**RIGHT, "pad": ""}, by_rsa(rsa_key("a")), kid="a"))
    longest = token({**RIGHT, "pad": "x" * (room * 3 // 4)}, by_rsa(rsa_key("a")), kid="a")
    assert TOKEN_BYTES_MAX - 4 <= len(longest) <= TOKEN_BYTES_MAX
    assert reason(longest) == ""
    assert (
        reason(token({**RIGHT, "pad": "x" * (room * 3 // 4 + 9)}, by_rsa(rsa_key("a")), kid="a"))
        == "oversized"
    )
    assert reason("." * (TOKEN_BYTES_MAX + 1)) == "oversized"


def test_every_part_of_a_token_is_signed() -> None:
    """Another payload, another header, and each piece of another token: none of it verifies."""
    mine = token(RIGHT, by_rsa(rsa_key("a")), kid="a").split(".")
    wider = token(claims("*/*", now=NOW), by_rsa(rsa_key("b")), kid="a").split(".")
    assert reason(".".join([mine[0], wider[1], mine[2]])) == "wrong"
    assert reason(".".join([b64(b'{"alg":"RS256","kid":"a"}'), mine[1], mine[2]])) == "wrong"
    assert reason(".".join([mine[0], mine[1], wider[2]])) == "wrong"
    assert reason(".".join([*mine[:2], ""])) == "wrong"
    raw = base64.urlsafe_b64decode(mine[2] + "==")
    assert reason(".".join([*mine[:2], b64(raw[:-1])])) == "wrong"


def test_tokens_of_other_forms_are_refused() -> None:
    """Five parts (encrypted), two, JSON, whole words: nothing but the compact signed form is read."""
    mine = token(RIGHT, by_rsa(rsa_key("a")), kid="a")
    flat = json.dumps({"payload": mine.split(".")[1], "signatures": []})
    for text in (
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        f"{mine}.x.y",
        mine.rpartition(".")[0],
        f"Bearer {mine}",
        flat,
        "é.é.é",
    ):
        assert reason(text) == "malformed", text


@settings(max_examples=60)
@given(
    st.text(max_size=200)
    | st.lists(st.binary(max_size=40), min_size=3, max_size=3).map(lambda three: ".".join(map(b64, three)))
)
def test_any_text_is_refused_and_nothing_else(text: str) -> None:
    """Whatever a stranger sends, the answer is the one refusal."""
    assert reason(text) in ("malformed", "algorithm", "unknown_kid")


class Waiting(FixedKeys):
    """Keys of which more are to come."""

    def more(self) -> bool:
        return True


def test_a_key_that_may_come_is_waited_for() -> None:
    """The client may try again; a token that names no key, beside several, is refused all the same."""
    awaited = token(RIGHT, by_rsa(rsa_key("b")), kid="new")
    for keys in (known(), ()):
        with pytest.raises(OverloadedError) as refused:
            Verifier(ISSUED, Waiting(keys)).read(awaited, NOW)
        assert (refused.value.status, refused.value.reason) == (503, "keys_awaited")
    assert reason(token(RIGHT, by_rsa(rsa_key("a"))), Verifier(ISSUED, Waiting(known()))) == "unknown_kid"
    with pytest.raises(OverloadedError):  # one key that has a name is not for a token that names another one
        Verifier(ISSUED, Waiting(known()[:1])).read(awaited, NOW)
    with pytest.raises(FastSseError):
        Verifier(ISSUED, Waiting(())).read(token(RIGHT, by_rsa(rsa_key("a"))), NOW)


def test_a_right_stands_while_its_key_issuer_and_audience_do() -> None:
    """After a reload: another key, issuer, audience or claim is another right."""
    right: Right = verifier().read(token(RIGHT, by_rsa(rsa_key("a")), kid="a"), NOW)
    assert verifier().stands(right.mark)
    assert verifier(*keys_of_set(set_of(jwk_of(rsa_key("a"), "renamed")), PUBLIC)).stands(right.mark)
    assert not verifier(*keys_of_set(set_of(jwk_of(rsa_key("b"), "a")), PUBLIC)).stands(right.mark)
    for changes in ({"name": "https://other"}, {"audience": "other"}, {"claim": "other"}):
        assert not verifier(**changes).stands(right.mark)
