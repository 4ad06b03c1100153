"""The certificate of the public listener: renewed while it serves, and unchanged by one that cannot be used."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from tests.support.server import missing

from fast_sse.http.front.tls import Chain, renew, tls_context
from fast_sse.model.errors import ConfigError

pytestmark = pytest.mark.skipif(missing("openssl"), reason="openssl is not installed")


def certificate(directory: Path, name: str, password: str = "") -> Chain:
    """A certificate of its own for `name`."""
    cert, key = directory / f"{name}.pem", directory / f"{name}-key.pem"
    hidden = ["-passout", f"pass:{password}"] if password else ["-nodes"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *hidden,
         "-days", "2", "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return Chain(cert, key, password)


def shown(context: ssl.SSLContext) -> bytes:
    """The certificate that a new handshake gets."""
    ours, theirs = socket.socketpair()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE

    def serve() -> None:
        with context.wrap_socket(ours, server_side=True) as served:
            served.recv(1)

    server = threading.Thread(target=serve)
    server.start()
    with client.wrap_socket(theirs) as connection:
        found = connection.getpeercert(binary_form=True)
        connection.send(b"x")
    server.join()
    assert found
    return found


def der(chain: Chain) -> bytes:
    """The certificate itself."""
    return ssl.PEM_cert_to_DER_cert(chain.cert.read_text())


def test_new_handshakes_get_the_new_certificate(tmp_path: Path) -> None:
    """Renewed on the same context, which the listener holds."""
    first, second = certificate(tmp_path, "first"), certificate(tmp_path, "second")
    context = tls_context(first)
    assert shown(context) == der(first)
    renew(context, second)
    assert shown(context) == der(second)


def test_a_chain_that_cannot_be_used_changes_nothing(tmp_path: Path) -> None:
    """A key of another certificate, a file that is not there, a wrong password: named, and the old one stays."""
    first, second = certificate(tmp_path, "first"), certificate(tmp_path, "second")
    hidden = certificate(tmp_path, "hidden", "a password")
    context = tls_context(first)
    for bad, words in (
        (first._replace(key=second.key), "tls.cert: is not the certificate of tls.key; "),
        (
            first._replace(cert=tmp_path / "none.pem"),
            f"tls.cert: cannot read {tmp_path}/none.pem: No such file",
        ),
        (
            first._replace(key=tmp_path / "none.pem"),
            f"tls.key: cannot read {tmp_path}/none.pem: No such file",
        ),
        (hidden._replace(password="another"), "tls.cert: cannot be used with tls.key: "),
    ):
        with pytest.raises(ConfigError) as caught:
            renew(context, bad)
        assert caught.value.message.startswith(words)
        assert "_ssl.c" not in caught.value.message
    assert shown(context) == der(first)


def test_files_that_are_no_pair_are_named(tmp_path: Path) -> None:
    """An operator reads which two files, what each must hold, and of an encrypted key where its password goes."""
    chain = certificate(tmp_path, "first")
    chain.cert.write_text("no PEM")
    with pytest.raises(ConfigError) as caught:
        tls_context(chain)
    advice = f"{chain.cert} must hold a certificate and {chain.key} its key, both in PEM"
    assert caught.value.message.endswith(f"; {advice}; if the key is encrypted, set tls.key_password_file")
    with pytest.raises(ConfigError) as caught:
        tls_context(chain._replace(password="x"))
    assert caught.value.message.endswith(f"; {advice}")


def test_an_encrypted_key_takes_its_password_and_asks_nobody(tmp_path: Path) -> None:
    """Without one OpenSSL would ask on the terminal; the error says which setting is missing."""
    hidden = certificate(tmp_path, "hidden", "a password")
    assert shown(tls_context(hidden)) == der(hidden)
    with pytest.raises(ConfigError, match=r"tls\.key_password_file"):
        tls_context(hidden._replace(password=""))
