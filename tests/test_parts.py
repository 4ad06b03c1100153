"""Each part of a node is made as the configuration says."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fast_sse import parts
from fast_sse.config import load
from fast_sse.model.errors import ConfigError
from fast_sse.observe.logging import make_log
from fast_sse.observe.observer import Fact, HandlerFailed, NullObserver
from fast_sse.parts import make_access, make_hub, make_sources, make_store, needs_extra, on_defect, warn
from fast_sse.store.memory.store import MemoryStore
from fast_sse.store.redis.store import RedisStore
from fast_sse.store.sqlite.store import SqliteStore

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)


@pytest.mark.parametrize(
    ("name", "kind"), [("memory", MemoryStore), ("sqlite", SqliteStore), ("redis", RedisStore)]
)
def test_the_store_is_the_one_named(name: str, kind: type, tmp_path: Path) -> None:
    """`store` chooses the class; making one touches nothing yet."""
    store = make_store(load(None, {"store": name, "data_dir": tmp_path / "data"}))
    assert type(store) is kind
    assert list(tmp_path.iterdir()) == []


def test_no_queue_is_read_unless_it_is_named() -> None:
    """Without `ingest` there is no source, and no client library is asked for."""
    nobody: Any = None
    assert make_sources(load())(nobody, nobody, nobody) == []


def test_a_topic_is_read_in_the_format_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ingest.kafka_topic.format` reaches the source; a word that nobody knows is refused."""
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(parts, "needs_extra", lambda *_: lambda *_, **more: made.append(more))
    nobody: Any = None
    monkeypatch.setenv("FAST_SSE_INGEST__KAFKA_TOPIC__TOPIC", "carts")
    make_sources(load())(nobody, nobody, nobody)
    monkeypatch.setenv("FAST_SSE_INGEST__KAFKA_TOPIC__FORMAT", "confluent-json")
    make_sources(load())(nobody, nobody, nobody)
    assert [more["value_format"] for more in made] == ["json", "confluent-json"]
    monkeypatch.setenv("FAST_SSE_INGEST__KAFKA_TOPIC__FORMAT", "avro")
    with pytest.raises(ConfigError, match=r"ingest\.kafka_topic\.format"):
        load()


def test_a_library_that_is_missing_is_named() -> None:
    """The setting that asks for it, and the command that installs it."""
    with pytest.raises(ConfigError, match=r"some.key: .*pip install 'fast-sse-hub\[redis\]'"):
        needs_extra("redis", "some.key", "fast_sse.no_such_module", "Name")


def test_the_core_needs_no_queue_library() -> None:
    """Starting a hub without queues imports neither Redis nor Kafka."""
    script = "import sys, fast_sse.app, fast_sse.asgi; print({'redis', 'hiredis', 'confluent_kafka'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_link_is_for_the_demo_or_for_two_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A v1 signature never expires, so it stands in a query only where it opens nothing but one stream."""
    assert not make_access(load(), NullObserver()).v1_query
    assert make_access(load(), NullObserver(), demo=True).v1_query
    monkeypatch.setenv("FAST_SSE_AUTH__PUBLISH_SECRET", "f" + SECRET[1:])
    assert make_access(load(), NullObserver()).v1_query


def test_a_defect_is_told_with_its_traceback() -> None:
    """The observer gets what the caller does not: the exception behind a 500."""
    told: list[Fact] = []

    class Listener:
        def notify(self, fact: Fact) -> None:
            told.append(fact)

    with pytest.raises(KeyError) as caught:
        raise KeyError("broken")
    on_defect(Listener())("req-1", caught.value)
    (fact,) = told
    assert isinstance(fact, HandlerFailed)
    assert (fact.request_id, fact.error) == ("req-1", "KeyError('broken')")
    assert "raise KeyError" in fact.traceback


def test_open_doors_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One warning for each setting that is allowed but opens a door, and none without."""

    def warnings() -> list[str]:
        stream = io.StringIO()
        warn(load(mounted=True), make_log("info", stream))
        return [json.loads(line)["event"] for line in stream.getvalue().splitlines()]

    assert [text.split()[0] for text in warnings()] == ["every"]
    monkeypatch.setenv("FAST_SSE_LOAD_ROUTE", "true")
    monkeypatch.setenv("FAST_SSE_AUTH__V1", "subscribe")
    assert [text.split()[0] for text in warnings()] == ["load_route"]
    monkeypatch.setenv("FAST_SSE_LOAD_ROUTE", "false")
    monkeypatch.setenv("FAST_SSE_DEAD_LETTERS__GRACE_S", "9.9")
    assert [text.split()[0] for text in warnings()] == ["dead_letters.grace_s"]
    monkeypatch.setenv("FAST_SSE_DEAD_LETTERS__ENABLED", "false")
    assert warnings() == []
    monkeypatch.delenv("FAST_SSE_AUTH__V1")
    monkeypatch.delenv("FAST_SSE_AUTH__SECRET")
    assert warnings() == [], "without a secret v1 signs nothing"


async def test_lifetimes_are_judged_by_the_store_s_clock(tmp_path: Path) -> None:
    """A store on another machine says what time it is; the node's own clock is asked only where it is the store's."""

    class Elsewhere(MemoryStore):
        def now_ms(self) -> int:
            return 1234

    config = load(None, {"data_dir": tmp_path})
    for store, expected in (
        (Elsewhere(), 1234),
        (MemoryStore(), pytest.approx(time.time() * 1000, abs=5000)),
    ):
        await store.open()
        hub = make_hub(config, store, NullObserver())
        assert hub._ground.now_ms() == expected
        await store.close()
