"""The auditor of system call traces, on traces made by hand: right order passes, every wrong one is named."""

from __future__ import annotations

import pytest
from tests.faults.audit import audit, calls, token, unescape

WAL = "7</data/log.db-wal>"
PAYLOAD = token("p0-1")
IDS = {"s1.e.1": PAYLOAD}

PAGES = rf'11 pwrite64({WAL}, "\0\0\0\2\0\0\0\0' + r"\1" * 16 + '", 24, 32) = 24'
COMMIT = rf'11 pwrite64({WAL}, "\0\0\0\2\0\0\0\3' + r"\1" * 16 + '", 24, 32) = 24'
ROW = rf'11 pwrite64({WAL}, "\r\0\0{{\"data\":\"{PAYLOAD}\"}}\0", 4096, 56) = 4096'
SYNC = f"11 fdatasync({WAL})      = 0"
ACK = r'10 write(9<TCP:[127.0.0.1:1->127.0.0.1:2]>, "HTTP/1.1 200 OK\r\n\r\n{\"message_id\":\"s1.e.1\"}", 60) = 60'
EVENT = rf'10 sendmsg(8<TCP:[127.0.0.1:1->127.0.0.1:3]>, {{msg_iov=[{{iov_base="id: s1.e.1\ndata: {PAYLOAD}\n"}}]}}, 0) = 60'


def test_right_order_passes() -> None:
    """Page, commit, sync, then the answer and the event: nothing is early, and all are counted."""
    result = audit([COMMIT, ROW, SYNC, ACK, EVENT], IDS)
    result.assert_clean(1)
    assert (result.acks, result.syncs, result.acks_per_sync) == (1, 1, 1.0)


@pytest.mark.parametrize(
    "lines",
    [
        [COMMIT, ROW, ACK, SYNC],
        [COMMIT, ROW, ACK],
        [ACK, COMMIT, ROW, SYNC],
        [COMMIT, SYNC, ROW, ACK],
        [PAGES, ROW, SYNC, ACK],
        [COMMIT, ROW, SYNC.replace("= 0", "= -1 EIO (Input/output error)"), ACK],
        [COMMIT, ROW, SYNC.replace("-wal", ""), ACK],
        [COMMIT, f"11 fdatasync({WAL} <unfinished ...>", ROW, "11 <... fdatasync resumed>) = 0", ACK],
        [COMMIT, ROW, f"11 fdatasync({WAL} <unfinished ...>", ACK, "11 <... fdatasync resumed>) = 0"],
    ],
    ids=[
        *("before the sync", "no sync at all", "before the write", "the sync came before the page"),
        *("pages of no commit", "the sync failed", "the sync of another file", "the sync began too early"),
        "the sync had not returned",
    ],
)
def test_early_answer_is_found(lines: list[str]) -> None:
    """Every way to answer before the message is durable is an early ack."""
    result = audit(lines, IDS)
    assert result.early_acks
    with pytest.raises(AssertionError):
        result.assert_clean(1)


def test_early_event_is_found() -> None:
    """A subscriber must not see what a power cut could still take back."""
    assert audit([COMMIT, ROW, EVENT, SYNC, ACK], IDS).early_events


def test_answer_that_began_before_the_sync_returned_is_early() -> None:
    """An unfinished call counts from where it began."""
    begun = ACK.removesuffix(", 60) = 60") + ", 60 <unfinished ...>"
    assert audit([COMMIT, ROW, begun, SYNC, "10 <... write resumed>) = 60"], IDS).early_acks


def test_commit_may_follow_its_pages() -> None:
    """A row in an early page of a transaction is durable with the frame that commits it."""
    other = ROW.replace(PAYLOAD, token("p0-2"))
    audit([PAGES, ROW, COMMIT, other, SYNC, ACK], IDS).assert_clean(1)


def test_missing_answer_and_empty_trace_fail() -> None:
    """An audit that saw fewer answers than were given proves nothing."""
    assert audit([COMMIT, ROW, SYNC], IDS).missing
    with pytest.raises(AssertionError):
        audit([], {}).assert_clean(0)


def test_text_of_strace_is_read_back() -> None:
    """Escapes become bytes, interrupted calls become one."""
    assert unescape(r"\0\12a\x7f\"\\\377") == b'\0\na\x7f"\\\xff'
    (call,) = calls([f"11 fdatasync({WAL} <unfinished ...>", "10 unknown", "11 <... fdatasync resumed>) = 0"])
    assert (call.name, call.began, call.returned, call.target, call.result) == (
        *("fdatasync", 0, 2),
        *("/data/log.db-wal", "0"),
    )
