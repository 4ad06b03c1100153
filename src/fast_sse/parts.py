"""The parts of a node, each made as the configuration wants it: the one place where concrete classes meet.

`node.py` composes them; `app.py` and `asgi.py` serve the node.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from fast_sse.config import Config
from fast_sse.http import logged
from fast_sse.http.addresses import Trusted
from fast_sse.http.api.access import Access
from fast_sse.http.api.clients import Clients
from fast_sse.http.api.cors import Cors
from fast_sse.http.api.endpoints import Endpoints
from fast_sse.http.api.forms import Forms
from fast_sse.http.api.page import KILL, DemoPages, demo_pages
from fast_sse.http.api.refusals import Refusals
from fast_sse.http.api.traced import Traced
from fast_sse.http.boundary import OnDefect
from fast_sse.http.front.acknowledged import acknowledged_bytes
from fast_sse.http.front.deadlines import Deadlines
from fast_sse.http.front.descriptors import Descriptors
from fast_sse.http.front.front import Front
from fast_sse.http.front.introductions import Introductions, OnCut
from fast_sse.http.message import Interface
from fast_sse.hub.hub import Hub
from fast_sse.hub.letters import LetterDesk
from fast_sse.hub.replays import ReplayDrafts
from fast_sse.hub.traced import TracedHub, traced_replays
from fast_sse.identity import make_tokens
from fast_sse.ingest.poison import imported, reread
from fast_sse.ingest.source import QueueSource
from fast_sse.model.channel import Channel
from fast_sse.model.errors import ConfigError
from fast_sse.model.signature import sign_v1
from fast_sse.observe.access import AccessLog
from fast_sse.observe.logging import Log
from fast_sse.observe.observer import HandlerFailed, Observer
from fast_sse.observe.observers import Observers
from fast_sse.observe.spans import Spans
from fast_sse.store.base import Clocked, Store, Windows
from fast_sse.store.clock import wall_ms
from fast_sse.store.memory.store import MemoryStore
from fast_sse.store.sqlite.store import SqliteStore

#: Makes the sources of a hub; the last argument raises ForbiddenError for a channel that is not allowed here.
MakeSources = Callable[[Hub, Observer, Callable[[Channel], None]], list[QueueSource]]

#: Where Redis is unless a setting says otherwise.
REDIS_URL = "redis://127.0.0.1:6379/0"
#: Between the answer to the page that kills a demo and the kill.
_LAST_ANSWER_S = 0.05
#: Below it a client that merely reconnects would miss the grace.
_GRACE_S_MIN = 10.0
#: Idempotency keys of a store whose log does not survive the process.
_MEMORY_WINDOWS = Windows(key_window_s=3600.0, keys_max=1_000_000)


def make_store(config: Config) -> Store:
    """The store that the configuration names, not yet open."""
    if config.store == "memory":
        return MemoryStore(config.kept, _MEMORY_WINDOWS, letters=config.letter_bounds)
    if config.store == "redis":
        return _redis_store(config)
    if config.store == "kafka":
        return _kafka_store(config)
    return SqliteStore(config.data_dir, config.kept, letters=config.letter_bounds)


def _kafka_store(config: Config) -> Store:
    kind: Callable[..., Store] = needs_extra("kafka", "store", "fast_sse.store.kafka.store", "KafkaStore")
    return kind(kafka_settings(config), config.data_dir, config.kept, letters=config.letter_bounds)


def kafka_settings(config: Config) -> Any:
    """The KafkaSettings of the store. Raises ConfigError when the client library is not installed."""
    kind = needs_extra("kafka", "store", "fast_sse.store.kafka.settings", "KafkaSettings")
    kafka, limits = config.kafka, config.bounds
    return kind(
        bootstrap_servers=kafka.bootstrap_servers,
        topic=kafka.topic,
        node=config.node_name,
        min_insync_replicas=kafka.min_insync_replicas,
        replication_factor=kafka.replication_factor,
        options={name: value.get_secret_value() for name, value in kafka.options.items()},
        message_bytes_max=max(limits.body_bytes_max, limits.inflated_bytes_max),
        # Before the hub gives up, so that the answer is the log's.
        deadline_s=0.9 * limits.append_s,
    )


def _redis_store(config: Config) -> Store:
    redis = config.redis
    kind: Callable[..., Store] = needs_extra("redis", "store", "fast_sse.store.redis.store", "RedisStore")
    return kind(
        redis.url.get_secret_value() if redis.url is not None else REDIS_URL,
        config.kept,
        prefix=redis.prefix,
        letters=config.letter_bounds,
        wait=(redis.wait_replicas, redis.wait_ms),
    )


def make_spans(config: Config) -> Spans:
    """What makes spans. Raises ConfigError when OpenTelemetry is not installed, or is told what is not spoken here."""
    make: Callable[[str], Spans] = needs_extra("otel", "tracing", "fast_sse.observe.tracing", "make_spans")
    return make(config.node_name)


def make_hub(config: Config, store: Store, observer: Observer, spans: Spans | None = None) -> Hub:
    """A hub over an open store, not yet started; needs a running loop."""
    kind = Hub if spans is None else partial(TracedHub, spans)
    return kind(
        store,
        config.bounds,
        observer,
        now_ms=store.now_ms if isinstance(store, Clocked) else wall_ms,
        rng=random.Random(),  # noqa: S311  jitter, not secrets
        acknowledged_bytes=acknowledged_bytes,
        node=config.node_name,
        rules=config.letter_rules,
    )


def make_letter_desk(
    config: Config,
    hub: Hub,
    observer: Observer,
    check: Callable[[Channel], None],
    spans: Spans | None = None,
) -> LetterDesk:
    """What operators do with dead letters; `check` raises ForbiddenError for a channel that is not allowed here."""
    limits = config.bounds
    drafts = ReplayDrafts(
        check, lambda letter: reread(letter, limits), config.dead_letters.max_age_s, time.time
    )
    return LetterDesk(
        hub.store.letters,
        hub.publish if spans is None else traced_replays(spans, hub.publish),
        Observers([observer, hub.dead_letters]),
        drafts,
        lambda source, raw: imported(source, raw, limits, config.node_name),
        lambda: hub.dead_letters.waiting,
    )


def make_endpoints(config: Config, hub: Hub, observer: Observer, *, demo: bool = False) -> Endpoints:
    """The public routes as the configuration wants them, for any server: the front's or an ASGI one."""
    access, limits = make_access(config, observer, demo=demo), config.bounds
    # A PROXY header has said who the client is, so that nothing it writes into a head is asked.
    trusted = () if config.proxy_protocol else config.trusted_proxies
    return Endpoints(
        hub,
        limits,
        access,
        now=time.time,
        load_route=config.load_route,
        cors=Cors(config.cors.origins, config.cors.headers, credentials=config.cors.credentials),
        clients=Clients(trusted, limits.publish_rate, limits.streams_per_address_max),
        pages=_demo(config, partial(sign_v1, access.keyring.secret)) if demo else None,
        health_path=config.health_path,
        refusals=Refusals(observer),
        forms=Forms(config.prime, config.compression, config.compression_secret),
    )


def _demo(config: Config, sign: Callable[[Channel], str]) -> DemoPages:
    """The demo page. In a checkout it leads to the documents."""
    docs = Path(__file__).parents[2] / "docs"
    return DemoPages(demo_pages(sign, config.admin_port, docs), config.host, sign(KILL), _end_soon)


def _end_soon() -> None:
    """SIGKILL for this process, when the answer that says so has left."""
    asyncio.get_running_loop().call_later(_LAST_ANSWER_S, os.kill, os.getpid(), signal.SIGKILL)


def make_interface(endpoints: Endpoints, spans: Spans | None) -> Interface:
    """What a server calls: the routes themselves, or what traces them."""
    return endpoints if spans is None else Traced(endpoints, spans)


def make_introductions(
    config: Config, front: Front, descriptors: Descriptors, on_cut: OnCut
) -> Introductions | None:
    """What stands before `front` where every connection begins with a PROXY header; needs a running loop."""
    if not config.proxy_protocol:
        return None
    return Introductions(
        front,
        Trusted(config.trusted_proxies),
        Deadlines(config.bounds, asyncio.get_running_loop().time),
        has_room=descriptors.has_room,
        on_cut=on_cut,
    )


def make_public_access(config: Config, log: Log | None) -> logged.Access | None:
    """The access log of the public listener, written to `log`; None without one."""
    if log is None:
        return None
    trusted = () if config.proxy_protocol else config.trusted_proxies
    client = Clients(trusted).address if trusted else lambda _request: ""
    return logged.Access(AccessLog(log, "public"), client)


def make_access(
    config: Config, observer: Observer, *, demo: bool = False, earlier: Access | None = None
) -> Access:
    """The rules of access; `demo` lets a v1 signature stand in a query although it never expires.

    `earlier`: the rules until now, whose keys of tokens stay where their address does. Keys that are fetched need a running
    loop.
    """
    auth = config.auth
    return Access(
        keyring=config.keyring,
        allowed_event_ids=auth.allowed_event_ids,
        allowed_event_types=auth.allowed_event_types,
        v1_query=demo or auth.publish_secret is not None,
        tokens=make_tokens(auth.jwt, observer, None if earlier is None else earlier.tokens)
        if auth.jwt.is_on
        else None,
    )


def make_sources(config: Config) -> MakeSources:
    """How to make the sources that the configuration names, once there is a hub.

    Raises ConfigError when the client library of one is not installed: the core needs none.
    """
    makers: list[Callable[..., QueueSource]] = []
    if (stream := config.ingest.redis_stream).url is not None:
        kind = needs_extra("redis", "ingest.redis_stream.url", "fast_sse.ingest.redis_stream", "RedisStream")
        url = stream.url.get_secret_value()
        makers.append(partial(kind, url, stream.queue_name, stream.group, config.node_name))
    if (topic := config.ingest.kafka_topic).topic is not None:
        kind = needs_extra("kafka", "ingest.kafka_topic.topic", "fast_sse.ingest.kafka_topic", "KafkaTopic")
        settings = {**config.queue_options, "bootstrap.servers": config.queue_servers}
        makers.append(
            partial(kind, settings, topic.topic, topic.group, config.node_name, value_format=topic.format)
        )
    return lambda hub, observer, check: [make(hub, observer, check=check) for make in makers]


def needs_extra(extra: str, key: str, module: str, name: str) -> Any:
    """`name` of a module of ours that imports what an extra installs. Raises ConfigError naming the setting's `key`."""
    try:
        return getattr(import_module(module), name)
    except ImportError as error:
        problem = f"needs a library that is not installed: pip install 'fast-sse-hub[{extra}]'"
        raise ConfigError(key, problem) from error


def on_defect(observer: Observer) -> OnDefect:
    """Notifies `observer` of a 500 and the exception behind it."""

    def notify(request_id: str, error: BaseException) -> None:
        text = "".join(traceback.format_exception(error))
        observer.notify(HandlerFailed(repr(error), text, request_id))

    return notify


def warn(config: Config, log: Log) -> None:
    """Say which settings are allowed, but open a door or are hardly meant."""
    for name in config.ending_in_space:
        log.warning(
            "a secret ends in white space, which counts",
            setting=name,
            do="take the space off, unless the signer has it, too",
        )
    if config.auth.v1 == "both" and config.auth.secret is not None and config.auth.publish_secret is None:
        log.warning(
            "every client that can subscribe can also publish: v1 signs both with auth.secret",
            do="set auth.publish_secret, or auth.v1 = subscribe with auth.keys",
        )
    if config.dead_letters.enabled and config.dead_letters.grace_s < _GRACE_S_MIN:
        log.warning(
            "dead_letters.grace_s is short: messages become dead letters while a client reconnects",
            do="raise dead_letters.grace_s above the time that clients need to come back",
        )
    if config.load_route:
        log.warning(
            "load_route is on: every client can publish to POST /v1/sse/events without a signature",
            do="set load_route = false, except for a load test",
        )
