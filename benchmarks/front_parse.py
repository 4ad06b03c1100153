"""What a publish costs on its way through the front: bytes in, handler called, answer written; no socket, no store.

    PYTHONPATH=src python benchmarks/front_parse.py [loops]

Each figure is the best of five runs, in microseconds per request. `to handler` is the time from `data_received` to
the handler; `answered` adds a ready answer and its write, `deferred` an answer through a future, and `pipelined`
sixteen requests in one read. `rested` is `answered` after 33 ms in which the process slept, as at 30 messages a second:
the same work while the processor's caches are cold, so its median and not its best. All of these send the same head again and again, which the front knows (`http/front/known_heads.py`);
`new heads` is `answered` with a header that is different each time.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import Callable

from fast_sse.http.front.front import Front
from fast_sse.http.message import Admission, Answer, Deferred, Intake, Request, Response
from fast_sse.model.limits import Limits

BODY = b'{"event_name":"CartItemUpdated","data":{"cart":[1,2,3],"total":17.5},"headers":{"X-Trace-ID":"t"}}'
PUBLISH = (
    b"POST /v1/sse/events/carid000001/types/cart_changed HTTP/1.1\r\n"
    b"Host: hub.example:30000\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\nUser-Agent: bench/1\r\n"
    b"x-signature: 0f5d2e1c0f5d2e1c0f5d2e1c0f5d2e1c0f5d2e1c0f5d2e1c0f5d2e1c0f5d2e1c\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
REST_S = 0.033
ANSWER = Response(200, b'{"code":"ok","message":"success","data":{"message_id":"s1.k3v9x2qah5m2c.4711"}}')


class Sink:
    """A transport that takes everything."""

    writes = 0

    def get_extra_info(self, name: str) -> object:
        return ("127.0.0.1", 1) if name == "peername" else None

    def write(self, _data: bytes) -> None:
        self.writes += 1


class Answering:
    """An API of one function."""

    intake = Intake(frozenset({"accept", "content-type", "x-signature"}))

    def __init__(self, handle: Callable[[Request], Answer]) -> None:
        self.handle = handle

    def admit(self, _request: Request) -> Admission:
        return Admission(Limits().body_bytes_max)


def best(run: Callable[[], None], per_run: int) -> float:
    figures = []
    for _ in range(5):
        begun = time.perf_counter()
        run()
        figures.append((time.perf_counter() - begun) / per_run * 1e6)
    return min(figures)


def new_heads(feed: Callable[[bytes], None], loops: int) -> Callable[[], None]:
    """Feeds publishes of which no two have the same head."""
    number = itertools.count()

    def run() -> None:
        for _ in range(loops):
            feed(PUBLISH.replace(b"bench/1", b"bench/%d" % next(number), 1))

    return run


async def main(loops: int) -> None:
    reached = 0.0

    def ready(_request: Request) -> Answer:
        return ANSWER

    def stamped(_request: Request) -> Answer:
        nonlocal reached
        reached += time.perf_counter()
        return ANSWER

    futures: list[asyncio.Future[None]] = []

    def deferred(_request: Request) -> Answer:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        futures.append(future)
        return Deferred(future, lambda _done: ANSWER)

    def connection(handle: Callable[[Request], Answer]) -> Callable[[bytes], None]:
        front = Front(Answering(handle), Limits(), clock=time.monotonic)()
        front.connection_made(Sink())  # type: ignore[arg-type]
        return front.data_received

    def feeding(data: bytes, times: int) -> None:
        for _ in range(times):
            feed(data)

    feed = connection(ready)
    print(f"answered   {best(lambda: feeding(PUBLISH, loops), loops):6.2f} us")
    print(f"new heads  {best(new_heads(feed, loops), loops):6.2f} us")
    print(f"pipelined  {best(lambda: feeding(PUBLISH * 16, loops // 16), loops):6.2f} us")

    rested = []
    for _ in range(60):
        await asyncio.sleep(REST_S)
        begun = time.perf_counter()
        feed(PUBLISH)
        rested.append((time.perf_counter() - begun) * 1e6)
    print(f"rested     {statistics.median(rested):6.2f} us")

    to_handler, feed = [], connection(stamped)
    for _ in range(5):
        reached = begun = 0.0
        for _ in range(loops):
            begun += time.perf_counter()
            feed(PUBLISH)
        to_handler.append((reached - begun) / loops * 1e6)
    print(f"to handler {min(to_handler):6.2f} us")

    feed, times = connection(deferred), []
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(loops // 10):
            feed(PUBLISH)
            futures.pop().set_result(None)
            await asyncio.sleep(0)
        times.append((time.perf_counter() - begun) / (loops // 10) * 1e6)
    print(f"deferred   {min(times):6.2f} us, one turn of the loop included")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
