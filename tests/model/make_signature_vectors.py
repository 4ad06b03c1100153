"""Writes the published test vectors: `python tests/model/make_signature_vectors.py > docs/signature-vectors.json`.

Expectations are written by hand; MACs come from the code under test, also for what no tool of ours would sign.
`test_signature_vectors.py` computes every MAC again from scratch.
"""

from __future__ import annotations

import hmac
import json
import sys
from typing import Any

from fast_sse.model.channel import Channel
from fast_sse.model.signature import Scope, _lines, _mac, _target

ABOUT = [
    "Test vectors for Fast SSE signatures: whoever signs in another language can check every step here.",
    "Each vector is one request: `signature` presented for `scope` on the decoded `channels`, with `body`,",
    "at `now` (Unix seconds), by a hub that holds `keyrings[keyring]`. `body` is UTF-8; null: there is none.",
    "`expect` is what verification answers: `granted`, 401 or 403. `why` names the rule.",
    "`string_to_sign` is what the MAC was computed over; v2 joins its lines by LF.",
    "v1: signature = lowercase hex of HMAC-SHA256(secret, string_to_sign).",
    "v2: key = HKDF-SHA256(keys[kid], empty salt, info 'fast-sse/v2/' + scope, 32 bytes);",
    "signature = v2.KID.SCOPE.IAT.EXP.NONCE.MAC, MAC = unpadded base64url of HMAC-SHA256(key, string_to_sign).",
    "Secrets are UTF-8 text. These are published: never use them.",
]

SECRET = "test-secret-0123456789abcdefghijk"
OLD_SECRET = "test-previous-secret-0123456789abc"
PUBLISH_SECRET = "test-publish-secret-0123456789abcd"
OLD_PUBLISH_SECRET = "test-previous-publish-secret-01234"
NO_SECRET = "somebody-else's-secret-0123456789"
KEYS = {"web-2026": "test-key-web-2026-0123456789abcdef", "k2": "test-key-k2-clé-0123456789abcdefgh"}
TWO = {"secret": SECRET, "publish_secret": PUBLISH_SECRET, "publish_secret_previous": OLD_PUBLISH_SECRET}

KEYRINGS: dict[str, dict[str, Any]] = {
    "one": {"v1": "both", "secret": SECRET, "secret_previous": OLD_SECRET, "keys": KEYS},
    "two": {"v1": "both", **TWO, "keys": {}},
    "subscribe": {"v1": "subscribe", "secret": SECRET, "keys": KEYS},
    "off": {"v1": "off", "secret": SECRET, "keys": KEYS},
    "keys only": {"v1": "off", "keys": KEYS},
}

NOW = 1_795_000_000
NONCE = "n0nce-n0nce_n0nce"
BODY = '{"data":{"item":7,"name":"Kaffee é"}}'
CART = Channel("carid000001", "cart_changed")
PRICE = Channel("carid000001", "price_changed")

Expect = str | int
Vector = dict[str, Any]


def v1(
    why: str, expect: Expect, at: Channel = CART, *, secret: str = SECRET, text: str = "", **over: Any
) -> Vector:
    """A v1 vector, signed for the channel it asks for, or for whatever `text` says; `over` is what differs."""
    text = text or f"{at[0]}:{at[1]}"
    return {
        "why": why,
        "expect": expect,
        "keyring": "one",
        "scope": "sub",
        "channels": [at],
        "body": None,
        "now": NOW,
        "string_to_sign": text,
        "signature": hmac.digest(secret.encode(), text.encode(), "sha256").hex(),
    } | over


def v2(
    why: str,
    expect: Expect,
    *at: Channel,
    signed: Scope = "sub",
    target: tuple[str, str] | None = None,
    body: str | None = None,
    kid: str = "web-2026",
    iat: int = NOW,
    ttl: int = 300,
    secret: str = "",
    **over: Any,
) -> Vector:
    """A v2 vector: the arguments are what was signed, `over` is what the request has instead."""
    at = at or ((CART,) if signed != "batch" else ())
    target = target or _target(signed, at)
    assert target is not None
    body_bytes = None if body is None else body.encode()
    lines = _lines(signed, kid, str(iat), str(iat + ttl), target, body_bytes, NONCE)
    mac = _mac((secret or KEYS[kid]).encode(), signed, lines).decode()
    return {
        "why": why,
        "expect": expect,
        "keyring": "one",
        "scope": signed,
        "channels": list(at),
        "body": body,
        "now": NOW,
        "string_to_sign": lines.decode(),
        "signature": f"v2.{kid}.{signed}.{iat}.{iat + ttl}.{NONCE}.{mac}",
    } | over


def v1_vectors() -> list[Vector]:
    """What v1 grants and refuses."""
    right = v1("", "")["signature"]
    pub: dict[str, Any] = {"scope": "pub", "body": BODY}
    two: dict[str, Any] = {"keyring": "two"}
    return [
        v1("v1 subscribes", "granted"),
        v1("v1 publishes with the same signature while both share a secret", "granted", **pub),
        v1("v1 signs UTF-8", "granted", Channel("café", "prix_changé")),
        v1("an emoji is four bytes", "granted", Channel("🛒", "changed")),
        v1("v1 signs the decoded channel", "granted", Channel("a b+c", "d&e=f")),
        v1("v1 does not sign the channel as the path spells it", 401, Channel("a b", "c"), text="a%20b:c"),
        v1("a wildcard is signed as it is written", "granted", Channel("carid000001", "*")),
        v1("both wildcards", "granted", Channel("*", "*")),
        v1("a wildcard signature is not one for a channel under it", 401, text="*:*"),
        v1("the previous secret verifies too", "granted", secret=OLD_SECRET),
        v1("another channel", 401, text="carid000001:price_changed"),
        v1("another secret", 401, secret=NO_SECRET),
        v1("upper-case hex is another spelling", 401, signature=right.upper()),
        v1("white space is another spelling", 401, signature=f" {right[1:]}"),
        v1("63 digits", 401, signature=right[:63]),
        v1("full-width digits are no digits", 401, signature=right[:63] + "\uff11"),
        v1("':' in the id: (a:b, c) would be (a, b:c)", 401, Channel("a:b", "c")),
        v1("':' in the type", 401, Channel("a", "b:c")),
        v1("v1 names one channel only", 401, channels=[CART, PRICE]),
        v1("v1 cannot sign a batch", 401, scope="batch", channels=[], body=BODY),
        v1("auth.v1 = subscribe forbids publishing", 403, keyring="subscribe", **pub),
        v1(
            "auth.v1 = subscribe: a wrong signature stays 401",
            401,
            secret=NO_SECRET,
            keyring="subscribe",
            **pub,
        ),
        v1("auth.v1 = subscribe allows subscribing", "granted", keyring="subscribe"),
        v1("auth.v1 = off forbids subscribing", 403, keyring="off"),
        v1("auth.v1 = off without a secret: nothing to verify", 401, keyring="keys only"),
        v1("an absent secret is not an empty one", 401, secret="", keyring="keys only"),
        v1("two secrets: publishing under its own", "granted", secret=PUBLISH_SECRET, **two, **pub),
        v1("two secrets: its previous one", "granted", secret=OLD_PUBLISH_SECRET, **two, **pub),
        v1("two secrets: a subscriber cannot publish", 401, **two, **pub),
        v1("two secrets: a subscriber subscribes", "granted", **two),
        v1("two secrets: a publisher cannot subscribe", 401, secret=PUBLISH_SECRET, **two),
    ]


def v2_channels() -> list[Vector]:
    """How channels are written, and what therefore is another channel."""
    some = (PRICE, CART, Channel("café", "*"))
    listed = _target("sub", some)
    odd = Channel("a-b_c.d~e", "a b+c&d=e,f;g@h!i'(j)")
    return [
        v2("subscribe to one channel", "granted"),
        v2("é is %C3%A9", "granted", Channel("café", "prix_changé")),
        v2("a decomposed é is another channel", 401, Channel("cafe\u0301", "x"), target=("caf%C3%A9", "x")),
        v2("an emoji is four escapes", "granted", Channel("🛒", "changed")),
        v2("a wildcard is %2A", "granted", Channel("*", "price_changed")),
        v2("a bare '*' is not how a wildcard is signed", 401, Channel("*", "c"), target=("*", "c")),
        v2("unreserved characters stay, all else is escaped", "granted", odd),
        v2("escapes in lower case are another spelling", 401, Channel("é", "c"), target=("%c3%a9", "c")),
        v2("':' is fine in v2", "granted", Channel("a:b", "c")),
        v2("':' moved: another channel", 401, Channel("a", "b:c"), target=("a%3Ab", "c")),
        v2("several channels: the hash of the sorted list", "granted", *some),
        v2("several channels in any order, repeated", "granted", CART, *some[::-1], target=listed),
        v2("several channels, one less", 401, *some[:2], target=listed),
        v2("one channel twice is the single form", "granted", CART, CART),
        v2(
            "a channel that looks like a list is refused", 401, Channel("0" * 64, "-"), target=("0" * 64, "-")
        ),
        v2("several channels cannot be published to", 401, *some, target=listed, signed="pub", body=BODY),
    ]


def v2_rights() -> list[Vector]:
    """Scopes, bodies, keys and times."""
    pub: dict[str, Any] = {"signed": "pub", "body": BODY}
    batch: dict[str, Any] = {"signed": "batch", "body": f"{BODY}\n"}
    return [
        v2("publish: the body is bound", "granted", **pub),
        v2("publish an empty body: the hash of nothing, not '-'", "granted", signed="pub", body=""),
        v2("another body", 401, **pub) | {"body": f"{BODY} "},
        v2("a body where none was signed", 401) | {"body": ""},
        v2("batch: id and type lines are '-'", "granted", **batch),
        v2("a subscribe signature cannot publish", 403, scope="pub"),
        v2("a publish signature cannot subscribe", 403, signed="pub", scope="sub"),
        v2("a batch signature cannot publish", 403, **batch, scope="pub", channels=[CART]),
        v2("another kid, a secret that is not ASCII", "granted", kid="k2"),
        v2("another secret under a known kid", 401, secret=NO_SECRET),
        v2("unknown kid", 401, kid="k3", secret=KEYS["k2"]),
        v2("v2 does not depend on auth.v1", "granted", **pub, keyring="keys only"),
        v2("300 s to publish", "granted", **pub, ttl=300),
        v2("301 s to publish", 401, **pub, ttl=301),
        v2("301 s for a batch", 401, **batch, ttl=301),
        v2("3600 s to subscribe", "granted", ttl=3600),
        v2("3601 s to subscribe", 401, ttl=3601),
        v2("exp at iat", 401, ttl=0),
        v2("the last second of the skew after exp", "granted", iat=NOW - 359),
        v2("exp + 60 s is too late", 401, iat=NOW - 360),
        v2("iat 60 s ahead", "granted", iat=NOW + 60),
        v2("iat 61 s ahead", 401, iat=NOW + 61),
        v2("the wrong scope and too late: the time comes first", 401, scope="pub", iat=NOW - 400),
    ]


def v2_broken() -> list[Vector]:
    """Right in all but one spelling."""
    right = v2("", 401)
    head, _, mac = right["signature"].rpartition(".")
    version, kid, scope, iat, exp, nonce = head.split(".")
    changed = {
        "one bit of the MAC": f"{head}.{_other_digit(mac[0], 32)}{mac[1:]}",
        "the unused bits of the MAC's last digit: another spelling": f"{head}.{mac[:-1]}{_other_digit(mac[-1], 1)}",
        "padding": f"{head}.{mac}=",
        "a leading zero": f"{version}.{kid}.{scope}.0{iat}.{exp}.{nonce}.{mac}",
        "a later exp": f"{version}.{kid}.{scope}.{iat}.{NOW + 301}.{nonce}.{mac}",
        "a scope that does not exist": f"{version}.{kid}.all.{iat}.{exp}.{nonce}.{mac}",
        "another scope, the MAC of the first": f"{version}.{kid}.pub.{iat}.{exp}.{nonce}.{mac}",
        "a nonce of 15": f"{version}.{kid}.{scope}.{iat}.{exp}.{nonce[:15]}.{mac}",
        "another version": f"v3.{kid}.{scope}.{iat}.{exp}.{nonce}.{mac}",
        "a line break behind it": f"{head}.{mac}\n",
        "nothing": "",
    }
    return [right | {"why": why, "signature": signature} for why, signature in changed.items()]


def _other_digit(digit: str, bit: int) -> str:
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return digits[digits.index(digit) ^ bit]


def document() -> str:
    """The whole file."""
    vectors = [*v1_vectors(), *v2_channels(), *v2_rights(), *v2_broken()]
    head = json.dumps({"about": ABOUT, "keyrings": KEYRINGS}, ensure_ascii=False, indent=2)
    lines = ",\n".join(f"    {json.dumps(vector, ensure_ascii=False)}" for vector in vectors)
    return f'{head[:-2]},\n  "vectors": [\n{lines}\n  ]\n}}\n'


if __name__ == "__main__":
    sys.stdout.write(document())
