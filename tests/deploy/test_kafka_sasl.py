"""A cluster that asks who we are, over TLS: the settings reach it, and a wrong password is one line that names them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import spawn
from tests.deploy.test_refused_starts import said
from tests.support.kafka_broker import need_kafka, sasl_broker, topic_name
from tests.support.publisher import publish_once
from tests.support.server import Hub
from tests.support.sign import SECRET

from fast_sse.model.errors import UnavailableError
from fast_sse.store.base import Retention
from fast_sse.store.kafka.settings import KafkaSettings
from fast_sse.store.kafka.topic import Topic

pytestmark = [pytest.mark.wire, pytest.mark.slow]

PASSWORD = "s3cret-word"
WRONG = "wr0ng-word"
SAID = "kafka.options: the broker refuses our credentials: see sasl.username and sasl.password"


@pytest.fixture(scope="module")
def client_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What a client of the running cluster is told."""
    need_kafka()
    directory = tmp_path_factory.mktemp("kafka")
    certificate, both = made_certificate(directory)
    keys = {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(both)}
    broker, settings = sasl_broker(directory, PASSWORD, "SASL_SSL", **keys)
    with broker:
        yield {**settings, "ssl.ca.location": str(certificate)}


def made_certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1, and a file that holds its key, too."""
    key, certificate, both = (directory / name for name in ("key.pem", "certificate.pem", "both.pem"))
    request = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    ]
    request += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(request, check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return certificate, both


def environment(settings: dict[str, str], password: str) -> dict[str, str]:
    """Of a hub on this cluster."""
    options = {**settings, "sasl.password": password}
    return {
        "FAST_SSE_KAFKA__BOOTSTRAP_SERVERS": options.pop("bootstrap.servers"),
        "FAST_SSE_KAFKA__OPTIONS": json.dumps(options),
        "FAST_SSE_KAFKA__TOPIC": topic_name(),
        "FAST_SSE_LIMITS__APPEND_S": "10",
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


def test_a_certificate_of_nobody_we_know_is_named(client_settings: dict[str, str]) -> None:
    """Without `ssl.ca.location` store and doctor say that TLS is the reason, and not that nobody is there."""
    unknown = {**client_settings, "ssl.ca.location": "probe"}
    place = unknown["bootstrap.servers"]
    options = {name: value for name, value in unknown.items() if name != "bootstrap.servers"}
    topic = Topic(KafkaSettings(bootstrap_servers=place, options=options, deadline_s=10.0), Retention())
    with pytest.raises(UnavailableError, match="TLS with the broker fails"):
        topic.look()
    topic.close()
    settings = environment(unknown, PASSWORD)
    process = spawn("doctor", "--json", "--store", "kafka", FAST_SSE_AUTH__SECRET=SECRET, **settings)
    out, _ = process.communicate(timeout=30)
    (line,) = (check for check in json.loads(out)["checks"] if check["name"] == "kafka")
    assert (process.returncode, line["level"]) == (1, "red")
    assert "certificate" in line["found"]


def test_the_doctor_says_the_same(client_settings: dict[str, str]) -> None:
    """A red line, within seconds."""
    settings = environment(client_settings, WRONG)
    process = spawn("doctor", "--json", "--store", "kafka", FAST_SSE_AUTH__SECRET=SECRET, **settings)
    out, err = process.communicate(timeout=30)
    (line,) = (check for check in json.loads(out)["checks"] if check["name"] == "kafka")
    assert (process.returncode, line["level"], line["found"]) == (1, "red", SAID)
    assert WRONG not in out + err
