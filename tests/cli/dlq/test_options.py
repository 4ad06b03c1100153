"""Which letters are meant."""

from __future__ import annotations

import time

import pytest

from fast_sse.cli.dlq.options import check_chosen, letter_query, target_of
from fast_sse.model.channel import Channel
from fast_sse.model.errors import ConfigError


def test_filters_are_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given goes out under the name of the route; ages and ISO times as milliseconds."""
    monkeypatch.setattr(time, "time", lambda: 1_000_000.5)
    assert letter_query(None, None, None, None, None) == {}
    assert letter_query("expired", "a b", "*", "2h", "1970-01-12T13:46:40.5Z") == {
        "reason": "expired",
        "event_id": "a b",
        "event_type": "*",
        "after": str(1_000_000_500 - 7_200_000),
        "before": "1000000500",
    }
    assert letter_query(None, None, None, "1764417600000", None) == {"after": "1764417600000"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("event_id", "a/b", "--event-id: "),
        ("event_type", "", "--event-type: "),
        ("after", "yesterday", "--after: must be milliseconds"),
        ("before", "1764417600", "--before: is too small a number"),
    ],
)
def test_a_bad_filter_names_its_option(name: str, text: str, said: str) -> None:
    """It is refused before anything is sent."""
    given = {"reason": None, "event_id": None, "event_type": None, "after": None, "before": None, name: text}
    with pytest.raises(ConfigError, match=f"^{said}"):
        letter_query(**given)


@pytest.mark.parametrize(
    ("ids", "query", "everything", "right"),
    [
        (["s1.x.1"], {}, False, True),
        (None, {"reason": "poison"}, False, True),
        (None, {}, True, True),
        (None, {}, False, False),
        ([], {}, False, False),
        (["s1.x.1"], {"reason": "poison"}, False, False),
        (None, {"reason": "poison"}, True, False),
        (["s1.x.1"], {}, True, False),
    ],
)
def test_one_thing_says_which_letters(
    ids: list[str] | None, query: dict[str, str], *, everything: bool, right: bool
) -> None:
    """Ids, a filter, or --all: without any nothing is done, and two of them do not agree."""
    if right:
        check_chosen(ids, query, everything)
        return
    with pytest.raises(ConfigError, match=r"^--all: say which letters"):
        check_chosen(ids, query, everything)


def test_a_target_is_a_channel() -> None:
    """ID/TYPE; what is none names the option."""
    assert target_of(None) is None
    assert target_of("a b/*") == Channel("a b", "*")
    for text in ("", "a", "a/", "/b", "a/b/c", "a/.."):
        with pytest.raises(ConfigError, match=r"^--to: "):
            target_of(text)
