"""Where the commands find a secret, and what they sign with it."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path

import pytest

from fast_sse.cli.credentials import DEMO_DIR, DEMO_KID, Signer, demo_secret, find_signer
from fast_sse.model.channel import Channel
from fast_sse.model.errors import ConfigError
from fast_sse.model.signature import Keyring, verify

SECRET, OTHER, KEY = b"s" * 16 + b"0123456789abcdef", b"o" * 40, b"k" * 40
CHANNEL = Channel("carid000001", "cart_changed")


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_demo_keeps_its_secret() -> None:
    """It is made once, readable by its owner alone, and the same at the next start."""
    secret = demo_secret(DEMO_DIR)
    assert len(secret) == 64
    assert demo_secret(DEMO_DIR) == secret
    assert stat.S_IMODE((DEMO_DIR / "secret").stat().st_mode) == 0o600
    assert find_signer(None, DEMO_DIR, None, None).keyring.secret == secret.encode()


def test_a_demo_has_a_key_for_batches() -> None:
    """It is kept beside the secret and signs batches; single requests stay v1; a demo of before has none yet."""
    demo_secret(DEMO_DIR)
    assert not find_signer(None, DEMO_DIR, None, None).signs_batches
    key = demo_secret(DEMO_DIR, "key")
    assert demo_secret(DEMO_DIR, "key") == key
    signer = find_signer(None, None, None, None)
    assert signer.signs_batches
    assert signer.sign("batch", (), b"").startswith(f"v2.{DEMO_KID}.batch.")
    assert not signer.sign("pub", [CHANNEL], b"").startswith("v2.")
    assert stat.S_IMODE((DEMO_DIR / "key").stat().st_mode) == 0o600


def test_two_demos_share_nothing(tmp_path: Path) -> None:
    """Each directory has a secret of its own."""
    assert demo_secret(tmp_path / "a") != demo_secret(tmp_path / "b")


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A file where the directory should be is a wrong setting."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"^data_dir: cannot write"):
        demo_secret(tmp_path / "file")


def test_where_the_secret_comes_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The option that says so; else the hub's settings in the environment; else the demo in this directory; else an error."""
    with pytest.raises(ConfigError, match=r"^auth.secret: not found"):
        find_signer(None, None, None, None)
    demo = demo_secret(DEMO_DIR).encode()
    assert find_signer(None, None, None, None).keyring.secret == demo
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET.decode())
    assert find_signer(None, None, None, None).keyring.secret == SECRET
    monkeypatch.setenv("MINE", "short is fine here: the hub judges")
    assert find_signer(None, None, "MINE", None).keyring.secret.startswith(b"short")
    monkeypatch.delenv("FAST_SSE_AUTH__SECRET")
    file = tmp_path / "hub.toml"
    file.write_text(f"auth.secret = '{SECRET.decode()}'")
    assert find_signer(file, None, None, None).keyring.secret == SECRET


def test_only_one_place(tmp_path: Path) -> None:
    """Two options that both say where the secret is are a mistake, not a priority."""
    with pytest.raises(ConfigError, match="choose one of"):
        find_signer(tmp_path, tmp_path, None, None)


@pytest.mark.parametrize(
    "option", [("--secret-env", (None, None, "ABSENT")), ("--demo-dir", (None, Path("absent"), None))]
)
def test_a_place_without_a_secret_is_named(option: tuple[str, tuple[None, Path | None, str | None]]) -> None:
    """An unset variable or an empty directory is never an empty secret."""
    name, places = option
    with pytest.raises(ConfigError, match=f"^{name}: "):
        find_signer(*places, None)


def ring(**more: object) -> Keyring:
    """A keyring with a shared secret and one key."""
    return Keyring(**{"secret": SECRET, "keys": {"web-1": KEY}, "signing_kid": "web-1", **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("keyring", "kid", "sub", "pub"),
    [
        (ring(), "", "v1", "v1"),
        (ring(publish_secret=OTHER), "", "v1", "v1"),
        (ring(v1="subscribe"), "", "v1", "v2"),
        (ring(v1="off"), "", "v2", "v2"),
        (ring(), "web-1", "v2", "v2"),
    ],
)
def test_what_is_signed_is_taken(keyring: Keyring, kid: str, sub: str, pub: str) -> None:
    """The hub with the same keyring grants it, in the format that it allows; v1 where it can be, v2 for a kid."""
    signer, now = Signer(keyring, kid), time.time()
    listening = signer.sign("sub", [CHANNEL], None)
    assert verify(listening, "sub", [CHANNEL], body=None, now=now, keyring=keyring).scheme == sub
    publishing = signer.sign("pub", [CHANNEL], b"{}")
    assert verify(publishing, "pub", [CHANNEL], body=b"{}", now=now, keyring=keyring).scheme == pub


def test_nothing_to_sign_with_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kid that the keyring does not hold, several keys without a signing one, a life longer than allowed."""
    with pytest.raises(ConfigError, match=r"^auth.keys: "):
        Signer(ring(), "absent").sign("sub", [CHANNEL], None)
    with pytest.raises(ConfigError, match=r"^auth.signing_kid: "):
        Signer(Keyring(v1="off", keys={"a": KEY, "b": KEY})).sign("sub", [CHANNEL], None)
    with pytest.raises(ConfigError, match=r"^--ttl: "):
        Signer(ring(), "web-1").sign("sub", [CHANNEL], None, ttl_s=3601)
    monkeypatch.setenv("FAST_SSE_AUTH__KEYS", json.dumps({"a": KEY.decode()}))
    with pytest.raises(ConfigError, match=r"^auth"):
        find_signer(None, None, None, None)
