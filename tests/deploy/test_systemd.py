"""The units of deploy/systemd are held to the hub: what they run exists, what they allow is enough, what they wait for ends."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import tomllib
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.http1 import Connection, request_bytes
from tests.support.kernel import eventually
from tests.support.programs import need
from tests.support.publisher import Pair, publish_once, signed, subscribe_target
from tests.support.server import ROOT, Hub
from tests.support.sse import Client
from tests.support.systemd import Systemd

from fast_sse.cli.main import whole_commands
from fast_sse.config import load, setting_names
from fast_sse.environment import PREFIX
from fast_sse.http.admin.server import STOP_S
from fast_sse.model.limits import Limits

UNIT = ROOT / "deploy" / "systemd" / "fast-sse.service"
TEMPLATE = ROOT / "deploy" / "systemd" / "fast-sse@.service"
PAGES = "\n".join((ROOT / "docs" / f"{name}.md").read_text() for name in ("deploying", "nodes"))
#: Seconds for closing the store and whatever else a machine under load does slowly.
SPARE_S = 10


def directives(unit: Path = UNIT) -> dict[str, list[str]]:
    """Every directive with its values, in order; one that stands twice has two."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in unit.read_text().splitlines():
        if re.match(r"\w+=", line):
            name, _, value = line.partition("=")
            found[name].append(value)
    return found


def seconds(name: str) -> float:
    """The one value of a directive that counts seconds."""
    (value,) = directives()[name]
    return float(value)


def reload_signal() -> str:
    """What `systemctl reload` sends."""
    (line,) = directives()["ExecReload"]
    found = re.fullmatch(r"kill -(\w+) \$MAINPID", line)
    assert found, line
    return found[1]


def block(language: str, first: str) -> str:
    """The code block of docs/deploying.md or docs/nodes.md that begins with a line."""
    found = re.findall(rf"^```{language}\n({re.escape(first)}\n.*?)^```", PAGES, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"{len(found)} blocks begin with {first!r}"
    return str(found[0])


@pytest.mark.parametrize(
    ("source", "name"), [(UNIT, UNIT.name), (TEMPLATE, "fast-sse@1.service")], ids=["one", "several"]
)
def test_systemd_understands_the_unit(source: Path, name: str, tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing to say, and rates what a taken-over hub could still reach below 2 of 10."""
    need("systemd-analyze")
    unit = tmp_path / name
    unit.write_text(source.read_text().replace("/opt/fast-sse/bin/fast-sse", "/bin/true"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout


def test_the_unit_runs_a_command_that_exists() -> None:
    """ExecStart is a command with options that the command line takes."""
    (line,) = directives()["ExecStart"]
    program, command, *options = shlex.split(line)
    assert Path(program).name == "fast-sse"
    whole_commands()[command].make_context(command, options)


def test_the_unit_sets_only_settings_that_exist() -> None:
    """Each variable of the unit is a setting; none is a secret, which every user could read."""
    names = [value.partition("=")[0] for value in directives()["Environment"]]
    settings = [name.removeprefix(PREFIX).lower().replace("__", ".") for name in names]
    assert settings == ["data_dir"]
    assert set(settings) <= set(setting_names())


def test_nodes_differ_from_one_hub_only_where_they_must() -> None:
    """What the unit allows and waits for is proved once: the template is the same but for names, places and the user."""
    one, several = directives(), directives(TEMPLATE)
    differing = {name for name in one.keys() | several.keys() if one[name] != several[name]}
    assert differing == {"Description", "ExecStart", "Environment", "StateDirectory", "User"}
    assert several["ExecStart"] == [one["ExecStart"][0].replace("hub.toml", "nodes.toml")]


def test_what_a_node_owns_is_its_own() -> None:
    """Two instances share no name, no directory and no operators' port, and run as one user: the kernel asks for that."""

    def instance(number: str) -> dict[str, str]:
        lines = [line.replace("%i", number) for line in directives(TEMPLATE)["Environment"]]
        return {name: value for name, _, value in (line.partition("=") for line in lines)}

    assert instance("1") == {
        "FAST_SSE_DATA_DIR": "%S/fast-sse/1",
        "FAST_SSE_NODE": "%l-1",
        "FAST_SSE_ADMIN_PORT": "31001",
    }
    assert set(instance("1").values()).isdisjoint(instance("9").values())
    assert directives(TEMPLATE)["StateDirectory"] == ["fast-sse/%i"]
    assert directives(TEMPLATE)["User"] == ["fast-sse"]


def test_files_of_the_docs_start_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nodes.toml of docs/nodes.md and what the template sets are settings that a node takes, each its own."""
    file = tmp_path / "nodes.toml"
    file.write_text(block("toml", "# /etc/fast-sse/nodes.toml"))
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", "0123456789abcdef0123456789abcdef")
    nodes = []
    for number in "12":
        for line in directives(TEMPLATE)["Environment"]:
            name, _, value = line.partition("=")
            monkeypatch.setenv(
                name, value.replace("%i", number).replace("%l", "machine").replace("%S", "/var")
            )
        nodes.append(load(file))
    assert [(node.node_name, node.admin_port) for node in nodes] == [
        ("machine-1", 31001),
        ("machine-2", 31002),
    ]
    assert all(node.reuse_port and node.port == 30000 for node in nodes)


def test_files_of_the_docs_start_a_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two files that docs/deploying.md shows are settings the hub takes, once the secrets are filled in."""
    file = tmp_path / "hub.toml"
    file.write_text(block("toml", "# /etc/fast-sse/hub.toml"))
    secrets = block("ini", "# /etc/fast-sse/secrets.env")
    for number, line in enumerate(line for line in secrets.splitlines() if not line.startswith("#")):
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value.replace("…", f"{number}-0123456789abcdef0123456789abcdef"))
    assert load(file).auth.publish_secret is not None
    assert not re.search("secret|key", file.read_text().lower())
    assert tomllib.loads(file.read_text())


def test_a_drain_ends_before_systemd_loses_patience() -> None:
    """TimeoutStopSec is longer than the longest drain of the default settings, and only the first SIGTERM is sent."""
    limits = Limits()
    longest_s = max(limits.drain_s, limits.append_s) + 1 + STOP_S
    assert seconds("TimeoutStopSec") >= longest_s + SPARE_S
    assert directives()["KillSignal"] == ["SIGTERM"]


def test_only_a_wrong_setting_is_not_tried_again() -> None:
    """Every end but exit status 2 is followed by a start, for ever."""
    found = directives()
    assert (found["Restart"], found["RestartPreventExitStatus"]) == (["always"], ["2"])
    assert found["StartLimitIntervalSec"] == ["0"]


def test_a_loop_that_stands_still_is_begun_anew() -> None:
    """The unit waits for READY=1 and watches, for longer than any pause of a hub that is well and for less than clients bear."""
    assert directives()["Type"] == ["notify"]
    assert Limits().stall_s <= seconds("WatchdogSec") <= 2 * Limits().stall_s


# -- what the hub does, against what the unit allows --------------------------------------------------------

#: prometheus_client looks for the time of boot when it is imported. Refused, it goes on: the hub does not ask for it. Without
#: the name of the boot a hub believes the wall clock on how long it was off, after its patience (`store/pace.py`).
#: The allocator of Python 3.13 asks whether memory is given beyond what there is, and takes it that it is.
_DONE_WITHOUT = {"/proc/stat", "/proc/sys/kernel/random/boot_id", "/proc/sys/vm/overcommit_memory"}
#: SQLite gives its files to the owner of the database, and only as root, which the hub under systemd is not.
_ONLY_AS_ROOT = {"fchown"} if os.geteuid() == 0 else set()


def call_names(sets: list[str]) -> set[str]:
    """The system calls in sets as systemd names them, sets within sets included."""
    found: set[str] = set()
    for name in sets:
        if name.startswith("@"):
            said = subprocess.run(
                ["systemd-analyze", "syscall-filter", name], check=True, capture_output=True, text=True
            ).stdout.splitlines()[1:]
            found |= call_names([line.strip() for line in said if line.strip() and "#" not in line])
        else:
            found.add(name)
    return found


async def life_under_strace(directory: Path, channel: Pair, systemd: Systemd) -> list[str]:
    """Every system call of a hub that starts, stores, streams, reloads, restarts on its log and drains."""
    trace = directory / "trace"
    hub = Hub(
        directory,
        prefix=("strace", "-f", "-qq", "-s", "200", "-o", str(trace), "-e", "signal=none"),
        settings={"NOTIFY_SOCKET": systemd.address, "FAST_SSE_DRAIN_S": "0.1"},
    )
    lines: list[str] = []
    for number in range(2):
        async with hub:
            client = Client("c", hub.public, subscribe_target(channel), signed(channel))
            client.last_event_id = "earliest"
            client.start()
            assert (await publish_once(hub.public, channel, number)).status == 200
            await client.count(number + 1)
            async with await Connection.open(hub.admin) as operators:
                numbers = await operators.exchange(request_bytes("GET", "/metrics", {}))
                assert b"process_resident_memory_bytes" in numbers.body
            os.kill(hub.pid, getattr(signal, f"SIG{reload_signal()}"))
            await eventually(lambda: reloads(hub) > number, 10, "reloaded")  # noqa: B023
            hub.terminate_now()
            assert await hub.await_exit() == 0, hub.tail_of_log()
            await client.stop()
        lines += trace.read_text(errors="replace").splitlines()
    return [line.partition(" ")[2].lstrip() for line in lines]


def reloads(hub: Hub) -> int:
    """How often the hub has said that it read its settings again."""
    return hub.tail_of_log(100_000).count('"event": "reloaded"')


@pytest.mark.wire
@pytest.mark.slow
async def test_the_unit_forbids_nothing_that_a_hub_does(tmp_path: Path, channel: Pair) -> None:
    """Each system call, address family, executable mapping and file of /proc that a hub uses is allowed by the unit."""
    need("strace", "systemd-analyze")
    with closing(Systemd()) as systemd:
        systemd.listen()
        calls = await life_under_strace(tmp_path, channel, systemd)
    names = {found[1] for line in calls if (found := re.match(r"(\w+)\(", line))}
    assert {"accept4", "fdatasync", "execve", "sendto"} <= names, "a trace without these saw no hub"

    allowed, denied = directives()["SystemCallFilter"]
    assert denied.startswith("~")
    permitted = call_names(allowed.split()) - call_names(denied[1:].split())
    assert names - permitted - _ONLY_AS_ROOT == set()

    families = {found[1] for line in calls if (found := re.match(r"socket\((AF_\w+)", line))}
    assert families <= set(directives()["RestrictAddressFamilies"][0].split())

    assert directives()["MemoryDenyWriteExecute"] == ["yes"]
    mapped = re.compile(r"mmap\(.*PROT_WRITE\|PROT_EXEC|(?:pkey_)?mprotect\(.*PROT_EXEC")
    assert [line for line in calls if mapped.match(line)] == []

    assert directives()["ProcSubset"] == ["pid"]
    opened = {
        found[1] for line in calls if (found := re.match(r'open(?:at)?\([^"]*"(/proc/[^"]*)".*= \d', line))
    }
    ours = re.compile(r"/proc/(self|thread-self|\d+)/")
    assert {path for path in opened if not ours.match(path)} - _DONE_WITHOUT == set()
