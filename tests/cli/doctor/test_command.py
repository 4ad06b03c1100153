"""`fast-sse doctor`: a report with a status, and nothing changed."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Command
from tests.support.issuer import AUDIENCE, ISSUER, KeyServer, jwk_of, rsa_key, set_of
from tests.support.kafka_broker import Broker, topic_name
from tests.support.redis_server import RedisServer, need_redis
from tests.support.server import Hub
from tests.support.sign import SECRET

from fast_sse.cli.doctor import ask_kafka
from fast_sse.config import load
from fast_sse.parts import make_store


def report(command: Command, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    """Status and checks by name."""
    status = command("doctor", "--json", *options)
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is (status == 0)
    return status, {check["name"]: check for check in found["checks"]}


@pytest.fixture
def _free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAST_SSE_PORT", "0")
    monkeypatch.setenv("FAST_SSE_ADMIN_PORT", "0")


@pytest.mark.usefixtures("_free_ports")
def test_a_machine_that_is_ready(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Settings as `config init` writes them, a directory to make: status 0, every check has its line, nothing is made."""
    assert command("config", "init") == 0
    capsys.readouterr()
    assert command("doctor", "--config", "fast-sse.toml") == 0
    shown = capsys.readouterr().out
    names = re.findall(r"^(?:ok  |look)  (\S+(?: \w+)?) ", shown, re.MULTILINE)
    assert len(names) == len(shown.splitlines()) - shown.count("->")
    assert "\x1b" not in shown
    assert [file.name for file in Path().iterdir()] == ["fast-sse.toml"]
    _, checks = report(command, capsys, "--config", "fast-sse.toml")
    assert checks.keys() >= {
        "settings",
        "versions",
        "open files",
        "port",
        "admin_port",
        "data_dir",
        "disk space",
    }
    assert checks.keys() >= {"filesystem", "SQLite", "log", "clock"}


@pytest.mark.usefixtures("_free_ports")
def test_the_disk_is_measured_where_the_log_is(
    command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a directory its fsync is timed; a memory store has no disk to look at."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    Path("data").mkdir()
    status, checks = report(command, capsys)
    assert (status, checks["fsync"]["found"].partition(" ")[2][:2]) == (0, "ms")
    assert list(Path("data").iterdir()) == []
    monkeypatch.setenv("FAST_SSE_STORE", "memory")
    assert report(command, capsys)[1].keys().isdisjoint({"fsync", "log", "data_dir"})


def test_wrong_settings_are_red_lines_and_1(
    command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What keeps a hub from starting is part of the report, with what can be checked all the same."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    monkeypatch.setenv("FAST_SSE_ADMIN_HOST", "0.0.0.0")
    status, checks = report(command, capsys)
    assert status == 1
    assert checks["settings"]["found"].startswith("admin.key: is required")
    assert checks.keys() == {"settings", "versions", "clock"}


def test_without_a_secret_everything_else_is_looked_at(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who tries a server out has none yet, and no check needs one."""
    status, checks = report(command, capsys, "--store", "memory")
    assert status == 1
    assert checks["settings"]["found"].startswith("auth.secret: is missing")
    assert {"open files", "port", "clock"} <= checks.keys()


@pytest.mark.wire
@pytest.mark.usefixtures("_free_ports")
def test_an_issuer_is_asked_for_its_keys(
    tmp_path: Path, command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where tokens are set up: a set is fetched as a hub would, and a hub that could take no token is status 1."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    monkeypatch.setenv("FAST_SSE_STORE", "memory")
    assert "tokens" not in report(command, capsys)[1]
    issuer = KeyServer(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(issuer.ca))
    monkeypatch.setenv("FAST_SSE_AUTH__JWT__ISSUER", ISSUER)
    monkeypatch.setenv("FAST_SSE_AUTH__JWT__AUDIENCE", AUDIENCE)
    monkeypatch.setenv("FAST_SSE_AUTH__JWT__JWKS_URL", issuer.url)
    issuer.body = set_of(jwk_of(rsa_key("a"), "a"))
    try:
        status, checks = report(command, capsys)
        assert (status, checks["tokens"]["level"], issuer.asked) == (0, "green", 1)
        issuer.body = b'{"keys": []}'
        status, checks = report(command, capsys)
        assert (status, checks["tokens"]["level"]) == (1, "red")
    finally:
        issuer.stop()
    file = tmp_path / "jwks.json"
    file.write_bytes(set_of(jwk_of(rsa_key("a"), "a", alg="RS512")))
    monkeypatch.delenv("FAST_SSE_AUTH__JWT__JWKS_URL")
    monkeypatch.setenv("FAST_SSE_AUTH__JWT__JWKS_FILE", str(file))
    status, checks = report(command, capsys)
    assert status == 1
    assert checks["settings"]["found"].endswith("its keys are for RS512")
    monkeypatch.setenv("FAST_SSE_AUTH__JWT__JWKS_FILE", str(tmp_path / "none.json"))
    status, checks = report(command, capsys)
    assert status == 1
    assert "auth.jwt.jwks_file: cannot read" in checks["settings"]["found"]


@pytest.mark.wire
@pytest.mark.slow
def test_a_running_hub_is_seen_and_not_disturbed(
    tmp_path: Path, command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log and its ports are as they should be, by its process id, and it goes on."""
    with Hub(tmp_path) as hub:
        monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
        monkeypatch.setenv("FAST_SSE_DATA_DIR", str(tmp_path / "data"))
        monkeypatch.setenv("FAST_SSE_PORT", str(hub.public[1]))
        monkeypatch.setenv("FAST_SSE_ADMIN_PORT", str(hub.admin[1]))
        status, checks = report(command, capsys)
        assert status == 0, checks
        assert f"running hub (pid {hub.pid})" in checks["log"]["found"]
        assert f"running hub (pid {hub.pid})" in checks["port"]["found"]
        assert f"running hub (pid {hub.pid})" in checks["admin_port"]["found"]
        assert hub.alive()
        hub.terminate_now()
        assert hub.wait() == 0
    assert load().data_dir.exists()


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.usefixtures("_free_ports")
def test_a_redis_server_is_asked_itself(
    tmp_path: Path, command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--store redis`: what the real server is set to, as its user; a server that evicts is red, and the status 1."""
    need_redis()
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    options = ("user hub on >s3cret-word ~{fast-sse}:* +@all", "maxmemory 1gb", "appendonly yes")
    with RedisServer(tmp_path, options=options) as server:
        monkeypatch.setenv("FAST_SSE_REDIS__URL", server.url.replace("redis://", "redis://hub:s3cret-word@"))
        status, checks = report(command, capsys, "--store", "redis")
        assert (status, checks["redis rights"]["level"]) == (0, "green")
        assert checks["durability"]["found"] == "redis-everysec"
        assert checks.keys().isdisjoint({"data_dir", "fsync", "log"})
        server.do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        assert report(command, capsys, "--store", "redis")[0] == 1


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.usefixtures("_free_ports")
def test_a_kafka_cluster_is_asked_itself(
    kafka_broker: Broker,
    command: Command,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`--store kafka`: a broker without the topic is fine, the first start makes it, as the doctor likes it."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    monkeypatch.setenv("FAST_SSE_KAFKA__BOOTSTRAP_SERVERS", kafka_broker.bootstrap)
    monkeypatch.setenv("FAST_SSE_KAFKA__TOPIC", topic_name())
    status, checks = report(command, capsys, "--store", "kafka")
    assert (status, checks["kafka topic"]["level"], checks["view"]["level"]) == (0, "green", "green")
    monkeypatch.setenv("FAST_SSE_STORE", "kafka")

    async def start_once() -> None:
        store = make_store(load())
        await store.open()
        await store.close()

    asyncio.run(start_once())
    status, checks = report(command, capsys)
    doubts = {
        name for name, check in checks.items() if name.startswith("kafka") and check["level"] != "green"
    }
    assert (status, doubts) == (0, {"kafka", "kafka copies"}), checks  # one broker, and what follows from it
    assert checks["view"]["found"].endswith("0 MiB")


@pytest.mark.parametrize("store", ["redis", "kafka"])
@pytest.mark.usefixtures("_free_ports")
def test_a_client_that_is_not_installed_is_a_red_line(
    store: str, command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra of the store: what to install, and the other checks go on."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    monkeypatch.setitem(sys.modules, f"fast_sse.cli.doctor.check_{store}", None)
    status, checks = report(command, capsys, "--store", store)
    assert (status, checks[store]["level"]) == (1, "red")
    assert checks[store]["advice"] == f"pip install 'fast-sse-hub[{store}]'"
    assert "clock" in checks


@pytest.mark.slow
def test_the_doctor_needs_no_client_of_a_store() -> None:
    """The command of a core without extras can be imported: the clients come with the checks that use them."""
    script = (
        "import sys, fast_sse.cli.main;"
        "print({'redis', 'hiredis', 'confluent_kafka', 'jwt', 'cryptography'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("store", ["redis", "kafka"])
@pytest.mark.slow
@pytest.mark.usefixtures("_free_ports")
def test_a_server_that_is_not_there_is_a_red_line(
    store: str, command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No trace and no secret: the place, why, and what to do; the other checks go on."""
    monkeypatch.setattr(ask_kafka, "ANSWER_S", 0.3)
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused for certain
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("FAST_SSE_REDIS__URL", f"redis://hub:s3cret-word@{place}/0")
        monkeypatch.setenv("FAST_SSE_KAFKA__BOOTSTRAP_SERVERS", place)
        monkeypatch.setenv("FAST_SSE_KAFKA__OPTIONS", '{"sasl.password": "s3cret-word"}')
        status, checks = report(command, capsys, "--store", store)
    assert (status, checks[store]["level"]) == (1, "red")
    assert checks[store]["found"].startswith(place)
    assert "clock" in checks
    assert "s3cret" not in json.dumps(checks)
