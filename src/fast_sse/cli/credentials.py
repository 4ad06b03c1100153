"""Where the commands find a secret, and how they sign with it. Never a secret on the command line.

Arguments of a process are readable by every user of the machine and stay in shell histories (CWE-214), so a
secret comes from the hub's own settings, from a variable named with --secret-env, or from a demo's directory.
"""

from __future__ import annotations

import os
import secrets
import time
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from typer import Context, Option

from fast_sse.cli.completing import variables
from fast_sse.environment import PREFIX
from fast_sse.model.channel import Channel
from fast_sse.model.errors import ConfigError
from fast_sse.model.signature import LIFETIME_S_MAX, Keyring, Scope, sign_v1, sign_v2

DEMO_DIR = Path("var/demo")
#: The kid of a demo's v2 key.
DEMO_KID = "demo"


def key_ids(ctx: Context, incomplete: str) -> list[str]:
    """What a tab offers for --kid: ids of v2 keys in the file of --config, else in the environment, else a demo's.

    Key ids are no secrets; keys are not offered. What cannot be read offers nothing.
    """
    with suppress(OSError, ValueError, AttributeError):
        found: dict[str, object] = {}
        if (config := ctx.params.get("config")) is not None:
            found = tomllib.loads(Path(config).read_text()).get("auth", {}).get("keys", {})
        elif text := os.environ.get(f"{PREFIX}AUTH__KEYS"):
            found = msgspec.json.decode(text)
        elif (Path(ctx.params.get("demo_dir") or DEMO_DIR) / "key").exists():
            found = {DEMO_KID: ""}
        return [kid for kid in found if kid.startswith(incomplete)]
    return []


ConfigOption = Annotated[
    Path | None, Option("--config", metavar="FILE", help="Sign with the secrets of this file.")
]
DemoDirOption = Annotated[
    Path | None, Option("--demo-dir", metavar="DIR", help="Sign with the secret of this demo.")
]
SecretEnvOption = Annotated[
    str | None,
    Option(
        "--secret-env",
        metavar="NAME",
        help="Sign with the secret in this environment variable.",
        autocompletion=variables,
    ),
]
KidOption = Annotated[
    str | None,
    Option(
        "--kid",
        help="Sign in format v2 with this key of auth.keys (or of --secret-env).",
        autocompletion=key_ids,
    ),
]


class Signer(msgspec.Struct, frozen=True):
    """Signs requests. `kid` empty means v1 where the keyring has it, else v2 with its signing key."""

    keyring: Keyring
    kid: str = ""

    @property
    def signs_batches(self) -> bool:
        """Whether there is a v2 key: only that format has the scope of a batch."""
        return (self.kid or self.keyring.signing_kid) in self.keyring.keys

    def sign(
        self, scope: Scope, channels: Sequence[Channel], body: bytes | None, ttl_s: int | None = None
    ) -> str:
        """A signature that is valid from now on; v2 for `ttl_s` seconds or as long as its scope may be.

        Raises:
            ConfigError: the keyring holds nothing that could sign this.
        """
        ring = self.keyring
        if not self.kid and ring.v1 != "off" and len(channels) == 1:
            secret = (ring.publish_secret or ring.secret) if scope == "pub" else ring.secret
            if secret and not (scope == "pub" and ring.v1 == "subscribe"):
                return sign_v1(secret, channels[0])
        kid = self.kid or ring.signing_kid
        if kid not in ring.keys:
            if kid:
                raise ConfigError(
                    "auth.keys", f"has no key of that name to sign {scope} with; choose another with --kid"
                )
            raise ConfigError("auth.signing_kid", f"names no key to sign {scope} with; choose one with --kid")
        now = int(time.time())
        exp = now + (LIFETIME_S_MAX[scope] if ttl_s is None else ttl_s)
        try:
            return sign_v2(
                ring.keys[kid],
                kid,
                scope,
                channels,
                body=body,
                iat=now,
                exp=exp,
                nonce=secrets.token_urlsafe(16),
            )
        except ValueError as error:
            raise ConfigError("--ttl", str(error)) from error


def find_signer(
    config: Path | None, demo_dir: Path | None, secret_env: str | None, kid: str | None
) -> Signer:
    """The signer that the options name; without any, the hub's settings in the environment, then a demo here.

    Raises:
        ConfigError: no secret, more than one place, or a bad setting.
    """
    if sum(option is not None for option in (config, demo_dir, secret_env)) > 1:
        raise ConfigError("--config", "choose one of --config, --demo-dir and --secret-env")
    if secret_env is not None:
        secret = os.environ.get(secret_env, "").encode()
        if not secret:
            raise ConfigError(
                "--secret-env", f"the environment variable {secret_env} is not set; put the secret there"
            )
        return Signer(Keyring(keys={kid: secret}) if kid else Keyring(secret=secret), kid or "")
    if demo_dir is not None:
        return Signer(_demo_keyring(demo_dir), kid or "")
    if config is not None or any(name.startswith(f"{PREFIX}AUTH__") for name in os.environ):
        from fast_sse.config import load  # noqa: PLC0415  a tenth of a second, which other ways need not wait for

        return Signer(load(config).keyring, kid or "")
    if (DEMO_DIR / "secret").exists():
        return Signer(_demo_keyring(DEMO_DIR), kid or "")
    raise ConfigError("auth.secret", "not found; say where it is with --config, --demo-dir or --secret-env")


def demo_secret(directory: Path, name: Literal["secret", "key"] = "secret") -> str:
    """A secret of the demo in `directory`, made at its first start and readable by its owner alone.

    `secret` signs v1, `key` signs v2 under the kid DEMO_KID.

    Raises:
        ConfigError: the directory cannot be used.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(directory / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return _read_demo_secret(directory, name).decode()
        with os.fdopen(descriptor, "w") as file:
            file.write(secret := secrets.token_hex(32))
    except OSError as error:
        raise ConfigError("data_dir", f"cannot write to {directory}: {error.strerror}") from error
    return secret


def _demo_keyring(directory: Path) -> Keyring:
    """What a demo has. One that was last started by an earlier version has no key yet."""
    secret = _read_demo_secret(directory, "secret")
    if not (directory / "key").exists():
        return Keyring(secret=secret)
    return Keyring(secret=secret, keys={DEMO_KID: _read_demo_secret(directory, "key")}, signing_kid=DEMO_KID)


def _read_demo_secret(directory: Path, name: str) -> bytes:
    try:
        return (directory / name).read_bytes().strip()
    except OSError as error:
        raise ConfigError(
            "--demo-dir",
            f"there is no demo in {directory} ({error.strerror}); start one with: fast-sse demo --data-dir {directory}",
        ) from error
