"""The doctor's look at the keys of tokens: each way in which there are none has its line, and no line shows a secret."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.issuer import AUDIENCE, ISSUER, KeyServer, b64, ec_key, jwk_of, pem_of, rsa_key, set_of
from tests.support.issuer import SECRET as TOKEN_SECRET

from fast_sse.cli.doctor.check_tokens import tokens
from fast_sse.cli.doctor.findings import Finding
from fast_sse.http.tokens.fetch import SET_BYTES_MAX
from fast_sse.settings import Jwt

HIDDEN = "hidden-in-the-query"


def look(*, deadline_s: float = 5.0, **settings: Any) -> Finding:
    """What is said of these settings."""
    given = {"issuer": ISSUER, "audience": AUDIENCE, **settings}
    (finding,) = tokens(Jwt.model_validate(given), deadline_s)
    assert finding.name == "tokens"
    assert (finding.level == "green") is (finding.advice == "")
    assert HIDDEN not in finding.text()
    assert TOKEN_SECRET not in finding.text()
    return finding


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyServer]:
    """An issuer whose certificate this process trusts; its address holds something that is not for others."""
    server = KeyServer(tmp_path)
    server.body = set_of(jwk_of(rsa_key("a"), "a"), jwk_of(ec_key("b"), "b"))
    server.url += f"?key={HIDDEN}"
    monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
    yield server
    server.stop()


def place(server: KeyServer) -> str:
    """Host and port of an issuer."""
    return server.url.split("/")[2]


@pytest.mark.wire
def test_a_set_that_a_hub_can_use_is_green(server: KeyServer) -> None:
    """It says where the set is, how many of its keys will do and for what."""
    assert look(jwks_url=server.url).found == f"{place(server)} shows 2 keys, for ES256, RS256"
    server.body = set_of(jwk_of(rsa_key("a"), "a"), {"kty": "oct", "k": b64(b"s" * 32)})
    finding = look(jwks_url=server.url)
    assert (finding.level, finding.found) == ("green", f"{place(server)} shows 1 key, for RS256")


@pytest.mark.wire
@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"<html>", "is not a JSON Web Key Set"),
        (b'{"issuer": "https://login.example"}', "is not a JSON Web Key Set"),
        (b'{"keys": []}', "has no public key: it is empty"),
        (set_of({"kty": "oct", "k": b64(b"s" * 32), "kid": HIDDEN}), "has no public key for signatures"),
        (set_of(jwk_of(rsa_key("a"), "a", use="enc")), "has no public key for signatures"),
        (set_of(jwk_of(rsa_key("a"), "a", alg="RS512")), "; its keys are for RS512"),
        (b" " * (SET_BYTES_MAX + 1), "is larger than"),
    ],
)
def test_a_set_that_is_none_or_has_no_key_is_red(server: KeyServer, body: bytes, found: str) -> None:
    """An error page, an empty set, one of other kinds: what is there instead is said."""
    server.body = body
    finding = look(jwks_url=server.url)
    assert finding.level == "red"
    assert found in finding.found
    assert place(server) in finding.found


@pytest.mark.wire
def test_the_algorithms_that_are_allowed_are_named(server: KeyServer) -> None:
    """A set and a setting that do not meet: both sides are in the line, and the setting in the advice."""
    server.body = set_of(jwk_of(ec_key("b"), "b"))
    finding = look(jwks_url=server.url, algorithms="RS256")
    assert finding.found.endswith("for auth.jwt.algorithms (RS256); its keys are for ES256")
    assert "auth.jwt.algorithms" in finding.advice


@pytest.mark.wire
@pytest.mark.parametrize(
    ("status", "headers", "advice"),
    [
        (404, {}, "openid-configuration"),
        (403, {}, "without a login"),
        (302, {"Location": f"https://login.example/{HIDDEN}"}, "redirect"),
        (500, {}, "operator"),
    ],
)
def test_an_answer_that_is_an_error_is_red(
    server: KeyServer, status: int, headers: dict[str, str], advice: str
) -> None:
    """With its number, and what to do about that one."""
    server.status, server.headers = status, headers
    finding = look(jwks_url=server.url)
    assert (finding.level, finding.found) == ("red", f"{place(server)} answers {status}")
    assert advice in finding.advice


@pytest.mark.wire
def test_a_certificate_that_is_not_good_is_red(
    server: KeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another name, or of an authority that this machine does not know."""
    other = look(jwks_url=server.url.replace("127.0.0.1", "localhost"))
    assert (other.level, "localhost" in other.found) == ("red", True)
    assert "certificate" in other.found
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    finding = look(jwks_url=server.url)
    assert finding.found.startswith(f"the certificate of {place(server)} is not good here: ")
    assert "SSL_CERT_FILE" in finding.advice
    assert server.asked == 0


@pytest.mark.wire
def test_a_port_that_speaks_no_tls_is_red() -> None:
    """As where https is served on another port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                peer.recv(4096)

        thread = threading.Thread(target=answer)
        thread.start()
        where = f"127.0.0.1:{listener.getsockname()[1]}"
        finding = look(jwks_url=f"https://{where}/keys?key={HIDDEN}")
        thread.join()
    assert finding.level == "red"
    assert finding.found.startswith(f"no TLS with {where}: ")


@pytest.mark.wire
def test_an_issuer_that_is_away_is_red(server: KeyServer) -> None:
    """It answers too late, or nobody listens."""
    server.hold()
    late = look(jwks_url=server.url, deadline_s=0.1)
    assert (late.level, late.found) == ("red", f"{place(server)} does not answer within 0.1 s")
    server.stop()
    gone = look(jwks_url=server.url)
    assert (gone.level, gone.found) == ("red", f"{place(server)} refuses connections")


@pytest.mark.parametrize("failure", [socket.gaierror(socket.EAI_NONAME, "Name or service not known")])
def test_a_name_that_is_not_known_is_red(failure: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    """By DNS; the address is told without its path and query."""

    def fails(*_given: Any, **_more: Any) -> Any:
        raise failure

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    finding = look(jwks_url=f"https://login.example/keys?key={HIDDEN}")
    assert (finding.level, finding.found) == ("red", "the name login.example is not known here")
    assert "DNS" in finding.advice


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (lambda _: {"secret": TOKEN_SECRET}, "auth.jwt.secret, for HS256"),
        (lambda _: {"public_key": pem_of(ec_key("b"))}, "auth.jwt.public_key is 1 key, for ES256"),
        (
            lambda _: {"jwks": set_of(jwk_of(rsa_key("a"), "a")).decode()},
            "auth.jwt.jwks holds 1 key, for RS256",
        ),
        (lambda path: {"jwks_file": path}, "auth.jwt.jwks holds 1 key, for ES256"),
    ],
)
def test_keys_of_the_settings_are_green(
    settings: Callable[[Path], dict[str, Any]], found: str, tmp_path: Path
) -> None:
    """Whatever is wrong with them is wrong with the settings, and has been said."""
    file = tmp_path / "jwks.json"
    file.write_bytes(set_of(jwk_of(ec_key("b"), "b")))
    finding = look(**settings(file))
    assert (finding.level, finding.found) == ("green", found)


@pytest.mark.wire
def test_a_key_without_a_name_among_others_is_yellow(server: KeyServer) -> None:
    """A token names its key by `kid`; one that has none is taken only where it is the only one."""
    server.body = set_of(jwk_of(rsa_key("a"), "a"), jwk_of(ec_key("b")))
    finding = look(jwks_url=server.url)
    assert finding.level == "yellow"
    assert "1 of them has no kid" in finding.found
    server.body = set_of(jwk_of(ec_key("b")))
    assert look(jwks_url=server.url).level == "green"
