"""deploy/container: the image is built step by step without a daemon, and its hub runs as a container of it would.

Its file system is read-only but for the volume, it is nobody special, and it is reached from outside and asked for its
health by the very commands that the Dockerfile names.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.deploy.dockerfile import is_ignored, let_in, rules_of, stages
from tests.deploy.image import Image, need_namespaces
from tests.deploy.test_systemd import SPARE_S
from tests.support.http1 import Address, request
from tests.support.kernel import eventually
from tests.support.publisher import Pair, publish_once, signed, subscribe_target
from tests.support.server import ROOT, Hub, stable_port
from tests.support.sign import SECRET
from tests.support.sse import Client

from fast_sse import __version__
from fast_sse.config import problems
from fast_sse.model.limits import Limits

STAGES = stages((ROOT / "deploy" / "container" / "Dockerfile").read_text())
LAST = STAGES[-1]
IGNORE = rules_of((ROOT / ".dockerignore").read_text())
HEALTHCHECK = json.loads(LAST.last("HEALTHCHECK").partition(" CMD ")[2])
#: Another address of this machine: a listener on 127.0.0.1 alone does not answer there.
OUTSIDE = "127.0.0.2"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Built once for all tests here, and read-only from then on."""
    need_namespaces()
    with Image(STAGES, ROOT, let_in(ROOT, IGNORE), tmp_path_factory.mktemp("image")) as built:
        built.freeze()
        yield built


class Container(Hub):
    """The image's own command, with what `docker run --env` would give it."""

    def __init__(self, image: Image, directory: Path, **env: str) -> None:
        super().__init__(directory)
        self._image = image
        self.given = {
            "FAST_SSE_AUTH__SECRET": SECRET,
            "FAST_SSE_PORT": str(self.public[1]),
            "FAST_SSE_ADMIN_PORT": str(stable_port()),
            **env,
        }
        entrypoint, command = (json.loads(LAST.last(word)) for word in ("ENTRYPOINT", "CMD"))
        self._command = image.container(self.given, *entrypoint, *command)

    @property
    def outside(self) -> Address:
        """Where it is reached through a published port."""
        return OUTSIDE, self.public[1]

    def health(self, *path: str) -> int:
        """Exit status of the health check, as a daemon would run it in the container."""
        return subprocess.run(
            self._image.container(self.given, *HEALTHCHECK, *path), check=False, capture_output=True
        ).returncode


# -- what stands in the files -------------------------------------------------------------------------------


def test_the_image_runs_the_hub_as_nobody_special() -> None:
    """No root, the exec form (a shell would keep SIGTERM to itself), the signal that drains, a volume that is its own."""
    user = re.fullmatch(r"(\d+):(\d+)", LAST.last("USER"))
    assert user
    assert min(int(user[1]), int(user[2])) > 999
    assert LAST.last("STOPSIGNAL") == "SIGTERM"
    assert (json.loads(LAST.last("ENTRYPOINT")), json.loads(LAST.last("CMD"))) == (["fast-sse"], ["serve"])
    order = [step.word for step in LAST.steps]
    assert order.index("RUN") < order.index("VOLUME") < order.index("USER")


def test_every_stage_is_from_one_base_with_a_tag() -> None:
    """All stages have the same Python, or what was installed for one would not run with the other."""
    names = {stage.name for stage in STAGES}
    (base,) = {stage.base for stage in STAGES} - names
    assert re.fullmatch(r"python:\d+\.\d+-slim-\w+", base)


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".env",
        "hub.toml",
        "data/log.db",
        "deploy/compose/.env",
        "src/fast_sse/__pycache__/x.pyc",
    ],
)
def test_what_is_no_source_stays_out(path: str) -> None:
    """No data of a hub, no settings with secrets and no history get to the builder."""
    assert is_ignored(PurePosixPath(path), IGNORE)


def pins(lock: str) -> dict[str, str]:
    """Name and version of all that a lock file names for this platform."""
    lines = re.findall(r"^(\S+==[^\\\n]+)", (ROOT / lock).read_text(), re.MULTILINE)
    found = [Requirement(line.strip()) for line in lines]
    return {one.name: str(one.specifier)[2:] for one in found if one.marker is None or one.marker.evaluate()}


@pytest.mark.parametrize("lock", ["requirements-hub.lock", "requirements-build.lock"])
def test_an_image_has_the_versions_that_are_tested(lock: str) -> None:
    """What runs and builds in an image is pinned as in the environment that the tests run in."""
    tested = pins("requirements.lock")
    assert len(pins(lock)) > 4
    assert {name: version for name, version in pins(lock).items() if tested[name] != version} == {}


# -- the image ----------------------------------------------------------------------------------------------

_INSTALLED = "import importlib.metadata as m; [print(d.name, d.version) for d in m.distributions()]"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_image_holds_what_runs_a_hub_and_no_more(image: Image) -> None:
    """The hub, its dependencies with the clients of Redis and Kafka exactly as locked, compiled; no pip, no build tools."""
    listed = image.do("chroot", str(image.root()), "/opt/fast-sse/bin/python", "-c", _INSTALLED)
    found = (line.split() for line in listed.splitlines())
    versions = {canonicalize_name(name): version for name, version in found}
    assert versions == {**pins("requirements-hub.lock"), "fast-sse-hub": __version__}
    package = f"{image.root()}/opt/fast-sse/lib/python3.{sys.version_info[1]}/site-packages/fast_sse"
    sources, compiled = (
        int(image.do("sh", "-c", f"find {package} -name '{kind}' | wc -l")) for kind in ("*.py", "*.pyc")
    )
    assert sources == compiled > 100


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_container_writes_to_its_volume_alone(image: Image) -> None:
    """What the tests below run in can be written nowhere else, `/tmp` included."""
    for place, status in {"/var/lib/fast-sse/x": 0, "/tmp/x": 1, "/opt/fast-sse/x": 1, "/x": 1}.items():
        done = subprocess.run(image.container({}, "touch", place), check=False, capture_output=True)
        assert done.returncode == status, place


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.timeout(180)
async def test_a_container_is_reached_from_outside_and_keeps_its_log(
    image: Image, channel: Pair, tmp_path: Path
) -> None:
    """On a read-only file system, as the image's user: it publishes, streams, drains, and has the message after a restart."""
    hub = Container(image, tmp_path, FAST_SSE_DRAIN_S="0.2")
    for number in range(2):
        async with hub:
            client = Client("c", hub.outside, subscribe_target(channel), signed(channel))
            client.last_event_id = "earliest"
            client.start()
            assert (await publish_once(hub.outside, channel, number)).status == 200
            await client.count(number + 1)
            assert client.payloads == list(range(number + 1))
            hub.terminate_now()
            assert await hub.await_exit() == 0, hub.tail_of_log()
            await client.stop()
    assert '"level": "error"' not in hub.tail_of_log(100_000)


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.timeout(180)
async def test_health_tells_a_drain_from_a_death(image: Image, channel: Pair, tmp_path: Path) -> None:
    """The image's check is green from ready to the end of a drain and red after it; readiness is red from the drain on."""
    async with Container(image, tmp_path, FAST_SSE_DRAIN_S="60") as hub:
        assert (hub.health(), hub.health("/readyz/subscribe")) == (0, 0)
        client = await Client("c", hub.outside, subscribe_target(channel), signed(channel)).start().ready()
        hub.terminate_now()
        await eventually(lambda: hub.health("/readyz/subscribe") == 1, 10, "no longer ready")
        assert hub.health() == 0
        hub.terminate_now()  # a second one ends it at once
        await hub.await_exit()
        assert hub.health() == 1
        await client.stop()


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.timeout(180)
async def test_operators_are_let_in_with_a_key_alone(image: Image, tmp_path: Path) -> None:
    """Their listener is on the container's own loopback; on another address the hub does not start without `admin.key`."""
    async with Container(image, tmp_path) as hub:
        with pytest.raises(ConnectionRefusedError):
            await request((OUTSIDE, hub.admin[1]), "GET", "/healthz")
    status, said = Container(image, tmp_path, FAST_SSE_ADMIN_HOST="0.0.0.0").refuses_to_start()
    assert (status, "admin.key" in said) == (2, True)
    async with Container(
        image, tmp_path, FAST_SSE_ADMIN_HOST="0.0.0.0", FAST_SSE_ADMIN__KEY=SECRET[::-1]
    ) as hub:
        assert (await request((OUTSIDE, hub.admin[1]), "GET", "/metrics")).status == 401
        assert hub.health() == 0


# -- docs/containers.md -------------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "containers.md").read_text().replace("\\\n", " ")


def test_the_line_that_runs_it_fits_the_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`docker run` of the page publishes the image's port, keeps its volume, waits for a drain and has two secrets."""
    (line,) = re.findall(r"^docker run --name.*", PAGE, re.MULTILINE)
    words = shlex.split(line)
    given = {word: words[place + 1] for place, word in enumerate(words) if word.startswith("--")}
    assert given["--publish"] == f"127.0.0.1:30000:{LAST.last('EXPOSE')}"
    assert given["--volume"].partition(":")[2] == LAST.last("VOLUME")
    assert int(given["--stop-timeout"]) >= max(Limits().drain_s, Limits().append_s) + SPARE_S
    (secrets,) = re.findall(rf"^printf .* > {given['--env-file']}$", PAGE, re.MULTILINE)
    subprocess.run(["sh", "-euc", secrets], cwd=tmp_path, check=True)
    made = dict(line.split("=") for line in (tmp_path / given["--env-file"]).read_text().splitlines())
    assert made.keys() == {"FAST_SSE_AUTH__SECRET", "FAST_SSE_AUTH__PUBLISH_SECRET"}
    for name, value in made.items():
        monkeypatch.setenv(name, value)
    assert problems() == []


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.timeout(180)
def test_the_lines_that_try_it_work_inside(image: Image, tmp_path: Path) -> None:
    """Each `docker exec` of the page ends with status 0; a message is published, heard and not dead."""
    lines = re.findall(r"^docker exec fast-sse (fast-sse .*)", PAGE, re.MULTILINE)
    assert len(lines) >= 4
    with Container(image, tmp_path) as hub:
        places = {"dlq": ["--admin", f"http://127.0.0.1:{hub.admin[1]}"], "doctor": [], "backup": []}
        for line in lines:
            command = shlex.split(line)
            place = places.get(command[1], ["--url", f"http://127.0.0.1:{hub.public[1]}"])
            inside = image.container(hub.given, *command, *place)
            done = subprocess.run(inside, check=False, capture_output=True, text=True, timeout=30)
            assert done.returncode == 0, (line, done.stdout, done.stderr)
            if command[1] == "subscribe":
                assert '"hello"' in done.stdout
