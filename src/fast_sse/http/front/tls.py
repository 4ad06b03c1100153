"""The certificate of the public listener, which can be renewed while the hub serves.

A certificate lives for weeks and a stream for an hour. New handshakes get the new certificate; open connections keep
theirs. A new one is tried on a context of its own first, so that a file that cannot be used changes nothing.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple

from fast_sse.model.errors import ConfigError


class Chain(NamedTuple):
    """PEM files of a certificate chain and its private key; the password of an encrypted key, else empty."""

    cert: Path
    key: Path | None
    password: str = ""


def tls_context(chain: Chain) -> ssl.SSLContext:
    """A context for servers that speak HTTP/1.1. Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load(context, chain)
    return context


def renew(context: ssl.SSLContext, chain: Chain) -> None:
    """Give new handshakes another chain. Raises ConfigError; the context is then as it was."""
    tls_context(chain)
    _load(context, chain)


def _load(context: ssl.SSLContext, chain: Chain) -> None:
    try:
        # Also without one a password is given: OpenSSL would ask for it on the terminal.
        context.load_cert_chain(chain.cert, chain.key, chain.password)
    except OSError as error:  # ssl.SSLError is one
        hint = "" if chain.password else " (if the key is encrypted, set tls.key_password_file)"
        raise ConfigError("tls.cert", f"cannot be used with tls.key: {error.strerror}{hint}") from error
