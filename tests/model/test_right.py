"""Rights that list their channels: what a pattern covers, and which claims come to a right."""

from __future__ import annotations

from typing import Any

import pytest

from fast_sse.model.channel import Channel
from fast_sse.model.errors import GrantEndedError, UnauthorizedError
from fast_sse.model.right import Right, right_of_claims

NOW = 1_795_000_000.0
CLAIM = "fast_sse.subscribe"


def reason_of(claims: dict[str, Any], name: str = CLAIM) -> str:
    """Why these claims come to no right; empty when they do."""
    try:
        right_of_claims(claims, name, now=NOW, leeway_s=60, mark="m")
    except UnauthorizedError as error:
        return error.reason
    return ""


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [
        (("a", "t"), [("a", "t")]),
        (("a", "*"), [("a", "t"), ("a", "u"), ("a", "*")]),
        (("*", "t"), [("a", "t"), ("b", "t"), ("*", "t")]),
        (("*", "*"), [("a", "t"), ("a", "u"), ("a", "*"), ("b", "t"), ("*", "t"), ("*", "*")]),
    ],
)
def test_a_pattern_covers_itself_and_what_is_narrower(
    pattern: tuple[str, str], covered: list[tuple[str, str]]
) -> None:
    """A `*` covers every half in its place, and only a `*` covers a `*`."""
    every = [("a", "t"), ("a", "u"), ("a", "*"), ("b", "t"), ("*", "t"), ("*", "*")]
    for wanted in every:
        right = Right((Channel(*pattern),))
        if wanted in covered:
            right.check([Channel(*wanted)], now=NOW)
        else:
            with pytest.raises(UnauthorizedError, match="missing, wrong or expired"):
                right.check([Channel(*wanted)], now=NOW)


def test_every_channel_that_is_asked_for_must_be_covered() -> None:
    """By one pattern or another; an empty list covers nothing."""
    right = Right((Channel("a", "t"), Channel("b", "*")))
    right.check([Channel("a", "t"), Channel("b", "x")], now=NOW)
    for wrong in (right, Right(())):
        with pytest.raises(UnauthorizedError) as refused:
            wrong.check([Channel("a", "t"), Channel("c", "x")], now=NOW)
        assert refused.value.reason == "channel"


def test_what_ends_ends_after_the_leeway() -> None:
    """Then it is a right that has ended, and only where it covers what is asked for."""
    right = Right((Channel("a", "t"),), NOW)
    right.check([Channel("a", "t")], now=NOW + 59, leeway_s=60)
    with pytest.raises(GrantEndedError):
        right.check([Channel("a", "t")], now=NOW + 60, leeway_s=60)
    with pytest.raises(GrantEndedError):
        right.check([Channel("a", "t")], now=NOW)
    with pytest.raises(UnauthorizedError) as refused:
        right.check([Channel("b", "t")], now=NOW + 60)
    assert not isinstance(refused.value, GrantEndedError)


def test_claims_come_to_a_right() -> None:
    """Its channels, its end and its mark; times may be fractions, and nbf and iat may be missing or a little ahead."""
    claims = {CLAIM: ["a/t", "b/*"], "exp": NOW + 0.5, "nbf": NOW + 60, "iat": int(NOW) + 59}
    right = right_of_claims(claims, CLAIM, now=NOW, leeway_s=60, mark="m")
    assert right == Right((Channel("a", "t"), Channel("b", "*")), NOW + 0.5, "m")


@pytest.mark.parametrize("name", ["fast_sse.subscribe", "https://shop.example/channels", "a.b.c"])
def test_a_name_with_dots_is_itself_or_a_path(name: str) -> None:
    """Providers write a claim flat or nested; of both the flat one counts."""
    nested: Any = ["b/t"]
    for part in reversed(name.split(".")):
        nested = {part: nested}
    assert right_of_claims({"exp": NOW, **nested}, name, now=NOW, leeway_s=0, mark="").patterns == (
        ("b", "t"),
    )
    both = {"exp": NOW, **nested, name: ["a/t"]}
    assert right_of_claims(both, name, now=NOW, leeway_s=0, mark="").patterns == (("a", "t"),)


@pytest.mark.parametrize(
    "listed",
    [
        None,
        "a/t",
        {"a/t": 1},
        [1],
        ["a/t", None],
        [["a/t"]],
        ["a"],
        ["a/t/u"],
        ["a/t", "../x"],
        [""],
        True,
        7,
    ],
)
def test_a_list_of_another_shape_is_no_right(listed: Any) -> None:
    """One entry that is no channel spoils all of it: a mistake of the issuer must not be a smaller right by chance."""
    assert reason_of({CLAIM: listed, "exp": NOW}) == "claim"


@pytest.mark.parametrize("value", ["1795000600", True, [1], {}, float("nan"), float("inf"), -1, 10**400])
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_time_of_another_shape_is_no_right(name: str, value: Any) -> None:
    """Times are numbers of seconds (RFC 7519 §2), and none that nothing could be compared with."""
    assert reason_of({CLAIM: ["a/t"], "exp": NOW, name: value}) == "claim"


def test_a_token_has_an_end_and_has_begun() -> None:
    """Without `exp` it would be a lasting right; one of the future shows that a clock is wrong."""
    assert reason_of({CLAIM: ["a/t"]}) == "claim"
    assert reason_of({CLAIM: ["a/t"], "exp": NOW, "nbf": NOW + 61}) == "not_yet"
    assert reason_of({CLAIM: ["a/t"], "exp": NOW, "iat": NOW + 61}) == "not_yet"
    assert reason_of({"fast_sse": "x", "exp": NOW}) == "claim"
