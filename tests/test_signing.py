"""What services sign is what a hub verifies, and what a signer cannot sign it refuses by itself."""

from __future__ import annotations

import subprocess
import sys
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from fast_sse.http.api.subscribing import parse_query
from fast_sse.model.channel import Channel, channel_from_path
from fast_sse.model.errors import BadChannelError, FastSseError
from fast_sse.model.signature import Keyring, Scope, verify
from fast_sse.signing import Name, Signer

SECRET, KEY = "0123456789abcdef" * 2, "fedcba9876543210" * 2
NOW = 1_795_000_000.0
RING = Keyring(secret=SECRET.encode(), keys={"shop": KEY.encode()})
V1 = Signer(secret=SECRET)
V2 = Signer(kid="shop", key=KEY, now=lambda: NOW)
CART, WIDE = ("cart é", "changed"), ("cart2", "*")


def right(
    signature: str, scope: Scope, *channels: tuple[str, str], body: bytes | None = None, at: float = NOW
) -> bool:
    """Whether a hub takes it."""
    try:
        verify(signature, scope, [Channel(*one) for one in channels], body=body, now=at, keyring=RING)
    except FastSseError:
        return False
    return True


def test_a_stream_is_signed_for_its_channels_and_its_time() -> None:
    """Both spellings of a channel are one, however often it is named; another channel, and the time after the end, are refused."""
    for name in (CART, "cart é/changed"):
        assert right(V1.subscribe(name), "sub", CART)
        assert right(V2.subscribe(name, ttl_s=60), "sub", CART)
    both = V2.subscribe(CART, WIDE, *[CART] * 64)
    assert right(both, "sub", CART, WIDE)
    assert not right(both, "sub", CART)
    assert right(V2.subscribe(CART), "sub", CART, at=NOW + 599)
    assert not right(V2.subscribe(CART, ttl_s=60), "sub", CART, at=NOW + 121)


@pytest.mark.parametrize("base", ["https://hub.example", "https://hub.example/", "/sse"])
def test_an_address_holds_what_its_signature_covers(base: str) -> None:
    """One channel stands in the path, several in the query; more of the query is kept and escaped."""
    one = urlsplit(V2.stream_url(base, CART, ttl_s=60, last=1))
    path = one.path.removeprefix("/sse")
    halves = path.removeprefix("/v1/subscribe/events/").split("/types/")
    assert channel_from_path(*halves) == CART
    fields = dict(parse_query(one.query))
    assert fields["last"] == "1"
    assert right(fields["signature"], "sub", CART)
    several = V2.stream_url(base, CART, "a b/c&d")
    assert several.startswith(f"{base.rstrip('/')}/v1/subscribe?channel=")
    channels = [
        tuple(value.split("/")) for name, value in parse_qsl(urlsplit(several).query) if name == "channel"
    ]
    assert channels == [CART, ("a b", "c&d")]
    assert unquote(several).count("signature=v2.shop.sub.") == 1


def test_a_publish_is_signed_with_its_body() -> None:
    """v2 covers the bytes and the scope; v1 covers the channel; a batch takes v2."""
    headers = V2.publish_headers(CART, b"{}")
    assert headers["Content-Type"] == "application/json"
    assert right(headers["x-signature"], "pub", CART, body=b"{}")
    assert not right(headers["x-signature"], "pub", CART, body=b"{ }")
    assert right(V1.publish_headers(CART, b"{}")["x-signature"], "pub", CART, body=b"{}")
    batch = V2.batch_headers(b"{}\n")
    assert batch["Content-Type"] == "application/x-ndjson"
    assert right(batch["x-signature"], "batch", body=b"{}\n")
    assert V2.subscribe(CART) != V2.subscribe(CART), "a nonce is used once"


def test_a_time_left_may_have_a_fraction() -> None:
    """What is left of a session is a float as a rule; the end is then never later than that, and a hub takes it."""
    left = V2.subscribe(CART, ttl_s=90.75)
    assert left.split(".")[4] == str(int(NOW) + 90)
    assert right(left, "sub", CART)


def test_what_a_format_cannot_sign_is_refused_here() -> None:
    """Nobody waits for the hub's 401 to learn it: lists, batches, ends and addresses take v2; times and halves have bounds."""
    for wrong in (
        lambda: V1.subscribe(CART, WIDE),
        lambda: V1.subscribe(CART, ttl_s=60),
        lambda: V1.stream_url("https://hub.example", CART),
        lambda: V1.batch_headers(b""),
        lambda: V2.subscribe(CART, ttl_s=3601),
        lambda: V2.subscribe(CART, ttl_s=0.9),
        lambda: V2.subscribe(*((f"cart{number}", "changed") for number in range(65))),
        V2.subscribe,
    ):
        with pytest.raises(ValueError, match=r"sign|exp"):
            wrong()
    bad: list[Name] = ["cart", "a/b/c", ("a/b", "c"), ("", "c")]
    for name in bad:
        with pytest.raises(BadChannelError):
            V2.subscribe(name)


def test_a_signer_has_one_good_secret() -> None:
    """None, two, half a key, one too short or a placeholder: refused at once, and never repeated in the words."""
    for given in (
        {},
        {"secret": SECRET, "kid": "shop", "key": KEY},
        {"kid": "shop"},
        {"key": KEY},
        {"secret": SECRET, "kid": "shop"},
        {"secret": "short-one"},
        {"kid": "shop", "key": "{SHOP_KEY_FROM_THE_ENVIRONMENT_OF_THE_SHOP}"},
    ):
        with pytest.raises(ValueError, match=r"give either|shorter|placeholder") as refused:
            Signer(**given)  # type: ignore[arg-type]
        assert "short-one" not in str(refused.value)


@pytest.mark.slow
def test_a_service_that_signs_loads_no_server() -> None:
    """The import brings neither a loop nor settings nor a web framework."""
    code = (
        "import sys, fast_sse.signing;"
        "loaded = {name.partition('.')[0] for name in sys.modules};"
        "print(*loaded & {'asyncio', 'pydantic', 'starlette', 'structlog', 'typer', 'uvicorn'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("secret", [None, "", b""])
def test_without_a_secret_the_setting_is_named(secret: str | bytes | None) -> None:
    """A hub without a secret takes no signatures, so that nothing is signed with an empty one."""
    with pytest.raises(ValueError, match=r"auth\.secret"):
        Signer(secret=secret)


def test_without_a_key_the_setting_is_named() -> None:
    """Of format v2 it is an entry of `auth.keys`."""
    for key in (None, ""):
        with pytest.raises(ValueError, match=r"auth\.keys"):
            Signer(kid="shop", key=key)
