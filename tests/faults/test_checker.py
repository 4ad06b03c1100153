"""The judge is judged first: each defect, made by hand, must be found, and a clean run must stay clean."""

from __future__ import annotations

import pytest
from tests.faults.checker import Delivered, Published, Report, Subscription, check, position

A, B = ("car", "sold"), ("car", "seen")


def message(publisher: str, n: int, at: int, channel: tuple[str, str] = A, outcome: str = "ok") -> Published:
    return Published(
        publisher, n, f"{publisher}-{n}", channel, outcome, f"s1.e.{at}" if outcome == "ok" else ""
    )


MESSAGES = [message("p0", 0, 1), message("p1", 0, 2, B), message("p0", 1, 3), message("p1", 1, 4, B)]


def stream(name: str, pattern: tuple[str, str], *seen: tuple[int, int, str], **more: object) -> Subscription:
    delivered = [Delivered(connection, f"s1.e.{at}", payload) for connection, at, payload in seen]
    return Subscription(name, [pattern], delivered, **more)  # type: ignore[arg-type]


def good() -> list[Subscription]:
    return [
        stream("exact", A, (1, 1, "p0-0"), (2, 3, "p0-1")),
        stream("all", ("*", "*"), (1, 1, "p0-0"), (1, 2, "p1-0"), (1, 3, "p0-1"), (1, 4, "p1-1")),
    ]


def only(report: Report, kind: str) -> str:
    assert report.found == {kind}, report.text()
    return report.defects[kind][0]


def test_clean_run_is_clean() -> None:
    """Everything seen once, in one order, over a reconnect: no defect, and the counts say of how many."""
    report = check(MESSAGES, good()).assert_clean()
    assert report.counts == {"messages": 4, "pairs": 6, "deliveries": 6, "subscribers": 2}
    assert (
        report.text() == "no defect in 4 messages, 6 pairs, 6 deliveries, 2 subscribers; 95 % bound 5.0e-01"
    )


def test_lost_is_found() -> None:
    """An acknowledged message that a matching subscriber never saw is lost."""
    streams = good()
    del streams[1].delivered[2]
    assert "p0-1" in only(check(MESSAGES, streams), "lost")


def test_unknown_and_failed_messages_may_be_missing() -> None:
    """Only what was acknowledged is owed."""
    more = [*MESSAGES, message("p0", 2, 0, outcome="unknown"), message("p0", 3, 0, outcome="fail")]
    check(more, good()).assert_clean()


def test_unknown_message_may_be_seen() -> None:
    """An unknown outcome may have been stored: seen or not, it is no defect."""
    streams = good()
    streams[0].delivered.append(Delivered(2, "s1.e.5", "p0-2"))
    check([*MESSAGES, message("p0", 2, 0, outcome="unknown")], streams).assert_clean()


@pytest.mark.parametrize(("connection", "where"), [(1, "in connection 1"), (2, "across a resume")])
def test_duplicate_delivery_is_found(connection: int, where: str) -> None:
    """The same message twice for one subscriber, with its own id again: the report says where."""
    streams = [stream("exact", A, (1, 1, "p0-0"), (1, 3, "p0-1"), (connection, 3, "p0-1"))]
    assert where in only(check(MESSAGES[::2], streams), "duplicate")


def test_duplicate_in_store_is_found() -> None:
    """The same message under two ids was stored twice, even when each subscriber saw it once."""
    streams = [*good(), stream("exact2", A, (1, 1, "p0-0"), (1, 9, "p0-1"))]
    assert "several ids" in only(check(MESSAGES, streams), "duplicate")


def test_acknowledged_under_another_id_is_found() -> None:
    """The `message_id` of the answer is the `id:` that subscribers see."""
    messages = [*MESSAGES[:3], MESSAGES[3]._replace(message_id="s1.e.8")]
    assert "s1.e.8" in only(check(messages, good()), "duplicate")


def test_reorder_by_position_is_found() -> None:
    """Positions on a stream only grow."""
    streams = [stream("all", ("*", "*"), (1, 2, "p1-0"), (1, 1, "p0-0"))]
    assert "s1.e.1 after s1.e.2" in only(check(MESSAGES[:2], streams), "reorder")


def test_reorder_of_one_publisher_is_found() -> None:
    """A publisher that waits for each answer is seen in its order, whatever the ids say."""
    messages = [message("p0", 0, 3), message("p0", 1, 1)]
    streams = [stream("exact", A, (1, 1, "p0-1"), (1, 3, "p0-0"))]
    assert "p0-0 after p0-1" in only(check(messages, streams), "reorder")


def test_disagreement_is_found() -> None:
    """Two subscribers whose orders contradict each other, though each looks right alone (ids without places)."""
    messages = [message("p0", 0, 1)._replace(message_id=""), message("p1", 0, 2)._replace(message_id="")]
    one, two = Delivered(1, "x", "p0-0"), Delivered(1, "y", "p1-0")
    streams = [Subscription("s0", [A], [one, two]), Subscription("s1", [A], [two, one])]
    assert "no one order" in only(check(messages, streams), "disagreement")


def test_one_id_for_two_messages_is_found() -> None:
    """A position is never used twice."""
    streams = good()
    streams[0].delivered[1] = Delivered(2, "s1.e.2", "p0-1")
    assert "disagreement" in check(MESSAGES, streams).found


def test_phantom_of_a_refused_message_is_found() -> None:
    """What was certainly not stored is never delivered."""
    streams = good()
    streams[0].delivered.append(Delivered(2, "s1.e.5", "p0-2"))
    assert "refused" in only(check([*MESSAGES, message("p0", 2, 0, outcome="fail")], streams), "phantom")


def test_phantom_that_nobody_published_is_found() -> None:
    """A torn or invented payload is no message of anybody's."""
    streams = good()
    streams[0].delivered.append(Delivered(2, "s1.e.5", "p0-"))
    assert "nobody" in only(check(MESSAGES, streams), "phantom")


def test_leak_is_found() -> None:
    """A stream carries what its filter covers and nothing else."""
    streams = good()
    streams[0].delivered.insert(1, Delivered(1, "s1.e.2", "p1-0"))
    assert "p1-0" in only(check(MESSAGES, streams), "leak")


def test_gap_is_found_unless_expected() -> None:
    """A gap needs an explanation in the run; where the test expects one it is no defect."""
    streams = good()
    streams[0].gaps = ["trimmed"]
    assert "trimmed" in only(check(MESSAGES, streams), "gap")
    streams[0].gaps_expected = frozenset({"trimmed"})
    check(MESSAGES, streams).assert_clean()


def test_final_status_is_found() -> None:
    """Any status but 200 ends a browser's stream for good."""
    streams = good()
    streams[1].finals = [503]
    assert "503" in only(check(MESSAGES, streams), "final")


@pytest.mark.parametrize(
    ("messages", "streams"),
    [([], good()), (MESSAGES, []), (MESSAGES, [stream("other", ("bus", "sold"))])],
    ids=["no message", "no subscriber", "a subscriber that was to see nothing"],
)
def test_zero_denominator_fails(messages: list[Published], streams: list[Subscription]) -> None:
    """A check that looked at nothing proves nothing, and fails."""
    assert "empty" in check(messages, streams).found


def test_required_count_of_zero_fails() -> None:
    """A fault that never struck proves nothing, and fails."""
    report = check(MESSAGES, good()).require(kills=0)
    assert only(report, "empty") == "kills"
    with pytest.raises(AssertionError, match="kills"):
        report.assert_clean()


@pytest.mark.parametrize(
    ("channel", "pattern", "wanted"),
    [
        (("a", "b"), ("a", "b"), True),
        (("a", "b"), ("a", "*"), True),
        (("a", "b"), ("*", "c"), False),
        (("a", "*"), ("a", "c"), True),
        (("*", "*"), ("z", "z"), True),
        (("*", "b"), ("a", "c"), False),
    ],
)
def test_wildcards_match_on_either_side(
    channel: tuple[str, str], pattern: tuple[str, str], *, wanted: bool
) -> None:
    """The judge's own idea of matching, written apart from the hub's."""
    assert Subscription("s", [pattern]).wants(channel) is wanted


def test_positions_of_every_store_compare() -> None:
    """Ids of one log compare by place, with or without a fingerprint; other text has no place."""
    assert position("k1.e.10-aaaaaaa") > position("k1.e.9-bbbbbbb")  # type: ignore[operator]
    assert position("r1.e.5-2-aaaaaaa") == ("r1.e", (5, 2))
    assert position("x") is None
