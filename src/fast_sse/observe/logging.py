"""Logs: one line an event on standard error, as JSON or for a person, with nothing in it that a stranger chose the shape of.

Three rules hold for every line, from whichever library (structlog, the standard library, uvicorn), because they are
processors at the end of the one chain:

- **redact**: what stands under a name like secret, signature, key or token, and every signature inside a text,
  is replaced (CWE-532). A v1 signature never expires; a log must not be a list of them.
- **escape**: control characters, ESC and bidirectional marks are written as visible escapes, so that a peer
  cannot forge a line, drive a terminal or reorder what is read, even after a viewer decoded the JSON
  (CWE-117, CWE-150; "Trojan Source", CVE-2021-42574).
- **truncate**: a text is cut at 128 characters; the event, an error and what to do about it at 256, since most of their words are
  the hub's own and the advice stands last; a traceback at 8,000.
"""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Literal, Protocol, TextIO, cast

import msgspec
import structlog

from fast_sse.observe import observer as facts
from fast_sse.observe.console import console_line

TEXT_CHARACTERS_MAX = 128
TRACEBACK_CHARACTERS_MAX = 8_000
_LONGER = {
    "traceback": TRACEBACK_CHARACTERS_MAX,
    **dict.fromkeys(("event", "error", "problem", "do"), 2 * TEXT_CHARACTERS_MAX),
}
REDACTED = "[redacted]"

_SENSITIVE_NAME = re.compile(r"secret|signature|key|token|authorization|password", re.IGNORECASE)
_SENSITIVE_TEXT = re.compile(
    r"(?i:(signature|token|secret|password)(\s*[=:]\s*|%3d))[^\s&\"',;]+"  # signature=..., "token: ..."
    r"|\bv2\.[A-Za-z0-9_-]{1,32}\.(?:pub|sub|batch)\.[A-Za-z0-9._-]+"  # a v2 signature anywhere
    r"|\b[0-9a-f]{64}\b"  # a v1 signature anywhere
    r"|\beyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*"  # a token of an identity provider anywhere
)
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

Event = MutableMapping[str, Any]
#: How a line is written: `json` for machines, `console` for a person at a terminal.
Form = Literal["json", "console"]


class Log(Protocol):
    """What the rest of the code needs of a logger."""

    def debug(self, event: str, **fields: Any) -> Any:
        """For a person who looks for a fault."""

    def info(self, event: str, **fields: Any) -> Any:
        """A step in the life of the hub."""

    def warning(self, event: str, **fields: Any) -> Any:
        """An operator should know."""

    def error(self, event: str, **fields: Any) -> Any:
        """An operator should act."""


class Stream(Protocol):
    """Where lines go: a file, or `lines.Lines`."""

    def write(self, text: str, /) -> int:
        """Take one line."""

    def flush(self) -> None:
        """See that it is on its way."""


def form_of(setting: Literal["auto", "json", "console"], *, terminal: bool) -> Form:
    """What the setting `log_format` means where the lines do or do not go to a terminal."""
    if setting == "auto":
        return "console" if terminal else "json"
    return setting


def make_log(level: str, stream: Stream, node: str = "", form: Form = "json") -> Log:
    """A logger of its own that writes lines at or above `level` to `stream`, each with the name of its `node`."""
    render = structlog.processors.JSONRenderer(serializer=json.dumps, default=str)
    log = structlog.wrap_logger(
        structlog.WriteLogger(cast("TextIO", stream)),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            clean,
            console_line if form == "console" else render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
    )
    named: Log = log.bind(node=node) if node else log
    return named


def dropped_notice(node: str, form: Form = "json") -> Callable[[int], str]:
    """Makes the line that says how many lines of this node's log were dropped."""

    def line(dropped: int) -> str:
        text = io.StringIO()
        make_log("warning", text, node, form).warning(
            "log lines were dropped",
            lines=dropped,
            do="see what reads standard error: it is too slow, or gone",
        )
        return text.getvalue()

    return line


def clean(_logger: Any, _method: str, event: Event) -> Event:
    """The three rules, as a structlog processor; what one reads first comes first."""
    fields = {
        name if name.isidentifier() else safe_text(name): _cleaned(name, value)
        for name, value in event.items()
    }
    first = {name: fields.pop(name) for name in ("timestamp", "level", "event", "node") if name in fields}
    return first | fields


def _cleaned(name: str, value: Any) -> Any:
    if _SENSITIVE_NAME.search(name) and value is not None and not isinstance(value, bool | int | float):
        return REDACTED
    if isinstance(value, str):
        longest = _LONGER.get(name, TEXT_CHARACTERS_MAX)
        return safe_text(value, longest, keep_lines=name == "traceback")
    if isinstance(value, dict):
        return {safe_text(str(key)): _cleaned(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleaned(name, inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float) else _cleaned(name, str(value))


def safe_text(text: str, characters_max: int = TEXT_CHARACTERS_MAX, *, keep_lines: bool = False) -> str:
    """`text` without signatures, with unsafe characters visible, cut at `characters_max`.

    Lines are kept only for a traceback, where they are ours; JSON writes them as `\\n`.
    """
    text = _SENSITIVE_TEXT.sub(
        lambda found: f"{found[1]}{found[2]}{REDACTED}" if found[1] else REDACTED, text
    )
    if len(text) > characters_max:
        text = text[:characters_max] + "…"
    return visible(text, keep="\n" if keep_lines else "")


def visible(text: str, keep: str = "") -> str:
    """`text` with every character that could shape a line or a terminal as an escape, but for those in `keep`."""
    return _UNSAFE.sub(lambda found: found[0] if found[0] in keep else _escape(ord(found[0])), text)


def _escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


#: How heavy a fact is, and what an operator does about it. A fact that is not here is `info`.
ACTS: Mapping[type[facts.Fact], tuple[str, str]] = {
    facts.FollowerRestarted: ("error", "the hub reads on by itself; look at the store if this comes again"),
    facts.StoreFailed: (
        "error",
        "look at the store's server or disk; publishes are refused until it answers",
    ),
    facts.StoreRecovered: ("warning", "nothing to do: publishes are taken again"),
    facts.Trimmed: ("debug", ""),
    facts.TrimmingFailed: ("warning", "look at the store if this comes again; until then the log grows"),
    facts.LongLine: ("warning", "see that your clients read lines of this length, or send less"),
    facts.HandlerFailed: ("error", "report this line; the client was told its request_id"),
    facts.DefectSeen: ("error", "report this line"),
    facts.KeysFailed: ("warning", "see that auth.jwt.jwks_url answers; the kept keys stay in force"),
    facts.IngestLeaseLost: ("warning", "nothing to do: another node reads the queue"),
    facts.IngestFailed: (
        "error",
        "look at the queue's server and at ingest.*; the hub tries again by itself",
    ),
    facts.IngestRecovered: ("warning", "nothing to do: the queue is read again"),
    facts.IngestPoisoned: ("warning", "see fast-sse dlq show, and correct the program that fills the queue"),
    facts.IngestGone: ("error", "these entries are lost; let the queue keep entries for longer"),
    facts.LettersMade: ("warning", "see fast-sse dlq list; replay them when their clients are back"),
    facts.LettersDropped: (
        "warning",
        "raise the bounds in dead_letters.*, or purge old dead letters in time",
    ),
    facts.TurnsFailed: (
        "error",
        "look at the store's server or disk; no message becomes a dead letter until it answers",
    ),
    facts.TurnsRecovered: ("warning", "nothing to do: dead letters are made again"),
    facts.NodeNameAwaited: ("warning", "wait some seconds; the start goes on if that process is gone"),
    facts.NodeNameShared: ("error", "give each process a name of its own (node), and restart this one"),
}
#: What a line is called where the fact's own name would not be understood outside of this code.
_CALLED: Mapping[type[facts.Fact], str] = {
    facts.LettersMade: "dead letters made",
    facts.LettersDropped: "dead letters dropped",
    facts.LettersReplayed: "dead letters replayed",
    facts.LettersImported: "dead letters imported",
    facts.LettersPurged: "dead letters purged",
    facts.TurnsFailed: "dead letters stand still",
    facts.TurnsRecovered: "dead letters go on",
}


class LogObserver:
    """Writes each fact as one line whose event is the fact's name in words, with the fact's fields and what to do."""

    _OF_THE_STORE = frozenset(
        {
            facts.StoreFailed,
            facts.StoreRecovered,
            facts.FollowerRestarted,
            facts.TrimmingFailed,
            facts.TurnsFailed,
        }
    )

    def __init__(self, log: Log, store_at: str = "") -> None:
        """`store_at`: where the store's server is, for the lines about it; operators see it, clients never."""
        self._log = log
        self._store_at = {"at": store_at} if store_at else {}

    def notify(self, fact: facts.Fact) -> None:
        """Write one line."""
        kind = type(fact)
        level, do = ACTS.get(kind, ("info", ""))
        words = _CALLED.get(kind) or re.sub(r"(?<!^)(?=[A-Z])", " ", kind.__name__).lower()
        more = self._store_at if kind in self._OF_THE_STORE else {}
        advice = {"do": do} if do else {}
        getattr(self._log, level)(words, **msgspec.structs.asdict(fact), **more, **advice)


def cause(error: BaseException) -> dict[str, str]:
    """Why, in the words of the system (refused, name not known), where the store has one word for all of it."""
    inner = error.__cause__
    while inner is not None:
        if isinstance(inner, OSError) and (said := inner.strerror or str(inner)):
            return {"cause": said}
        inner = inner.__cause__
    return {}


class StandardHandler(logging.Handler):
    """Brings the standard library's records (asyncio, uvicorn) under the same three rules."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; the traceback, if any, in a field of its own."""
        fields = {"logger": record.name}
        if record.exc_info:
            fields["traceback"] = logging.Formatter().formatException(record.exc_info)
        level = next(
            (name for name, number in reversed(_LEVELS.items()) if record.levelno >= number), "debug"
        )
        getattr(self._log, level)(record.getMessage(), **fields)
