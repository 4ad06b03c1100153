"""A stream that is gzip already passes a proxy whose own compression is on: as it is, and live."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.deploy import caddy, nginx
from tests.deploy.conftest import Kind
from tests.deploy.proxy import Certificate, rendered
from tests.support.gzip_stream import gzip_stream
from tests.support.http1 import Address
from tests.support.publisher import publish_once, signed, subscribe_target
from tests.support.server import Hub

pytestmark = [pytest.mark.wire, pytest.mark.slow]

CHANNEL = ("prices", "eur")
GZIP_ON = "gzip on; gzip_proxied any; gzip_min_length 0; gzip_types text/event-stream;"
TURNS = 3


def compressing_nginx(directory: Path, hub: Address, certificate: Certificate) -> nginx.Nginx:
    """The recipe with the line that it warns of."""
    recipe = rendered(nginx.RECIPE.read_text(), {"gzip off;": GZIP_ON})
    return nginx.Nginx(directory, hub, certificate, recipe)


def compressing_caddy(directory: Path, hub: Address, certificate: Certificate) -> caddy.Caddy:
    """The recipe with a directive that it has not."""
    recipe = rendered(caddy.RECIPE.read_text(), {"\tlog\n\n": "\tlog\n\n\tencode zstd gzip\n"})
    return caddy.Caddy(directory, hub, certificate, recipe=recipe)


@pytest.mark.parametrize("kind", [compressing_nginx, compressing_caddy])
async def test_a_proxy_that_compresses_leaves_streams_as_they_are(
    kind: Kind, tmp_path: Path, certificate: Certificate
) -> None:
    """Gzip once for whoever takes it, plain text for the others, and each message is there before the next is published."""
    (tmp_path / "proxy").mkdir()
    async with Hub(tmp_path, settings={"FAST_SSE_COMPRESSION": "auto"}) as hub:
        with kind(tmp_path / "proxy", hub.public, certificate) as proxy:
            headers = {"Accept": "text/event-stream", **signed(CHANNEL)}
            for accepted in ("gzip", "identity"):
                asked = {**headers, "Accept-Encoding": accepted}
                async with gzip_stream(proxy.plain, subscribe_target(CHANNEL), asked) as stream:
                    await stream.until(b"fast-sse.start")
                    for number in range(TURNS):
                        text = f"{accepted} {number}"
                        assert (await publish_once(hub.public, CHANNEL, text)).status == 200
                        await stream.until(text.encode())
                    found = stream.headers.get("content-encoding")
                    assert found == ("gzip" if accepted == "gzip" else None)
                    assert stream.text.startswith(b"retry: ")
