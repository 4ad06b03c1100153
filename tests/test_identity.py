"""Which settings of tokens make sense together, and what reads tokens by them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.issuer import (
    AUDIENCE,
    CLAIM,
    ISSUER,
    SECRET,
    KeyServer,
    by_rsa,
    by_secret,
    claims,
    ec_key,
    jwk_of,
    pem_of,
    rsa_key,
    set_of,
    token,
)

from fast_sse.config import load
from fast_sse.http.tokens.source import FETCHING, FetchedKeys
from fast_sse.http.tokens.verifier import Verifier
from fast_sse.identity import make_tokens, token_problems
from fast_sse.model.errors import ConfigError, OverloadedError, UnauthorizedError
from fast_sse.observe.observer import NullObserver
from fast_sse.settings import Jwt

NOW = 1_795_000_000.0
WHO: dict[str, Any] = {"issuer": ISSUER, "audience": AUDIENCE}
URL = "https://login.example/keys"


def jwks() -> str:
    """A set with one key."""
    return set_of(jwk_of(rsa_key("a"), "a")).decode()


def problems(**settings: Any) -> list[str]:
    """What is wrong with these settings, as one reads it."""
    return [f"{key}: {problem}" for key, problem in token_problems(Jwt.model_validate(settings))]


def test_nothing_is_asked_for_where_tokens_are_off() -> None:
    """A hub without this group needs neither the extra nor an issuer."""
    assert problems() == []
    assert not Jwt().is_on


def test_each_place_of_keys_will_do() -> None:
    """One of four, with the issuer and the audience."""
    for place in ({"jwks_url": URL}, {"jwks": jwks()}, {"public_key": pem_of(ec_key())}, {"secret": SECRET}):
        assert problems(**WHO, **place) == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"secret": SECRET}, ["auth.jwt.issuer: is missing", "auth.jwt.audience: is missing"]),
        (WHO, ["auth.jwt.jwks_url: is missing"]),
        ({"issuer": "i", "jwks_url": URL}, ["auth.jwt.audience: is missing"]),
        ({**WHO, "secret": SECRET, "jwks_url": URL}, ["auth.jwt.secret: does not go with public keys"]),
        ({**WHO, "secret": SECRET, "jwks": "{}"}, ["auth.jwt.secret: does not go with public keys"]),
        ({**WHO, "secret": SECRET, "public_key": "x"}, ["auth.jwt.secret: does not go with public keys"]),
        ({**WHO, "jwks": "{}", "jwks_url": URL}, ["auth.jwt.jwks: and auth.jwt.jwks_url are both set"]),
        ({**WHO, "secret": "short"}, ["auth.jwt.secret: is shorter than 32 bytes"]),
        ({**WHO, "secret": "{JWT_SECRET_FROM_THE_ENVIRONMENT_OF_US}"}, ["auth.jwt.secret: is a placeholder"]),
        ({**WHO, "secret": "-----BEGIN PUBLIC KEY-----\nMIIBIjANBg"}, ["auth.jwt.secret: is a public key"]),
        ({**WHO, "jwks_url": URL, "algorithms": "RS256,HS256"}, ["auth.jwt.algorithms: names HS256"]),
        ({**WHO, "secret": SECRET, "algorithms": "RS256"}, ["auth.jwt.algorithms: must be HS256"]),
        ({**WHO, "secret": SECRET, "algorithms": "HS256,RS256"}, ["auth.jwt.algorithms: must be HS256"]),
        ({**WHO, "jwks_url": URL, "algorithms": ""}, ["auth.jwt.algorithms: is empty"]),
        ({**WHO, "public_key": "text"}, ["auth.jwt.public_key: must be a public key"]),
        ({**WHO, "jwks": "<html>"}, ["auth.jwt.jwks: is not a JSON Web Key Set"]),
        ({**WHO, "jwks": "{}"}, ["auth.jwt.jwks: is not a JSON Web Key Set"]),
        ({**WHO, "jwks": '{"keys": []}'}, ["auth.jwt.jwks: has no public key"]),
    ],
)
def test_each_mistake_names_its_key(settings: dict[str, Any], expected: list[str]) -> None:
    """What is missing, what excludes one another, and keys that are none; the value is never shown."""
    found = problems(**settings)
    assert len(found) == len(expected)
    for said, begin in zip(found, expected, strict=True):
        assert said.startswith(begin)
        assert SECRET not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JWKS_URL", "http://login.example/keys"),
        ("JWKS_URL", "https://user@login.example/keys"),
        ("JWKS_URL", "file:///etc/keys"),
        ("LEEWAY_S", "61"),
        ("ALGORITHMS", "none"),
        ("ALGORITHMS", "RS256,HS512"),
        ("ISSUER", ""),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that anybody could answer for, a clock that may be anything, an algorithm that is none."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    monkeypatch.setenv(f"FAST_SSE_AUTH__JWT__{name}", value)
    with pytest.raises(ConfigError, match=rf"auth\.jwt\.{name.lower()}"):
        load()


def test_settings_are_checked_when_they_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At a start and at a reload alike, keys that stand in a file included."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    for name, value in (("ISSUER", ISSUER), ("AUDIENCE", AUDIENCE), ("JWKS_FILE", str(tmp_path / "keys"))):
        monkeypatch.setenv(f"FAST_SSE_AUTH__JWT__{name}", value)
    (tmp_path / "keys").write_text("{}")
    with pytest.raises(ConfigError, match=r"auth\.jwt\.jwks: is not a JSON Web Key Set"):
        load()
    (tmp_path / "keys").write_text(jwks())
    assert load().auth.jwt.is_on


def read(jwt: Jwt, text: str) -> str:
    """Why the reader of these settings refuses a token; empty when it does not."""
    try:
        make_tokens(jwt, NullObserver(), None).read(text, NOW)
    except UnauthorizedError as error:
        return error.reason
    return ""


def test_what_the_settings_say_is_what_is_read() -> None:
    """Issuer, audience, claim, algorithms and keys reach the reader."""
    right = token(claims("a/t", now=NOW), by_rsa(rsa_key("a")), kid="a")
    place = {**WHO, "jwks": jwks()}
    assert read(Jwt.model_validate(place), right) == ""
    for changes, reason in (
        ({"issuer": "other"}, "issuer"),
        ({"audience": "other"}, "audience"),
        ({"claim": "other"}, "claim"),
        ({"algorithms": "PS256"}, "algorithm"),
        ({"jwks": set_of(jwk_of(rsa_key("b"), "b")).decode()}, "unknown_kid"),
    ):
        assert read(Jwt.model_validate({**place, **changes}), right) == reason
    by_hs = token(claims("a/t", now=NOW), by_secret(), "HS256")
    assert read(Jwt.model_validate({**WHO, "secret": SECRET}), by_hs) == ""
    late = token(claims("a/t", now=NOW, nbf=NOW + 30), by_rsa(rsa_key("a")), kid="a")
    assert (read(Jwt.model_validate(place), late), CLAIM) == ("", Jwt().claim)
    assert read(Jwt.model_validate({**place, "leeway_s": 29}), late) == "not_yet"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyServer]:
    """A server of keys that this process trusts."""
    server = KeyServer(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
    server.hold()
    yield server
    server.release()
    for thread in threading.enumerate():
        if thread.name == FETCHING:
            thread.join(10)  # what it holds is its own to close
    server.stop()


@pytest.mark.wire
async def test_fetched_keys_outlive_a_reload(server: KeyServer) -> None:
    """Where the address stays the last good set stays, whatever else changes; another address is fetched anew."""
    first = make_tokens(Jwt.model_validate({**WHO, "jwks_url": server.url}), NullObserver(), None)
    with pytest.raises(OverloadedError):
        first.read(token(claims("a/t", now=NOW), by_rsa(rsa_key("a")), kid="a"), NOW)
    changed = Jwt.model_validate({**WHO, "jwks_url": server.url, "audience": "other"})
    second = make_tokens(changed, NullObserver(), first)
    elsewhere = Jwt.model_validate({**WHO, "jwks_url": f"{server.url}/other"})
    third = make_tokens(elsewhere, NullObserver(), second)
    sources = [reader.source for reader in (first, second, third) if isinstance(reader, Verifier)]
    assert all(isinstance(source, FetchedKeys) for source in sources)
    assert sources[0] is sources[1]
    assert sources[2] is not sources[1]


@pytest.mark.slow
def test_the_extra_is_named_where_it_is_missing() -> None:
    """And it is imported by nobody whose hub takes no tokens."""
    code = (
        "import sys; sys.modules['jwt'] = sys.modules['cryptography'] = None\n"
        "from fast_sse.settings import Jwt; import fast_sse.parts\n"
        "from fast_sse.identity import token_problems\n"
        "print(*token_problems(Jwt.model_validate(dict(issuer='i', audience='a', jwks_url='https://a/b'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "auth.jwt'" in done.stdout
    assert "pip install 'fast-sse-hub[jwt]'" in done.stdout
