"""The signature examples of every language whose tools are on this machine, against the published vectors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.node import node_program
from tests.support.programs import need
from tests.support.sign import several

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples" / "signatures"
PUBLISHED = json.loads((ROOT / "docs" / "signature-vectors.json").read_text())
#: One vector for each text to sign, under the current secrets.
VECTORS = {
    vector["string_to_sign"]: vector
    for vector in PUBLISHED["vectors"]
    if vector["expect"] == "granted" and vector["keyring"] == "one" and "previous" not in vector["why"]
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Sign = Callable[..., str]


def command(language: str, scratch: Path) -> list[str]:
    """What runs the example of a language."""
    if language == "python":
        return [sys.executable, str(EXAMPLES / "sign.py")]
    if language == "javascript":
        need(node_program())
        return [node_program(), str(EXAMPLES / "sign.mjs")]
    if language == "shell":
        need("openssl", "sh")
        return ["sh", str(EXAMPLES / "sign.sh")]
    need("go")
    program = scratch / "sign"
    # The first build on a machine compiles Go's own library too.
    subprocess.run(["go", "build", "-o", program, EXAMPLES / "sign.go"], check=True, timeout=240)
    return [str(program)]


@pytest.fixture(scope="module", params=["python", "javascript", "go", "shell"])
def sign(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sign:
    """`sign(secret, *arguments)` prints what the example of one language prints."""
    run = command(request.param, tmp_path_factory.mktemp("examples"))

    def signed(secret: str, *arguments: str) -> str:
        environment = {**os.environ, "SECRET": secret}
        done = subprocess.run(
            [*run, *arguments], env=environment, capture_output=True, text=True, check=True, timeout=20
        )
        return done.stdout.removesuffix("\n")

    return signed


def place_of(vector: dict[str, Any]) -> tuple[str, str]:
    """The id and type that are signed: of several channels their hash, of a batch nothing."""
    channels = list(dict.fromkeys(map(tuple, vector["channels"])))
    if not channels:
        return "-", "-"
    return channels[0] if len(channels) == 1 else (several(channels), "-")


def secret_of(vector: dict[str, Any]) -> str:
    """What the vector was signed with."""
    keyring = PUBLISHED["keyrings"]["one"]
    signature: str = vector["signature"]
    secret: str = (
        keyring["keys"][signature.split(".")[1]] if signature.startswith("v2.") else keyring["secret"]
    )
    return secret


def test_every_vector_is_reproduced(sign: Sign, tmp_path: Path) -> None:
    """For every text to sign that is published, the example prints exactly the published signature."""
    body = tmp_path / "body"
    for vector in VECTORS.values():
        signature, place = vector["signature"], place_of(vector)
        if signature.startswith("v2."):
            _, kid, scope, iat, exp, nonce, _ = signature.split(".")
            arguments = ["v2", kid, scope, iat, exp, nonce, *place]
            if vector["body"] is not None:
                body.write_bytes(vector["body"].encode())
                arguments.append(str(body))
        else:
            arguments = ["v1", *place]
        assert sign(secret_of(vector), *arguments) == signature, vector["why"]
    assert len(VECTORS) > 15
