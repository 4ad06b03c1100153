"""Rules of `http.api.body`."""

import pytest

from fast_sse.http.api.body import JSON, NDJSON, is_gzip
from fast_sse.model.errors import UnsupportedMediaError


@pytest.mark.parametrize(("encoding", "expected"), [("gzip", True), ("X-GZIP", True), ("identity", False)])
def test_the_encoding_is_named_by_a_header(encoding: str, expected: bool) -> None:
    """Gzip under both of its names, in any case; `identity` is none (RFC 9110, 8.4.1.3)."""
    assert is_gzip({"content-type": JSON, "content-encoding": encoding}, JSON) is expected
    assert not is_gzip({"content-type": JSON}, JSON)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "gzip,br", "", "chunked"])
def test_other_encodings_are_refused(encoding: str) -> None:
    """Unknown and nested encodings are 415, never guessed."""
    with pytest.raises(UnsupportedMediaError):
        is_gzip({"content-type": JSON, "content-encoding": encoding}, JSON)


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/jsonx", NDJSON])
def test_other_media_types_are_refused(media_type: str) -> None:
    """The route's own media type, whatever its parameters and case, and no other."""
    with pytest.raises(UnsupportedMediaError):
        is_gzip({"content-type": media_type}, JSON)
    assert not is_gzip({"content-type": "Application/JSON; charset=utf-8"}, JSON)
