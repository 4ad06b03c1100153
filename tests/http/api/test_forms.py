"""The wire form that a request asks for, and what its client can unpack."""

from __future__ import annotations

import pytest

from fast_sse.http.api.forms import Compression, Forms, Said, says_of_gzip
from fast_sse.http.message import Request
from fast_sse.hub.form import Body
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.errors import BadRequestError

CART = Filter.of(Channel("cart", "changed"))
GZIP, VARY = ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")


def request(accepted: str | None = None) -> Request:
    """A request of a client that says this of encodings."""
    return Request("GET", "/", "", {} if accepted is None else {"accept-encoding": accepted})


@pytest.mark.parametrize(
    ("accepted", "said"),
    [
        (None, "nothing"),
        ("gzip", "yes"),
        ("gzip, deflate, br, zstd", "yes"),
        ("br, GZIP", "yes"),
        ("x-gzip", "yes"),
        ("*", "yes"),
        ("gzip;q=0.001", "yes"),
        ("deflate, gzip ; q=1.0", "yes"),
        ("", "no"),
        ("identity", "no"),
        ("br", "no"),
        ("gzip;q=0", "no"),
        ("gzip;q=0.000", "no"),
        ("gzip; Q=0", "no"),
        ("*;q=0", "no"),
        ("gzip;q=0, *", "no"),
        ("*, gzip;q=0", "no"),
        ("gzip;q=abc", "no"),
        ("gzip;level=9", "no"),
        ("gzipped", "no"),
    ],
)
def test_what_a_client_says_of_gzip(accepted: str | None, said: Said) -> None:
    """The entry of gzip counts, else that of `*`; a weight of zero, or one that cannot be read, is a no."""
    assert says_of_gzip(accepted) == said


@pytest.mark.parametrize(
    ("compression", "accepted", "body"),
    [
        ("off", "gzip", "plain"),
        ("auto", "gzip", "gzip"),
        ("auto", None, "plain"),
        ("auto", "br", "plain"),
        ("stream", "gzip", "gzip"),
        ("stream", None, "gzip"),
        ("stream", "gzip;q=0", "plain"),
        ("payload", None, "payload"),
        ("payload", "gzip", "payload"),
    ],
)
def test_a_stream_is_compressed_as_asked_and_as_its_client_can(
    compression: Compression, accepted: str | None, body: Body
) -> None:
    """By the setting or by the query, which beats it; the head names the encoding, and what it depended on."""
    by_setting = Forms(compression=compression).of(request(accepted), CART, {})
    by_query = Forms().of(request(accepted), CART, {"compression": compression})
    assert by_setting == by_query
    form, head = by_setting
    assert form.body == body
    assert (GZIP in head) is (body == "gzip")
    assert (VARY in head) is (compression in ("auto", "stream"))
    assert Forms(compression="auto").of(request("gzip"), CART, {"compression": "off"})[0].body == "plain"


@pytest.mark.parametrize("asked", ["stream", "payload", "auto"])
@pytest.mark.parametrize(
    ("secret", "wanted", "kept"),
    [
        ("cart/changed", ["cart/changed"], True),
        ("cart/*", ["cart/changed"], True),
        ("*/changed", ["cart/*"], True),
        ("cart/changed", ["*/*"], True),
        ("cart/changed", ["other/t", "cart/changed"], True),
        ("cart/other", ["cart/changed"], False),
        ("other/*", ["cart/*"], False),
    ],
)
def test_a_stream_that_may_carry_a_secret_is_never_compressed(
    asked: str, secret: str, wanted: list[str], kept: bool
) -> None:
    """Whatever it asks for, and also where only a wildcard meets the channel: a size would tell what is in it (CWE-310)."""
    forms = Forms(secret=[Channel(*secret.split("/"))])
    patterns = Filter.of(*(Channel(*one.split("/")) for one in wanted))
    form, _ = forms.of(request("gzip"), patterns, {"compression": asked})
    assert (form.body == "plain") is kept


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("prime", "prime must be event, id or 0"),
        ("heartbeat", "heartbeat must be comment or event"),
        ("compression", "compression must be off, payload, stream or auto"),
    ],
)
@pytest.mark.parametrize("value", ["", "gzip", "ON"])
def test_a_word_that_is_not_known_is_refused_by_its_field(name: str, said: str, value: str) -> None:
    """The answer names the field and the words that it takes."""
    with pytest.raises(BadRequestError, match=said):
        Forms().of(request(), CART, {name: value})
