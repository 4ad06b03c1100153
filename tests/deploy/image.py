"""An image built and run without a daemon: each stage is a file system over this machine's own, in a mount namespace.

In the base image's place stands this machine, with the test's own Python at /usr/local, where the official image has its
own. What the steps write is in memory, and is gone with the namespace. It takes root, as a daemon has it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from tests.deploy.dockerfile import Instruction, Stage, variables

#: The variables of the base image. The Python may look for its library where it was built, and find another.
_BASE = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LD_LIBRARY_PATH": "/usr/local/lib",
}
#: How this machine reaches a package index.
_REGISTRY = ("PIP_", "SSL_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
#: What a build makes known about an image, and does nothing.
_SAID = {"ENV", "LABEL", "VOLUME", "USER", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
#: A directory of its own with a file system in memory; it waits for the end of its input.
_KEEPER = 'mount -t tmpfs none "$0" && mkdir "$0/context" && echo ready && read -r _'
#: A stage: above others (`$2`, layers between colons, or nothing) and this machine; the same for the Python in it.
_STAGE = """
set -eu
mkdir "$1"; cd "$1"; mkdir up work root python python-work
mount -t overlay overlay -o "lowerdir=$2/,upperdir=$1/up,workdir=$1/work" root
mkdir -p root/usr/local
mount -t overlay overlay -o "lowerdir=$3$4,upperdir=$1/python,workdir=$1/python-work" root/usr/local
mount --bind /dev root/dev
mount -t proc proc root/proc
"""


class Image:
    """A built image. A context manager: the namespace with all of it ends at its end.

    Args:
        stages: of its Dockerfile, in order; the last one is the image.
        context: the directory that files are copied from, and those of its files that the builder gets.
        directory: an empty one, for the file systems.
    """

    def __init__(self, stages: list[Stage], context: Path, files: Iterable[Path], directory: Path) -> None:
        self.stages = {stage.name: stage for stage in stages}
        self.last = stages[-1]
        self.directory = directory
        self._context = context
        self._files = list(files)
        self._keeper: subprocess.Popen[str] | None = None
        self._env: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Self:
        command = ["unshare", "--mount", "sh", "-c", _KEEPER, str(self.directory)]
        self._keeper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._keeper.stdout is not None
        try:
            assert self._keeper.stdout.readline() == "ready\n", "no file system of our own"
            names = "\n".join(str(file) for file in self._files)
            self.do(
                "tar",
                "-C",
                str(self._context),
                "-cf",
                f"{self.directory}/context.tar",
                "-T",
                "-",
                given=names,
            )
            self.do("tar", "-C", f"{self.directory}/context", "-xf", f"{self.directory}/context.tar")
            for stage in self.stages.values():
                self._build(stage)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._keeper is not None
        self._keeper.communicate("")

    def root(self, stage: str = "") -> Path:
        """The root of a stage's file system, of the image by default; only those in the namespace see it."""
        return self.directory / (stage or self.last.name) / "root"

    @property
    def env(self) -> dict[str, str]:
        """The variables that the image sets."""
        return self._env[self.last.name]

    def inside(self, *command: str) -> list[str]:
        """A command, run in the namespace."""
        assert self._keeper is not None
        return ["nsenter", f"--mount=/proc/{self._keeper.pid}/ns/mnt", "--", *command]

    def do(self, *command: str, given: str = "") -> str:
        """Run it there; what it printed. Raises RuntimeError with what it said."""
        done = subprocess.run(
            self.inside(*command), input=given, capture_output=True, text=True, check=False, timeout=300
        )
        if done.returncode:
            raise RuntimeError(f"{shlex.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def container(self, env: dict[str, str], *command: str) -> list[str]:
        """A command in the image as its user, with the image's variables and `env`."""
        user = self.last.last("USER")
        pairs = [f"{name}={value}" for name, value in {**self.env, **env}.items()]
        chroot = ["chroot", f"--userspec={user}", "--groups=", str(self.root())]
        return self.inside(*chroot, "env", "-i", *pairs, *command)

    def freeze(self) -> None:
        """Make the image read-only, but for its volume: that begins as the image has it, as Docker does it."""
        volume = self.last.last("VOLUME")
        self.do("cp", "-a", f"{self.root()}{volume}", f"{self.directory}/volume")
        self.do("mount", "--bind", f"{self.directory}/volume", f"{self.root()}{volume}")
        for place in ("", "/usr/local"):
            self.do("mount", "-o", "remount,ro", f"{self.root()}{place}")

    def _build(self, stage: Stage) -> None:
        """All steps of a stage, in order."""
        above = self._above(stage)
        layers, pythons = (
            "".join(f"{self.directory}/{name}/{part}:" for name in above) for part in ("up", "python")
        )
        self.do("sh", "-c", _STAGE, "sh", f"{self.directory}/{stage.name}", layers, pythons, sys.base_prefix)
        self._env[stage.name] = variables(stage, self._env[stage.base] if above else _BASE)
        for step in stage.steps:
            if step.word == "RUN":
                self._run(stage, step)
            elif step.word == "COPY":
                self._copy(stage, step)
            else:
                assert step.word in _SAID, f"{step.word} is not known here"

    def _above(self, stage: Stage) -> list[str]:
        """The stages that a stage is made from, the nearest first."""
        if stage.base not in self.stages:
            return []
        return [stage.base, *self._above(self.stages[stage.base])]

    def _run(self, stage: Stage, step: Instruction) -> None:
        registry = {name: value for name, value in os.environ.items() if name.startswith(_REGISTRY)}
        env = {"HOME": "/root", **registry, **self._env[stage.name]}
        pairs = [f"{name}={value}" for name, value in env.items()]
        self.do("chroot", str(self.root(stage.name)), "env", "-i", *pairs, "/bin/sh", "-c", step.rest)

    def _copy(self, stage: Stage, step: Instruction) -> None:
        """A folder's contents go into the target; a file goes into it when it ends in a slash, else it gets its name."""
        *options, target = shlex.split(step.rest)
        origin = self.directory / "context"
        if options[0].startswith("--from="):
            origin = self.root(options.pop(0).partition("=")[2])
        place = f"{self.root(stage.name)}{target}"
        for source in options:
            self.do("test", "-e", f"{origin}/{source}")
            folder = place if place.endswith("/") else str(Path(place).parent)
            self.do("mkdir", "-p", folder)
            self.do("cp", "-aT" if not place.endswith("/") else "-a", f"{origin}/{source}", place)


def need_namespaces() -> None:
    """Skip, saying so, where no image can be built; in CI it must."""
    why = ""
    if os.geteuid() != 0:
        why = "only root may build an image here"
    elif shutil.which("unshare") is None or shutil.which("nsenter") is None:
        why = "not installed: unshare, nsenter"
    elif subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        why = "no mount namespaces here"
    assert not (why and os.environ.get("CI") == "true"), why
    if why:
        pytest.skip(why)
