"""The shapes of the settings, group by group: kinds, bounds and defaults. How they are read is `config.py`'s matter.

A group is frozen and refuses what it does not know. Whatever may be a secret is a SecretStr, which no line shows.
"""

from __future__ import annotations

import contextlib
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    SecretStr,
    create_model,
)
from pydantic_settings import BaseSettings

from fast_sse.http.addresses import UNIX, Proxy
from fast_sse.model.channel import Channel, channel_of
from fast_sse.model.errors import BadChannelError, ConfigError
from fast_sse.model.limits import MIB, Limits
from fast_sse.setting_groups import Group, Words, json_value, words
from fast_sse.store.redis.target import target

#: Limits that are settings of their own, and limits whose 0 has a meaning.
TOP_LEVEL_LIMITS = ("heartbeat_s", "connection_age_s", "drain_s")
_ZERO_LIMITS = (
    "coalesce_ms_max",
    "epoch_sets_max",
    "line_bytes_warn",
    "publish_rate",
    "streams_max",
    "streams_per_address_max",
)

_OUTSIDE_V1 = re.compile(r"/(?!v1(?:/|\Z))[A-Za-z0-9._~%/-]*").fullmatch


def _options(value: Any) -> Any:
    """Librdkafka's settings are texts; TOML and JSON may give numbers and booleans."""
    given = json_value(value)
    if not isinstance(given, dict):
        return given
    return {
        name: str(one).lower() if isinstance(one, bool) else str(one) if isinstance(one, int | float) else one
        for name, one in given.items()
    }


def _redis_url(url: SecretStr) -> SecretStr:
    """Refuse a URL that the clients of Redis would refuse, in the same words, which repeat nothing of it."""
    try:
        target(url.get_secret_value())
    except ConfigError as error:
        raise ValueError(error.problem) from None
    return url


def _proxy(value: Any) -> Proxy:
    """An address, a network or `unix`; never a name: whoever answers for it would be trusted."""
    if value == UNIX:
        return UNIX
    text = str(value)
    with contextlib.suppress(ValueError):
        if "%" not in text:  # a zone would trust one link and say so of all
            return ip_network(text)
    raise ValueError("must be IP addresses, networks such as 10.0.0.0/8, or unix")


def _channel(value: Any) -> Channel:
    try:
        return channel_of(str(value))
    except BadChannelError as error:
        raise ValueError(error.message) from None


def _health_path(path: str) -> str:
    if _OUTSIDE_V1(path) is None or "//" in path:
        raise ValueError("must be a path such as /healthz, outside /v1/")
    return path


Port = Annotated[int, Field(ge=0, le=65_535)]
Bound = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Proxies = Annotated[frozenset[Annotated[Proxy, PlainValidator(_proxy)]], BeforeValidator(words)]
#: Channels as `ID/TYPE`, wildcards included.
Channels = Annotated[frozenset[Annotated[Channel, PlainValidator(_channel)]], BeforeValidator(words)]
HealthPath = Annotated[str, AfterValidator(_health_path)]
#: As a browser sends it: no path, no wildcard, no slash at the end. Apps have schemes of their own (`capacitor://localhost`,
#: `chrome-extension://…`); a file or a sandboxed frame has the origin `null`.
Origin = Annotated[str, Field(pattern=r"\A([a-z][a-z0-9+.-]*://[^/*\s]+|null)\z")]
#: Of a request (RFC 9110 §5.1).
HeaderName = Annotated[str, Field(pattern=r"\A[A-Za-z0-9!#$%&'*+.^_`|~-]+\z")]
Kid = Annotated[str, Field(pattern=r"\A[A-Za-z0-9_-]{1,32}\z")]
#: How a token may be signed (RFC 7518 §3.1, RFC 8037 §3.1).
Algorithm = Literal[
    "HS256", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]  # fmt: skip
#: Part of file names, of log lines and of labels of metrics.
NodeName = Annotated[str, Field(pattern=r"\A[A-Za-z0-9._-]{1,64}\z")]


#: What a queue or a group of its readers is called: no white space, no control characters.
QueueName = Annotated[str, Field(pattern=r"\A[^\x00-\x20\x7f]{1,256}\z")]
#: Brokers of Kafka: `host:port`, several between commas.
Servers = Annotated[str, Field(pattern=r"\A[^\s,@/]+(,[^\s,@/]+)*\z")]
#: Settings of librdkafka that go through as they are; secrets, because passwords are among them.
Options = Annotated[dict[str, SecretStr], BeforeValidator(_options)]
TopicName = Annotated[str, Field(pattern=r"\A[A-Za-z0-9_-][A-Za-z0-9._-]{0,248}\z")]
#: Where a Redis is, with user and password if it asks for them; a secret for their sake.
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]


class Jwt(Group):
    """Tokens of an identity provider, as a second way to subscribe: on as soon as one of these is set."""

    place = "auth.jwt"
    issuer: Annotated[str, Field(min_length=1)] | None = None
    audience: Annotated[str, Field(min_length=1)] | None = None
    algorithms: Annotated[frozenset[Algorithm], BeforeValidator(words)] | None = None
    secret: SecretStr | None = None
    secret_file: Path | None = None
    public_key: SecretStr | None = None
    public_key_file: Path | None = None
    jwks: SecretStr | None = None
    jwks_file: Path | None = None
    jwks_url: Annotated[str, Field(pattern=r"\Ahttps://[^\s/?#@]+[^\s#@]*\z")] | None = None
    claim: Annotated[str, Field(min_length=1)] = "fast_sse.subscribe"
    leeway_s: Annotated[float, Field(ge=0, le=60)] = 60.0

    @property
    def places(self) -> list[str]:
        """Which settings say where keys are."""
        return [
            name for name in ("jwks_url", "jwks", "public_key", "secret") if getattr(self, name) is not None
        ]

    @property
    def is_on(self) -> bool:
        """Whether tokens are taken, if all that it takes is there."""
        return bool(self.issuer or self.audience or self.places)


class Auth(Group):
    """Who may publish and who may listen."""

    place = "auth"
    v1: Literal["both", "subscribe", "off"] = "both"
    secret: SecretStr | None = None
    secret_file: Path | None = None
    secret_previous: SecretStr | None = None
    secret_previous_file: Path | None = None
    publish_secret: SecretStr | None = None
    publish_secret_file: Path | None = None
    publish_secret_previous: SecretStr | None = None
    publish_secret_previous_file: Path | None = None
    keys: Annotated[dict[Kid, SecretStr], BeforeValidator(json_value)] = {}  # noqa: RUF012  pydantic copies it
    keys_file: Path | None = None
    signing_kid: Kid | None = None
    allowed_event_ids: Words | None = None
    allowed_event_types: Words | None = None
    jwt: Jwt = Jwt()


class CorsRules(Group):
    """Pages of other origins that may use the hub."""

    origins: Annotated[frozenset[Origin], BeforeValidator(words)] = frozenset()
    headers: Annotated[frozenset[HeaderName], BeforeValidator(words)] = frozenset()
    credentials: bool = False


class Tls(Group):
    """Certificate chain and private key of the public listener, PEM files."""

    place = "tls"
    cert: Path | None = None
    key: Path | None = None
    key_password: SecretStr | None = None
    key_password_file: Path | None = None


class Admin(Group):
    """The operators' listener."""

    place = "admin"
    key: SecretStr | None = None
    key_file: Path | None = None
    metrics_open: bool = False
    names: Words = frozenset()


class RetentionBounds(Group):
    """How long the log is kept; 0 takes a bound away."""

    max_age_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 86_400.0
    max_bytes: Bound | None = None
    max_messages: Bound = 0
    clock_patience_s: Seconds = 600.0


class DeadLetterBounds(Group):
    """When a message that was handed to nobody becomes a dead letter, and how many are kept."""

    enabled: bool = True
    grace_s: Annotated[float, Field(ge=0.5, le=3600)] = 30.0
    max_count: Annotated[int, Field(ge=1, le=1_000_000)] = 100_000
    max_bytes: Annotated[int, Field(ge=MIB)] = 64 * MIB
    max_age_s: Annotated[float, Field(ge=60, allow_inf_nan=False)] = 604_800.0
    ignored_event_types: Words = frozenset()


class KafkaCluster(Group):
    """Where the log of `store = "kafka"` lives."""

    place = "kafka"
    bootstrap_servers: Servers = "127.0.0.1:9092"
    topic: TopicName = "fast-sse"
    min_insync_replicas: Annotated[int, Field(ge=1)] = 1
    replication_factor: Annotated[int, Field(ge=1)] | None = None
    options: Options = {}  # noqa: RUF012
    options_file: Path | None = None


class RedisStreamSource(Group):
    """A Redis stream that others write to; read when `url` is set."""

    place = "ingest.redis_stream"
    url: RedisUrl | None = None
    url_file: Path | None = None
    queue_name: QueueName = "sse:events"
    group: QueueName = "fast-sse"


class KafkaTopicSource(Group):
    """A Kafka topic that others write to; read when `topic` is set."""

    place = "ingest.kafka_topic"
    topic: TopicName | None = None
    group: QueueName = "fast-sse"
    bootstrap_servers: Servers | None = None
    format: Literal["json", "confluent-json"] = "json"
    options: Options | None = None
    options_file: Path | None = None


class Ingest(Group):
    """Queues of other systems whose messages are published here."""

    redis_stream: RedisStreamSource = RedisStreamSource()
    kafka_topic: KafkaTopicSource = KafkaTopicSource()


class RedisServer(Group):
    """Where the log of `store = "redis"` lives, and what a publish waits for there."""

    place = "redis"
    url: RedisUrl | None = None
    url_file: Path | None = None
    prefix: Annotated[str, Field(pattern=r"\A[A-Za-z0-9._-]{1,64}\z")] = "fast-sse"
    wait_replicas: Bound = 0
    wait_ms: Annotated[int, Field(gt=0, le=60_000)] = 1000


def _limit_bounds() -> type[Group]:
    """One setting for every field of Limits, of the same name, kind and default."""
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(Limits):
        if field.name not in TOP_LEVEL_LIMITS:
            least = Field(ge=0) if field.name in _ZERO_LIMITS else Field(gt=0)
            kind = Annotated[float, least, Field(allow_inf_nan=False)]
            fields[field.name] = (Annotated[int, least] if field.type is int else kind, field.default)
    return create_model("LimitBounds", __base__=Group, **fields)


LimitBounds = _limit_bounds()


class Settings(BaseSettings):
    """All settings as they are given; `config.Config` reads them and says what follows from them."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Port = 30_000
    admin_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    admin_port: Port = 30_001
    node: NodeName | None = None
    reuse_port: bool = False
    store: Literal["sqlite", "memory", "redis", "kafka"] = "sqlite"
    data_dir: Path = Path("data")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    access_log: bool = False
    tracing: bool = False
    loop: Literal["uvloop", "asyncio"] = "uvloop"
    load_route: bool = False
    prime: Literal["event", "id", "off"] = "event"
    compression: Literal["off", "payload", "stream", "auto"] = "off"
    compression_secret: Channels = frozenset()
    compression_epochs: bool = True
    heartbeat_s: Seconds = Limits().heartbeat_s
    connection_age_s: Seconds = Limits().connection_age_s
    drain_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Limits().drain_s
    health_path: HealthPath | None = None
    trusted_proxies: Proxies = frozenset()
    proxy_protocol: bool = False
    auth: Auth = Auth()
    cors: CorsRules = CorsRules()
    tls: Tls = Tls()
    admin: Admin = Admin()
    retention: RetentionBounds = RetentionBounds()
    dead_letters: DeadLetterBounds = DeadLetterBounds()
    redis: RedisServer = RedisServer()
    kafka: KafkaCluster = KafkaCluster()
    ingest: Ingest = Ingest()
    limits: LimitBounds = LimitBounds()  # type: ignore[valid-type]  # a class made from the fields of Limits
