"""Two ways to publish many lines: whole batches with a v2 key, else one request a line over a few connections.

A batch needs one signature over its body, which only format v2 has. With v1 each line is signed for its channel and
sent alone; lines of one channel share a connection, so both ways keep the order of a channel.

A way answers line by line. What the hub may take later is repeated here under the same keys until it is settled.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol
from zlib import crc32

from fast_sse.cli.credentials import Signer
from fast_sse.cli.publishing.link import RETRY_CODES, Answer, HubLink, Tell
from fast_sse.cli.publishing.ndjson import Line
from fast_sse.cli.remote import Remote, advised
from fast_sse.model.errors import BadChannelError, UnavailableError

#: Connections of the way without batches.
LANES = 4
#: Statuses that are about one message. Any other would be the answer to the next line as well.
_ABOUT_THE_LINE = frozenset({400, 403, 409, 413, 415})
_STRANGE = "the answer is not from a hub: is --url right?"


class Result(NamedTuple):
    """What became of a line; `problem` is why it was refused."""

    number: int
    state: Literal["stored", "duplicate", "refused"]
    problem: str = ""


class LineSender(Protocol):
    """One of the two ways."""

    def send(self, lines: Sequence[Line]) -> list[Result]:
        """Publish until each line is settled.

        Raises:
            UnavailableError: the tries are used up, or the hub refuses all of it.
        """

    def close(self) -> None:
        """End the connections, also those on which an answer is awaited."""


def make_sender(hub: Remote, signer: Signer, retries: int, tell: Tell) -> LineSender:
    """Batches where the signer can sign them."""
    if signer.signs_batches:
        return BatchRoute(hub, signer, retries, tell)
    tell(f"no v2 key at hand (--kid): one signed request a line, {LANES} at a time, instead of batches")
    return Singles(hub, signer, retries, tell)


class BatchRoute:
    """`POST /v1/sse/batch`, one request at a time."""

    def __init__(self, hub: Remote, signer: Signer, retries: int, tell: Tell) -> None:
        self._path, self._signer = hub.batch_path, signer
        self._link = HubLink(hub, retries, tell)

    def send(self, lines: Sequence[Line]) -> list[Result]:
        """See `LineSender`. A batch that is too large for the hub is halved."""
        settled: list[Result] = []
        waiting = list(lines)
        while waiting:
            answer = self._post(waiting)
            if answer.status == 413 and len(waiting) > 1:
                half = len(waiting) // 2
                return settled + self.send(waiting[:half]) + self.send(waiting[half:])
            if answer.status == 413:
                return [*settled, Result(waiting[0].number, "refused", answer.problem)]
            pairs = list(zip(waiting, _items(answer, len(waiting)), strict=True))
            settled += [_result(line.number, item) for line, item in pairs if not _is_open(item)]
            open_items = [item for _, item in pairs if _is_open(item)]
            if len(open_items) < len(waiting):
                self._link.renew()
            waiting = [line for line, item in pairs if _is_open(item)]
            if waiting:
                self._link.pause(f"{len(waiting)} lines: {_said(open_items[0])}")
        return settled

    def _post(self, lines: Sequence[Line]) -> Answer:
        body = b"\n".join([line.body for line in lines])
        return self._link.settle(
            self._path,
            body,
            lambda: {
                "Content-Type": "application/x-ndjson",
                "x-signature": self._signer.sign("batch", (), body),
            },
        )

    def close(self) -> None:
        """See `LineSender`."""
        self._link.close()


class Singles:
    """One publish a line over LANES connections, each line by the connection of its channel."""

    def __init__(self, hub: Remote, signer: Signer, retries: int, tell: Tell) -> None:
        self._hub, self._signer = hub, signer
        self._stop = threading.Event()
        self._links = [HubLink(hub, retries, tell, self._wait) for _ in range(LANES)]
        self._pool = ThreadPoolExecutor(LANES, thread_name_prefix="fast-sse-publish")

    def send(self, lines: Sequence[Line]) -> list[Result]:
        """See `LineSender`."""
        lanes: list[list[Line]] = [[] for _ in self._links]
        for line in lines:
            lanes[crc32("\0".join(line.to).encode()) % LANES].append(line)
        results = self._pool.map(self._send_lane, self._links, lanes)
        return sorted(result for lane in results for result in lane)

    def close(self) -> None:
        """See `LineSender`."""
        self._stop.set()
        for link in self._links:
            link.abort()
        self._pool.shutdown()
        for link in self._links:
            link.close()

    def _send_lane(self, link: HubLink, lines: list[Line]) -> list[Result]:
        settled = []
        for line in lines:
            if self._stop.is_set():
                raise UnavailableError("interrupted")
            settled.append(self._send_one(link, line))
            link.renew()
        return settled

    def _send_one(self, link: HubLink, line: Line) -> Result:
        headers = partial(self._headers, line)
        try:
            answer = link.settle(self._hub.publish_path(line.to), line.body, headers)
        except BadChannelError as error:  # v1 cannot sign every channel
            return Result(line.number, "refused", error.message)
        if answer.status == 200:
            return _result(line.number, answer.body.get("data"))
        if answer.status in _ABOUT_THE_LINE:
            return Result(line.number, "refused", answer.problem)
        raise _refusal(answer)

    def _headers(self, line: Line) -> dict[str, str]:
        signature = self._signer.sign("pub", [line.to], line.body)
        return {"Content-Type": "application/json", "x-signature": signature}

    def _wait(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise UnavailableError("interrupted")


def _items(answer: Answer, count: int) -> list[Any]:
    """The results of a batch, one for each line. Raises UnavailableError."""
    if answer.status != 200:
        raise _refusal(answer)
    data = answer.body.get("data")
    items = data.get("results") if isinstance(data, dict) else None
    if not isinstance(items, list) or len(items) != count:
        raise UnavailableError(_STRANGE)
    return items


def _refusal(answer: Answer) -> UnavailableError:
    """What every further line would be answered with, and what to change."""
    return UnavailableError(advised(answer.status, answer.problem))


def _is_open(item: Any) -> bool:
    """Whether a line may be taken later."""
    return isinstance(item, dict) and item.get("code") in RETRY_CODES


def _result(number: int, item: Any) -> Result:
    if isinstance(item, dict) and "message_id" in item:
        return Result(number, "duplicate" if item.get("duplicate") else "stored")
    return Result(number, "refused", _said(item))


def _said(item: Any) -> str:
    if not isinstance(item, dict):
        return _STRANGE
    return f"{item.get('code')}: {item.get('message')}"
