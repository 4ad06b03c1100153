"""`fast-sse publish`: one message, repeated under one idempotency key until its outcome is known.

A 503 says that nothing was stored; a 504 or a cut connection leaves it open. With the same key all three may be
tried again, and there is one message in the end (guarantees G2 and G3).
"""

from __future__ import annotations

import json
import random
import secrets
import sys
import time
from typing import Annotated, Any

import msgspec
from typer import Option, echo

from fast_sse.cli.credentials import (
    ConfigOption,
    DemoDirOption,
    KidOption,
    SecretEnvOption,
    Signer,
    find_signer,
)
from fast_sse.cli.remote import (
    DEFAULT_URL,
    NETWORK_ERRORS,
    EventIdArgument,
    EventTypeArgument,
    Remote,
    UrlOption,
    channel_argument,
)
from fast_sse.model.channel import Channel
from fast_sse.model.errors import ConfigError, UnavailableError

RETRY_STATUSES = (503, 504, 507)
WAIT_S_MAX = 5.0
TIMEOUT_S = 30.0


def publish(  # noqa: PLR0913, PLR0917  the options of a command are its arguments
    event_id: EventIdArgument,
    event_type: EventTypeArgument,
    data: Annotated[str, Option(help="The message, any JSON value; - reads standard input.")] = "-",
    event: Annotated[
        str | None, Option(help="SSE event name, for addEventListener; none means message.")
    ] = None,
    header: Annotated[
        list[str] | None, Option(metavar="NAME=VALUE", help="A header of the message; repeatable.")
    ] = None,
    key: Annotated[str | None, Option(help="Idempotency key; a random one otherwise.")] = None,
    retries: Annotated[int, Option(min=0, help="How often to try again.")] = 8,
    kid: KidOption = None,
    config: ConfigOption = None,
    demo_dir: DemoDirOption = None,
    secret_env: SecretEnvOption = None,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Publish one message and print its id, which is the id: that subscribers see.

    Tries again when the hub is away or cannot say what happened, always with the same idempotency key, so that
    the message is there once.

    \b
    Examples:
      fast-sse publish carid000001 cart_changed --data '{"quantity": 2}'
      date +%s | fast-sse publish clock tick
      fast-sse publish orders '*' --data '"closing"' --event notice --header X-Trace-ID=abc --key order-17
    """
    to, hub = channel_argument(event_id, event_type), Remote.at(url)
    body = make_body(sys.stdin.read() if data == "-" else data, event, header or [])
    signer = find_signer(config, demo_dir, secret_env, kid)
    answer = send(hub, to, body, signer, key or secrets.token_hex(16), retries)
    if answer["duplicate"]:
        echo("duplicate: this key was published before; the id is the earlier one's", err=True)
    echo(answer["message_id"])


def make_body(data: str, event: str | None, headers: list[str]) -> bytes:
    """The JSON of a publish, with the data as it was typed. Raises ConfigError."""
    try:
        json.loads(data)
    except ValueError as error:
        raise ConfigError("--data", f"is not JSON ({error}); a text needs quotes: '\"text\"'") from error
    body: dict[str, Any] = {"data": msgspec.Raw(data.strip().encode())}
    if event is not None:
        body["event"] = event
    for pair in headers:
        name, separator, value = pair.partition("=")
        if not separator:
            raise ConfigError("--header", "must be NAME=VALUE")
        body.setdefault("headers", {})[name] = value
    return msgspec.json.encode(body)


def send(hub: Remote, to: Channel, body: bytes, signer: Signer, key: str, retries: int) -> dict[str, Any]:
    """Publish until the outcome is known; the answer's `data`.

    Raises:
        UnavailableError: refused for good, or every try failed; says whether it may be stored all the same.
    """
    wait_s, unknown, problem = 0.2, False, ""
    for left in reversed(range(retries + 1)):
        try:
            status, answer, retry_after_s = _try(hub, to, body, signer, key)
            problem = f"{status} {answer.get('code', '')}: {answer.get('message', '')}"
        except NETWORK_ERRORS as error:
            status, answer, retry_after_s = 0, {}, 0.0
            problem = f"{hub.url('')}: {error}"
            unknown = unknown or not isinstance(error, ConnectionRefusedError)
        if status == 200:
            data: dict[str, Any] = answer["data"]
            return data
        if status and status not in RETRY_STATUSES:
            raise UnavailableError(problem)
        unknown = unknown or status == 504
        if left:
            echo(f"{problem}; trying again with the same key", err=True)
            time.sleep(max(retry_after_s, wait_s * random.uniform(0.5, 1)))  # noqa: S311  jitter
            wait_s = min(2 * wait_s, WAIT_S_MAX)
    outcome = f"it may be stored; try again with --key {key}" if unknown else "it is not stored"
    raise UnavailableError(f"{problem}; {outcome}")


def _try(
    hub: Remote, to: Channel, body: bytes, signer: Signer, key: str
) -> tuple[int, dict[str, Any], float]:
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": key,
        "x-signature": signer.sign("pub", [to], body),
    }
    connection = hub.connect(TIMEOUT_S)
    try:
        connection.request("POST", hub.publish_path(to), body, headers)
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    try:
        answer = json.loads(text)
    except ValueError:
        answer = {}
    retry_after = response.headers.get("Retry-After", "")
    return response.status, answer, float(retry_after) if retry_after.isdigit() else 0.0
