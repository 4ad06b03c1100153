"""What the admin listener answers, asked as an ASGI server would: no socket, no hub."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest

from fast_sse.http.admin.routes import admin_app
from fast_sse.model.channel import Channel
from fast_sse.model.errors import NotStoredError, UnavailableError

KEY = b"operators-only"


class FakeNode:
    """A process in a state of the test's choice."""

    def __init__(self, state: str = "ready", error: UnavailableError | None = None) -> None:
        self.node = "n1"
        self.state, self.store, self.durability, self.following = state, "sqlite", "fsync", True
        self.erased_stays = self.damaged = False
        self.error = error
        self.probes = 0
        self.erased: list[Channel] = []

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """One number, in whatever form was asked for."""
        return b"fast_sse_streams_open 3\n", accept or "text/plain; version=0.0.4; charset=utf-8"

    async def erase(self, target: Channel) -> int:
        """Remember it."""
        if self.error:
            raise self.error
        self.erased.append(target)
        return 3

    async def probe_publish(self) -> None:
        """The store's answer."""
        self.probes += 1
        if self.error:
            raise self.error


class Answer:
    """What came back."""

    def __init__(self, sent: list[Any]) -> None:
        self.status_code: int = sent[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        self.text = b"".join(part["body"] for part in sent[1:]).decode()

    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.text)


async def ask(
    node: Any,
    path: str,
    key: bytes = b"",
    method: str = "GET",
    authorization: str = "",
    *,
    metrics_open: bool = False,
) -> Answer:
    """One request to the application."""
    sent: list[Any] = []
    headers = [(b"host", b"127.0.0.1:30001"), (b"authorization", authorization.encode("latin-1"))]
    scope = {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "scheme": "http",
        "http_version": "1.1",
    }

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(part: Any) -> None:
        sent.append(part)

    try:
        await admin_app(node, key, metrics_open=metrics_open)(scope, receive, send)
    except ZeroDivisionError:
        assert sent, "a defect is answered before it is passed on to the server's log"
    return Answer(sent)


async def test_metrics_are_the_node_s() -> None:
    """The body and the media type are the node's, and nobody keeps a copy."""
    answer = await ask(FakeNode(), "/metrics")
    assert (answer.status_code, answer.text) == (200, "fast_sse_streams_open 3\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("opened", "shown", "status"),
    [(False, "", 401), (False, f"Bearer {KEY.decode()}", 200), (True, "", 200), (True, "Bearer wrong", 200)],
)
async def test_metrics_ask_for_the_key_unless_they_are_open(opened: bool, shown: str, status: int) -> None:
    """How many streams are open is the operators' business, until they say otherwise; nothing else opens with it."""
    answer = await ask(FakeNode(), "/metrics", KEY, authorization=shown, metrics_open=opened)
    assert answer.status_code == status
    path = "/v1/channels/a/b"
    assert (await ask(FakeNode(), path, KEY, "DELETE", metrics_open=opened)).status_code == 401


@pytest.mark.parametrize("state", ["starting", "ready", "draining"])
async def test_health_is_the_loop_alone(state: str) -> None:
    """/healthz is 200 in every state, whatever the store says: a restart would not bring the store back."""
    node = FakeNode(state, NotStoredError("down"))
    answer = await ask(node, "/healthz")
    assert (answer.status_code, answer.json()["code"], node.probes) == (200, "ok", 0)


@pytest.mark.parametrize("path", ["/readyz/publish", "/readyz/subscribe"])
async def test_ready_means_ready(path: str) -> None:
    """A ready node says so, with its store and what a 2xx of it means."""
    answer = await ask(FakeNode(), path)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "code": "ok",
        "data": {"node": "n1", "state": "ready", "store": "sqlite", "durability": "fsync", "following": True},
    }


@pytest.mark.parametrize("state", ["starting", "draining"])
@pytest.mark.parametrize("path", ["/readyz/publish", "/readyz/subscribe"])
async def test_neither_before_nor_after(path: str, state: str) -> None:
    """A node that has not started yet, or is going away, is sent nobody."""
    answer = await ask(FakeNode(state), path)
    assert answer.status_code == 503
    body = answer.json()
    assert (body["code"], body["data"]["state"], body["message"]) == (
        "not_ready",
        state,
        f"the hub is {state}",
    )
    assert body["request_id"]


async def test_a_lost_store_stops_publishers_only() -> None:
    """While the store does not take writes, publishers go elsewhere and subscribers stay."""
    node = FakeNode(error=NotStoredError("the store does not answer"))
    publish, subscribe = await ask(node, "/readyz/publish"), await ask(node, "/readyz/subscribe")
    assert (publish.status_code, publish.json()["message"]) == (503, "the store does not answer")
    assert subscribe.status_code == 200


@pytest.mark.parametrize(
    "shown", ["", "Bearer ", "Bearer wrong", "operators-only", "Basic operators-only", "Bearer é"]
)
@pytest.mark.parametrize("path", ["/", "/metrics", "/v1/channels", "/healthz/", "/readyz", "/v1/sse/events"])
async def test_everything_else_needs_the_key(path: str, shown: str) -> None:
    """With admin.key set, no path but the probes answers anything else without it (S24)."""
    answer = await ask(FakeNode(), path, KEY, authorization=shown)
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthorized"
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/healthz", "/readyz/publish", "/readyz/subscribe"])
async def test_probes_are_open(path: str) -> None:
    """Whoever restarts or balances has no key."""
    assert (await ask(FakeNode(), path, KEY)).status_code == 200


@pytest.mark.parametrize(
    ("key", "shown"), [(b"", ""), (KEY, "Bearer operators-only"), (KEY, "bearer operators-only")]
)
async def test_unknown_paths_are_404_in_our_shape(key: bytes, shown: str) -> None:
    """With the key, or without one set, what does not exist is 404 with code, message and request_id."""
    answer = await ask(FakeNode(), "/nothing", key, authorization=shown)
    assert answer.status_code == 404
    assert set(answer.json()) == {"code", "message", "request_id"}
    assert answer.json()["code"] == "not_found"


async def test_other_methods_are_405() -> None:
    """A route that exists says which methods it takes."""
    answer = await ask(FakeNode(), "/healthz", method="POST")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD"


async def test_erasing_a_channel() -> None:
    """DELETE names the channel as the public paths do, decoded once, and answers how much went."""
    node = FakeNode()
    answer = await ask(node, "/v1/channels/caf%C3%A9/*", method="DELETE")
    assert (answer.status_code, node.erased) == (200, [Channel("café", "*")])
    assert answer.json() == {"code": "ok", "data": {"event_id": "café", "event_type": "*", "erased": 3}}


async def test_erasing_says_what_stays() -> None:
    """Where the backend keeps the bytes until retention takes them, the answer does not pretend otherwise."""
    node = FakeNode()
    node.erased_stays = True
    answer = await ask(node, "/v1/channels/a/t", method="DELETE")
    assert answer.json()["data"]["bodies"].startswith("stay in the backend until retention")


async def test_erasing_what_cannot_be_erased() -> None:
    """A bad channel is 400, a store that is away 503, another method 405, a missing key 401: and nothing is erased."""
    node = FakeNode()
    for path, expected in (
        ("/v1/channels/a/%2e%2e", 400),
        ("/v1/channels/a%2Fb/c", 400),
        ("/v1/channels/a%2Fb", 404),
        ("/v1/channels//b", 404),
        ("/v1/channels/a", 404),
        ("/v1/channels/a/b/c", 404),
    ):
        assert (await ask(node, path, method="DELETE")).status_code == expected
    assert (await ask(node, "/v1/channels/a/b", method="GET")).headers["allow"] == "DELETE"
    assert (await ask(node, "/v1/channels/a/b", KEY, "DELETE")).status_code == 401
    assert node.erased == []
    away = await ask(FakeNode(error=NotStoredError("away")), "/v1/channels/a/b", method="DELETE")
    assert (away.status_code, away.json()["code"]) == (503, "not_stored")


async def test_a_defect_tells_the_caller_nothing() -> None:
    """An error that nobody foresaw is 500 without its text (CWE-209)."""
    node = FakeNode()
    node.error = ZeroDivisionError("/etc/secret")  # type: ignore[assignment]  # that is the point
    answer = await ask(node, "/readyz/publish")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text


@pytest.mark.parametrize("path", ["/metrics/", "/healthz/", "/nothing"])
async def test_an_unknown_path_is_404_in_our_shape(path: str) -> None:
    """A slash too many is not redirected."""
    answer = await ask(FakeNode(), path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


async def test_readiness_says_damaged() -> None:
    """A log of which a part cannot be read takes publishes all the same: 200, and a word for whoever looks."""
    node = FakeNode()
    for path in ("/readyz/publish", "/readyz/subscribe"):
        node.damaged = False
        assert "damaged" not in (await ask(node, path)).json()["data"]
        node.damaged = True
        answer = await ask(node, path)
        assert (answer.status_code, answer.json()["data"]["damaged"]) == (200, True)
