"""A batch: many messages in one request, each with its own channel and its own result.

A 200 carries one result for each line, so that a bad line never spoils its neighbours. A batch may be long, and while the
loop works on it all other requests wait. So it is verified, inflated, split, parsed and answered in steps.
"""

from __future__ import annotations

import asyncio

import msgspec

from fast_sse.http.api.access import Access
from fast_sse.http.api.body import NDJSON, is_gzip
from fast_sse.http.api.ignored import ignored_tail
from fast_sse.http.api.ndjson import find_lines
from fast_sse.http.api.publish_routes import PublishRoutes, Tails
from fast_sse.http.api.routes import Segments
from fast_sse.http.message import Admission, Deferred, Request, Response
from fast_sse.model.channel import Channel, channel
from fast_sse.model.errors import BadRequestError, FastSseError, TooLargeError
from fast_sse.model.inflating import Inflating
from fast_sse.model.limits import KIB
from fast_sse.model.message import Draft, PublishBody, parse_publish
from fast_sse.model.payload import check_compressed
from fast_sse.model.signature import Grant, claimed_scope
from fast_sse.model.trace import carrying
from fast_sse.store.base import Appended, Outcome

#: Lines of a batch, and bytes of them, that are parsed before the loop gets a turn.
_LINES_A_TURN = 50
_BYTES_A_TURN = 128 * KIB
#: Results that are written before it gets one.
_RESULTS_A_TURN = 500

#: Channels that earlier lines of the batch have named, and that were allowed.
Targets = dict[tuple[str, str], Channel]

_encode = msgspec.json.Encoder().encode


class Batching(PublishRoutes):
    """`POST /v1/sse/batch`."""

    def admit(self, request: Request, _segments: Segments, access: Access) -> Admission:
        """Judge the head of a batch whose body is still on its way. Only a signature of scope `batch` allows a long one."""
        is_gzip(request.headers, NDJSON)
        signature = request.headers.get("x-signature", "")
        access.foresee(signature, "batch", (), now=self._now())
        longest = self._limits.batch_bytes_max if claimed_scope(signature) == "batch" else 0
        return Admission(max(longest, self._limits.body_bytes_max))

    def publish(self, request: Request, _segments: Segments, access: Access) -> Deferred:
        """NDJSON, each line a publish with its own event_id and event_type."""
        return self._later.answer(self._publish(request, access, self._now()))

    async def _publish(self, request: Request, access: Access, now: float) -> Response:
        headers, body = request.headers, request.body
        gzip, signature = is_gzip(headers, NDJSON), headers.get("x-signature", "")
        grant = await self._later.hash(len(body), access.grant, signature, "batch", (), body=body, now=now)
        if "idempotency-key" in headers:
            raise BadRequestError("a batch has no key of its own: give each line an idempotency_key")
        text = await self._inflated(body) if gzip else body
        lines: list[bytes] = []
        for line in find_lines(text, self._limits.batch_lines_max):
            if line is None:
                await asyncio.sleep(0)
            else:
                lines.append(line)
        self._clients.charge(request, len(lines), now)
        odd: dict[int, bytes] = {}
        results = await self._read(lines, access, grant, headers.get("traceparent", ""), now, odd)
        return await self._answer(results, odd)

    async def _inflated(self, body: bytes) -> bytes:
        inflating = Inflating(body, self._limits.batch_bytes_max, self._limits.inflate_ratio_max)
        text = inflating.begin()
        return await self._later.dear(inflating.finish) if text is None else text

    async def _read(
        self,
        lines: list[bytes],
        access: Access,
        grant: Grant,
        traceparent: str,
        now: float,
        odd: dict[int, bytes],
    ) -> list[Draft | FastSseError]:
        """A draft or an error for each line; `traceparent` is that of the request, empty for none.

        What the answer adds about a line with unknown fields goes into `odd`, by the number of the line.
        """
        results: list[Draft | FastSseError] = []
        targets: Targets = {}
        size = 0
        for index, line in enumerate(lines):
            size += len(line)
            if index % _LINES_A_TURN == _LINES_A_TURN - 1 or size > _BYTES_A_TURN:
                size = 0
                await asyncio.sleep(0)
            try:
                body = self._parsed(line)
                if body.headers and (rest := check_compressed(body, self._limits)) is not None:
                    await self._later.dear(rest.finish)
                if traceparent:
                    body.headers = carrying(body.headers, traceparent)
                results.append(self._draft(line, body, index, targets, access, grant, now))
                if body.odd:
                    odd[index] = ignored_tail(line)
            except FastSseError as error:
                results.append(error)
        return results

    def _parsed(self, line: bytes) -> PublishBody:
        if len(line) > self._limits.body_bytes_max:
            raise TooLargeError(f"a line has at most {self._limits.body_bytes_max} bytes")
        return parse_publish(line, self._limits)

    def _draft(
        self,
        line: bytes,
        body: PublishBody,
        index: int,
        targets: Targets,
        access: Access,
        grant: Grant,
        now: float,
    ) -> Draft:
        if body.event_id is None or body.event_type is None:
            raise BadRequestError("a line of a batch needs event_id and event_type")
        place = (body.event_id, body.event_type)
        target = targets.get(place)
        if target is None:
            target = channel(*place)
            access.check(target)
            targets[place] = target
        own = self._drafting.own_key(body.idempotency_key, None)
        return self._drafting.draft(target, body, line, grant, own, now, f".{index}")

    async def _answer(self, results: list[Draft | FastSseError], odd: dict[int, bytes]) -> Response:
        """Publish the drafts, and answer with the result of each line, in the order of the lines."""
        messages = [result for result in results if isinstance(result, Draft)]
        try:
            outcomes = iter(await self._hub.publish(messages) if messages else ())
        except FastSseError as error:
            outcomes = iter([error] * len(messages))
        word = self._store.durability
        tails = self._tails if word is self._durability else self._renewed(word)
        items: list[bytes] = []
        for index, result in enumerate(results):
            items.append(
                _item(next(outcomes) if isinstance(result, Draft) else result, tails, odd.get(index))
            )
            if len(items) % _RESULTS_A_TURN == 0:
                await asyncio.sleep(0)
        return Response(200, b'{"code":"ok","data":{"results":[%b]}}' % b",".join(items))


def _item(outcome: Outcome, tails: Tails, more: bytes | None) -> bytes:
    if isinstance(outcome, Appended):
        if more:
            tail = tails[outcome.duplicate][:-1]
            return b'{"message_id":"%b%b%b}' % (outcome.cursor.text.encode(), tail, more)
        return b'{"message_id":"%b%b' % (outcome.cursor.text.encode(), tails[outcome.duplicate])
    return _encode({"code": outcome.code, "message": outcome.message})
