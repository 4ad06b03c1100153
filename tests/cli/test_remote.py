"""Paths, URLs and curl lines for a hub."""

from __future__ import annotations

import shlex

import pytest

from fast_sse.cli.remote import Remote, channel_argument
from fast_sse.model.channel import Channel, channel_from_path
from fast_sse.model.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("http://127.0.0.1:30000", "http://127.0.0.1:30000/x"),
        ("https://hub.example/sse/", "https://hub.example/x"),
        ("http://[::1]:80", "http://[::1]:80/x"),
    ],
)
def test_urls_are_taken_apart_and_put_together(url: str, whole: str) -> None:
    """Scheme, host and port survive, IPv6 too; a path in front of ours goes into every path."""
    assert Remote.at(url).url("/x") == whole


def test_a_path_in_front_goes_into_every_path() -> None:
    """A hub behind a proxy's path is reached through it."""
    hub = Remote.at("https://hub.example/sse/")
    assert hub.publish_path(Channel("a", "b")) == "/sse/v1/sse/events/a/types/b"
    assert hub.subscribe_path(Channel("a", "b")) == "/sse/v1/subscribe/events/a/types/b"


@pytest.mark.parametrize("url", ["", "127.0.0.1:30000", "ftp://x", "http://", "http://x:port", "http://[::1"])
def test_what_is_no_url_is_refused(url: str) -> None:
    """The line names the option."""
    with pytest.raises(ConfigError, match=r"^--url: "):
        Remote.at(url)


@pytest.mark.parametrize("segment", ["a", "*", "a b", "é", "a:b", "it's", "$(x)", "🚗", "a?b#c&d=e"])
def test_any_channel_survives_the_path(segment: str) -> None:
    """The hub decodes from the path exactly the channel that was meant."""
    path = Remote.at("http://x").subscribe_path(Channel(segment, "t"))
    assert channel_from_path(*path.removeprefix("/v1/subscribe/events/").split("/types/")) == Channel(
        segment, "t"
    )


def test_curl_lines_survive_a_shell() -> None:
    """What the shell hands to curl is what was meant, quotes in the body too."""
    hub, data = Remote.at("http://x:1"), '{"data": "it\'s $HOME"}'
    lines = hub.curl_publish(Channel("it's", "*"), "s", data)
    words = shlex.split(lines.replace("\\\n", ""))  # a shell joins such lines; shlex does not
    assert words[0] == "curl"
    assert "http://x:1/v1/sse/events/it%27s/types/*" in words
    assert "x-signature: s" in words
    assert words[-2:] == ["--data", data]
    assert shlex.split(hub.curl_publish(Channel("a", "b"), "s", "@body.json").replace("\\\n", ""))[-2:] == [
        "--data-binary",
        "@body.json",
    ]


def test_a_bad_channel_is_a_wrong_argument() -> None:
    """It is refused before anything is sent."""
    with pytest.raises(ConfigError, match=r"^ID TYPE: "):
        channel_argument("a/b", "c")
