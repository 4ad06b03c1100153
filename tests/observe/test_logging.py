"""Logs: one line an event, no secret in it, and nothing that a peer could have shaped."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest

from fast_sse.model.channel import Channel
from fast_sse.model.signature import sign_v1, sign_v2
from fast_sse.observe import observer as facts
from fast_sse.observe.logging import ACTS, REDACTED, LogObserver, StandardHandler, make_log, safe_text

SECRET = b"0123456789abcdef0123456789abcdef"
V1 = sign_v1(SECRET, Channel("carid000001", "cart_changed"))
V2 = sign_v2(SECRET, "web-1", "sub", [Channel("a", "b")], body=None, iat=0, exp=60, nonce="n" * 16)


class Written:
    """A logger and what it wrote."""

    def __init__(self, level: str = "debug", node: str = "") -> None:
        self.stream = io.StringIO()
        self.log = make_log(level, self.stream, node)

    @property
    def text(self) -> str:
        """Everything written."""
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every line, decoded."""
        return [json.loads(line) for line in self.text.splitlines()]


def test_a_line_is_one_json_object() -> None:
    """Event, level and time stand in every line, and the fields beside them."""
    written = Written()
    written.log.warning("store is slow", after_s=1.5, peer="127.0.0.1")
    (line,) = written.lines
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "store is slow", "level": "warning", "after_s": 1.5, "peer": "127.0.0.1"}


def test_every_line_names_its_node() -> None:
    """Where the lines of several nodes meet, each says whose it is, whoever wrote it."""
    written = Written(node="sse-1")
    written.log.info("ready")
    LogObserver(written.log).notify(facts.StoreRecovered())
    record = logging.LogRecord("asyncio", logging.ERROR, "", 0, "broken", None, None)
    StandardHandler(written.log).emit(record)
    assert [line["node"] for line in written.lines] == ["sse-1"] * 3


def test_the_level_is_a_floor() -> None:
    """Lines below the level are not written."""
    written = Written("warning")
    written.log.debug("a")
    written.log.info("b")
    written.log.warning("c")
    written.log.error("d")
    assert [line["event"] for line in written.lines] == ["c", "d"]


@pytest.mark.parametrize(
    "name", ["secret", "auth_secret", "x-signature", "admin_key", "Token", "authorization"]
)
def test_sensitive_names_hide_their_value(name: str) -> None:
    """What stands under the name of a credential is not written, however deep (CWE-532)."""
    written = Written()
    written.log.info("start", **{name: "hunter2", "nested": [{"in": {name: "hunter2"}}]})
    assert "hunter2" not in written.text
    assert written.lines[0][name] == REDACTED


@pytest.mark.parametrize(
    "text",
    [
        f"/v1/subscribe/events/a/types/b?signature={V1}&x=1",
        f"/v1/subscribe/events/a/types/b?signature={V2}",
        f"SIGNATURE%3D{V2}",
        f"x-signature: {V1}",
        f"refused {V1}",
        f"({V2})",
        f"KeyError: '{V1}'",
    ],
)
def test_signatures_inside_texts_are_hidden(text: str) -> None:
    """A signature in a URL, a header or an error is not written, in whatever field; nor by the standard library."""
    written = Written()
    written.log.info(text, url=text, nested={"a": [text]}, traceback=text)
    record = logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "%s", (text,), None)
    StandardHandler(written.log).emit(record)
    mac = V2.rpartition(".")[2]
    assert len(written.lines) == 2
    assert V1 not in written.text
    assert mac not in written.text
    assert written.text.count(REDACTED) == 5


@pytest.mark.parametrize("text", ["/v1/subscribe?token={}", "Authorization: Bearer {}", "refused {}", "({})"])
def test_tokens_inside_texts_are_hidden(text: str) -> None:
    """Nor is a token of an identity provider, which is a right until it ends; not even its claims."""
    written = Written()
    token = f"eyJ{'h' * 20}.eyJ{'c' * 20}.{'s' * 40}"
    written.log.info("request", url=text.format(token), nested=[text.format(token)])
    for part in token.split("."):
        assert part not in written.text
    assert written.text.count(REDACTED) == 2


@pytest.mark.parametrize(
    "attack", ["\n", "\r", "\x1b[2J", "\x00", "\x7f", "\x9b31m", "\u202e", "\u2066", "\u2028", "\ud800"]
)
def test_unsafe_characters_are_made_visible(attack: str) -> None:
    """No peer can break a line, drive a terminal or turn the reading order, even once the JSON is decoded (S26)."""
    written = Written()
    written.log.info("evicted", peer=f"a{attack}b", **{"n" + attack: "x"})
    (line,) = written.lines
    assert len(written.text.splitlines()) == 1
    assert attack[0] not in line["peer"]
    assert line["peer"].startswith(("a\\x", "a\\u"))
    assert line["peer"].endswith("b")


def test_ordinary_letters_stay() -> None:
    """Escaping is for what is unsafe, not for what is foreign."""
    assert safe_text("carid-é-汽车-🚗") == "carid-é-汽车-🚗"


def test_texts_are_cut() -> None:
    """A field holds 128 characters of a text at most; what happened and what to do twice that; a traceback keeps its lines."""
    written = Written()
    written.log.info("x" * 1000, peer="y" * 1000, error="e" * 1000, do="d" * 1000, traceback="z\n" * 100_000)
    (line,) = written.lines
    assert line["peer"] == "y" * 128 + "…"
    assert [len(line[name]) for name in ("event", "error", "do")] == [257] * 3
    assert line["traceback"].startswith("z\nz\n")
    assert len(line["traceback"]) == 8_001


@pytest.mark.parametrize(
    ("fact", "level", "event"),
    [
        (facts.HubStarted("s1.0.1", "fsync"), "info", "hub started"),
        (facts.StoreFailed("disk"), "error", "store failed"),
        (facts.StoreRecovered(), "warning", "store recovered"),
        (facts.TrimmingFailed("disk"), "warning", "trimming failed"),
        (facts.StreamEvicted("stalled", "10.0.0.1", 30.0), "info", "stream evicted"),
        (facts.HandlerFailed("boom", "Traceback ..."), "error", "handler failed"),
        (facts.Trimmed(5), "debug", "trimmed"),
    ],
)
def test_facts_become_lines(fact: facts.Fact, level: str, event: str) -> None:
    """A fact's name in words is the event, its fields are the fields, its weight is the level."""
    written = Written()
    LogObserver(written.log).notify(fact)
    (line,) = written.lines
    assert (line["event"], line["level"]) == (event, level)
    assert set(fact.__struct_fields__) <= set(line)


def test_a_line_of_trouble_says_what_to_do() -> None:
    """Every warning and error of the hub has the field `do`, so that a reader at night need not know the code."""
    assert {
        kind.__name__ for kind, (level, do) in ACTS.items() if (level in {"warning", "error"}) != bool(do)
    } == set()
    written = Written()
    LogObserver(written.log, "10.0.0.7:6379/0").notify(facts.StoreFailed("disk"))
    (line,) = written.lines
    assert list(line)[-2:] == ["at", "do"]
    assert line["do"] == "look at the store's server or disk; publishes are refused until it answers"


def test_a_fact_is_called_by_words_of_the_docs() -> None:
    """A turn of the dead letters and a letter are words of the code; the line has those of docs/delivery.md."""
    written = Written()
    observer = LogObserver(written.log)
    observer.notify(facts.TurnsFailed("disk"))
    observer.notify(facts.LettersPurged(by="127.0.0.1", asked="all", purged=1))
    assert [line["event"] for line in written.lines] == ["dead letters stand still", "dead letters purged"]


def test_the_standard_library_writes_the_same_lines() -> None:
    """Errors of asyncio and uvicorn arrive as JSON with their traceback, by level."""
    written = Written("info")
    error = RuntimeError("boom")
    handler = StandardHandler(written.log)
    handler.emit(logging.LogRecord("asyncio", logging.DEBUG, "", 0, "quiet", None, None))
    exc_info = (RuntimeError, error, None)
    handler.emit(logging.LogRecord("asyncio", logging.CRITICAL, "", 0, "task %s", ("failed",), exc_info))
    (line,) = written.lines
    assert (line["event"], line["level"], line["logger"]) == ("task failed", "error", "asyncio")
    assert "RuntimeError: boom" in line["traceback"]


def test_lines_about_the_store_say_where_it_is() -> None:
    """An operator reads the address beside what went wrong; lines about anything else do not repeat it."""
    written = Written()
    observer = LogObserver(written.log, "10.0.0.7:6379/0")
    observer.notify(facts.StoreFailed("Redis cannot be reached"))
    observer.notify(facts.Trimmed(3))
    failed, *rest = written.lines
    assert (failed["error"], failed["at"]) == ("Redis cannot be reached", "10.0.0.7:6379/0")
    assert all("at" not in line for line in rest)
