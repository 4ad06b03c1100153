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
    for name, file in (("tls.cert", chain.cert), ("tls.key", chain.key)):
        try:
            if file is not None:
                file.open("rb").close()
        except OSError as error:
            raise ConfigError(name, f"cannot read {file}: {error.strerror}") from error
    try:
        # Also without one a password is given: OpenSSL would ask for it on the terminal.
        context.load_cert_chain(chain.cert, chain.key, chain.password)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError("tls.cert", f"{_flaw(error)}; {_advice(chain)}") from error


def _flaw(error: OSError) -> str:
    """What is wrong with the two files, without the library's place in its own source."""
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return "is not the certificate of tls.key"
    said = (error.strerror or "").partition(" (_ssl.c")[0]
    return f"cannot be used with tls.key: {said}"


def _advice(chain: Chain) -> str:
    files = f"{chain.cert} must hold a certificate and {chain.key} its key, both in PEM"
    return files if chain.password else f"{files}; if the key is encrypted, set tls.key_password_file"
