"""What every refusal looks like, and what none may give away."""

from __future__ import annotations

from tests.support.http1 import Reply
from tests.support.server import ROOT
from tests.support.sign import KEY, KID, SECRET

#: Parts of the machine, of the code and of the keys.
PRIVATE = ("Traceback", "fast_sse/", str(ROOT), "/tmp/", "site-packages", "sqlite3", SECRET, KEY, f'"{KID}"')


def assert_refused(reply: Reply, status: int, code: str) -> None:
    """The status, the code, the JSON shape of every error, and nothing private."""
    assert (reply.status, reply.code) == (status, code), reply
    assert reply.headers["content-type"].startswith("application/json")
    assert set(reply.json()) == {"code", "message", "request_id"}, reply
    assert all(isinstance(value, str) and value for value in reply.json().values()), reply
    text = reply.body.decode() + repr(reply.headers)
    assert not [word for word in PRIVATE if word in text], reply
