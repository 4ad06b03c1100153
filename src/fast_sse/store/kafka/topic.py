"""The topic that is the log: made when absent, checked before anything is read from it or written to it.

One partition is the total order. More would add no fan-out, since every node follows the whole log, and would take
the order away, so another count is refused. The topic's UUID is the epoch: a topic that was deleted and made again
under the same name is another log.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import time
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType

from fast_sse.model.cursor import epoch_text
from fast_sse.model.errors import ConfigError, NotStoredError, UnavailableError
from fast_sse.store.base import Retention
from fast_sse.store.kafka.failures import refused_credentials, unavailable, wrong_credentials
from fast_sse.store.kafka.settings import FIXED, KafkaSettings, make_admin, topic_config

_log = logging.getLogger(__name__)

#: Between two looks whether a new topic is known everywhere.
_PROPAGATION_S = 0.02


class Facts(NamedTuple):
    """What the cluster says of the topic: its epoch, its first offset, the next one to be written, its largest batch."""

    epoch: str
    low: int
    high: int
    bytes_max: int


class Topic:
    """One topic as the admin client sees it. `look` blocks and belongs on a thread; the rest is for the loop.

    `broker_time` is false only where a test moves the clock by hand: entries then carry the publisher's time.
    """

    def __init__(
        self, settings: KafkaSettings, kept: Retention, *, broker_time: bool = True, letters_s: float = 0
    ) -> None:
        """`letters_s`: how long dead letters are to be kept; 0 is as long as the topic keeps their messages."""
        self._letters_s = letters_s
        self._settings = settings
        self._wanted = topic_config(settings, kept, broker_time=broker_time)
        self._timeout_s = settings.deadline_s * 0.4
        self._place = TopicPartition(settings.topic, 0)
        self._client: AdminClient | None = None
        self._heard: list[KafkaError] = []
        self._warned = False

    @property
    def _admin(self) -> AdminClient:
        if self._client is None:
            self._client = make_admin(self._settings, self._heard.append)
        return self._client

    def close(self) -> None:
        """Let go of the client, here and now. Blocking; what is being asked fails, and the next question makes a new one.

        Left to the garbage collector it might be destroyed on a thread of its own, which ends the process.
        """
        self._client = None

    def look(self) -> Facts:
        """Make the topic when there is none, check it, and say what it is.

        Raises:
            ConfigError: it can never be the log as it is.
            UnavailableError: the cluster does not answer, or not yet.
        """
        deadline = time.monotonic() + self._timeout_s
        self._heard.clear()
        while True:
            try:
                return self._looked()
            except UnavailableError:
                self._check_connection()
                # Brokers learn of a new topic one after another, and no answer says when all have.
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PROPAGATION_S)

    def _check_connection(self) -> None:
        """Raise why no broker answered, where the client knows it; waiting does not mend a wrong password."""
        self._admin.poll(0)
        for error in self._heard:
            if refused_credentials(error):
                raise wrong_credentials()
            if error.name() == "_SSL":
                raise unavailable(error)

    def _looked(self) -> Facts:
        found = self._described() or self._created()
        if len(found.partitions) != 1:
            raise ConfigError(
                "kafka.topic",
                f"{self._settings.topic!r} has {len(found.partitions)} partitions, and the log takes exactly one; "
                "set it to another name, and the hub makes that topic",
            )
        config = self._config()
        self._check(config)
        return Facts(_epoch(found), *self._ends(), int(config["max.message.bytes"]))

    async def end(self) -> int:
        """The next offset to be written, asked now. Raises UnavailableError."""
        return await self._asked(OffsetSpec.latest())

    async def begin(self) -> int:
        """The first offset that is retained, asked now. Raises UnavailableError."""
        return await self._asked(OffsetSpec.earliest())

    async def check_writable(self, epoch: str) -> None:
        """Raise UnavailableError unless a leader with enough replicas in sync would take a write to this very topic."""
        found = await self._waited(self.asked())
        partition = found.partitions[0]
        if _epoch(found) != epoch:
            raise NotStoredError("the topic was deleted and made again")
        if partition.leader is None or partition.leader.id < 0:
            raise NotStoredError("the topic has no leader now")
        if len(partition.isr) < int(self._wanted["min.insync.replicas"]):
            raise NotStoredError("the topic has too few replicas in sync")

    # -- asking -------------------------------------------------------------------------------------

    def _collection(self) -> TopicCollection:
        return TopicCollection([self._settings.topic])

    def asked(self) -> concurrent.futures.Future[Any]:
        """What the cluster says of the topic, as it comes. From any thread."""
        futures = self._admin.describe_topics(self._collection(), request_timeout=self._timeout_s)
        future: concurrent.futures.Future[Any] = futures[self._settings.topic]
        return future

    def is_still(self, found: Any, epoch: str) -> bool:
        """Whether a topic that was described is the one of this epoch, and can be the log."""
        return len(found.partitions) == 1 and _epoch(found) == epoch

    def _described(self) -> Any | None:
        try:
            return self.asked().result()
        except KafkaException as problem:
            if problem.args[0].name() == "UNKNOWN_TOPIC_OR_PART":
                return None
            raise unavailable(problem.args[0]) from problem

    def _created(self) -> Any:
        """Create the topic before any other request names it: auto-creation would give it the broker's settings."""
        name, replicas = self._settings.topic, self._settings.replication_factor
        new = NewTopic(name, 1, -1 if replicas is None else replicas, config=self._wanted)
        try:
            self._admin.create_topics([new], request_timeout=self._timeout_s)[name].result()
            _log.info("created the topic %s with one partition and %s", name, self._wanted)
        except KafkaException as problem:
            if problem.args[0].name() != "TOPIC_ALREADY_EXISTS":  # another node was first
                raise unavailable(problem.args[0]) from problem
        found = self._described()
        if found is None:
            raise NotStoredError("the topic is being created")
        return found

    def _config(self) -> dict[str, str]:
        resource = ConfigResource(ResourceType.TOPIC, self._settings.topic)
        (future,) = self._admin.describe_configs([resource], request_timeout=self._timeout_s).values()
        try:
            return {name: str(entry.value) for name, entry in future.result().items()}
        except KafkaException as problem:
            raise unavailable(problem.args[0]) from problem

    def _ends(self) -> tuple[int, int]:
        return tuple(  # type: ignore[return-value]  # two of them
            self._offset(self._listed(spec)) for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
        )

    def _listed(self, spec: Any) -> concurrent.futures.Future[Any]:
        futures = self._admin.list_offsets({self._place: spec}, request_timeout=self._timeout_s)
        future: concurrent.futures.Future[Any] = futures[self._place]
        return future

    def _offset(self, future: concurrent.futures.Future[Any]) -> int:
        try:
            return int(future.result().offset)
        except KafkaException as problem:
            raise unavailable(problem.args[0]) from problem

    async def _asked(self, spec: Any) -> int:
        return int((await self._waited(self._listed(spec))).offset)

    async def _waited(self, future: concurrent.futures.Future[Any]) -> Any:
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), 2 * self._timeout_s)
        except KafkaException as problem:
            raise unavailable(problem.args[0]) from problem
        except TimeoutError as problem:
            raise UnavailableError("the broker does not answer") from problem

    # -- judging ------------------------------------------------------------------------------------

    def _check(self, config: dict[str, str]) -> None:
        floor, in_sync = self._settings.min_insync_replicas, int(config["min.insync.replicas"])
        if in_sync < floor:
            raise ConfigError(
                "kafka.min_insync_replicas",
                f"is {floor}, and the topic's min.insync.replicas is {in_sync}; raise it on the topic, or lower this",
            )
        for name in FIXED:
            if config[name] != self._wanted[name]:
                raise ConfigError(
                    "kafka.topic",
                    f"the topic's {name} is {config[name]}; set it to {self._wanted[name]} on the topic",
                )
        if not self._warned:
            self._warned = True
            for said in self._doubts(config):
                _log.warning("%s", said)

    def _doubts(self, config: dict[str, str]) -> list[str]:
        said = []
        if int(config["min.insync.replicas"]) < 2:
            said.append(
                "the topic's min.insync.replicas is 1: raise it to 2, or an acknowledged message may be on one broker only"
            )
        if config.get("unclean.leader.election.enable") == "true":
            said.append(
                "the topic's unclean.leader.election.enable is on: set it to false, or a failover may lose acknowledged messages"
            )
        largest = int(config["max.message.bytes"])
        if largest < self._settings.entry_bytes_max:
            said.append(
                f"the topic's max.message.bytes is {largest}: set it to {self._settings.entry_bytes_max}, or longer messages "
                "are answered 413"
            )
        retained_ms = int(config["retention.ms"])
        if 0 <= retained_ms < self._letters_s * 1000:
            said.append(
                f"the topic's retention.ms is {retained_ms}: raise it, or lower dead_letters.max_age_s ({self._letters_s:.0f}), "
                "since a dead letter goes with its message"
            )
        said += [
            f"the topic's {name} is {config[name]}, which counts; change it, or retention.* that says {self._wanted[name]}"
            for name in ("retention.ms", "retention.bytes")
            if config[name] != self._wanted[name]
        ]
        return said


def _epoch(found: Any) -> str:
    """64 bits of the topic's UUID: of a version-4 UUID the halves have fixed bits, their exclusive or has none alone."""
    uuid = found.topic_id
    return epoch_text(uuid.get_most_significant_bits() ^ uuid.get_least_significant_bits())
