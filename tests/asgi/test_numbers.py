"""The numbers of a hub under ASGI, and what its log says at the start: in process, as an application reads them."""

from __future__ import annotations

import asyncio
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.support.publisher import Pair, publish_target, signed
from tests.support.sign import SECRET

from fast_sse.asgi import HubApp
from fast_sse.config import load
from fast_sse.http.front.front import Front
from fast_sse.model.limits import Limits
from fast_sse.observe.logging import make_log

CAR: Pair = ("car", "sold")
METRICS = (Path(__file__).parent.parent.parent / "docs" / "metrics.md").read_text()


class Hosted:
    """An application over its own log."""

    def __init__(self) -> None:
        self.text = io.StringIO()
        self.hub = HubApp(load(), make_log("info", self.text))

    def lines(self, level: str) -> list[dict[str, Any]]:
        """Log lines of one level."""
        lines = map(json.loads, self.text.getvalue().splitlines())
        return [line for line in lines if line["level"] == level]

    async def numbers(self) -> dict[str, float]:
        """Value by series, without the label of the node."""
        text, media_type = await self.hub.metrics()
        assert media_type.startswith("text/plain")
        pairs = (line.rpartition(" ") for line in text.decode().splitlines() if not line.startswith("#"))
        node = f'node="{load().node_name}"'
        return {
            series.replace(f",{node}", "").replace(f"{{{node}}}", "").replace(f"{node},", ""): float(value)
            for series, _, value in pairs
        }

    async def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> int:
        """The status of one request."""
        statuses: list[int] = []
        path, _, query = target.partition("?")
        given = {**signed(CAR), "content-type": "application/json", **headers}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": ("10.0.0.1", 40000),
        }
        await self.hub(scope, receive, send)
        return statuses[0]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    monkeypatch.setenv("FAST_SSE_STORE", "memory")
    monkeypatch.setenv("FAST_SSE_DRAIN_S", "0.01")


async def test_the_numbers_are_those_of_the_hub() -> None:
    """Process, node, store, hub and routes are counted as under `fast-sse serve`, and no word of a client is among them."""
    hosted = Hosted()
    async with hosted.hub.lifespan():
        assert await hosted.ask("POST", publish_target(CAR), b'{"data": 1}') == 200
        await hosted.hub.publish(*CAR, 2)
        assert await hosted.ask("GET", "/nothing/car") == 404
        told = await hosted.numbers()
        for series, value in (
            ("fast_sse_ready", 1),
            ("fast_sse_store_up", 1),
            ("fast_sse_following", 1),
            ('fast_sse_publishes_total{outcome="stored"}', 2),
            ('fast_sse_refused_total{code="not_found"}', 1),
            ("fast_sse_keys_cut_total", 0),
            ("fast_sse_defects_total", 0),
            ("fast_sse_metrics_failed", 0),
            ('fast_sse_node_info{durability="process",store="memory"}', 1),
        ):
            assert told[series] == value, series
        assert "process_resident_memory_bytes" in told
        assert not [series for series in told if "car" in series]


async def test_the_docs_mark_what_is_missing_here() -> None:
    """docs/metrics.md says `serve` at the numbers of a listener of ours, and at no number that there is under ASGI."""
    marked = set(re.findall(r"^\| `(\w+)` \|[^|]*\|[^|]*\| \*serve\*", METRICS, re.MULTILINE))
    hosted = Hosted()
    async with hosted.hub.lifespan():
        assert hosted.hub._endpoints is not None
        front = Front(hosted.hub._endpoints, Limits(), clock=lambda: 0.0)
        counted_here = {series.partition("{")[0] for series in await hosted.numbers()}
    of_histograms = {name for name in counted_here if name.endswith(("_bucket", "_count", "_sum"))}
    counted_here -= of_histograms
    counted_here |= {name.rpartition("_")[0] for name in of_histograms}
    counted_there = {f"fast_sse_{sample.name}" for sample in front.samples()}
    assert counted_there - counted_here <= marked
    assert marked & counted_here == set()
    assert {name for name in counted_here if name.startswith("fast_sse_")} <= set(
        re.findall(r"`(\w+)`", METRICS)
    )


async def test_openmetrics_for_who_asks_for_it() -> None:
    """The form is what the Accept header of the application's own route asks for."""
    hosted = Hosted()
    async with hosted.hub.lifespan():
        text, media_type = await hosted.hub.metrics("application/openmetrics-text; version=1.0.0")
    assert media_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")


async def test_nothing_is_served_unasked() -> None:
    """The hub's own application has no route for numbers, probes or repairs, whoever asks."""
    hosted = Hosted()
    async with hosted.hub.lifespan():
        for target in ("/metrics", "/healthz", "/readyz/publish", "/v1/channels/car/sold"):
            for method in ("GET", "DELETE"):
                assert await hosted.ask(method, target) == 404, target


async def test_a_defect_is_counted_and_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that met one is 500, one more among the numbers, and in the log with its traceback."""
    hosted = Hosted()
    async with hosted.hub.lifespan():
        assert hosted.hub._node is not None
        monkeypatch.setattr(hosted.hub._node._store, "append", None)
        assert await hosted.ask("POST", publish_target(CAR), b'{"data": 1}') == 500
        assert (await hosted.numbers())["fast_sse_defects_total"] == 1
    (line,) = hosted.lines("error")
    assert line["event"] == "handler failed"
    assert "TypeError" in line["traceback"]


async def test_numbers_are_of_one_life() -> None:
    """Without a hub that runs there are none; one that starts again begins to count again."""
    hosted = Hosted()
    with pytest.raises(RuntimeError, match="not running"):
        await hosted.hub.metrics()
    async with hosted.hub.lifespan():
        await hosted.hub.publish(*CAR, 1)
    with pytest.raises(RuntimeError, match="not running"):
        await hosted.hub.metrics()
    async with hosted.hub.lifespan():
        assert 'fast_sse_publishes_total{outcome="stored"}' not in await hosted.numbers()


async def test_another_loop_is_refused() -> None:
    """The store can be asked on the hub's loop only; elsewhere the error says so."""
    hosted = Hosted()
    async with hosted.hub.lifespan():
        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, hosted.hub.metrics())


async def test_the_start_says_what_runs() -> None:
    """One line with the server, the store and the limits, as under `fast-sse serve`."""
    hosted = Hosted()
    async with hosted.hub.lifespan():
        (line,) = [line for line in hosted.lines("info") if line["event"] == "start"]
    assert (line["server"], line["store"], line["durability"]) == ("asgi", "memory", "process")
    assert line["limits"]["append_s"] == load().bounds.append_s
    assert line["kids"] == []


@pytest.mark.parametrize(("introduced", "statuses"), [(False, [200, 200]), (True, [200, 429])])
async def test_proxy_protocol_is_named_and_not_used(
    introduced: bool, statuses: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server reads connections: one warning names the setting, and X-Forwarded-For stays the client's own text."""
    monkeypatch.setenv("FAST_SSE_TRUSTED_PROXIES", "10.0.0.1")
    monkeypatch.setenv("FAST_SSE_LIMITS__PUBLISH_RATE", "0.001")
    monkeypatch.setenv("FAST_SSE_PROXY_PROTOCOL", json.dumps(introduced))
    hosted = Hosted()
    async with hosted.hub.lifespan():
        named = [line["event"] for line in hosted.lines("warning") if line.get("setting") == "proxy_protocol"]
        assert len(named) == introduced
        assert all(event.startswith("proxy_protocol has no effect under ASGI") for event in named)
        for client, status in zip(("192.0.2.1", "192.0.2.2"), statuses, strict=True):
            headers = {"x-forwarded-for": client}
            assert await hosted.ask("POST", publish_target(CAR), b'{"data": 1}', **headers) == status
