"""deploy/compose is held to the hub and to the servers: no daemon runs here, so each part of it is run or read by itself.

The Redis flags start a real redis-server, the Kafka variables become a real broker's properties, nginx's command writes
what a real nginx takes, and what is given to the hubs is read by the hub's own settings.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # of schemathesis, without types
from tests.deploy.dockerfile import stages
from tests.deploy.test_systemd import SPARE_S
from tests.support.kafka_broker import Broker, need_kafka
from tests.support.programs import need, program
from tests.support.redis_server import need_redis
from tests.support.server import ROOT, stable_port
from tests.support.sign import SECRET

from fast_sse.cli.doctor.ask_kafka import ask_kafka
from fast_sse.cli.doctor.check_redis import redis
from fast_sse.config import load, problems, setting_names
from fast_sse.environment import PREFIX
from fast_sse.http.admin.health import PROBES
from fast_sse.model.limits import Limits
from fast_sse.store.kafka.settings import KafkaSettings

DIRECTORY = ROOT / "deploy" / "compose"
IMAGE = stages((ROOT / "deploy" / "container" / "Dockerfile").read_text())[-1]
SECRETS = {"FAST_SSE_AUTH__SECRET": SECRET, "FAST_SSE_AUTH__PUBLISH_SECRET": SECRET[::-1]}
#: Every setup: its file, the store, and its hubs.
SETUPS = {
    "compose.yaml": ("sqlite", ["hub"]),
    "redis.yaml": ("redis", ["hub-1", "hub-2"]),
    "kafka.yaml": ("kafka", ["hub-1", "hub-2"]),
}
CLUSTERS = [file for file, (_store, hubs) in SETUPS.items() if len(hubs) > 1]
HUBS = [(file, hub) for file, (_store, hubs) in SETUPS.items() for hub in hubs]
SERVERS = {"redis": "redis", "kafka": "apache/kafka"}
DATA = IMAGE.last("VOLUME")


def setup(file: str) -> dict[str, Any]:
    """A file as it stands."""
    found: dict[str, Any] = yaml.safe_load((DIRECTORY / file).read_text())
    return found


def service(file: str, name: str) -> dict[str, Any]:
    """A service with what it extends: mappings are merged, everything else is its own."""
    own: dict[str, Any] = setup(file)["services"][name]
    if "extends" not in own:
        return own
    base = service(own["extends"]["file"], own["extends"]["service"])
    merged = {**base, **own}
    return merged | {"environment": base["environment"] | own.get("environment", {})}


def environment(file: str, hub: str) -> dict[str, str]:
    """What a hub is given, its two secrets filled in as a shell would."""
    given: dict[str, str] = service(file, hub)["environment"]
    return {name: SECRETS[name] if "${" in value else value for name, value in given.items()}


@pytest.mark.parametrize(("file", "hub"), HUBS)
def test_a_hub_starts_with_what_it_is_given(file: str, hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable is a setting, the values are taken, and together they name the file's store and a node of its own."""
    given = environment(file, hub)
    keys = {name.removeprefix(PREFIX).lower().replace("__", ".") for name in given}
    assert keys <= set(setting_names())
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert problems() == []
    config = load()
    store, hubs = SETUPS[file]
    assert config.store == store
    assert len(hubs) == 1 or config.node_name == hub


def test_the_secrets_are_asked_for() -> None:
    """Nothing secret stands in a file: without the two variables compose refuses and says how to make them."""
    given = setup("hub.yaml")["services"]["hub"]["environment"]
    for name in SECRETS:
        assert re.fullmatch(rf"\$\{{{name}:\?.*openssl rand -hex 32\}}", given[name])
    export = f"export {' '.join(f'{name}=$(openssl rand -hex 32)' for name in SECRETS)}"
    assert [file for file in SETUPS if export not in (DIRECTORY / file).read_text()] == []


@pytest.mark.parametrize(("file", "hub"), HUBS)
def test_a_hub_may_do_what_it_needs_and_no_more(file: str, hub: str) -> None:
    """Time to drain, open files for streams, no capability, a file system it cannot write but for its volume."""
    limits, found = Limits(), service(file, hub)
    patience_s = int(found["stop_grace_period"].removesuffix("s"))
    assert patience_s >= max(limits.drain_s, limits.append_s) + SPARE_S
    assert found["ulimits"]["nofile"] >= 65536
    assert (found["cap_drop"], found["read_only"]) == (["ALL"], True)
    build = DIRECTORY / found["build"]["context"]
    assert (build / found["build"]["dockerfile"]).resolve() == ROOT / "deploy" / "container" / "Dockerfile"
    keeps = SETUPS[file][0] != "redis"
    assert [volume.partition(":")[2] for volume in found.get("volumes", [])] == [DATA] * keeps


def test_health_is_asked_where_the_hub_answers() -> None:
    """The probe is the image's own script, with a path that the operators' listener answers without a key."""
    words = setup("hub.yaml")["services"]["hub"]["healthcheck"]["test"]
    copied = [
        step.rest
        for stage in stages((ROOT / "deploy/container/Dockerfile").read_text())
        for step in stage.steps
    ]
    assert f"deploy/container/health.py {words[2]}" in copied
    assert (words[:2], words[3] in PROBES) == (["CMD", "python"], True)


@pytest.mark.parametrize("file", SETUPS)
def test_clients_come_in_at_one_port_of_this_machine(file: str) -> None:
    """127.0.0.1:30000 leads to the one hub, or to nginx where there are two, and nothing else is published."""
    published = {
        name: service(file, name)["ports"]
        for name in setup(file)["services"]
        if "ports" in service(file, name)
    }
    entry = "hub" if file not in CLUSTERS else "nginx"
    inside = IMAGE.last("EXPOSE") if file not in CLUSTERS else "8080"
    assert published == {entry: [f"127.0.0.1:30000:{inside}"]}


@pytest.mark.parametrize("file", SETUPS)
def test_what_is_kept_has_a_volume_of_its_own(file: str) -> None:
    """Every named volume is declared, and no two services share one."""
    services = setup(file)["services"]
    named = [one.partition(":")[0] for name in services for one in service(file, name).get("volumes", [])]
    named = [name for name in named if not name.startswith(".")]
    assert sorted(named) == sorted(setup(file)["volumes"])


@pytest.mark.parametrize("file", CLUSTERS)
def test_a_cluster_is_one_server_two_nodes_and_nginx(file: str) -> None:
    """Official images with a version; hubs wait for their server's health, and nginx for theirs."""
    store, hubs = SETUPS[file]
    assert set(setup(file)["services"]) == {"nginx", store, *hubs}
    assert re.fullmatch(rf"{SERVERS[store]}:\d[\d.]*", service(file, store)["image"])
    assert re.fullmatch(r"nginx:\d[\d.]*", service(file, "nginx")["image"])
    assert "healthcheck" in service(file, store)
    healthy = {"condition": "service_healthy"}
    assert [service(file, hub)["depends_on"] for hub in hubs] == [{store: healthy}] * 2
    assert service(file, "nginx")["depends_on"] == dict.fromkeys(hubs, healthy)


@pytest.mark.parametrize("file", CLUSTERS)
def test_nginx_takes_what_its_command_writes(file: str, tmp_path: Path) -> None:
    """The command makes of the recipe one for the two hubs, at the published port; a real nginx finds nothing wrong in it."""
    need("nginx")
    found = service(file, "nginx")
    (mounted,) = found["volumes"]
    source, target, mode = mounted.split(":")
    assert (target, mode) == ("/recipe", "ro")
    shell, flag, line = found["command"]
    write, start = line.split(" > /etc/nginx/conf.d/default.conf && ")
    assert (shell, flag, shlex.split(start)) == ("sh", "-c", ["exec", "nginx", "-g", "daemon off;"])
    recipe = subprocess.run(
        [shell, flag, write.replace("/recipe", shlex.quote(str(DIRECTORY / source)))],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    servers = re.findall(r"^    server (\S+) fail_timeout=1s;$", recipe, re.MULTILINE)
    assert servers == [f"{hub}:{IMAGE.last('EXPOSE')}" for hub in SETUPS[file][1]]
    assert "listen 8080;" in recipe
    for name in servers:  # which nothing here can look up
        recipe = recipe.replace(name, "127.0.0.1:30000")
    (tmp_path / "recipe.conf").write_text(recipe.replace("/dev/std", f"{tmp_path}/"))
    main = f"pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}} http {{ include {tmp_path}/recipe.conf; }}"
    (tmp_path / "nginx.conf").write_text(main)
    command = [str(program("nginx")), "-t", "-p", str(tmp_path), "-c", "nginx.conf"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.wire
@pytest.mark.slow
def test_the_redis_flags_start_a_server_that_the_doctor_likes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line itself, on a port and a directory of the test: every check of the server is green."""
    need_redis()
    port = stable_port()
    for name, value in environment("redis.yaml", "hub-1").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FAST_SSE_REDIS__URL", f"redis://127.0.0.1:{port}")
    command = [
        *service("redis.yaml", "redis")["command"],
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
        for name, value in service("kafka.yaml", "kafka")["environment"].items()
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
