"""What is wrong with settings although every value has the right shape: each a key and the end of a sentence.

The sentence never shows the value: it may be a secret pasted under the wrong name (CWE-532).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from pydantic import SecretStr

from fast_sse.http.addresses import UNIX
from fast_sse.http.front.unix_socket import PREFIX
from fast_sse.identity import token_problems
from fast_sse.model.secret import is_placeholder, weakness
from fast_sse.settings import Admin, Auth, Settings

Problems = Iterator[tuple[str, str]]

_MAKE_ONE = "make one with: openssl rand -hex 32"


def problems_of(settings: Settings, *, mounted: bool = False) -> Problems:
    """Everything that keeps a hub with these settings from starting; `mounted`: inside an application, see `asgi.app`."""
    yield from _auth(settings.auth, mounted=mounted)
    yield from token_problems(settings.auth.jwt)
    yield from _listeners(settings)
    yield from _sharing(settings)
    yield from _retention(settings)
    yield from _kafka(settings)
    yield from _admin(settings.admin, settings.admin_host)


def missing_secrets(auth: Auth) -> Problems:
    """What nobody could publish and read without, where every right is a signature."""
    if auth.secret is None and auth.v1 != "off":
        instead = "or set auth.v1 = off and auth.keys; a hub mounted with authorize= or auth.jwt does without"
        yield "auth.secret", f"is missing; {_MAKE_ONE} ({instead})"
    if auth.v1 == "off" and not auth.keys:
        yield (
            "auth.keys",
            "is empty, and with auth.v1 = off no client could publish or subscribe; add a key, or set auth.v1 = both",
        )


def _auth(auth: Auth, *, mounted: bool) -> Problems:
    secrets = {f"auth.{name}": value for name, value in auth if isinstance(value, SecretStr)}
    for key, secret in (*secrets.items(), *(("auth.keys", secret) for secret in auth.keys.values())):
        if flaw := weakness(_bytes(secret)):
            yield key, f"{flaw}; {_MAKE_ONE}"
    if not mounted:
        yield from missing_secrets(auth)
    elif auth.secret is None and auth.secret_previous is not None and auth.v1 != "off":
        yield (
            "auth.secret",
            "is missing, although auth.secret_previous is set; set both, or remove the previous one",
        )
    if auth.publish_secret is not None and auth.publish_secret == auth.secret:
        yield "auth.publish_secret", "is the same as auth.secret; give it a value of its own"
    if auth.signing_kid is not None and auth.signing_kid not in auth.keys:
        yield "auth.signing_kid", "is not a name in auth.keys; set it to one of them"


def _listeners(settings: Settings) -> Problems:
    tls, cors = settings.tls, settings.cors
    if (
        settings.port
        and settings.port == settings.admin_port
        and _overlap(settings.host, settings.admin_host)
    ):
        yield (
            "admin_port",
            "is the same as port; set it to another one: operators have a listener of their own",
        )
    if (tls.cert is None) != (tls.key is None):
        yield (
            "tls.cert" if tls.cert is None else "tls.key",
            "is missing; set both tls.cert and tls.key, or neither",
        )
    if tls.key_password is not None and tls.key is None:
        yield "tls.key_password", "is for tls.key, which is not set; set tls.key, or remove this"
    if cors.credentials and not cors.origins:
        yield (
            "cors.credentials",
            "is for the pages of cors.origins, which is empty; name them there, or remove this",
        )
    yield from _unix_sockets(settings)
    yield from _introductions(settings)


def _unix_sockets(settings: Settings) -> Problems:
    path = settings.host.removeprefix(PREFIX)
    if _is_unix(settings.host) and (not path.startswith("/") or "\0" in path):
        yield "host", "must be unix: and an absolute path, such as unix:/run/hub.sock"
    if _is_unix(settings.admin_host):
        yield "admin_host", "must be an address: a Unix socket is for the public listener"
    if _is_unix(settings.host) and settings.reuse_port:
        yield (
            "reuse_port",
            "is for a port, and host is a Unix socket, which belongs to one process; remove one of the two",
        )


def _introductions(settings: Settings) -> Problems:
    """What keeps every connection from being introduced by a PROXY header."""
    if not settings.proxy_protocol:
        return
    if settings.tls.cert is not None or settings.tls.key is not None:
        yield (
            "proxy_protocol",
            "does not go with tls.cert and tls.key; remove them: the proxy that sends the PROXY header ends TLS, too",
        )
    if not settings.trusted_proxies:
        yield (
            "trusted_proxies",
            "is empty, and with proxy_protocol no client could connect; name your proxies",
        )
    elif _is_unix(settings.host) and UNIX not in settings.trusted_proxies:
        yield (
            "trusted_proxies",
            "does not name unix, and with proxy_protocol no client could connect; add unix",
        )


def _sharing(settings: Settings) -> Problems:
    """What keeps several processes from being one hub on one port."""
    if not settings.reuse_port:
        return
    if settings.store in ("sqlite", "memory"):
        yield (
            "reuse_port",
            f"needs a store that processes share, redis or kafka; the {settings.store} store belongs to one process",
        )
    if settings.node is None:
        yield (
            "node",
            "is required with reuse_port; give each process a name of its own",
        )
    if settings.port == 0:
        yield "port", "must not be 0 with reuse_port: each process would take another one"


def _retention(settings: Settings) -> Problems:
    age_s, rules = settings.retention.max_age_s, settings.dead_letters
    if rules.enabled and age_s and age_s < 2 * rules.grace_s:
        yield (
            "retention.max_age_s",
            "must be at least twice dead_letters.grace_s: messages would go before they became dead letters",
        )


def _kafka(settings: Settings) -> Problems:
    log, queue = settings.kafka, settings.ingest.kafka_topic
    if settings.store != "kafka":
        return
    if settings.retention.max_messages:
        yield (
            "retention.max_messages",
            "is not for store = kafka; remove it: the broker trims, by age and bytes",
        )
    servers = queue.bootstrap_servers or log.bootstrap_servers
    if (servers, queue.topic) == (log.bootstrap_servers, log.topic):
        yield (
            "ingest.kafka_topic.topic",
            "is the topic of the hub's own log (kafka.topic); name another topic",
        )


def _admin(admin: Admin, host: str) -> Problems:
    if admin.key is not None and (not _bytes(admin.key) or is_placeholder(_bytes(admin.key))):
        yield "admin.key", f"is empty or a placeholder; {_MAKE_ONE}"
    if admin.key is None and not _is_loopback(host):
        yield "admin.key", f"is required when admin_host is not a loopback address; {_MAKE_ONE}"


def _overlap(host: str, other: str) -> bool:
    """Whether a listener on one address is in the way of one on the other."""
    both = {host, other}
    if _is_unix(host):
        return False
    if "localhost" in both and all(map(_is_loopback, both)):
        return True
    return host == other or not both.isdisjoint({"0.0.0.0", "::"})  # noqa: S104  compared, not bound


def _is_unix(host: str) -> bool:
    return host.startswith(PREFIX)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bytes(secret: SecretStr) -> bytes:
    return secret.get_secret_value().encode()
