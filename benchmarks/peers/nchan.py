"""nginx with nchan: the mature C server to measure against, from Debian's packages, with one worker.

The configuration is generated into a temporary prefix with its own pid file and port. A system's own nginx is
never touched; if it is this script that installs the package, the service that comes with it is stopped again.
Settings are those of somebody who wants nchan to be fast: no access log, no limit on requests per connection,
a message buffer that holds a whole run, memory for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers.process import PeerError, free_port, listening, scratch
from benchmarks.peers.routes import plain_target
from fast_sse.bench.target import LoadTarget

NAME = "nchan"
#: What a reader of the table must know.
NOTE = "C, unsigned, in memory, one worker"

ROOT = Path(__file__).parents[2]
PACKAGES = ("nginx", "libnginx-mod-nchan")
MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"

CONFIG = """\
load_module {module};
daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile 20000;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 20000; use epoll; multi_accept on; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path tmp-body;
    proxy_temp_path tmp-proxy;
    fastcgi_temp_path tmp-fastcgi;
    uwsgi_temp_path tmp-uwsgi;
    scgi_temp_path tmp-scgi;
    nchan_shared_memory_size 512M;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location ~ ^/pub/(\\w+)$ {{
            nchan_publisher http;
            nchan_channel_id $1;
            nchan_message_buffer_length 20000;
            nchan_message_timeout 10m;
        }}
        location ~ ^/sub/(\\w+)$ {{
            nchan_subscriber eventsource;
            nchan_channel_id $1;
            nchan_subscriber_first_message newest;
            nchan_subscriber_timeout 0;
            nchan_eventsource_ping_interval 15;
        }}
    }}
}}
"""


def nginx() -> str | None:
    """The program, if it is here with its module."""
    program = shutil.which("nginx", path=PATH)
    return program if program and MODULE.exists() else None


def install() -> None:
    """Have nginx and nchan, from Debian; PeerError says what to do where that cannot be done from here."""
    if nginx():
        return
    command = f"apt-get install {' '.join(PACKAGES)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise PeerError(
            f"nginx with nchan is not here; as root on Debian: {command} (or leave it out of --peers)"
        )
    had_nginx = shutil.which("nginx", path=PATH) is not None
    # In runlevel 1 Debian's maintainer scripts start no service.
    subprocess.run(
        [ROOT / "scripts" / "apt-install", *PACKAGES], check=True, env={**os.environ, "RUNLEVEL": "1"}
    )
    if not had_nginx and Path("/run/systemd/system").exists():
        subprocess.run(["systemctl", "disable", "--now", "--quiet", "nginx"], check=False)
    if not nginx():
        raise PeerError(f"{command} went well, but {MODULE} or nginx is still missing")


def version() -> dict[str, str]:
    """Debian's versions of both packages."""
    asked = ["dpkg-query", "--show", "--showformat", "${Package}=${Version}\n", *PACKAGES]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return dict(line.split("=", 1) for line in answer.splitlines())


def worker_of(master: int) -> int:
    """The pid of the one worker; 0 before it runs."""
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return int(children[0]) if children else 0


@contextmanager
def running(core: int, channels: int = 1) -> Iterator[LoadTarget]:
    """Nginx with one worker on one core. The worker is the process that costs; the master only waits."""
    program, port = nginx(), free_port()
    if not program:
        raise PeerError("nginx with nchan is not installed")
    user = "user root;" if os.geteuid() == 0 else ""
    with scratch("nchan-") as directory:
        (directory / "nginx.conf").write_text(CONFIG.format(module=MODULE, user=user, port=port))
        command = [program, "-p", str(directory), "-c", "nginx.conf"]
        with listening(command, core, directory, port, also=lambda pid: worker_of(pid) > 0) as process:
            yield plain_target(NAME, port, worker_of(process.pid), channels)
