"""The doctor's look at settings that are allowed and open a door. What is not allowed keeps the hub from starting."""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Iterator
from pathlib import Path

from fast_sse.cli.doctor.findings import Finding
from fast_sse.config import Config
from fast_sse.http.addresses import UNIX, fixed_bits
from fast_sse.http.front.unix_socket import PREFIX
from fast_sse.model.errors import ConfigError

#: A network with fewer fixed bits is more than the proxies of one house.
_PREFIX_MIN = 8


def wrong(problems: list[ConfigError]) -> Iterator[Finding]:
    """One red line for each thing that keeps a hub from starting."""
    for problem in problems:
        yield Finding("settings", "red", problem.message, "a hub does not start with this; change it")


def settings(config: Config, file: Path | None) -> Iterator[Finding]:
    """What could be safer. One green line when there is nothing."""
    found = [
        finding
        for finding in (
            _shared_secret(config),
            _load_route(config),
            _plain_text(config),
            _proxies(config),
            _origins(config),
            _readable(file),
        )
        if finding is not None
    ]
    yield from found or [Finding("settings", "green", "right, and no door is open")]


def _shared_secret(config: Config) -> Finding | None:
    if config.auth.v1 != "both" or config.auth.publish_secret is not None:
        return None
    advice = (
        "set auth.publish_secret (fast-sse config init writes one), or auth.v1 = subscribe with auth.keys"
    )
    return Finding(
        "auth",
        "yellow",
        "every key that lets a client subscribe also lets it publish: v1 signs both with auth.secret",
        advice,
    )


def _load_route(config: Config) -> Finding | None:
    if not config.load_route:
        return None
    found = "every client can publish to POST /v1/sse/events"
    level = "yellow" if _is_local(config.host) else "red"
    return Finding("load_route", level, found, "set load_route = false")  # type: ignore[arg-type]  # one of the three


def _plain_text(config: Config) -> Finding | None:
    if _is_local(config.host) or config.tls.cert is not None or config.trusted_proxies:
        return None
    advice = "set tls.cert and tls.key, or put a proxy with TLS in front and name it in trusted_proxies"
    return Finding("tls", "yellow", f"{config.host} is open to the network without TLS", advice)


def _proxies(config: Config) -> Finding | None:
    networks = [proxy for proxy in config.trusted_proxies if not isinstance(proxy, str)]
    if wide := sorted(str(network) for network in networks if fixed_bits(network) < _PREFIX_MIN):
        found = f"{', '.join(wide)} may say who the client is"
        return Finding("trusted_proxies", "red", found, "name the addresses of your proxies and nothing else")
    counted = config.bounds.publish_rate or config.bounds.streams_per_address_max
    if counted and config.host.startswith(PREFIX) and UNIX not in config.trusted_proxies:
        found = "all clients that come through the Unix socket are one client to the limits"
        return Finding(
            "trusted_proxies", "yellow", found, "add unix, so that the proxy may say who the client is"
        )
    return None


def _origins(config: Config) -> Finding | None:
    """Pages over http can be changed on the way, and then read what their visitors may read."""
    plain = sorted(
        origin
        for origin in config.cors.origins
        if origin.startswith("http://") and not is_loopback(origin[7:].rpartition(":")[0] or origin[7:])
    )
    if not plain:
        return None
    return Finding(
        "cors.origins", "yellow", f"{', '.join(plain)}: a page without TLS", "use https:// origins"
    )


def _readable(file: Path | None) -> Finding | None:
    if file is None or not stat.S_IMODE(file.stat().st_mode) & 0o007:
        return None
    return Finding("secrets", "yellow", f"every user of this machine can read {file}", f"chmod 600 {file}")


def _is_local(host: str) -> bool:
    """Whether only this machine reaches a listener."""
    return host.startswith(PREFIX) or is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether a name or an address leads to this machine and nowhere else."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
