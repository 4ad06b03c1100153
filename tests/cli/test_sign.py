"""`fast-sse sign`: what it prints is what the hub takes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.support.sign import SECRET, v1

from fast_sse.model.channel import Channel
from fast_sse.model.signature import Keyring, verify

HERE = ("--secret-env", "HUB_SECRET")
CHANNEL = Channel("carid000001", "cart_changed")


def test_v1_is_the_originals(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a kid: lowercase hex HMAC-SHA256 of id:type, alone with --quiet."""
    assert command("sign", *CHANNEL, *HERE, "--quiet") == 0
    assert capsys.readouterr().out == v1(*CHANNEL) + "\n"


@pytest.mark.parametrize(("scope", "route"), [("sub", "/v1/subscribe/events/"), ("pub", "/v1/sse/events/")])
def test_a_curl_line_for_each_action(
    scope: str, route: str, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise a line to paste, for the hub at --url."""
    assert command("sign", *CHANNEL, *HERE, "--scope", scope, "--url", "http://hub:1") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("curl ")
    assert f"'http://hub:1{route}carid000001/types/cart_changed'" in shown
    assert f"x-signature: {v1(*CHANNEL)}" in shown


def test_v2_says_what_for_until_when_and_which_body(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a kid: the scope, a life of --ttl seconds, and for publishing the very body."""
    ring, now = Keyring(keys={"shop-1": SECRET.encode()}), time.time()
    assert command("sign", *CHANNEL, *HERE, "--kid", "shop-1", "--ttl", "60", "-q") == 0
    grant = verify(capsys.readouterr().out.strip(), "sub", [CHANNEL], body=None, now=now, keyring=ring)
    assert grant.expires_at == pytest.approx(now + 60, abs=5)
    Path("body.json").write_bytes(b'{"data":1}\n')
    assert (
        command(
            "sign", *CHANNEL, *HERE, "--kid", "shop-1", "--scope", "pub", "--body-file", "body.json", "-q"
        )
        == 0
    )
    signature = capsys.readouterr().out.strip()
    assert verify(signature, "pub", [CHANNEL], body=b'{"data":1}\n', now=now, keyring=ring).kid == "shop-1"


@pytest.mark.parametrize(
    ("options", "key"),
    [
        (["--scope", "pub", "--kid", "a"], "--body-file"),
        (["--scope", "pub", "--kid", "a", "--body-file", "absent"], "--body-file"),
        (["--ttl", "5"], "--ttl"),
        (["--ttl", "5000", "--kid", "a"], "--ttl"),
        (["--url", "nowhere"], "--url"),
    ],
)
def test_what_cannot_be_signed_is_2(
    options: list[str], key: str, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the option that is missing or wrong."""
    assert command("sign", *CHANNEL, *HERE, *options) == 2
    assert capsys.readouterr().err.startswith(f"fast-sse: {key}: ")


def test_a_segment_that_v1_cannot_sign(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """A colon would make two channels one; the line says so, with status 1 or 2 and no stack trace."""
    assert command("sign", "a:b", "c", *HERE) in (1, 2)
    assert "':'" in capsys.readouterr().err
