"""`fast-sse publish --wait`: until it came so far, or will not."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from tests.cli.conftest import Command
from tests.cli.dlq.letters import asked_for, ok, refused
from tests.cli.scripted import Scripted

from fast_sse.cli.credentials import Signer
from fast_sse.cli.delivery import Indicator
from fast_sse.cli.publishing.waiting import Goal, goal, wait_for
from fast_sse.cli.remote import Remote
from fast_sse.model.channel import Channel
from fast_sse.model.errors import ConfigError, UnavailableError
from fast_sse.model.signature import Keyring, claimed_scope

CART = Channel("carid 1", "cart")
V1 = Signer(Keyring(secret=b"s" * 32))
PUBLISHED = ok({"message_id": "s1.x.7", "durability": "fsync", "duplicate": False})


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the command would have waited between two questions; the clock goes on by that."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(waits))
    return waits


def said(state: str, **fields: Any) -> bytes:
    """An answer about the message."""
    return ok({"message_id": "s1.x.7", "state": state, "written": 0, "complete": True, **fields})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("written", Goal(0)), ("acked", Goal(1)), ("acked:1", Goal(1)), ("acked:12", Goal(12))],
)
def test_what_can_be_waited_for(text: str, wanted: Goal) -> None:
    """Written, or acked by a number of clients."""
    assert goal(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "dead", "acked:", "acked:0", "acked:-1", "acked:1 ", "written:1", "ACKED"]
)
def test_all_else_is_a_wrong_argument(text: str) -> None:
    """It names the option."""
    with pytest.raises(ConfigError, match=r"^--wait: must be"):
        goal(text)


@pytest.mark.parametrize(
    ("wanted", "state", "acked", "met"),
    [
        (Goal(), "stored", 0, False),
        (Goal(), "written", 0, True),
        (Goal(), "acked", 1, True),
        (Goal(1), "written", 0, False),
        (Goal(2), "acked", 1, False),
        (Goal(2), "acked", 2, True),
        (Goal(1), "acked", None, False),
    ],
)
def test_when_it_came_so_far(wanted: Goal, state: str, acked: int | None, *, met: bool) -> None:
    """What is acked is written, too; acks are counted, and a count that is not known is none."""
    assert wanted.is_met(Indicator(message_id="m", state=state, acked=acked)) is met


def test_it_asks_until_it_came_so_far(waits: list[float]) -> None:
    """A node that has not read the message yet, and one that is away, may say so later; each wait is longer, up to 1 s."""
    missing, away = refused(404, "not_found", "no"), refused(503, "not_stored", "away")
    answers = (missing, away, b"", said("stored"), said("stored"), said("stored"), said("written", written=1))
    with Scripted(*answers) as server:
        came = wait_for(Remote.at(server.url), CART, "s1.x.7", V1, Goal(), 30)
    assert came == (True, "written  1 socket")
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert asked_for(server.asked[0]) == "GET /v1/messages/s1.x.7/delivery?channel=carid%201/cart"


def test_it_ends_with_its_time(waits: list[float]) -> None:
    """The last wait ends exactly there, and what was known last is said."""
    with Scripted(*[said("stored")] * 4) as server:
        came = wait_for(Remote.at(server.url), CART, "s1.x.7", V1, Goal(), 0.5)
    assert came == (False, "stored  handed to nobody so far")
    assert sum(waits) == pytest.approx(0.5)


def test_a_dead_letter_is_not_waited_for(waits: list[float]) -> None:
    """Nothing will come any more."""
    with Scripted(said("dead", written=None)) as server:
        came, last = wait_for(Remote.at(server.url), CART, "s1.x.7", V1, Goal(1), 30)
    assert (came, last[:4], waits) == (False, "dead", [])


def test_a_refusal_is_the_end() -> None:
    """A signature that does not fit will not fit later."""
    with (
        Scripted(refused(401, "unauthorized", "wrong")) as server,
        pytest.raises(UnavailableError, match="401"),
    ):
        wait_for(Remote.at(server.url), CART, "s1.x.7", V1, Goal(), 30)


@pytest.mark.parametrize(
    ("signer", "scope"),
    [(V1, ""), (Signer(Keyring(keys={"k": b"s" * 32}), "k"), "sub")],
    ids=["v1", "v2"],
)
def test_it_signs_without_a_body(signer: Signer, scope: str) -> None:
    """v1 signs the channel; of v2 it is one to subscribe, since one to publish covers a body."""
    with Scripted(said("written", written=1)) as server:
        wait_for(Remote.at(server.url), CART, "s1.x.7", signer, Goal(), 30)
    signature = re.search("x-signature: (.*)\r", server.asked[0])
    assert signature
    assert (claimed_scope(signature[1]) or "") == scope


@pytest.mark.parametrize(("state", "status"), [("written", 0), ("dead", 1)])
def test_publish_ends_with_what_came_of_it(
    command: Command, capsys: pytest.CaptureFixture[str], state: str, status: int
) -> None:
    """The id alone is the output, also when the message is dead; how far it came is beside it, and the status."""
    with Scripted(PUBLISHED, said(state, written=2)) as server:
        arguments = ("publish", *CART, "--data", "1", "--url", server.url, "--secret-env", "HUB_SECRET")
        assert command(*arguments, "--wait", "written") == status
    shown = capsys.readouterr()
    assert shown.out == "s1.x.7\n"
    assert shown.err.startswith(state)


def test_a_batch_is_not_waited_for(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Each of its lines would be another question."""
    assert command("publish", "--batch", "-", "--wait", "written") == 2
    assert "--wait" in capsys.readouterr().err
