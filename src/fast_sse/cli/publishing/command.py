"""`fast-sse publish`: one message from its arguments, or a file of them, each there once in the end.

How one message is repeated until its outcome is known is in `link`, how a file is in `batch`.
"""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import closing
from functools import partial
from typing import Annotated, Any

import msgspec
from typer import Argument, Exit, Option, echo

from fast_sse.cli.completing import words
from fast_sse.cli.credentials import (
    ConfigOption,
    DemoDirOption,
    KidOption,
    SecretEnvOption,
    Signer,
    find_signer,
)
from fast_sse.cli.exact import checked
from fast_sse.cli.publishing.batch import BatchRun, run_batch
from fast_sse.cli.publishing.link import HubLink
from fast_sse.cli.publishing.senders import make_sender
from fast_sse.cli.publishing.waiting import goal, wait_for
from fast_sse.cli.remote import DEFAULT_URL, CacertOption, Remote, UrlOption, advised, channel_argument
from fast_sse.model.channel import Channel
from fast_sse.model.errors import ConfigError, UnavailableError

#: Leaves room for a line's number within the 256 bytes of an idempotency key.
RUN_ID_BYTES_MAX = 200

BatchOption = Annotated[
    str | None,
    Option(
        metavar="FILE",
        help="Many messages: NDJSON with event_id, event_type and data; - reads standard input.",
    ),
]
RunIdOption = Annotated[
    str | None, Option(help="With --batch: go on with the run of this id; a new one otherwise.")
]
BatchLinesOption = Annotated[
    int, Option(min=1, max=10_000, metavar="N", help="With --batch: lines in one request, at most.")
]
WaitOption = Annotated[
    str | None,
    Option(
        metavar="STATE",
        help="Wait until it is written, acked, or acked:N by so many; status 1 if not.",
        autocompletion=words("written", "acked"),
    ),
]
TimeoutOption = Annotated[float, Option(min=0, metavar="SECONDS", help="With --wait: no longer than this.")]


def publish(  # noqa: PLR0913, PLR0917  the options of a command are its arguments
    event_id: Annotated[
        str | None, Argument(metavar="ID", help="First half of the channel, or *.", show_default=False)
    ] = None,
    event_type: Annotated[
        str | None, Argument(metavar="TYPE", help="Second half of the channel, or *.", show_default=False)
    ] = None,
    data: Annotated[
        str | None, Option(help="The message, any JSON value; - or none: standard input.")
    ] = None,
    event: Annotated[
        str | None, Option(help="SSE event name, for addEventListener; none means message.")
    ] = None,
    header: Annotated[
        list[str] | None, Option(metavar="NAME=VALUE", help="A header of the message; repeatable.")
    ] = None,
    key: Annotated[str | None, Option(help="Idempotency key; a random one otherwise.")] = None,
    batch: BatchOption = None,
    run_id: RunIdOption = None,
    from_line: Annotated[int, Option(min=1, metavar="N", help="With --batch: begin at this line.")] = 1,
    batch_lines: BatchLinesOption = 500,
    wait: WaitOption = None,
    timeout: TimeoutOption = 30,
    retries: Annotated[int, Option(min=0, help="How often to try again, until something gets through.")] = 8,
    kid: KidOption = None,
    config: ConfigOption = None,
    demo_dir: DemoDirOption = None,
    secret_env: SecretEnvOption = None,
    url: UrlOption = DEFAULT_URL,
    cacert: CacertOption = None,
) -> None:
    """Publish one message and print its id, or publish a file of them.

    Tries again when the hub is away or cannot say what happened, always with the same idempotency key, so that
    each message is there once. With --batch a line that is refused is named and the others are stored.
    With --wait the id is printed, then on standard error how far the message came.

    \b
    Examples:
      fast-sse publish carid000001 cart_changed --data '{"quantity": 2}'
      date +%s | fast-sse publish clock tick
      fast-sse publish orders '*' --data '"closing"' --event notice --header X-Trace-ID=abc --key order-17
      fast-sse publish carid000001 alarm --data '"call back"' --wait acked --timeout 60 || echo "send a mail"
      fast-sse publish --batch messages.ndjson
    """
    hub, wanted = Remote.at(url, cacert=cacert), None if wait is None else goal(wait)
    if batch is None:
        to = channel_argument(event_id, event_type)
        typed = sys.stdin.buffer.read() if data is None or data == "-" else os.fsencode(data)
        body = make_body(typed, event, header or [])
        signer = find_signer(config, demo_dir, secret_env, kid)
        answer = send(hub, to, body, signer, _text("--key", key or secrets.token_hex(16)), retries)
        _print(answer)
        if wanted is not None:
            came, last = wait_for(hub, to, answer["message_id"], signer, wanted, timeout)
            echo(last, err=True)
            raise Exit(int(not came))
        return
    if any(option is not None for option in (event_id, data, event, header, key, wait)):
        raise ConfigError(
            "--batch",
            "takes everything from its lines; leave out ID, TYPE, --data, --event, --header, --key and --wait",
        )
    run = BatchRun(batch, _run_id(run_id), from_line, batch_lines)
    run_batch(run, partial(make_sender, hub, find_signer(config, demo_dir, secret_env, kid), retries))


def _print(answer: dict[str, Any]) -> None:
    if answer["duplicate"]:
        echo("duplicate: this key was published before; the id is the earlier one's", err=True)
    echo(answer["message_id"])


def _run_id(given: str | None) -> str:
    if given is not None and not 0 < len(given.encode()) <= RUN_ID_BYTES_MAX:
        raise ConfigError("--run-id", f"must have 1 to {RUN_ID_BYTES_MAX} bytes")
    return secrets.token_hex(8) if given is None else given


def make_body(data: bytes, event: str | None, headers: list[str]) -> bytes:
    """The JSON of a publish, with the data byte for byte as it was typed. Raises ConfigError."""
    try:
        raw = checked(data)
    except ValueError as error:
        raise ConfigError("--data", f"is not JSON ({error}); put a text into quotes: '\"text\"'") from error
    body: dict[str, Any] = {"data": msgspec.Raw(raw)}
    if event is not None:
        body["event"] = _text("--event", event)
    for pair in headers:
        name, separator, value = _text("--header", pair).partition("=")
        if not separator:
            raise ConfigError("--header", "must be NAME=VALUE")
        body.setdefault("headers", {})[name] = value
    return msgspec.json.encode(body)


def _text(option: str, typed: str) -> str:
    """An argument that can be written as UTF-8. Raises ConfigError."""
    try:
        typed.encode("utf-8", "strict")
    except UnicodeEncodeError as error:
        raise ConfigError(option, "must be UTF-8") from error
    return typed


def send(hub: Remote, to: Channel, body: bytes, signer: Signer, key: str, retries: int) -> dict[str, Any]:
    """Publish until the outcome is known; the answer's `data`.

    Raises:
        UnavailableError: refused for good, or every try failed; says whether it may be stored all the same.
    """

    def headers() -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Idempotency-Key": key.encode().decode("latin-1"),  # its bytes, as the client writes a header
            "x-signature": signer.sign("pub", [to], body),
        }

    link = HubLink(hub, retries, partial(echo, err=True))
    try:
        with closing(link):
            answer = link.settle(hub.publish_path(to), body, headers)
    except UnavailableError as error:
        outcome = f"it may be stored; try again with --key {key}" if link.unknown else "it is not stored"
        raise UnavailableError(f"{error.message}; {outcome}") from error
    if answer.status != 200:
        raise UnavailableError(advised(answer.status, answer.problem))
    data: dict[str, Any] = answer.body["data"]
    return data
