"""The producer and its one thread: entries go out from the loop, and only failures come back.

What was stored is known when the follower reads it back, so delivery reports are asked for failures alone. The plain
producer of confluent-kafka is used: its asyncio one took two seconds for an acknowledgement by default.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from fast_sse.model.errors import FastSseError, NotStoredError
from fast_sse.model.message import Draft
from fast_sse.store.kafka.entry import encode, key_of
from fast_sse.store.kafka.failures import not_written
from fast_sse.store.kafka.settings import KafkaSettings, OnError, make_producer

_log = logging.getLogger(__name__)

#: How long the thread waits before it looks whether it is to stop.
_POLL_S = 0.1

MakeProducer = Callable[[KafkaSettings, int, OnError], Producer]
#: (token, what became of it), some at a time.
Failures = list[tuple[int, FastSseError]]


class Sender:
    """Sends drafts to the topic. `send` and `on_failures` are on the loop's thread, `on_trouble` on any."""

    def __init__(
        self,
        settings: KafkaSettings,
        bytes_max: int,
        now_ms: Callable[[], int] | None,
        on_failures: Callable[[Failures], None],
        on_trouble: Callable[[], None],
        make: MakeProducer = make_producer,
    ) -> None:
        """`now_ms`: stamps entries where a test moves the clock by hand; None leaves it to the broker."""
        self._settings = settings
        #: The largest batch that the topic takes.
        self.bytes_max = bytes_max
        self._now_ms = now_ms
        self._on_failures = on_failures
        self._on_trouble = on_trouble
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._failures: Failures = []
        self._fatal = False
        self._stopping = False
        #: What keeps the thread from its work; empty while it does it.
        self.problem = ""
        self._producer = self._made()
        self._thread = threading.Thread(target=self._run, name="fast-sse-sender", daemon=True)
        self._thread.start()

    def send(self, draft: Draft, token: int) -> None:
        """Hand one entry to the producer, in order.

        Raises:
            TooLargeError: the topic does not take it.
            NotStoredError: it went nowhere.
        """
        time_ms = (
            0 if self._now_ms is None else self._now_ms()
        )  # 0: left to librdkafka, and the broker overrules it

        def failed(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                self._failures.append((token, not_written(error)))

        try:
            self._producer.produce(
                self._settings.topic,
                encode(draft, token),
                key_of(draft.channel),
                0,
                on_delivery=failed,
                timestamp=time_ms,
            )
        except BufferError as problem:
            raise NotStoredError("too much is on its way to the log", retry_after_s=1) from problem
        except KafkaException as problem:
            raise not_written(problem.args[0]) from problem

    async def close(self) -> None:
        """End the thread; what has not been answered by now is not waited for."""
        self._stopping = True
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._thread.join()
        _give_up(self._producer)
        del self._producer  # here, and not on whichever thread the garbage collector runs

    # -- the thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._turn()
                self.problem = ""
            except Exception:  # noqa: BLE001  loud, and alive: without this thread no failure is ever reported
                _log.exception("a defect in sending to the topic: report it")
                self.problem = "the log cannot be written now"
                time.sleep(_POLL_S)

    def _turn(self) -> None:
        try:
            self._producer.poll(_POLL_S)
        except KafkaException as problem:  # `_on_error` gets every other error; a fatal one is raised
            self._on_error(problem.args[0])
        if self._failures:
            failures, self._failures = self._failures, []
            with suppress(RuntimeError):  # the loop is closed: there is nothing left to notify
                self._loop.call_soon_threadsafe(self._on_failures, failures)
        if self._fatal:
            self._renew()

    def _on_error(self, error: KafkaError) -> None:
        _log.info("the producer says: %s", error.str())
        self._fatal = self._fatal or error.fatal() or error.name() == "_FATAL"
        self._on_trouble()

    def renew(self) -> None:
        """Begin anew: the broker may not remember this producer's place in the order."""
        self._fatal = True

    def _renew(self) -> None:
        """After a fatal error a producer never sends again; what it had in hand may be in the log or not."""
        _log.warning("Kafka's client failed and is replaced by a new one: nothing to do")
        old, self._producer = self._producer, self._made()
        self._fatal = False
        _give_up(old)

    def _made(self) -> Producer:
        return self._make(self._settings, self.bytes_max, self._on_error)


def _give_up(producer: Producer) -> None:
    """Let what a producer has in hand fail, each entry by its own report."""
    producer.purge()
    try:
        producer.flush(1.0)
    except KafkaException as problem:  # a fatal error, raised once and before the reports
        _log.info("the producer says: %s", problem.args[0].str())
        producer.flush(1.0)
