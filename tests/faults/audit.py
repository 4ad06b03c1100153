"""Reads a system call trace of the hub and proves that fsync comes before the answer (guarantee G1).

kill -9 cannot show it, because the page cache survives the process. The trace can: a message is durable once the
pages that hold it were written to the write-ahead log, the frame that commits them followed, and an fdatasync that
began after that has returned 0. Any byte on a socket that names the message before that moment is early: the 2xx,
and just as well an event to a subscriber.

The order of lines is the order of events: strace writes a call down when it returns, or, if another thread's event
comes in between, `<unfinished ...>` when it begins and `resumed` when it returns; no thread goes on before its line
is written. A message is found in the log by its payload, which is unique and short enough never to be split: SQLite
keeps a row that fits on a page in one piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

#: What to trace; long enough strings to see a whole page or a whole answer.
STRACE = (
    *("strace", "-f", "--seccomp-bpf", "-yy", "-s", "66000"),
    *("-e", "trace=pwrite64,fdatasync,fsync,sendto,sendmsg,write,writev"),
)

_LINE = re.compile(
    r"(?P<pid>\d+) +(?:(?P<resumed><\.\.\. (?P<again>\w+) resumed>)|(?P<call>\w+)\()(?P<rest>.*)\Z"
)
_FD = re.compile(r"\d+<(?P<what>(?:[^<>\\]|\\.|->)*)>")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9a-f]{2})|(.))", re.DOTALL)
_NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"f": b"\f"}
_FRAME_HEADER_BYTES = 24


class Call(NamedTuple):
    """One system call: when it began and returned (line numbers), on what, with which text, and its result."""

    name: str
    began: int
    returned: int
    target: str
    text: str
    result: str


@dataclass
class Audit:
    """What the trace says, and of how many."""

    acks: int = 0
    syncs: int = 0
    early_acks: list[str] = field(default_factory=list)
    early_events: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def acks_per_sync(self) -> float:
        """The group commit factor."""
        return self.acks / self.syncs if self.syncs else 0.0

    def text(self) -> str:
        """One line of figures."""
        bound = f"{3 / self.acks:.1e}" if self.acks else "none"
        return (
            f"{len(self.early_acks)} early acks and {len(self.early_events)} early events of {self.acks:,} acks; "
            f"95 % bound {bound}; {self.syncs:,} fdatasyncs, {self.acks_per_sync:.1f} acks per fdatasync"
        )

    def assert_clean(self, acks: int) -> None:
        """Fail unless that many acknowledgements were found and none was early."""
        evidence = (self.early_acks + self.early_events + self.missing)[:5]
        assert not evidence, f"{self.text()}: {evidence}"
        assert self.acks == acks > 0, f"{self.text()}; expected {acks}"
        assert self.syncs > 0, self.text()


def unescape(text: str) -> bytes:
    """A string as strace prints it, as bytes."""

    def one(found: re.Match[bytes]) -> bytes:
        octal, hexadecimal, letter = found.groups()
        if octal is not None:
            return bytes([int(octal, 8)])
        return bytes([int(hexadecimal, 16)]) if hexadecimal is not None else _NAMED.get(letter, letter)

    return _ESCAPE.sub(one, text.encode("latin-1"))


def calls(lines: Iterable[str]) -> Iterator[Call]:
    """The calls of a trace, in the order in which they returned."""
    begun: dict[tuple[str, str], tuple[int, str]] = {}
    for number, line in enumerate(lines):
        found = _LINE.match(line.rstrip("\n"))
        if found is None:
            continue
        name, rest = found["call"] or found["again"], found["rest"]
        if rest.endswith("<unfinished ...>"):
            begun[found["pid"], name] = number, rest
            continue
        began, arguments = begun.pop((found["pid"], name), (number, "")) if found["resumed"] else (number, "")
        arguments += rest
        target = _FD.match(arguments)
        result = arguments.rpartition(" = ")[2].split(" ")[0]
        yield Call(name, began, number, target["what"] if target else "", arguments, result)


def audit(lines: Iterable[str], payload_of: Mapping[str, str]) -> Audit:
    """Judge a trace. `payload_of` maps each acknowledged message_id to the payload that the log must hold."""
    written: list[Call] = []
    sent: list[Call] = []
    result = Audit()
    durable: dict[str, int] = {}
    waiting = _Waiting(set(payload_of.values()))
    for call in calls(lines):
        if call.name == "pwrite64" and call.target.endswith("-wal"):
            written.append(call)
            waiting.wrote(call)
        elif call.name in ("fdatasync", "fsync") and call.target.endswith("-wal") and call.result == "0":
            result.syncs += 1
            durable.update(dict.fromkeys(waiting.synced(call), call.returned))
        elif call.target.startswith(("TCP:", "TCPv6:", "socket:")):
            sent.append(call)
    _judge(result, sent, durable, payload_of)
    return result


class _Waiting:
    """Payloads on their way to the disk: in pages, then committed, then synced."""

    def __init__(self, payloads: set[str]) -> None:
        self._payloads = payloads
        self._known: set[str] = set()
        self._in_pages: set[str] = set()
        self._committed: dict[str, int] = {}
        self._commits = False

    def wrote(self, call: Call) -> None:
        found = _STRING.search(call.text)
        text = found[1] if found else ""
        header = unescape(text) if len(text) <= 4 * _FRAME_HEADER_BYTES else b""
        if len(header) == _FRAME_HEADER_BYTES:
            # WAL frame header: bytes 4 to 7 are the size of the database after a commit, else zero.
            self._commits = header[4:8] != b"\0\0\0\0"
            return
        for payload in _tokens(text) & self._payloads - self._known:
            self._known.add(payload)
            self._in_pages.add(payload)
        if self._commits:
            self._committed.update(dict.fromkeys(self._in_pages, call.returned))
            self._in_pages = set()

    def synced(self, call: Call) -> list[str]:
        """Payloads whose commit was written before this sync began."""
        done = [payload for payload, at in self._committed.items() if at < call.began]
        for payload in done:
            del self._committed[payload]
        return done


_TOKEN = re.compile(r"tok[0-9a-z]+end")


def token(name: str) -> str:
    """A payload that cannot be mistaken for part of another one."""
    return f"tok{name.replace('-', 'z')}end"


def _tokens(text: str) -> set[str]:
    return set(_TOKEN.findall(text))


_ACK = re.compile(r'\\"message_id\\":\\"([A-Za-z0-9._~-]+)\\"')


def _judge(result: Audit, sent: list[Call], durable: dict[str, int], payload_of: Mapping[str, str]) -> None:
    acked: set[str] = set()
    for call in sent:
        for message_id in set(_ACK.findall(call.text)) & payload_of.keys():
            acked.add(message_id)
            if call.began < durable.get(payload_of[message_id], call.began + 1):
                result.early_acks.append(
                    f"line {call.began + 1}: {message_id} acknowledged before its fdatasync"
                )
        for payload in _tokens(call.text):
            if call.began < durable.get(payload, call.began + 1):
                result.early_events.append(f"line {call.began + 1}: {payload} delivered before its fdatasync")
    result.acks = len(acked)
    result.missing = [f"no answer with {message_id} in the trace" for message_id in payload_of.keys() - acked]
