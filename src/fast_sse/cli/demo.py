"""`fast-sse demo`: a hub on this machine and the lines to try it with, nothing to configure.

Its log and its secret stay in one directory, so that a demo that was killed resumes: the same lines stay valid,
and a client that was listening gets what it missed. The hub is the child of a process that starts it again: its page
has a button that kills it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

from typer import Option

from fast_sse.cli.credentials import DEMO_DIR, DEMO_KID, demo_secret
from fast_sse.cli.process import run
from fast_sse.cli.remote import Remote
from fast_sse.cli.supervisor import supervise
from fast_sse.config import load
from fast_sse.http.front.unix_socket import PREFIX
from fast_sse.model.channel import Channel
from fast_sse.model.errors import ConfigError
from fast_sse.model.signature import sign_v1

CHANNEL = Channel("carid000001", "cart_changed")
WILDCARD = Channel("carid000001", "*")
ADMIN_PORT = 30_001

BODY = """{
    "event_name": "CartItemUpdated",
    "user": {"from_user": "system-inventory", "to_user": "user-session-abc123"},
    "data": {"sku": "SKU-45678", "quantity": 2, "price": 299.99, "action": "added"},
    "headers": {"X-Trace-ID": "trace-abc-def"}
}"""


def demo(
    host: Annotated[str, Option(help="Address of the public listener.")] = "127.0.0.1",
    port: Annotated[int, Option(help="Its port; 0 takes a free one.")] = 30_000,
    admin_port: Annotated[int, Option(help="Port of the operators' listener.")] = ADMIN_PORT,
    data_dir: Annotated[
        Path, Option(metavar="DIR", help="Where the demo keeps its log and its secret.")
    ] = DEMO_DIR,
) -> None:
    """Run a hub with a random secret and print signed curl lines and a page for it.

    A hub that is killed is started again after three seconds; its page has a button for that. A demo that is
    started again in the same place goes on with the same log and the same secret. It also takes signatures
    in a link (?signature=) and unsigned test load on POST /v1/sse/events: not for anything but trying out.

    \b
    Examples:
      fast-sse demo
      fast-sse demo --port 0 --admin-port 0 --data-dir /tmp/demo
    """
    if host.startswith(PREFIX):
        raise ConfigError("--host", "a demo is for a browser, which needs an address and a port")
    secret, key = demo_secret(data_dir), demo_secret(data_dir, "key")
    life = supervise()
    settings = {
        "host": host,
        "port": life.port or port,
        "admin_port": admin_port,
        "store": "sqlite",
        "data_dir": data_dir,
        "load_route": True,
        "log_level": "warning",
        # Whatever the environment says: the printed lines are signed so.
        "auth": {
            "v1": "both",
            "secret": secret,
            "secret_file": None,
            "publish_secret": None,
            "publish_secret_file": None,
            "keys_file": None,
            "keys": {DEMO_KID: key},
            "signing_kid": DEMO_KID,
            "allowed_event_ids": None,
            "allowed_event_types": None,
        },
    }

    def show(public: str) -> str:
        hub = Remote.at(f"http://{_reachable(public)}")
        life.tell(int(public.rpartition(":")[2]))
        if life.port:
            return f"The hub was killed. It is back, as process {os.getpid()}.\n"
        return lines(hub, secret.encode(), data_dir, admin_port, life.parent) + "\n"

    run(lambda: load(None, settings), show, demo=True)


def lines(hub: Remote, secret: bytes, data_dir: Path, admin_port: int = ADMIN_PORT, process: int = 0) -> str:
    """What to paste into other terminals. `process`: the one to kill."""
    signature, wide = sign_v1(secret, CHANNEL), sign_v1(secret, WILDCARD)
    link = hub.url(f"{hub.subscribe_path(CHANNEL)}?signature={signature}&last_event_id=earliest")
    command, directory = _command(), shlex.quote(str(data_dir))
    admin = "" if admin_port == ADMIN_PORT else f" --admin-port {admin_port}"
    return f"""\
A page that shows it at work: {hub.url("/")}

1. Subscribe, in a second terminal:

{hub.curl_subscribe(CHANNEL, signature)}

2. Publish, in a third:

{hub.curl_publish(CHANNEL, signature, BODY)}

3. Every event of one id, whatever its type:

{hub.curl_subscribe(WILDCARD, wide)}

4. All that is kept, from the first event on, then live (a browser's EventSource takes the link as it is):

{_with_earliest(hub.curl_subscribe(CHANNEL, signature))}
{link}

5. Kill it, start it again, and a client that resumes has missed nothing:

{command} subscribe {CHANNEL.event_id} {CHANNEL.event_type} --url {hub.url("")} --demo-dir {directory}
kill -9 {process}
{command} demo --port {hub.port}{admin} --data-dir {directory}
"""


def _with_earliest(curl: str) -> str:
    return f"{curl} \\\n--header 'Last-Event-ID: earliest'"


def _command() -> str:
    """How this program was called, so that the lines work where it is not on the PATH."""
    called = Path(sys.argv[0])
    if called.name != "fast-sse":
        return f"{shlex.quote(sys.executable)} -m fast_sse"
    return "fast-sse" if shutil.which("fast-sse") else shlex.quote(str(called))


def _reachable(public: str) -> str:
    """An address that a client on this machine can call when the hub listens on every one."""
    return public.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")
