"""The tree of errors is the one that the module draws."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fast_sse.model import errors
from fast_sse.model.errors import (
    ConfigError,
    DefectError,
    FastSseError,
    MethodNotAllowedError,
    NotStoredError,
    RateLimitedError,
    UnavailableError,
)

#: The public words of the protocol, each with the statuses it comes with.
PUBLIC_CODES = {
    "bad_request": {400, 408},
    "bad_channel": {400},
    "unauthorized": {401},
    "forbidden": {403},
    "not_found": {404},
    "method_not_allowed": {405},
    "key_conflict": {409},
    "too_large": {413},
    "unsupported_media": {415},
    "rate_limited": {429},
    "headers_too_large": {431},
    "internal": {500},
    "not_stored": {503},
    "overloaded": {503},
    "unknown": {504},
    "disk_full": {507},
}

_DRAWN = re.compile(r"^    ([│├└─ ]*)(\w+Error) +(?:(\d{3})  (\w+))?", re.MULTILINE)


def drawn_tree() -> list[tuple[int, str, str, str]]:
    """(depth, name, status, code) as the docstring shows them, top down."""
    found = _DRAWN.findall(errors.__doc__ or "")
    return [(len(branches) // 4, name, status, code) for branches, name, status, code in found]


def real_tree(kind: type[FastSseError], depth: int = 0) -> Iterator[tuple[int, type[FastSseError]]]:
    """Every class of the module below `kind`, with its depth."""
    yield depth, kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from real_tree(child, depth + 1)


def test_the_drawn_tree_is_the_real_one():
    """The docstring names every class at its place and in no other, and every leaf's status and code."""
    drawn = drawn_tree()
    real = list(real_tree(FastSseError))
    assert sorted((depth, name) for depth, name, _, _ in drawn) == sorted(
        (depth, k.__name__) for depth, k in real
    )
    by_name = {kind.__name__: kind for _, kind in real}
    numbered = [(name, status, code) for _, name, status, code in drawn if status]
    assert len(numbered) == len(real) - 5  # the root, two branches, ConfigError and HeldError have none
    for name, status, code in numbered:
        assert (by_name[name].status, by_name[name].code) == (int(status), code), name


def test_each_class_is_drawn_under_its_parent():
    """Reading the picture downwards gives each class the parent it has."""
    above: dict[int, str] = {}
    for depth, name, _, _ in drawn_tree():
        above[depth] = name
        if depth:
            assert getattr(errors, name).__base__.__name__ == above[depth - 1]


def test_codes_are_those_of_the_protocol():
    """Together the classes use exactly the public words, each with its statuses."""
    used: dict[str, set[int]] = {}
    for _, kind in real_tree(FastSseError):
        used.setdefault(kind.code, set()).add(kind.status)
    assert used == PUBLIC_CODES


def test_the_branch_tells_whose_fault_it_is():
    """4xx is the caller's, 503, 504 and 507 are for a retry, 500 is ours; names end in Error."""
    for _, kind in real_tree(FastSseError):
        assert kind.__name__.endswith("Error")
        assert issubclass(kind, errors.ClientFaultError) == (400 <= kind.status < 500)
        assert issubclass(kind, UnavailableError) == (kind.status in (503, 504, 507))


def test_a_message_defaults_to_the_code():
    """An error always has a sentence for the caller; without one it is the public word."""
    assert NotStoredError().message == str(NotStoredError()) == "not_stored"
    assert str(DefectError("a reason")) == "a reason"


def test_what_else_an_answer_needs():
    """A 429 and a 503 carry Retry-After, a 405 its Allow, and a setting's error its key."""
    assert RateLimitedError("slow down", retry_after_s=2).retry_after_s == 2
    assert NotStoredError().retry_after_s == 0
    assert MethodNotAllowedError(allow="GET, HEAD").allow == "GET, HEAD"
    wrong = ConfigError("auth.secret", "is shorter than 32 bytes")
    assert (wrong.key, str(wrong)) == ("auth.secret", "auth.secret: is shorter than 32 bytes")
    assert str(ConfigError("", "no file")) == "no file"
