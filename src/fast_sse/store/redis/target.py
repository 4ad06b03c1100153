"""Where the server is, read from `redis.url`; what cannot work is refused with the reason.

    redis://[user[:password]@]host[:port][/database]        rediss://... the same over TLS
    ?ssl_ca_certs=FILE  ?ssl_certfile=FILE  ?ssl_keyfile=FILE  ?ssl_check_hostname=false

A password is never shown: not in an error, not in a log, not in a repr.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from fast_sse.model.errors import ConfigError

KEY = "redis.url"
_PORT = 6379
_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")


@dataclass(frozen=True)
class Target:
    """One server. `tls` is None for plain TCP."""

    host: str
    port: int
    database: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None

    @property
    def where(self) -> str:
        """For people and logs."""
        return f"{self.host}:{self.port}/{self.database}"


def target(url: str) -> Target:
    """Read a URL. Raises ConfigError, which never repeats the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ConfigError(KEY, "is not a URL") from None
    _check(parts)
    database = parts.path.strip("/")
    if not (database == "" or (database.isascii() and database.isdigit())):
        raise ConfigError(KEY, "what follows the host must be the number of a database")
    return Target(
        host=parts.hostname or "127.0.0.1",
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
        raise ConfigError(KEY, "names several servers; one log lives in one server")


def _tls(wanted: bool, options: dict[str, str]) -> ssl.SSLContext | None:
    for name in options:
        if name not in _TLS_OPTIONS:
            raise ConfigError(KEY, f"has an option that is not known: {name[:40]}")
        if not wanted:
            raise ConfigError(KEY, f"has the option {name}, which needs rediss://")
    if not wanted:
        return None
    try:
        context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
        if "ssl_certfile" in options:
            context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(KEY, f"names a certificate that cannot be used: {error.strerror}") from error
    if options.get("ssl_check_hostname", "true").lower() in ("false", "no", "0"):
        context.check_hostname = False
    return context
