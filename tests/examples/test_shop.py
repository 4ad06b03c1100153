"""The shop of the tutorial, asked by hand: who gets a session. tests/browser/test_tutorial.py shops in a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.asgi.conftest import Served
from tests.support.http1 import request
from tests.support.server import ROOT

pytestmark = [pytest.mark.wire, pytest.mark.slow]


#: What is typed, and the answer.
LOGINS = [
    ("ada", "lovelace", 200),
    ("ada", "hopper", 401),
    ("ada", "", 401),
    ("nobody", "lovelace", 401),
    ("nobody", "", 401),
    ("*", "", 401),
]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Served]:
    """The backend under uvicorn, with a database of its own."""
    command = ["uvicorn", "--app-dir", str(ROOT / "examples" / "shop"), "--port", "0", "backend:app"]
    shop = Served(command, {"SHOP_DB": str(tmp_path / "shop.db")})
    yield shop
    shop.stop()


async def test_a_session_takes_a_user_and_their_password(shop: Served) -> None:
    """A name that is not in the table gets none, whatever its password: `*` would be the wildcard of all carts."""
    answers = []
    for name, password, _ in LOGINS:
        body = json.dumps({"name": name, "password": password}).encode()
        answer = await request(shop.address, "POST", "/login", {"Content-Type": "application/json"}, body)
        answers.append((name, password, answer.status))
        assert ("set-cookie" in answer.headers) is (answer.status == 200)
    assert answers == LOGINS
