"""The producer's thread: what cannot be written comes back, by its token, and nothing else does."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tests.contract.backends import draft
from tests.store.kafka.conftest import Cluster

from fast_sse.model.errors import NotStoredError, TooLargeError, UnknownOutcomeError
from fast_sse.store.kafka.sender import Failures, Sender

pytestmark = [pytest.mark.slow, pytest.mark.wire]


class Heard:
    def __init__(self) -> None:
        self.failures: Failures = []
        self.some = asyncio.Event()
        self.troubles = 0

    def fail(self, failures: Failures) -> None:
        self.failures += failures
        self.some.set()

    def trouble(self) -> None:
        self.troubles += 1


async def test_what_was_stored_is_not_reported(cluster: Cluster) -> None:
    """Only failures come back: what is in the log the follower reads."""
    cluster.create()
    heard = Heard()
    sender = Sender(cluster.settings("a", 10.0), 1_000_000, None, heard.fail, heard.trouble)
    for token in range(100):
        sender.send(draft(), token)
    assert await asyncio.to_thread(sender._producer.flush, 10) == 0
    await sender.close()
    assert heard.failures == []


async def test_what_the_topic_never_takes_is_refused_at_once(cluster: Cluster) -> None:
    """A message above the topic's limit goes nowhere: 413, and the next one is sent."""
    cluster.create(max_message_bytes="20000")
    heard = Heard()
    sender = Sender(cluster.settings("a", 10.0), 20_000, None, heard.fail, heard.trouble)
    with pytest.raises(TooLargeError):
        sender.send(draft(data=b"x" * 20_000), 1)
    for token in range(100):  # together they are above it, and go in batches that are not
        sender.send(draft(data=b"x" * 2000), token)
    assert await asyncio.to_thread(sender._producer.flush, 10) == 0
    await sender.close()
    assert heard.failures == []


async def test_a_limit_that_was_lowered_is_too_large_too(cluster: Cluster) -> None:
    """What the broker refuses for its size comes back as 413, never as a defect."""
    cluster.create(max_message_bytes="2000")
    heard = Heard()
    sender = Sender(cluster.settings("a", 10.0), 1_000_000, None, heard.fail, heard.trouble)
    sender.send(draft(data=b"x" * 9000), 7)
    await asyncio.wait_for(heard.some.wait(), 20)
    await sender.close()
    ((token, error),) = heard.failures
    assert (token, type(error)) == (7, TooLargeError)


async def test_a_full_queue_is_refused(cluster: Cluster) -> None:
    """What the producer has no room for is certainly not stored."""
    cluster.bootstrap = "127.0.0.1:1"
    settings = cluster.settings("a", 0.5, options={"queue.buffering.max.messages": "3"})
    heard = Heard()
    sender = Sender(settings, 1_000_000, None, heard.fail, heard.trouble)
    for token in range(3):
        sender.send(draft(), token)
    with pytest.raises(NotStoredError):
        sender.send(draft(), 3)
    await asyncio.wait_for(heard.some.wait(), 20)
    await sender.close()
    assert {type(error) for _, error in heard.failures} == {UnknownOutcomeError}
    assert heard.troubles > 0


async def test_a_producer_that_failed_for_good_is_replaced(cluster: Cluster) -> None:
    """After a fatal error, which an idempotent producer has, the next one takes what comes."""
    cluster.create()
    heard = Heard()
    sender = Sender(cluster.settings("a", 10.0), 1_000_000, None, heard.fail, heard.trouble)
    first = sender._producer
    sender._renew()
    assert sender._producer is not first
    sender.send(draft(), 1)
    assert await asyncio.to_thread(sender._producer.flush, 10) == 0
    await sender.close()
    assert heard.failures == []


async def test_a_defect_does_not_end_the_thread(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While no producer can be made the thread says so and tries again; what is sent afterwards is sent."""
    cluster.create()
    heard = Heard()
    sender = Sender(cluster.settings("a", 10.0), 1_000_000, None, heard.fail, heard.trouble)
    made = sender._made
    tried = threading.Semaphore(0)

    def defect() -> None:
        tried.release()
        raise OSError("never expected")

    monkeypatch.setattr(sender, "_made", defect)
    sender.renew()
    for _ in range(2):
        await asyncio.to_thread(tried.acquire)
    assert sender.problem
    assert "a defect in sending to the topic" in caplog.text
    first = sender._producer
    monkeypatch.setattr(sender, "_made", made)
    async with asyncio.timeout(10):
        while sender._producer is first or sender.problem:  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0.01)
    sender.send(draft(), 1)
    assert await asyncio.to_thread(sender._producer.flush, 10) == 0
    await sender.close()
    assert heard.failures == []
