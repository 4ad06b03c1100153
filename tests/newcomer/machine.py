"""A machine on which nobody has worked yet: a bare Debian with the tree as a fresh clone, for root and for an ordinary user.

A chroot of its own mounts and processes, and the network of this machine, since packages come from there. Where that
cannot be had (no root, no Debian) it is a fresh clone beside this one, with an empty home and nothing on the path but the
system's programs.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.docs.shell import end

ROOT = Path(__file__).parent.parent.parent
USER = "newcomer"
#: Where packages come from, as far as the environment says it, and whose certificates are trusted there.
SOURCES: tuple[str, ...] = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST")
SOURCES += ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
TRUST = ("PIP_CERT", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
#: The same in files.
SOURCE_FILES = ("etc/resolv.conf", "etc/hosts", "etc/pip.conf")
#: The certificates that this machine trusts, under a name that no package writes.
TRUSTED = Path("/etc/ssl/trusted-here.crt")
#: Longer than any step takes, to end what hangs.
STEP_S_MAX = 1800


def bare_debian_is_possible() -> bool:
    """Root on a Debian can make another one."""
    return os.getuid() == 0 and Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None


class Machine:
    """Where commands are typed by `who`, root or an ordinary user, in a fresh clone.

    Attributes:
        where: what it is.
        commit: what was cloned; more may be committed while a newcomer works.
    """

    def __init__(self, directory: Path, who: str, *, bare: bool) -> None:
        self.who, self._bare, self._root = who, bare, directory / "root"
        self.home = Path("/root" if who == "root" else f"/home/{USER}") if bare else directory / "home"
        self._tree = self.home / "fast-sse"
        self.where = "bare Debian" if bare else "fresh clone"
        named = ["git", "rev-parse", "--short", "HEAD"]
        self.commit = subprocess.run(
            named, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()

    def clone(self) -> None:
        """The tree as it was committed, owned by who will work in it."""
        there = self.inside(self._tree)
        there.mkdir(parents=True)
        archive = subprocess.run(["git", "archive", self.commit], cwd=ROOT, capture_output=True, check=True)
        subprocess.run(["tar", "--extract"], cwd=there, input=archive.stdout, check=True)
        if self._bare and self.who != "root":
            self.as_root(f"chown --recursive {USER}: {self.home}")

    def inside(self, path: Path) -> Path:
        """A path of that machine as this one sees it."""
        return self._root / path.relative_to("/") if self._bare else path

    def start(self, script: str | None = None, *, as_root: bool = False) -> subprocess.Popen[str]:
        """Type a script into a shell of its own, in the clone; what it prints and complains of is one text.

        Without a script the shell takes what is written to its standard input.
        """
        return subprocess.Popen(
            self._command(script, as_root=as_root),
            cwd=None if self._bare else self._tree,
            env=self._environment(as_root=as_root),
            stdin=subprocess.PIPE if script is None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, script: str, *, as_root: bool = False) -> tuple[str, float]:
        """Type a script: what was printed, and the seconds it took. Fails with what was printed when a command fails."""
        began_s = time.monotonic()
        process = self.start(script, as_root=as_root)
        try:
            printed, _ = process.communicate(timeout=STEP_S_MAX)
        finally:
            end(process.pid)
        assert process.returncode == 0, f"{self.who}: {script}\n{printed[-4000:]}"
        return printed, time.monotonic() - began_s

    def as_root(self, script: str) -> float:
        """What the owner of a bare machine does; the seconds it took."""
        return self.run(script, as_root=True)[1]

    def _command(self, script: str | None, *, as_root: bool) -> list[str]:
        shell = ["bash", "-eu", "-o", "pipefail", *(() if script is None else ("-c", script))]
        if not self._bare:
            return shell
        root = shlex.quote(str(self._root))
        mounts = f"mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev"
        name = "root" if as_root else self._name
        inner = shlex.join(
            ["bash", "-c", f"cd {self._tree if not as_root else '/'} && exec {shlex.join(shell)}"]
        )
        enter = f'{mounts} && exec chroot --userspec={name} --groups="" {root} {inner}'
        return ["unshare", "--mount", "--pid", "--fork", "sh", "-c", enter]

    @property
    def _name(self) -> str:
        return "root" if self.who == "root" else USER

    def _environment(self, *, as_root: bool) -> Mapping[str, str]:
        kept = {name: os.environ[name] for name in SOURCES + TRUST if name in os.environ}
        if self._bare:
            kept |= {name: str(TRUSTED) for name in TRUST if name in kept}
        home = "/root" if as_root else str(self.home)
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return kept | {"HOME": home, "PATH": path, "LANG": "C.UTF-8", "TERM": "dumb"}


@contextmanager
def machine(directory: Path, who: str) -> Iterator[Machine]:
    """A machine for `who`: bare where that is possible, gone afterwards."""
    bare = bare_debian_is_possible()
    made = Machine(directory, who, bare=bare)
    try:
        if bare:
            _install_debian(directory / "root")
            made.as_root(f"useradd --create-home --shell /bin/bash {USER}")
        made.clone()
        yield made
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _install_debian(root: Path) -> None:
    """What a smallest Debian of this release has, from where this one has its packages."""
    root.mkdir(parents=True)
    if shutil.which("mmdebstrap") is None:
        subprocess.run([ROOT / "scripts" / "apt-install", "mmdebstrap"], check=True)
    release = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line
    )
    places = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
    sources = [str(file) for file in places if file.exists()][:1]
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", release["VERSION_CODENAME"], root, *sources],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    copies = {Path("/") / name: root / name for name in SOURCE_FILES}
    if trusted := next((os.environ[name] for name in TRUST if name in os.environ), ""):
        copies[Path(trusted)] = root / TRUSTED.relative_to("/")
    for here, there in copies.items():
        if here.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(here, there)
