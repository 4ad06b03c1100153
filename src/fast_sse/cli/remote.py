"""A hub as the commands see it: where it is, what its paths are called, and the curl lines for them."""

from __future__ import annotations

import http.client
import shlex
import ssl
from typing import Annotated
from urllib.parse import quote, urlsplit

import msgspec
from typer import Argument, Option

from fast_sse.http.api.paths import BATCH, DELIVERY, PUBLISH, SUBSCRIBE
from fast_sse.model.channel import Channel, channel
from fast_sse.model.errors import BadChannelError, ConfigError

DEFAULT_URL = "http://127.0.0.1:30000"

EventIdArgument = Annotated[str, Argument(metavar="ID", help="First half of the channel, or *.")]
EventTypeArgument = Annotated[str, Argument(metavar="TYPE", help="Second half of the channel, or *.")]
UrlOption = Annotated[str, Option("--url", help="Where the hub is.")]
CacertOption = Annotated[
    str | None,
    Option("--cacert", metavar="FILE", help="Trust the certificates in this PEM file, and no others."),
]

#: What stands in a path as it is (RFC 3986, 3.3); what is quoted already is not quoted again.
_PATH = "/%:@!$&'()*+,;=~"

#: What can go wrong on the way to a hub and back; a retry may help.
NETWORK_ERRORS = (OSError, http.client.HTTPException)

#: What to do about a status that a retry would not change.
_ADVICE = {
    401: "check the key (--config, --secret-env, --kid) and the clock of this machine; the hub's log says which is wrong",
    403: "use a key with this right (--kid), or change auth.v1 or the allow-lists of the hub",
    404: "is --url the public address of a hub?",
    405: "is --url the public address of a hub?",
}


def channel_argument(event_id: str | None, event_type: str | None) -> Channel:
    """The channel that two arguments name. Raises ConfigError."""
    if event_id is None or event_type is None:
        raise ConfigError("ID TYPE", "name the channel of the message by both, or use --batch FILE")
    try:
        return channel(event_id, event_type)
    except BadChannelError as error:
        raise ConfigError("ID TYPE", error.message) from error


def advised(status: int, problem: str) -> str:
    """What a hub answered, and what to do about it where that is known."""
    advice = _ADVICE.get(status)
    return f"{problem}; {advice}" if advice else problem


class Remote(msgspec.Struct, frozen=True):
    """One hub at an URL."""

    scheme: str
    host: str
    port: int | None
    prefix: str = ""
    tls: ssl.SSLContext | None = None

    @classmethod
    def at(cls, url: str, option: str = "--url", cacert: str | None = None) -> Remote:
        """Take an URL apart. `option`: where it was given; `cacert`: whose certificates are trusted. Raises ConfigError."""
        try:
            parts = urlsplit(url)
            port = parts.port
            (parts.hostname or "").encode("idna")  # a label that no name can have
        except ValueError as error:
            raise ConfigError(option, "must be a URL such as http://127.0.0.1:30000") from error
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not host or " " in host or not host.isprintable():
            raise ConfigError(option, "must begin with http:// or https:// and name a host")
        tls = _trusting(cacert) if parts.scheme == "https" else None
        return cls(parts.scheme, host, port, quote(parts.path.rstrip("/"), safe=_PATH), tls)

    def connect(self, timeout_s: float) -> http.client.HTTPConnection:
        """A connection that opens with its first request; each wait on it is bounded.

        Over TLS that raises ConfigError when the hub's certificate is not trusted: trying again would change nothing.
        """
        if self.scheme == "https":
            return _Secure(self.host, self.port, timeout=timeout_s, context=self.tls)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)

    def trouble(self, error: Exception) -> str:
        """A network error as one line: where, what, and what it mostly means. One of `NETWORK_ERRORS`."""
        return f"{self.url('')}: {self.meaning(error)}"

    def meaning(self, error: Exception) -> str:
        """The same without the address."""
        if isinstance(error, ConnectionRefusedError):
            return "Connection refused (no hub listens there)"
        if isinstance(error, http.client.RemoteDisconnected) and self.scheme == "http":
            return "the connection was closed without an answer (is it https?)"
        if isinstance(error, ssl.SSLError):
            plain = error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
            return "the server does not speak TLS (is it http?)" if plain else f"TLS failed: {error.reason}"
        return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__

    def publish_path(self, to: Channel) -> str:
        """Path of the publish route."""
        return self.prefix + _for_channel(PUBLISH, to)

    @property
    def batch_path(self) -> str:
        """Path of the batch route."""
        return self.prefix + BATCH

    def subscribe_path(self, to: Channel) -> str:
        """Path of the subscribe route."""
        return self.prefix + _for_channel(SUBSCRIBE, to)

    def delivery_path(self, message_id: str, to: Channel) -> str:
        """Path of the delivery indicator of a message of that channel."""
        path = DELIVERY.format(id=quote(message_id, safe=""))
        return f"{self.prefix}{path}?channel={_segment(to.event_id)}/{_segment(to.event_type)}"

    def url(self, path: str) -> str:
        """A path of this hub as a whole URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{f':{self.port}' if self.port else ''}{path}"

    def curl_subscribe(self, to: Channel, signature: str) -> str:
        """A line that listens; -N shows each event as it comes."""
        return f"curl -N --location {_quoted(self.url(self.subscribe_path(to)))} \\\n{_header(signature)}"

    def curl_publish(self, to: Channel, signature: str, data: str) -> str:
        """Lines that publish; `data` is what curl's --data takes: a body, or @ and a file."""
        return (
            f"curl --location {_quoted(self.url(self.publish_path(to)))} \\\n{_header(signature)} \\\n"
            f"--header 'Content-Type: application/json' \\\n--data{'-binary' * data.startswith('@')} {_quoted(data)}"
        )


class _Secure(http.client.HTTPSConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except ssl.SSLCertVerificationError as error:
            raise ConfigError(
                "--cacert",
                f"the certificate of {self.host} is not trusted ({error.verify_message}); name a PEM file to trust",
            ) from error


def _trusting(cacert: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=cacert)
    except (OSError, ssl.SSLError) as error:
        problem = "it must hold a certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError("--cacert", f"cannot read {cacert}: {problem}") from error


def _for_channel(path: str, to: Channel) -> str:
    return path.format(event_id=_segment(to.event_id), event_type=_segment(to.event_type))


def _segment(text: str) -> str:
    return quote(text, safe="*")


def _quoted(text: str) -> str:
    """As a shell takes it, always in quotes, as the original's lines are."""
    quoted = shlex.quote(text)
    return quoted if quoted.startswith("'") else f"'{quoted}'"


def _header(signature: str) -> str:
    return f"--header 'x-signature: {signature}'"
