"""The clients that people really use are locked: which, and not where from."""

from __future__ import annotations

import json
import re

import pytest
from tests.clients.catalogue import HERE, catalogue, npm_version


def test_npm_packages_are_locked_by_content() -> None:
    """Each package has an exact version and a hash, and none the host that it was fetched from."""
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    locked = json.loads((HERE / "package-lock.json").read_text())["packages"]
    for name, said in wanted.items():
        assert npm_version(name) == said.rpartition("@")[2], name
    fetched = {name: package for name, package in locked.items() if name}
    assert all(package["integrity"].startswith("sha512-") for package in fetched.values())
    assert not [name for name, package in fetched.items() if "resolved" in package]


@pytest.mark.parametrize("lock", ["requirements.lock", "python/requirements.lock"])
def test_python_packages_are_locked_by_content(lock: str) -> None:
    """Each package has an exact version and hashes, and the file names no index."""
    lines = [line for line in (HERE / lock).read_text().splitlines() if not line.startswith("#")]
    assert all(re.match(r"[\w.-]+==|    --hash=sha256:", line) for line in lines)
    assert "--hash" in "".join(lines)


def test_each_client_has_a_version() -> None:
    """Each row's version is one that its lock has, or that its program says."""
    clients = [client for client in catalogue() if not (client.language == "browser" and client.needs)]
    assert all(re.fullmatch(r"\d+(\.\d+)+", client.version) for client in clients)
    assert len({(client.name, client.variant) for client in clients}) == len(clients)
