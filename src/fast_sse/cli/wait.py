"""`fast-sse wait`: until a hub is ready, for scripts that start one and go on.

A hub opens its public listener when its store is open, so an answer of the hub there says that it is ready. What is asked is a
subscription without a channel, which a hub refuses by a word that nothing else says: a proxy that stands alone is not taken for one.
It shows a signature, wrong as it is, because a hub asks the application around it about a request that shows none.
"""

from __future__ import annotations

import http.client
import time
from typing import Annotated

import msgspec
from typer import Option, echo

from fast_sse.cli.remote import DEFAULT_URL, CacertOption, Remote, UrlOption
from fast_sse.http.api.paths import SUBSCRIBE_SEVERAL
from fast_sse.model.errors import BadChannelError, UnavailableError
from fast_sse.model.limits import KIB

_LOOK_S = 0.1
_ASK_S = 2.0
#: Of a refusal; an answer that does not end would be read for ever.
_REFUSAL_BYTES_MAX = 64 * KIB


class _Refusal(msgspec.Struct):
    code: str


def wait(
    url: UrlOption = DEFAULT_URL,
    cacert: CacertOption = None,
    timeout: Annotated[float, Option(metavar="SECONDS", help="How long to wait.", min=0.0)] = 30.0,
) -> None:
    """Wait until a hub is ready, and say so when it is not in time.

    Ready means that it takes publishes and streams. Ends with 0 as soon as it is, and with 1 and what was seen last when the time
    is over.

    \b
    Examples:
      fast-sse serve & fast-sse wait && fast-sse doctor
      fast-sse wait --url https://hub.example.com --timeout 120
    """
    hub, end_s = Remote.at(url, cacert=cacert), time.monotonic() + timeout
    while (seen := _seen(hub)) != "":
        left_s = end_s - time.monotonic()
        if left_s <= 0:
            raise UnavailableError(f"the hub at {url} was not ready within {timeout:g} s: {seen}")
        time.sleep(min(_LOOK_S, left_s))
    echo(f"the hub at {url} is ready")


def _seen(hub: Remote) -> str:
    """Empty when the hub is ready; else why not."""
    connection = hub.connect(_ASK_S)
    try:
        connection.request("GET", hub.prefix + SUBSCRIBE_SEVERAL, headers={"x-signature": "none"})
        answer = connection.getresponse()
        body = answer.read(_REFUSAL_BYTES_MAX)
    except OSError as error:
        return f"no answer: {hub.meaning(error)}"
    except http.client.HTTPException:
        return "the server there does not speak HTTP"
    finally:
        connection.close()
    try:
        code = msgspec.json.decode(body, type=_Refusal).code
    except (msgspec.DecodeError, UnicodeDecodeError):
        code = ""
    return "" if code == BadChannelError.code else f"the server there is not a hub (status {answer.status})"
