"""Publishing: one message, a batch of them, and the load route's generated ones.

A 2xx is given only for what the store answered with a place in the log; a batch's 200 carries one result a line,
so that a bad line never spoils its neighbours.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Callable
from functools import partial
from hashlib import sha256

import msgspec

from fast_sse.http.access import Access
from fast_sse.http.body import JSON, NDJSON, content
from fast_sse.http.clients import Clients
from fast_sse.http.errors import error_response
from fast_sse.http.heads import Verdict
from fast_sse.http.message import Answer, Deferred, Request, Response
from fast_sse.hub.clock import SendTime
from fast_sse.hub.hub import Hub
from fast_sse.model.channel import WILDCARD, Channel, channel
from fast_sse.model.errors import BadRequestError, FastSseError, TooLargeError
from fast_sse.model.keys import key_digest, own_key
from fast_sse.model.limits import KIB, Limits
from fast_sse.model.message import Draft, Key, PublishBody, draft, parse_publish
from fast_sse.model.signature import SKEW_S, Grant
from fast_sse.store.base import Appended, Outcome

#: Lines of a batch that are parsed before the loop gets a turn.
_LINES_A_TURN = 200

#: Channels that lines of one batch have named already, and that were right.
Targets = dict[tuple[str, str], Channel]

_encode = msgspec.json.Encoder().encode


class LoadBody(msgspec.Struct):
    """The load route's body: publish `body_size` KiB of generated JSON to (`event_id`, `*`)."""

    event_id: str
    body_size: int


class Publishing:
    """What the publish routes share: the hub, the rules of access, the clock."""

    def __init__(self, hub: Hub, limits: Limits, clients: Clients, now: Callable[[], float]) -> None:
        self._hub = hub
        self._limits = limits
        self._clients = clients
        self._now = now
        self._send_time = SendTime()
        self._tasks: set[asyncio.Task[Response]] = set()
        durability = hub.store.durability.encode()
        self._ok_head = b'{"code":"ok","message":"success","data":{"message_id":"'
        self._tails = {
            duplicate: b'","durability":"%b","duplicate":%b}'
            % (durability, b"true" if duplicate else b"false")
            for duplicate in (False, True)
        }

    # -- one message --------------------------------------------------------------------------------

    def publish(self, request: Request, target: Channel, access: Access) -> Answer:
        """`POST /v1/sse/events/{event_id}/types/{event_type}`."""
        headers, now = request.headers, self._now()
        raw = content(headers, request.body, JSON, self._limits, self._limits.inflated_bytes_max)
        grant = access.grant(headers.get("x-signature", ""), "pub", (target,), body=request.body, now=now)
        if request.head is not None and grant.expires_at is None and "content-encoding" not in headers:
            # A v1 signature covers the channel alone and never expires: what it grants, it grants to the next one.
            request.head.verdict = Verdict(access, partial(self._granted, target, grant))
        return self._take(target, grant, request, raw, now)

    def _granted(self, target: Channel, grant: Grant, request: Request) -> Answer:
        """A publish whose head was judged when it came before."""
        return self._take(target, grant, request, request.body, self._now())

    def _take(self, target: Channel, grant: Grant, request: Request, raw: bytes, now: float) -> Answer:
        body = parse_publish(raw, self._limits)
        if body.event_id is not None or body.event_type is not None:
            _check_agrees(body, target)
        own = self._own_key(body, request.headers.get("idempotency-key"))
        message = self._draft(target, body, raw, grant, own, now)
        self._clients.charge(request, 1, now)
        return self._append(message)

    async def put(self, target: Channel, raw: bytes, principal: str) -> Appended:
        """Publish for code of this process, which needs no signature: the same rules, the body as over HTTP.

        Raises the FastSseError that HTTP would have been answered with. Once it is with the store, a publish whose
        caller is cancelled goes on.
        """
        if len(raw) > self._limits.body_bytes_max:
            raise TooLargeError(f"The body is larger than {self._limits.body_bytes_max} bytes")
        body = parse_publish(raw, self._limits)
        _check_agrees(body, target)
        grant = Grant("pub", "v1", principal)
        message = self._draft(target, body, raw, grant, self._own_key(body, None), self._now())
        (outcome,) = await asyncio.shield(self._hub.publish((message,)))
        if not isinstance(outcome, Appended):
            raise outcome
        return outcome

    def load(self, request: Request) -> Answer:
        """`POST /v1/sse/events`: what the original's load test used. Unsigned, so off unless it is asked for."""
        limits = self._limits
        raw = content(request.headers, request.body, JSON, limits, limits.inflated_bytes_max)
        try:
            body = msgspec.json.decode(raw, type=LoadBody)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequestError(f"the body is not valid: {error}") from error
        if not 0 <= body.body_size * KIB <= limits.body_bytes_max:
            raise BadRequestError(f"body_size must be 0 to {limits.body_bytes_max // KIB}")
        data = _encode({"event_id": body.event_id, "padding": "x" * body.body_size * KIB})
        now = self._now()
        self._clients.charge(request, 1, now)
        generated = PublishBody(data=msgspec.Raw(data))
        send_time = self._send_time.text(now)
        return self._append(draft(channel(body.event_id, WILDCARD), generated, send_time=send_time))

    def _append(self, message: Draft) -> Answer:
        future = self._hub.publish((message,))
        return self._published(future) if future.done() else Deferred(future, self._published)

    def _published(self, future: Future[list[Outcome]]) -> Response:
        try:
            outcome = future.result()[0]
        except FastSseError as error:
            outcome = error
        if not isinstance(outcome, Appended):
            return error_response(outcome)
        return Response(
            200, b"%b%b%b}" % (self._ok_head, outcome.cursor.text.encode(), self._tails[outcome.duplicate])
        )

    # -- a batch ------------------------------------------------------------------------------------

    def batch(self, request: Request, access: Access) -> Answer:
        """`POST /v1/sse/batch`: NDJSON, each line a publish with its own event_id and event_type."""
        headers, limits, now = request.headers, self._limits, self._now()
        raw = content(headers, request.body, NDJSON, limits, limits.batch_bytes_max)
        grant = access.grant(headers.get("x-signature", ""), "batch", (), body=request.body, now=now)
        if "idempotency-key" in headers:
            raise BadRequestError("a batch has no key of its own: give each line an idempotency_key")
        lines = [line for line in raw.split(b"\n") if line.strip()]
        if len(lines) > limits.batch_lines_max:
            raise TooLargeError(f"a batch has at most {limits.batch_lines_max} lines")
        self._clients.charge(request, len(lines), now)
        task = asyncio.get_running_loop().create_task(self._batch(lines, access, grant, now))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Deferred(task, _answer_of)

    async def _batch(self, lines: list[bytes], access: Access, grant: Grant, now: float) -> Response:
        results: list[Draft | Outcome] = []
        targets: Targets = {}
        for index, line in enumerate(lines):
            if index % _LINES_A_TURN == _LINES_A_TURN - 1:
                await asyncio.sleep(0)  # a long batch must not hold up everybody's heartbeats
            try:
                results.append(self._line(line, index, targets, access, grant, now))
            except FastSseError as error:
                results.append(error)
        messages = [result for result in results if isinstance(result, Draft)]
        try:
            outcomes = iter(await self._hub.publish(messages) if messages else ())
        except FastSseError as error:
            outcomes = iter([error] * len(messages))
        merged = [next(outcomes) if isinstance(result, Draft) else result for result in results]
        return Response(200, b'{"code":"ok","data":{"results":[%b]}}' % b",".join(map(self._item, merged)))

    def _line(
        self, line: bytes, index: int, targets: Targets, access: Access, grant: Grant, now: float
    ) -> Draft:
        if len(line) > self._limits.body_bytes_max:
            raise TooLargeError(f"a line has at most {self._limits.body_bytes_max} bytes")
        body = parse_publish(line, self._limits)
        if body.event_id is None or body.event_type is None:
            raise BadRequestError("a line of a batch needs event_id and event_type")
        place = (body.event_id, body.event_type)
        target = targets.get(place)
        if target is None:
            target = channel(*place)
            access.check(target)
            targets[place] = target
        return self._draft(target, body, line, grant, self._own_key(body, None), now, f".{index}")

    def _item(self, outcome: Draft | Outcome) -> bytes:
        if isinstance(outcome, Appended):
            return b'{"message_id":"%b%b' % (outcome.cursor.text.encode(), self._tails[outcome.duplicate])
        assert isinstance(outcome, FastSseError)
        return _encode({"code": outcome.code, "message": outcome.message})

    # -- both ---------------------------------------------------------------------------------------

    def _own_key(self, body: PublishBody, header: str | None) -> str | None:
        own = body.idempotency_key
        if own is None and header is None:
            return None
        if header is not None:
            header = header.encode("latin-1").decode("utf-8", "replace")
            if own is not None and own != header:
                raise BadRequestError("the header Idempotency-Key and idempotency_key differ")
            own = header
        return own_key(own, self._limits)

    def _draft(
        self,
        target: Channel,
        body: PublishBody,
        raw: bytes,
        grant: Grant,
        own: str | None,
        now: float,
        nonce_suffix: str = "",
    ) -> Draft:
        """The draft with its idempotency keys: the nonce of a v2 signature, then the client's own.

        Both are keys of the channel, which a signature covers: a nonce that a client uses again for another channel
        is another message, not an answer about the first one.
        """
        keys: tuple[Key, ...] = ()
        if own is None and not grant.nonce:
            return draft(target, body, send_time=self._send_time.text(now))
        if grant.nonce and grant.expires_at is not None:
            window_ms = max(1, int((grant.expires_at + SKEW_S - now) * 1000))
            keys = (Key(key_digest("nonce", grant.kid, target, grant.nonce + nonce_suffix), window_ms),)
        if own is not None:
            keys = (*keys, Key(key_digest("key", grant.principal, target, own)))
        return draft(
            target,
            body,
            send_time=self._send_time.text(now),
            keys=keys,
            body_sha256=sha256(raw).digest() if keys else b"",
        )


def _answer_of(task: Future[Response]) -> Response:
    return task.result()


def _check_agrees(body: PublishBody, target: Channel) -> None:
    """Fields of the original that the path already gives must agree with it."""
    if body.event_id not in (None, target.event_id) or body.event_type not in (None, target.event_type):
        raise BadRequestError("event_id or event_type differs from the path")
