"""The commands of the pages about publishing, subscribing and signatures, pasted in order, and what they print."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.docs.shell import DOCS, blocks, follow, needs_curl
from tests.support.events import POSITIONS
from tests.support.redis_server import need_redis
from tests.support.server import ROOT

SIGNATURES = ROOT / "examples" / "signatures"
LANGUAGES = {"sign.py": "python", "sign.mjs": "js", "sign.go": "go", "sign.sh": "shell"}


def events(text: str) -> list[tuple[str, object]]:
    """Name and data of every event in the raw text of a stream, but for where it stands."""
    found = re.findall(r"^(?:event: (\S+)\n)?data: (.*)$", text, re.MULTILINE)
    return [(name or "message", json.loads(data)) for name, data in found if name not in POSITIONS]


def answers(text: str) -> list[Any]:
    """What curl wrote, answer behind answer: none of them ends in a line feed."""
    decoder, found, at = json.JSONDecoder(), [], text.find('{"code"')
    while at >= 0:
        answer, end = decoder.raw_decode(text, at)
        found.append(answer)
        at = text.find('{"code"', end)
    return found


def outline(text: str) -> str:
    """The lines of a stream without their values."""
    return "".join(line.partition(":")[0] + "\n" for line in text.splitlines())


@needs_curl
@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_publishing(tmp_path: Path) -> None:
    """Each answer is what the page says of it: stored, a duplicate, a conflict, one result a line."""
    _, one, wide, keys, by_command, batch, compressed, data = follow("publishing.md", tmp_path)
    shown, shown_batch = (json.loads(block) for block in blocks((DOCS / "publishing.md").read_text(), "json"))
    assert json.loads(one)["data"].keys() == shown["data"].keys()
    assert [json.loads(answer)["code"] for answer in (wide, compressed, data)] == ["ok"] * 3
    first, second, third = (line.rpartition(" ") for line in keys.splitlines())
    assert [status for _, _, status in (first, second, third)] == ["200", "200", "409"]
    assert json.loads(first[0])["data"]["message_id"] == json.loads(second[0])["data"]["message_id"]
    assert [json.loads(answer[0])["data"]["duplicate"] for answer in (first, second)] == [False, True]
    assert json.loads(third[0])["code"] == "key_conflict"
    assert re.fullmatch(r"m1\.\w{13}\.\d+", by_command.strip())
    results = json.loads(batch)["data"]["results"]
    assert [result.keys() for result in results] == [
        result.keys() for result in shown_batch["data"]["results"]
    ]
    assert results[2] == shown_batch["data"]["results"][2]


@needs_curl
@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_subscribing(tmp_path: Path) -> None:
    """Streams begin where the page says: at the last message, at the first, after a gap."""
    _, last, commands, gap, fetched, several = follow("subscribing.md", tmp_path)
    (shown,) = (block for block in blocks((DOCS / "subscribing.md").read_text(), "text") if "retry" in block)
    assert outline(shown).startswith(outline(last))
    assert [data["data"] for _, data in events(last)] == [{"n": 3}]  # type: ignore[index]
    assert [one["data"] for one in json.loads(fetched)["data"]["messages"]] == [{"n": n} for n in (1, 2, 3)]
    assert [data["data"] for _, data in events(commands)] == [{"n": n} for n in (1, 2, 3)]  # type: ignore[index]
    lines = [json.loads(line) for line in commands.splitlines() if line.startswith("{")]
    assert [(line["data"] if "id" in line else line)["data"]["n"] for line in lines] == [2, 3, 1, 2, 3]
    (name, detail), *rest = events(gap)
    assert (name, detail["reason"]) == ("fast-sse.gap", "epoch")  # type: ignore[index]
    assert len(rest) == 3
    ((_, addressed),) = events(several)
    assert addressed["headers"]["event_type"] == "cart_changed"  # type: ignore[index]


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_consumers(tmp_path: Path) -> None:
    """The client in Python hears all that is kept."""
    _, python = follow("consumers.md", tmp_path)
    heard = [json.loads(line.split(" ", 2)[2])["data"] for line in python.splitlines()]
    assert heard == [{"n": n} for n in (1, 2, 3)]


@needs_curl
@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_payload_compression(tmp_path: Path) -> None:
    """What stands on the wire is, unpacked, what the command line prints."""
    _, packed = follow("payload-compression.md", tmp_path)
    message_id, *wire, plain = packed.splitlines()
    ((_, shut),) = events("\n".join(wire))
    assert f"id: {message_id}" in wire
    assert json.loads(gzip.decompress(base64.b64decode(shut["data"]))) == json.loads(plain)  # type: ignore[index]


@needs_curl
@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_ingest(tmp_path: Path) -> None:
    """What is added to the queue by hand arrives; poison is shown as the page says, and is gone when it was mended."""
    need_redis()
    _, arrived, poison, mended = follow("ingest.md", tmp_path)
    assert [data["data"] for _, data in events(arrived)] == [{"quantity": 2}]  # type: ignore[index]
    for shown in ("missing required field `data`", "redis_stream", "sse:events", '"date": {"quantity": 3}'):
        assert shown in poison
    assert "purged 1" in mended


@needs_curl
@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_delivery(tmp_path: Path) -> None:
    """A message is written and acked, one that nobody is handed dies, and a replay of it arrives, as the page says."""
    _, written, acked, letters, replay, purged = follow("delivery.md", tmp_path)
    shown, shown_ack, shown_letter, _, shown_purge = map(
        json.loads, blocks((DOCS / "delivery.md").read_text(), "json")
    )
    values = {name: shown["data"][name] for name in ("state", "written", "acked", "complete", "silent")}
    told = json.loads(written)["data"]
    assert told.keys() == shown["data"].keys()
    assert {name: told[name] for name in values} == values
    ack, after = answers(acked)
    assert ack == shown_ack
    assert (after["data"]["state"], after["data"]["clients"]) == ("acked", ["phone-7"])
    listed, letter = (answer["data"] for answer in answers(letters))
    assert (listed["total"], listed["next"]) == (1, None)
    assert letter.keys() == shown_letter.keys()
    same = ("event_id", "reason", "description", "attempts", "data", "maybe_delivered", "size_bytes")
    assert {name: letter[name] for name in same} == {name: shown_letter[name] for name in same}
    replayed, none = answers(replay)
    assert (replayed["data"]["id"], none["data"]["total"]) == (letter["id"], 0)
    ((_, message),) = events(replay)
    assert message["data"] == "hello"  # type: ignore[index]
    assert message["headers"]["fast-sse-replay-of"] == letter["id"]  # type: ignore[index]
    assert answers(purged) == [shown_purge, shown_purge]


@needs_curl
@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_signatures(tmp_path: Path) -> None:
    """The signatures of the examples open the doors that the page says, and every way to make one agrees."""
    _, python, v1, v2, commands = follow("signatures.md", tmp_path)
    assert [data["data"] for _, data in events(python)] == [{"quantity": 2}]  # type: ignore[index]
    assert json.loads(v1)["code"] == "ok"
    assert [name for name, _ in events(v2)] == ["message"]
    assert len(re.findall(r"^v2\.web-1\.(?:sub|pub)\.", commands, re.MULTILINE)) == 2


@pytest.mark.parametrize("name", LANGUAGES)
def test_signature_programs_are_the_files(name: str) -> None:
    """What the page shows in each language is the tested file, character for character."""
    shown = blocks((DOCS / "signatures.md").read_text(), LANGUAGES[name])
    assert (SIGNATURES / name).read_text() in shown


def test_gaps_are_all_described() -> None:
    """Each reason of a gap has a row with what a client should do."""
    page = (DOCS / "subscribing.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|.*\|.*\|.*\|$", page, re.MULTILINE) == [
        "trimmed", "epoch", "lost_tail", "ahead", "unreadable",
    ]  # fmt: skip
