"""`fast-sse sign`: signatures for other tools, alone or inside ready curl lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from typer import Option, echo

from fast_sse.cli.credentials import (
    ConfigOption,
    DemoDirOption,
    KidOption,
    SecretEnvOption,
    find_signer,
)
from fast_sse.cli.remote import (
    DEFAULT_URL,
    EventIdArgument,
    EventTypeArgument,
    Remote,
    UrlOption,
    channel_argument,
)
from fast_sse.model.errors import ConfigError


def sign(  # noqa: PLR0913, PLR0917  the options of a command are its arguments
    event_id: EventIdArgument,
    event_type: EventTypeArgument,
    scope: Annotated[Literal["sub", "pub"], Option(help="Sign to subscribe, or to publish.")] = "sub",
    ttl: Annotated[int | None, Option(metavar="SECONDS", help="v2: how long it is valid.")] = None,
    body_file: Annotated[
        str | None, Option(metavar="FILE", help="v2 pub: the body to be sent; - reads standard input.")
    ] = None,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Print the signature and nothing else.")] = False,
    kid: KidOption = None,
    config: ConfigOption = None,
    demo_dir: DemoDirOption = None,
    secret_env: SecretEnvOption = None,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Sign for a channel and print a curl line that uses it.

    Format v1 is the original's: it never expires, and one secret signs both publishing and subscribing unless
    auth.publish_secret is set. Format v2 (--kid) says what for, until when, and for which body.
    The secret is read from the hub's settings, a variable or a demo, never from an argument.

    \b
    Examples:
      fast-sse sign carid000001 cart_changed --demo-dir var/demo
      HUB_SECRET=... fast-sse sign carid000001 cart_changed --secret-env HUB_SECRET --quiet
      fast-sse sign carid000001 '*' --config hub.toml --kid web-1 --ttl 600
      fast-sse sign carid000001 cart_changed --scope pub --kid shop-1 --body-file body.json --config hub.toml
    """
    to, hub = channel_argument(event_id, event_type), Remote.at(url)
    body = _read(body_file) if scope == "pub" and body_file is not None else None
    signer = find_signer(config, demo_dir, secret_env, kid)
    signature = signer.sign(scope, [to], body, ttl)
    is_v2 = signature.startswith("v2.")
    if is_v2 and scope == "pub" and body is None:
        raise ConfigError("--body-file", "is required: a v2 signature to publish covers the body")
    if not is_v2 and ttl is not None:
        raise ConfigError("--ttl", "is for v2 signatures; add --kid, since a v1 signature never expires")
    if quiet:
        echo(signature)
    elif scope == "sub":
        echo(hub.curl_subscribe(to, signature))
    else:
        data = f"@{body_file}" if body_file else '{"data": {"hello": "world"}}'
        echo(hub.curl_publish(to, signature, data))


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise ConfigError("--body-file", f"cannot read {name}: {error.strerror}") from error
