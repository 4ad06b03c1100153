"""JSON like that of a shop, a notification or a page of products: what compression is measured with.

The same bytes on every machine (a seed). Names repeat, numbers do not, as in the field. gzip -6 over all messages of a size
at once makes it 0.17 to 0.21 of its size (`benchmarks/compression.py` prints it): nothing that is compressed message by message can be
smaller.
"""

from __future__ import annotations

import json
import random
from typing import Any

#: Bytes of a message's data.
SIZES = (120, 400, 1_000, 4_000, 50_000)

_WORDS = [
    "cotton",
    "linen",
    "wool",
    "silk",
    "denim",
    "red",
    "blue",
    "green",
    "black",
    "white",
    "small",
    "medium",
    "large",
    "shirt",
    "coat",
    "hat",
    "scarf",
    "dress",
    "shoes",
]
_STATES = ("created", "paid", "packed", "shipped", "delivered", "returned")


def messages(size: int, count: int) -> list[bytes]:
    """So many messages of nearly this size, one line of JSON each."""
    rng = random.Random(size)
    return [_message(rng, number, size) for number in range(count)]


def _message(rng: random.Random, number: int, size: int) -> bytes:
    value: dict[str, Any] = {"order": f"o-{number:06}", "state": rng.choice(_STATES), "total": _price(rng)}
    text = json.dumps(value)
    lines: list[Any] = []
    while len(text) < size - 60:
        lines.append(_line(rng))
        text = (
            json.dumps({**value, "lines": lines})
            if len(lines) % 20 == 1 or size < 5_000
            else text + " " * 105
        )
    return json.dumps({**value, "lines": lines} if lines else {**value, "note": _words(rng, 4)}).encode()


def _line(rng: random.Random) -> dict[str, Any]:
    return {
        "sku": f"{rng.randrange(10**8):08}",
        "name": _words(rng, 3),
        "quantity": rng.randrange(1, 5),
        "price": _price(rng),
    }


def _words(rng: random.Random, count: int) -> str:
    return " ".join(rng.choice(_WORDS) for _ in range(count))


def _price(rng: random.Random) -> str:
    return f"{rng.randrange(100, 30_000) / 100:.2f} EUR"
