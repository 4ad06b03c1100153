"""Paths, URLs and curl lines for a hub."""

from __future__ import annotations

import http.client
import shlex
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.cli.scripted import Scripted
from tests.deploy.proxy import Certificate

from fast_sse.cli.remote import Remote, advised, channel_argument
from fast_sse.model.channel import Channel, channel_from_path
from fast_sse.model.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("http://127.0.0.1:30000", "http://127.0.0.1:30000/x"),
        ("https://hub.example/sse/", "https://hub.example/x"),
        ("http://[::1]:80", "http://[::1]:80/x"),
    ],
)
def test_urls_are_taken_apart_and_put_together(url: str, whole: str) -> None:
    """Scheme, host and port survive, IPv6 too; a path in front of ours goes into every path."""
    assert Remote.at(url).url("/x") == whole


def test_a_path_in_front_goes_into_every_path() -> None:
    """A hub behind a proxy's path is reached through it, whatever characters that has."""
    hub = Remote.at("https://hub.example/sse/")
    assert hub.publish_path(Channel("a", "b")) == "/sse/v1/sse/events/a/types/b"
    assert hub.subscribe_path(Channel("a", "b")) == "/sse/v1/subscribe/events/a/types/b"
    assert Remote.at("http://x/über uns/a%20b/").batch_path == "/%C3%BCber%20uns/a%20b/v1/sse/batch"


@pytest.mark.parametrize(
    "url",
    [
        *("", "127.0.0.1:30000", "ftp://x", "http://", "http://x:port", "http://[::1"),
        *("http://a b", "http://a\x7fb", "http://a..b", f"http://{'x' * 64}.example"),
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    """The line names the option."""
    with pytest.raises(ConfigError, match=r"^--url: "):
        Remote.at(url)


@pytest.mark.parametrize("segment", ["a", "*", "a b", "é", "a:b", "it's", "$(x)", "🚗", "a?b#c&d=e"])
def test_any_channel_survives_the_path(segment: str) -> None:
    """The hub decodes from the path exactly the channel that was meant."""
    path = Remote.at("http://x").subscribe_path(Channel(segment, "t"))
    assert channel_from_path(*path.removeprefix("/v1/subscribe/events/").split("/types/")) == Channel(
        segment, "t"
    )


def test_curl_lines_survive_a_shell() -> None:
    """What the shell hands to curl is what was meant, quotes in the body too."""
    hub, data = Remote.at("http://x:1"), '{"data": "it\'s $HOME"}'
    lines = hub.curl_publish(Channel("it's", "*"), "s", data)
    words = shlex.split(lines.replace("\\\n", ""))  # a shell joins such lines; shlex does not
    assert words[0] == "curl"
    assert "http://x:1/v1/sse/events/it%27s/types/*" in words
    assert "x-signature: s" in words
    assert words[-2:] == ["--data", data]
    assert shlex.split(hub.curl_publish(Channel("a", "b"), "s", "@body.json").replace("\\\n", ""))[-2:] == [
        "--data-binary",
        "@body.json",
    ]


def test_a_bad_channel_is_a_wrong_argument() -> None:
    """It is refused before anything is sent."""
    with pytest.raises(ConfigError, match=r"^ID TYPE: "):
        channel_argument("a/b", "c")


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server over TLS that answers as a hub that is ready, and its certificate, which nobody has signed but itself."""
    certificate = Certificate(tmp_path)

    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"code":"bad_channel","message":"","request_id":""}'
            self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Ready) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # the client hangs up in the handshake
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_address[1]}", certificate.chain
        server.shutdown()
        thread.join()


@pytest.mark.wire
@pytest.mark.parametrize(
    "arguments", [["publish", "a", "t", "--data", "1"], ["subscribe", "a", "t"], ["wait"]]
)
def test_a_certificate_that_is_not_trusted_ends_at_once(
    command: Command,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    secure: tuple[str, Path],
    arguments: list[str],
) -> None:
    """Trying again would change nothing: 2, and the line names the option that does."""
    monkeypatch.setenv("HUB_SECRET", "a-secret-of-the-test-0123456789abcdef")
    secret = [] if arguments == ["wait"] else ["--secret-env", "HUB_SECRET"]
    assert command(*arguments, *secret, "--url", secure[0]) == 2
    said = capsys.readouterr().err
    assert said.startswith("fast-sse: --cacert: the certificate of 127.0.0.1 is not trusted (self")
    assert said.count("\n") == 1


@pytest.mark.wire
def test_a_certificate_that_is_given_is_trusted(
    command: Command, capsys: pytest.CaptureFixture[str], secure: tuple[str, Path], tmp_path: Path
) -> None:
    """With --cacert the same server is taken for what it is; a file that is no PEM is named."""
    url, chain = secure
    assert command("wait", "--url", url, "--cacert", str(chain), "--timeout", "5") == 0
    (tmp_path / "no.pem").write_text("no certificate")
    assert command("wait", "--url", url, "--cacert", str(tmp_path / "no.pem")) == 2
    assert capsys.readouterr().err.endswith("no.pem: it must hold a certificate in PEM\n")
    assert command("wait", "--url", url, "--cacert", str(tmp_path / "gone.pem")) == 2


@pytest.mark.parametrize(
    ("error", "scheme", "words"),
    [
        (
            ConnectionRefusedError(111, "Connection refused"),
            "http",
            "Connection refused (no hub listens there)",
        ),
        (
            http.client.RemoteDisconnected("Remote end closed"),
            "http",
            "the connection was closed without an answer (is it https?)",
        ),
        (http.client.RemoteDisconnected("Remote end closed"), "https", "Remote end closed"),
        (socket.gaierror(-2, "Name or service not known"), "http", "Name or service not known"),
        (TimeoutError("timed out"), "http", "timed out"),
        (TimeoutError(), "http", "TimeoutError"),
        (http.client.BadStatusLine("x"), "http", "x"),
    ],
)
def test_a_network_error_is_said_by_what_it_means(error: Exception, scheme: str, words: str) -> None:
    """No number of the system and no word of a library: where, what, and what to look at."""
    hub = Remote.at(f"{scheme}://h:1")
    assert hub.trouble(error) == f"{scheme}://h:1: {words}"


@pytest.mark.wire
def test_the_wrong_scheme_is_guessed(
    command: Command, capsys: pytest.CaptureFixture[str], secure: tuple[str, Path]
) -> None:
    """Plain HTTP to a port that speaks TLS, and https to one that does not: each line asks for the other."""
    chain = secure[1]
    with Scripted(b"", reads_body=False) as server:  # as a hub that gets no handshake
        assert command("wait", "--url", server.url, "--timeout", "0") == 1
    assert "the connection was closed without an answer (is it https?)" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.recv(65_536)

        plain = threading.Thread(target=refuse)
        plain.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        assert command("wait", "--url", url, "--cacert", str(chain), "--timeout", "0") == 1
        plain.join(10)
    assert "the server does not speak TLS (is it http?)" in capsys.readouterr().err


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_refusal_that_stays_says_what_to_change(status: int) -> None:
    """The hub tells a stranger nothing, so the command says where to look."""
    assert advised(status, "no").startswith("no; ")
    assert advised(400, "no") == "no"
