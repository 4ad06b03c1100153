"""A hub as the load generator sees it: an address, and channels with everything signed that can be signed at once."""

from __future__ import annotations

import socket

from fast_sse.bench.target import HUB_NEEDLE, LoadRoute, LoadTarget
from fast_sse.cli.credentials import Signer
from fast_sse.cli.remote import Remote
from fast_sse.model.channel import Channel
from fast_sse.model.errors import ConfigError

EVENT_TYPE = "cart_changed"


def make_target(
    hub: Remote, signer: Signer, channels: int, pid: int, batch_kid: str = "", *, query: str = ""
) -> LoadTarget:
    """The hub with its channels, signed. Streams and v1 publishes are signed here, once. `query`: of a subscription.

    Raises:
        ConfigError: https, a host that has no address, or nothing to sign with.
    """
    if hub.scheme != "http":
        raise ConfigError(
            "--url", "must begin with http://: name the hub itself, behind the proxy that ends TLS"
        )
    port = hub.port or 80
    try:
        address = socket.getaddrinfo(hub.host, port, type=socket.SOCK_STREAM)[0][4][0]
    except OSError as error:
        raise ConfigError(
            "--url", f"{hub.host} has no address ({error.strerror or error}); correct the name"
        ) from error
    kid = batch_kid or signer.kid or signer.keyring.signing_kid
    key = signer.keyring.keys.get(kid, b"")
    routes = [
        _route(hub, signer, Channel(f"carid{number:06d}", EVENT_TYPE), query)
        for number in range(1, channels + 1)
    ]
    return LoadTarget(
        name="fast-sse",
        host=str(address),
        port=port,
        pid=pid,
        routes=routes,
        body_prefix='{"data":',
        body_suffix="}",
        needle=HUB_NEEDLE,
        authority=hub.url("").partition("//")[2],
        batch_path=hub.batch_path,
        load_path=f"{hub.prefix}/v1/sse/events",
        kid=kid if key else "",
        key=key,
        signs_publishes="x-signature" not in routes[0].publish_headers,
    )


def _route(hub: Remote, signer: Signer, to: Channel, query: str) -> LoadRoute:
    listen = signer.sign("sub", [to], None)
    publish = signer.sign("pub", [to], b"")
    signed = {} if publish.startswith("v2.") else {"x-signature": publish}  # v2 covers the body: one for each
    return LoadRoute(
        subscribe_path=hub.subscribe_path(to) + (f"?{query}" if query else ""),
        publish_path=hub.publish_path(to),
        subscribe_headers={"Accept": "text/event-stream", "x-signature": listen},
        publish_headers={"Content-Type": "application/json", **signed},
        channel=(to.event_id, to.event_type),
    )
