"""A recipe of deploy/ run by its real proxy: the file itself, with ports, certificate and paths of the test.

It runs from a directory of its own and touches nothing of a proxy that the system has. Beside the TLS listener it
gets a plain one, with the same rules, for clients that want to see every byte.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, ClassVar, Self

from tests.support.http1 import Address
from tests.support.kernel import eventually
from tests.support.programs import need, program
from tests.support.server import stable_port

START_S = 30.0


def rendered(text: str, replacements: dict[str, str]) -> str:
    """The recipe with each of its own words replaced; one that is not there, or twice, is a mistake of the test."""
    for own, ours in replacements.items():
        assert text.count(own) == 1, f"{own!r} stands {text.count(own)} times in the recipe"
        text = text.replace(own, ours)
    return text


class Certificate:
    """A certificate for 127.0.0.1, signed by itself."""

    def __init__(self, directory: Path) -> None:
        self.chain = directory / "chain.pem"
        self.key = directory / "key.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
                *("-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", str(self.key), "-out", str(self.chain)),
            ],
            check=True,
            capture_output=True,
        )


class Proxy(ABC):
    """One proxy before one hub. A context manager; where it is not installed the test is skipped.

    `binary` is another than the installed one.

    Attributes:
        program: what runs.
        plain: where it speaks HTTP/1.1 without TLS, for raw sockets.
        secure: where it speaks TLS, HTTP/2 and HTTP/1.1.
    """

    name: ClassVar[str]
    #: Stands in the line of its standard error that says that it listens, after a start and after a reload.
    ready: ClassVar[str]
    #: Ends it and its workers, and leaves streams no time.
    stop: ClassVar[int] = signal.SIGTERM
    #: Whether it sees at once that a client has gone, and not only when it next writes to it.
    sees_leaving: ClassVar[bool] = True
    #: Streams that a client may have on a new HTTP/2 connection: as many as a test needs, where nothing else is said.
    streams: ClassVar[int] = 20

    def __init__(
        self, directory: Path, hub: Address, certificate: Certificate, binary: Path | None = None
    ) -> None:
        if binary is None:
            need(self.name)
        self.program = str(binary or program(self.name))
        self.directory = directory
        self.certificate = certificate
        self.plain: Address = ("127.0.0.1", stable_port())
        self.secure: Address = ("127.0.0.1", stable_port())
        self._process: subprocess.Popen[str] | None = None
        self._log = directory / "stderr.log"
        self._started = threading.Event()
        self._reader = threading.Thread()

    @abstractmethod
    def _command(self) -> list[str]:
        """What runs it, in the foreground."""

    @abstractmethod
    async def reload(self) -> None:
        """Have it read its configuration again as an operator would, and wait until it has."""

    def _environment(self) -> dict[str, str]:
        """Ours, with a home of its own."""
        home = str(self.directory)
        return {**os.environ, "HOME": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home}

    def url(self, target: str) -> str:
        """The address of a path and query, for clients that speak TLS."""
        return f"https://{self.secure[0]}:{self.secure[1]}{target}"

    def knows_away(self) -> bool:
        """Whether it has noticed that the hub is away; most ask it anew for each request."""
        return True

    def logged(self) -> str:
        """All that it has written down anywhere."""
        files = sorted(self.directory.glob("*.log"))
        return "\n".join(file.read_text(errors="replace") for file in files)

    async def _signal_reload(self, number: int) -> None:
        """A reload by a signal to its process."""
        assert self._process is not None
        before = self.logged().count(self.ready)
        self._process.send_signal(number)
        await eventually(lambda: self.logged().count(self.ready) > before, START_S, "the reload")

    def __enter__(self) -> Self:
        with (self.directory / "stdout.log").open("wb") as stdout:
            self._process = subprocess.Popen(
                self._command(),
                stdout=stdout,
                stderr=subprocess.PIPE,
                text=True,
                cwd=self.directory,
                env=self._environment(),
            )
        assert self._process.stderr is not None
        self._reader = threading.Thread(target=self._keep_log, args=(self._process.stderr,), daemon=True)
        self._reader.start()
        if not self._started.wait(START_S) or self._process.poll() is not None:
            self.__exit__()
            raise RuntimeError(f"{self.name} did not start\n{self.logged()}")
        return self

    def _keep_log(self, stderr: IO[str]) -> None:
        with stderr, self._log.open("a") as log:
            for line in stderr:
                log.write(line)
                log.flush()
                if self.ready in line:
                    self._started.set()
        self._started.set()

    def __exit__(self, *_exception: object) -> None:
        assert self._process is not None
        self._process.send_signal(self.stop)
        self._process.wait(START_S)
        self._reader.join()
