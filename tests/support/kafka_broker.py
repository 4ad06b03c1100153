"""A real Kafka broker in a process of its own: started, killed, stopped and continued for real.

One broker is shared by all tests of a worker that do not break it (`shared_broker`): starting a JVM costs seconds, and
a topic name is isolation enough. A test that breaks the broker itself starts its own.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from tests.support.http1 import Address
from tests.support.server import ROOT, stable_port

SCRIPT = ROOT / "scripts" / "kafka-broker"
#: Fetching the jars is part of the first start.
FETCH_S = 240.0
START_S = 60.0
STOP_S = 30.0

_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_names = itertools.count(1)


def need_kafka() -> None:
    """Skip, saying so, where no broker can be started; in CI nothing may be skipped for want of one."""
    missing = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"not installed: {', '.join(missing)}: no Kafka broker can be started")
    assert not missing, f"not installed: {', '.join(missing)}; see scripts/setup-test-packages"


def topic_name() -> str:
    """A topic that no other test of this worker uses."""
    return f"test-{os.getpid()}-{next(_names)}"


@functools.cache
def shared_broker() -> Broker:
    """The broker of this worker, for tests that leave it as they found it; started when the first one asks."""
    need_kafka()
    directory = Path(tempfile.mkdtemp(prefix="fast-sse-kafka-"))
    broker = Broker(directory, group_min_session_timeout_ms=500)
    broker.add_detour()
    broker.start()

    def end() -> None:
        broker.kill()
        shutil.rmtree(directory)

    atexit.register(end)
    return broker


def sasl_broker(
    directory: Path, password: str, protocol: str = "SASL_PLAINTEXT", **options: str
) -> tuple[Broker, dict[str, str]]:
    """A broker, not yet started, with a second listener that wants a user `hub`; the settings of a client of that one.

    `protocol`: SASL_SSL speaks TLS there, with the key and certificate of `options`.
    """
    broker, port = Broker(directory), stable_port()
    broker.add_listener("SASL", port, port, protocol)
    broker.options |= {
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config": f'{_PLAIN} user_hub="{password}";',
        **options,
    }
    return broker, {
        "bootstrap.servers": f"127.0.0.1:{port}",
        "security.protocol": protocol,
        "sasl.mechanism": "PLAIN",
        "sasl.username": "hub",
        "sasl.password": password,
    }


class Detour(NamedTuple):
    """A second listener whose clients are told to come by another address, where a test may stand in their way."""

    listener: Address
    told: Address


class Broker:
    """One broker on one directory and two ports, which it keeps over restarts. A context manager.

    `options` are settings of Kafka's server.properties on top of those of `scripts/kafka-broker`, with the
    underscores of keyword arguments for dots; they may be changed between `stop` and `start`.
    """

    def __init__(self, directory: Path, **options: str | int) -> None:
        self.directory = directory
        self.port = stable_port()
        while (controller := stable_port()) == self.port:
            pass
        self.controller_port = controller
        self.options = {name.replace("_", "."): str(value) for name, value in options.items()}
        self.starts = 0
        self.detour: Detour | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def add_listener(self, name: str, port: int, told_port: int, protocol: str = "PLAINTEXT") -> None:
        """A second listener from the next start on, whose clients are told to come to `told_port`."""
        self.options |= {
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{self.controller_port},"
            f"{name}://127.0.0.1:{port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap},{name}://127.0.0.1:{told_port}",
            "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,{name}:{protocol}",
        }

    def add_detour(self) -> None:
        """A second listener, from the next start on, for clients that come by a proxy (`tests.support.kafka_proxy`)."""
        port, told_port = stable_port(), stable_port()
        self.add_listener("DETOUR", port, told_port)
        self.detour = Detour(("127.0.0.1", port), ("127.0.0.1", told_port))

    @property
    def bootstrap(self) -> str:
        """What a client is given as `bootstrap.servers`."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The JVM: the script becomes it."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and return when it answers requests."""
        assert self._process is None, "it runs already"
        subprocess.run([SCRIPT, "fetch"], check=True, timeout=FETCH_S, stdout=subprocess.DEVNULL)
        self.directory.mkdir(parents=True, exist_ok=True)
        pairs = [f"{name}={value}" for name, value in self.options.items()]
        with (self.directory / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [SCRIPT, str(self.directory), str(self.port), str(self.controller_port), *pairs],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.starts += 1
        self._wait_for_an_answer()

    def _wait_for_an_answer(self) -> None:
        """Until the broker has answered a request itself; a client that waits for it notices at once."""
        assert self._process is not None
        deadline = time.monotonic() + START_S
        settings = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "log_level": 0}
        admin = AdminClient({"bootstrap.servers": self.bootstrap, **settings})
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise AssertionError(f"the broker ended as it started:\n{self.said()}")
            try:
                if admin.list_topics(timeout=1).brokers:
                    return
            except KafkaException:  # not yet: the next look is another second of waiting inside the client
                continue
        self.kill()
        raise AssertionError(f"the broker did not answer in {START_S} s:\n{self.said()}")

    def said(self) -> str:
        """The end of what it wrote."""
        return (self.directory / "broker.log").read_text(errors="replace")[-4000:]

    def stop(self) -> None:
        """End it in good order."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Kill -9; `start` brings it back on the same ports and directory."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(STOP_S)
        self._process = None

    def pause(self) -> None:
        """SIGSTOP: its connections stay open and silent."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Nobody needs its data any more, and a clean stop of a JVM takes a second.
        self.kill()
