"""docs/migrating.md: what it names here is here, and its commands take over an original's dead letters."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.docs.shell import DOCS, follow, needs_curl
from tests.support.redis_server import need_redis

from fast_sse.config import setting_names
from fast_sse.environment import PREFIX

PAGE = (DOCS / "migrating.md").read_text()
#: Every setting of the original: its config/app.prd.toml, and what its sources read beside it.
ORIGINALS = {
    *("LOG_LEVEL", "SERVER_PORT", "ENABLE_MESSAGE_COMPRESSION", "HMAC_SECRET", "ALLOWED_EVENT_IDS"),
    *("ALLOWED_EVENT_TYPES", "REDIS_URL_SSE", "QUEUE_NAME", "CONSUMERS_GROUP_NAME", "CONSUMERS_GROUP_ID"),
    *("SEND_FAIL_RETRIES", "SEND_FAIL_DELAY_SECONDS", "DEAD_MESSAGE_PUSH_DEAD_QUEUE"),
    *("REDIS_MAX_CONNECTIONS_SSE", "SEND_EVENT_TO_CLIENT_COMPRESSION"),
}


def rows() -> dict[str, str]:
    """The table of settings: names of the original's, and the setting here."""
    table = PAGE.split("\n## Settings\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| (`[^|]*`) \| ?`?([a-z_.]*)`? \|", table, re.MULTILINE))


def test_every_setting_of_the_original_has_a_row() -> None:
    """None is left out, and what it is here is a setting that exists."""
    named = {name for names in rows() for name in re.findall(r"`([A-Z_]+)`", names)}
    assert named == ORIGINALS
    here = {setting for setting in rows().values() if setting}
    assert len(here) > 8
    assert here <= set(setting_names())


def test_every_setting_in_the_text_exists() -> None:
    """In either spelling."""
    variables = set(re.findall(rf"{PREFIX}[A-Z_]+", PAGE))
    assert len(variables) > 2
    assert {name.removeprefix(PREFIX).lower().replace("__", ".") for name in variables} <= set(
        setting_names()
    )
    dotted = set(re.findall(r"`((?:auth|cors|dead_letters|ingest|redis)\.[a-z_.]+)`", PAGE))
    assert dotted <= set(setting_names())


@needs_curl
@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_its_dead_letters_are_taken_over(tmp_path: Path) -> None:
    """The commands of the page: an entry of the original's stream is a dead letter, and replayed a message."""
    need_redis()
    _, imported, replayed = follow("migrating.md", tmp_path)
    kept, _names, row, last = imported.splitlines()
    assert kept.startswith("kept 1, known 0, failed 0 in ")
    assert re.match(r"p-\w+  carid000001/cart_changed  no_subscriber  ", row)
    assert last == "1 of 1 dead letters, 0 waiting"
    summary, message = replayed.splitlines()
    assert summary.startswith("replayed 1, failed 0, gone 0 in ")
    assert json.loads(message)["data"] == {"quantity": 2}
