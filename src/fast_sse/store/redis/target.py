"""Where a Redis server is, read from its URL. What cannot work is refused with the reason.

    redis://[user[:password]@]host[:port][/database]        rediss://... the same over TLS
    ?ssl_ca_certs=FILE  ?ssl_certfile=FILE  ?ssl_keyfile=FILE  ?ssl_check_hostname=false

The settings, the store, the doctor and the reader of a foreign queue all understand a URL through this file, so they
cannot understand it differently. A password is never shown: not in an error, not in a log, not in a repr.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from fast_sse.model.errors import ConfigError

KEY = "redis.url"
_PORT = 6379
_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")


@dataclass(frozen=True)
class Tls:
    """How the connection is encrypted. A field that is None stands for the system's own."""

    ca_certs: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    check_hostname: bool = True


@dataclass(frozen=True)
class Target:
    """One server. `tls` is None for plain TCP."""

    host: str
    port: int
    database: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    tls: Tls | None = None

    @property
    def place(self) -> str:
        """Host and port, for people."""
        return f"{self.host}:{self.port}"

    @property
    def where(self) -> str:
        """Host, port and database, for logs."""
        return f"{self.place}/{self.database}"

    @cached_property
    def context(self) -> ssl.SSLContext | None:
        """What TLS is spoken with, None for plain TCP. Reads files once. Raises ConfigError for a bad certificate."""
        tls = self.tls
        if tls is None:
            return None
        try:
            context = ssl.create_default_context(cafile=tls.ca_certs)
            if tls.certfile is not None:
                context.load_cert_chain(tls.certfile, tls.keyfile)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigError(
                KEY, f"names a certificate that cannot be used; correct its ssl_ options: {error.strerror}"
            ) from error
        context.check_hostname = tls.check_hostname
        return context

    def for_redis_py(self) -> dict[str, Any]:
        """The same server as arguments of a client of redis-py."""
        found: dict[str, Any] = {"host": self.host, "port": self.port, "db": self.database}
        found |= {"username": self.username or None, "password": self.password or None}
        if (tls := self.tls) is not None:
            found |= {"ssl": True, "ssl_ca_certs": tls.ca_certs, "ssl_check_hostname": tls.check_hostname}
            found |= {"ssl_certfile": tls.certfile, "ssl_keyfile": tls.keyfile}
        return found


def target(url: str) -> Target:
    """Read a URL; nothing is opened. Raises ConfigError, which never repeats the URL."""
    try:
        parts = urlsplit(url)
        port = _PORT if parts.port is None else parts.port
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ConfigError(KEY, "must be a URL such as redis://127.0.0.1:6379") from None
    _check(parts)
    if not parts.hostname or not port:
        raise ConfigError(KEY, "must be a URL with a host, and a port from 1 to 65535 if any")
    database = parts.path.strip("/")
    if database and not re.fullmatch(r"[0-9]{1,9}", database):
        raise ConfigError(KEY, "must have nothing after the host, or the number of a database")
    return Target(
        host=parts.hostname,
        port=port,
        database=int(database or 0),
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=_tls(parts.scheme == "rediss", options),
    )


def _check(parts: SplitResult) -> None:
    scheme = parts.scheme
    for word, name in (("sentinel", "Sentinel"), ("cluster", "Cluster")):
        if word in scheme:
            raise ConfigError(
                KEY, f"Redis {name} is not supported: name the primary itself, or an address that follows it"
            )
    if scheme not in ("redis", "rediss"):
        raise ConfigError(KEY, "must begin with redis:// or rediss://")
    if "," in parts.netloc:
        raise ConfigError(KEY, "names several servers; name one, since one log lives in one server")


def _tls(wanted: bool, options: dict[str, str]) -> Tls | None:
    for name in options:
        if name not in _TLS_OPTIONS:
            raise ConfigError(KEY, f"has an option that is not known; use only {', '.join(_TLS_OPTIONS)}")
        if not wanted:
            raise ConfigError(KEY, f"has the option {name}, which needs rediss://")
    if not wanted:
        return None
    return Tls(
        ca_certs=options.get("ssl_ca_certs"),
        certfile=options.get("ssl_certfile"),
        keyfile=options.get("ssl_keyfile"),
        check_hostname=options.get("ssl_check_hostname", "true").lower() not in ("false", "no", "0"),
    )
