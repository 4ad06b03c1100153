"""TLS on the public listener of a node."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path

import pytest
from tests.app.conftest import (
    BODY,
    PUBLISH,
    SIGNED,
    Start,
)
from tests.support.http1 import request_bytes
from tests.support.sign import SECRET

from fast_sse.config import load
from fast_sse.model.errors import ConfigError

pytestmark = [pytest.mark.wire, pytest.mark.slow]


def make_certificate(cert: Path, key: Path) -> None:
    """A certificate for localhost, signed by itself."""
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost"
    )
    files = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)


async def test_tls_on_the_public_listener(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a certificate and its key the public listener speaks TLS 1.2 or newer, and HTTP/1.1 by ALPN."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make_certificate(cert, key)
    monkeypatch.setenv("FAST_SSE_TLS__CERT", str(cert))
    monkeypatch.setenv("FAST_SSE_TLS__KEY", str(key))
    (host, port), _ = await start().addresses()
    context = ssl.create_default_context(cafile=str(cert))
    context.set_alpn_protocols(["h2", "http/1.1"])
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname="localhost")
    writer.write(request_bytes("POST", PUBLISH, {**SIGNED, "Connection": "close"}, BODY))
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
    writer.close()


async def test_a_reload_renews_the_certificate(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New connections get the new one, an open connection goes on, and a broken file changes nothing and is named."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make_certificate(cert, key)
    monkeypatch.setenv("FAST_SSE_TLS__CERT", str(cert))
    monkeypatch.setenv("FAST_SSE_TLS__KEY", str(key))
    running = start()
    (host, port), _ = await running.addresses()
    running.settings = lambda: load(None, {"auth": {"secret": SECRET}})

    async def connect(trusted: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = ssl.create_default_context(cadata=trusted)
        return await asyncio.open_connection(host, port, ssl=context, server_hostname="localhost")

    first = cert.read_text()
    reader, writer = await connect(first)
    make_certificate(cert, key)
    running.app.reload()
    _, other = await connect(cert.read_text())
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect(first)
    second = cert.read_text()
    cert.write_text("nothing")
    running.app.reload()
    (refused,) = running.lines("reload refused: the settings in force stay")
    assert refused["setting"] == "tls.cert"
    _, another = await connect(second)
    writer.write(request_bytes("POST", PUBLISH, {**SIGNED, "Connection": "close"}, BODY))
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    for one in (writer, other, another):
        one.close()


async def test_a_certificate_that_cannot_be_used_is_a_wrong_setting(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing or broken file ends the start and names the setting."""
    (tmp_path / "bad.pem").write_text("nothing")
    for name in ("absent.pem", "bad.pem"):
        monkeypatch.setenv("FAST_SSE_TLS__CERT", str(tmp_path / name))
        monkeypatch.setenv("FAST_SSE_TLS__KEY", str(tmp_path / name))
        with pytest.raises(ConfigError, match=r"^tls.cert: "):
            await start().addresses()
