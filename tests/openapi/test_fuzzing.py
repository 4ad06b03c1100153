"""A running hub answers what the document says, to whatever is sent: no 500, no status and no body that is not in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.openapi.fuzzing import Run, run
from tests.support.http1 import Address
from tests.support.server import Hub

pytestmark = [pytest.mark.wire, pytest.mark.slow]

#: Streams end by themselves almost at once (the wheel that sees to it turns with the heartbeat), so that each is read
#: to its end; the load route is there.
SETTINGS = {
    "FAST_SSE_HEARTBEAT_S": "0.2",
    "FAST_SSE_CONNECTION_AGE_S": "0.02",
    "FAST_SSE_LOAD_ROUTE": "true",
    "FAST_SSE_CORS__ORIGINS": "https://shop.example",
}

#: What a run must have seen of each operation, or it has not got past the door.
SEEN = {
    "publish": {200, 400, 401},
    "publishBatch": {200, 401},
    "publishLoad": {200, 400},
    "subscribe": {200, 400, 401},
    "subscribeSeveral": {200, 400, 401},
    "delivery": {400, 401, 404},
    "ack": {400, 401, 404},
}


LOOKS = ("session", "listChannels", "listMessages", "listStreams", "publishTest", "settings", "nodes")
LETTERS = ("listDeadLetters", "replayDeadLetters", "purgeDeadLetters")


def checked(hub: Hub, done: Run) -> Run:
    """The run, when it found nothing and the hub is well."""
    assert done.passed, done.words
    assert hub.alive(), hub.tail_of_log()
    assert "Traceback" not in hub.tail_of_log(10**9), hub.tail_of_log()
    return done


@pytest.mark.timeout(240)
def test_generated_requests_get_documented_answers(tmp_path: Path) -> None:
    """Right and wrong requests, half of them rightly signed: every answer is in the document, and none is a defect."""
    with Hub(tmp_path, store="memory", settings=SETTINGS, port=0) as hub:
        options = ("--include-tag", "public", "--exclude-method", "OPTIONS", "-n", "12", "--seed", "2")
        done = checked(hub, run(hub.public, tmp_path, *options))
    for operation, statuses in SEEN.items():
        assert statuses <= done.statuses(operation), (operation, done.answers)
    assert {403, 405, 415} <= done.statuses(), done.answers


@pytest.mark.timeout(120)
def test_generated_requests_to_the_operators_listener(tmp_path: Path) -> None:
    """The same of the operators' listener."""
    with Hub(tmp_path, store="memory", settings=SETTINGS, port=0) as hub:
        done = checked(hub, run(hub.admin, tmp_path, "--include-tag", "operators", "-n", "8", "--seed", "1"))
    for operation in ("alive", "readyToPublish", "readyToSubscribe", "eraseChannel", *LETTERS, *LOOKS):
        assert 200 in done.statuses(operation), done.answers


@pytest.mark.chaos
@pytest.mark.timeout(1300)
@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_many_generated_requests(tmp_path: Path, store: str) -> None:
    """The same with many more requests, preflights too, another seed each time, on both stores."""
    with Hub(tmp_path, store=store, settings=SETTINGS, port=0) as hub:
        checked(hub, run(hub.public, tmp_path, "--include-tag", "public", "-n", "200", within_s=600))
        checked(hub, run(hub.admin, tmp_path, "--include-tag", "operators", "-n", "100", within_s=600))


# -- that it can fail --------------------------------------------------------------------------------------

ERROR = b'{"code": "bad_request", "message": "no", "request_id": "0123456789abcdef"}'


@contextmanager
def stub(status: int, body: bytes) -> Iterator[Address]:
    """A server that answers every POST alike."""

    class Alike(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Alike) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield ("127.0.0.1", server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


PUBLISHED = b'{"code": "ok", "message": "success", "data": {"message_id": "m1.a.1", "durability": "%s", "duplicate": false}}'


@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        pytest.param(418, ERROR, "Undocumented status code", id="a status that is not in the document"),
        pytest.param(
            200, PUBLISHED % b"hope", "Response violates schema", id="a value that is not in its schema"
        ),
        pytest.param(
            400, ERROR.replace(b"bad_r", b"mad_r"), "Response violates schema", id="an unknown code"
        ),
        pytest.param(
            405,
            ERROR.replace(b"bad_request", b"method_not_allowed"),
            "Missing required response headers",
            id="no Allow",
        ),
        pytest.param(500, ERROR.replace(b"bad_request", b"internal"), "Server error", id="a defect"),
    ],
)
def test_the_run_can_fail(tmp_path: Path, status: int, body: bytes, complaint: str) -> None:
    """A server that answers what is not documented turns the run red, and the run says what was wrong."""
    with stub(status, body) as address:
        done = run(address, tmp_path, "--include-operation-id", "publish", "--phases", "examples", "-n", "1")
    assert done.answers, done.words
    assert not done.passed
    assert complaint in done.words, done.words


def test_the_run_can_pass(tmp_path: Path) -> None:
    """The same stub with the right answer passes: what turns the others red is their answer."""
    with stub(200, PUBLISHED % b"process") as address:
        done = run(address, tmp_path, "--include-operation-id", "publish", "--phases", "examples", "-n", "1")
    assert done.passed, done.words
    assert done.statuses() == {200}
