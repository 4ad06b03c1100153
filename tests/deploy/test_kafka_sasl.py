"""A cluster that asks who we are: the settings reach it, and a wrong password is one line that names them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import spawn
from tests.deploy.test_refused_starts import said
from tests.support.kafka_broker import need_kafka, sasl_broker, topic_name
from tests.support.publisher import publish_once
from tests.support.server import Hub
from tests.support.sign import SECRET

pytestmark = [pytest.mark.wire, pytest.mark.slow]

PASSWORD = "s3cret-word"
WRONG = "wr0ng-word"
SAID = "kafka.options: the broker refuses our credentials: see sasl.username and sasl.password"


@pytest.fixture(scope="module")
def client_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What a client of the running cluster is told."""
    need_kafka()
    broker, settings = sasl_broker(tmp_path_factory.mktemp("kafka"), PASSWORD)
    with broker:
        yield settings


def environment(settings: dict[str, str], password: str) -> dict[str, str]:
    """Of a hub on this cluster."""
    options = {**settings, "sasl.password": password}
    return {
        "FAST_SSE_KAFKA__BOOTSTRAP_SERVERS": options.pop("bootstrap.servers"),
        "FAST_SSE_KAFKA__OPTIONS": json.dumps(options),
        "FAST_SSE_KAFKA__TOPIC": topic_name(),
        "FAST_SSE_LIMITS__APPEND_S": "3",
    }


async def test_a_hub_signs_in(client_settings: dict[str, str], tmp_path: Path) -> None:
    """Every client of the hub (admin, producer, consumer) has the settings: a publish is stored and read back."""
    async with Hub(tmp_path, store="kafka", settings=environment(client_settings, PASSWORD)) as hub:
        reply = await publish_once(hub.public, ("car0", "sold"), 1)
        assert (reply.status, reply.json()["data"]["durability"]) == (200, "acks-all")


def test_a_wrong_password_is_2(client_settings: dict[str, str], tmp_path: Path) -> None:
    """The hub does not wait for what waiting cannot mend: one line that names the settings, and no secret anywhere."""
    hub = Hub(tmp_path, store="kafka", settings=environment(client_settings, WRONG))
    status, text = hub.refuses_to_start()
    assert (status, said(text)) == (2, [f"fast-sse: {SAID}"])
    assert WRONG not in text


def test_the_doctor_says_the_same(client_settings: dict[str, str]) -> None:
    """A red line, within seconds."""
    settings = environment(client_settings, WRONG)
    process = spawn("doctor", "--json", "--store", "kafka", FAST_SSE_AUTH__SECRET=SECRET, **settings)
    out, err = process.communicate(timeout=30)
    (line,) = (check for check in json.loads(out)["checks"] if check["name"] == "kafka")
    assert (process.returncode, line["level"], line["found"]) == (1, "red", SAID)
    assert WRONG not in out + err
