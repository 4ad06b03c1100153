"""deploy/compose is held to the hub and to the servers: no daemon runs here, so each part of it is run or read by itself.

The Redis flags start a real redis-server, the Kafka variables become a real broker's properties, and what is given
to the hub is read by the hub's own settings.
"""

from __future__ import annotations

import json
import re
import subprocess
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # of schemathesis, without types
from tests.deploy.test_systemd import SPARE_S
from tests.support.kafka_broker import Broker, need_kafka
from tests.support.redis_server import need_redis
from tests.support.server import ROOT, stable_port
from tests.support.sign import SECRET

from fast_sse.cli.doctor.ask_kafka import ask_kafka
from fast_sse.cli.doctor.check_redis import redis
from fast_sse.config import load, problems, setting_names
from fast_sse.environment import PREFIX
from fast_sse.http.admin.app import admin_app
from fast_sse.model.limits import Limits
from fast_sse.store.kafka.settings import KafkaSettings

DIRECTORY = ROOT / "deploy" / "compose"
COMPOSE = yaml.safe_load((DIRECTORY / "compose.yaml").read_text())
DOCKERFILE = (DIRECTORY / "Dockerfile").read_text()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
HUBS = [name for name in SERVICES if name.startswith("hub-")]
SERVERS = {"redis": "redis", "kafka": "apache/kafka"}
SECRETS = {"FAST_SSE_AUTH__SECRET": SECRET, "FAST_SSE_AUTH__PUBLISH_SECRET": SECRET[::-1]}


def environment(hub: str) -> dict[str, str]:
    """What a hub is given, its two secrets filled in as a shell would."""
    given: dict[str, str] = SERVICES[hub]["environment"]
    return {name: SECRETS[name] if "${" in value else value for name, value in given.items()}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile, one instruction a pair, continued lines joined."""
    lines = [line for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


@pytest.mark.parametrize("hub", HUBS)
def test_a_hub_starts_with_what_it_is_given(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable is a setting, the values are taken, and together they name the profile's store and a node."""
    given = environment(hub)
    keys = {name.removeprefix(PREFIX).lower().replace("__", ".") for name in given}
    assert keys <= set(setting_names())
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert problems() == []
    config = load()
    assert [config.store] == SERVICES[hub]["profiles"]
    assert config.node_name == hub.removeprefix("hub-")


def test_the_secrets_are_asked_for() -> None:
    """Nothing secret stands in the file: without the two variables compose refuses and says how to make them."""
    for name in SECRETS:
        assert re.fullmatch(
            rf"\$\{{{name}:\?.*openssl rand -hex 32\}}", SERVICES[HUBS[0]]["environment"][name]
        )
        assert (
            f"export {' '.join(f'{name}=$(openssl rand -hex 32)' for name in SECRETS)}"
            in (DIRECTORY / "compose.yaml").read_text()
        )


def test_a_hub_may_do_what_it_needs_and_no_more() -> None:
    """Time to drain, open files for streams, no capability, a file system it cannot write but for its volume."""
    limits = Limits()
    for hub in HUBS:
        service = SERVICES[hub]
        assert int(service["stop_grace_period"].removesuffix("s")) >= (
            max(limits.drain_s, limits.append_s) + SPARE_S
        )
        assert service["ulimits"]["nofile"] >= 65536
        assert (service["cap_drop"], service["read_only"]) == (["ALL"], True)
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["build"] == {"context": "../..", "dockerfile": "deploy/compose/Dockerfile"}


def test_health_is_asked_where_the_hub_answers() -> None:
    """The probe is a line of Python that compiles, and its path is a route of the operators' listener."""
    words = SERVICES[HUBS[0]]["healthcheck"]["test"]
    assert words[:3] == ["CMD", "python", "-c"]
    compile(words[3], "healthcheck", "exec")
    (path,) = re.findall(r"127\.0\.0\.1:30001(/[a-z/]+)'", words[3])
    node: Any = None
    routes: Any = admin_app(node, b"").routes
    assert path in [route.path for route in routes]


def test_each_profile_is_one_server_and_two_nodes() -> None:
    """Official images; the hubs wait for their server's health; nothing is shared but the server; its data are kept."""
    for profile, image in SERVERS.items():
        members = {name for name, service in SERVICES.items() if service["profiles"] == [profile]}
        assert members == {profile, f"hub-{profile}-1", f"hub-{profile}-2"}
        assert re.fullmatch(rf"{image}:\d[\d.]*", SERVICES[profile]["image"])
        assert "healthcheck" in SERVICES[profile]
        assert [volume.partition(":")[0] for volume in SERVICES[profile]["volumes"]] == [profile]
        for hub in members - {profile}:
            assert SERVICES[hub]["depends_on"] == {profile: {"condition": "service_healthy"}}
    named = {
        volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])
    }
    assert named == set(COMPOSE["volumes"])
    assert set(SERVICES) == {*SERVERS, *HUBS}


def test_the_image_runs_the_hub_as_nobody_special() -> None:
    """No root, the exec form (a shell would keep SIGTERM to itself), the signal that drains, a command that exists."""
    found = instructions()
    after_build = found[[index for index, (word, _) in enumerate(found) if word == "FROM"][-1] :]
    last = dict(after_build)
    user = re.fullmatch(r"(\d+):(\d+)", last["USER"])
    assert user
    assert int(user[1]) > 999
    assert f"--uid {user[1]}" in last["RUN"]
    assert last["STOPSIGNAL"] == "SIGTERM"
    assert (json.loads(last["ENTRYPOINT"]), json.loads(last["CMD"])) == (["fast-sse"], ["serve"])
    assert last["VOLUME"] == "/var/lib/fast-sse"
    assert "FAST_SSE_DATA_DIR=/var/lib/fast-sse" in last["ENV"]
    order = [word for word, _ in after_build]
    assert order.index("RUN") < order.index("VOLUME") < order.index("USER")


def test_the_image_holds_what_it_takes_to_build_and_no_more() -> None:
    """What the build needs is let in, and nothing else: no `.git`, no data of a hub, no settings with secrets."""
    lines = (DIRECTORY / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule.removeprefix("!") for rule in rules[1:]}
    assert let_in == {"src", "pyproject.toml", "LICENSE"}
    assert all((ROOT / name).exists() for name in let_in)
    extras = re.findall(r"/src\[([\w,]+)\]", DOCKERFILE)
    assert extras == ["redis,kafka"]


@pytest.mark.wire
@pytest.mark.slow
def test_the_redis_flags_start_a_server_that_the_doctor_likes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line itself, on a port and a directory of the test: every check of the server is green."""
    need_redis()
    port = stable_port()
    for name, value in environment("hub-redis-1").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FAST_SSE_REDIS__URL", f"redis://127.0.0.1:{port}")
    command = [
        *SERVICES["redis"]["command"],
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(tmp_path),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            said = [*takewhile(lambda line: "Ready to accept" not in line, server.stdout)]
            assert server.poll() is None, said
            lines = list(redis(load()))
        finally:
            server.terminate()
            server.stdout.read()
    assert [(line.name, line.found) for line in lines if line.level != "green"] == []
    assert len(lines) > 8


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_kafka_variables_start_a_broker(tmp_path: Path) -> None:
    """The image makes a property of each variable: with them, on ports of the test, a real broker starts and answers."""
    need_kafka()
    given = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in SERVICES["kafka"]["environment"].items()
        if name.startswith("KAFKA_")
    }
    broker = Broker(tmp_path)
    places = {"//kafka:9092": f"//{broker.bootstrap}", "@kafka:9093": f"@127.0.0.1:{broker.controller_port}"}
    places |= {"//:9092": f"//127.0.0.1:{broker.port}", "//:9093": f"//127.0.0.1:{broker.controller_port}"}
    places |= {"/var/lib/kafka/data": str(tmp_path / "log")}
    for here, there in places.items():
        given = {name: value.replace(here, there) for name, value in given.items()}
    broker.options = given
    with broker:
        facts = ask_kafka(KafkaSettings(bootstrap_servers=broker.bootstrap))
        assert (facts.brokers, facts.topic) == (1, None)
        properties = (tmp_path / "server.properties").read_text()
        assert all(f"{name}={value}" in properties for name, value in given.items())
        assert "ERROR" not in broker.said()
