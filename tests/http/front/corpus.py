"""Requests that no two servers should read differently, and the one status each gets.

Used on the reader alone and on real sockets: RFC 9112 §3, §5.1, §5.2, §6, §7.1 and §11.2; CWE-444.
"""

from __future__ import annotations

from typing import Final

GOOD: Final = b"GET /ok HTTP/1.1\r\nHost: a\r\n\r\n"


def _get(lines: bytes = b"", target: bytes = b"/", version: bytes = b"HTTP/1.1") -> bytes:
    return b"GET %b %b\r\nHost: a\r\n%b\r\n" % (target, version, lines)


def _post(lines: bytes, body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n%b" % (lines, body)


def _chunked(body: bytes) -> bytes:
    return _post(b"Transfer-Encoding: chunked\r\n", body)


#: name -> the bytes; every one is answered 400 and the connection closed.
MALFORMED: Final[dict[str, bytes]] = {
    # framing: two lengths
    "cl and te": _post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "te and cl": _post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
    "two equal cl": _post(b"Content-Length: 3\r\nContent-Length: 3\r\n", b"abc"),
    "two different cl": _post(b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abc"),
    "cl list": _post(b"Content-Length: 3, 3\r\n", b"abc"),
    "cl plus": _post(b"Content-Length: +3\r\n", b"abc"),
    "cl minus": _post(b"Content-Length: -3\r\n", b"abc"),
    "cl hex": _post(b"Content-Length: 0x3\r\n", b"abc"),
    "cl space inside": _post(b"Content-Length: 3 4\r\n", b"abc"),
    "cl underscore": _post(b"Content-Length: 1_0\r\n", b"abc"),
    "cl empty": _post(b"Content-Length:\r\n"),
    "cl letters": _post(b"Content-Length: three\r\n"),
    "cl over 64 bits": _post(b"Content-Length: 99999999999999999999999\r\n"),
    "cl space before colon": _post(b"Content-Length : 3\r\n", b"abc"),
    # framing: transfer codings
    "te xchunked": _post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    "te chunked, identity": _post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"),
    "te identity, chunked": _post(b"Transfer-Encoding: identity, chunked\r\n", b"0\r\n\r\n"),
    "te gzip, chunked": _post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    "te gzip": _post(b"Transfer-Encoding: gzip\r\n"),
    "te identity": _post(b"Transfer-Encoding: identity\r\n"),
    "te empty": _post(b"Transfer-Encoding:\r\n", b"0\r\n\r\n"),
    "te twice": _post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "te gzip then chunked": _post(b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "te chunked then identity": _post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n"),
    "te vertical tab": _post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"),
    "te quoted": _post(b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n"),
    "te folded": _post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"),
    "te space before colon": _post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
    "te in http/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    # framing by chunks
    "chunk minus": _chunked(b"-1\r\na\r\n0\r\n\r\n"),
    "chunk plus": _chunked(b"+1\r\na\r\n0\r\n\r\n"),
    "chunk 0x": _chunked(b"0x1\r\na\r\n0\r\n\r\n"),
    "chunk space before": _chunked(b" 1\r\na\r\n0\r\n\r\n"),
    "chunk space after": _chunked(b"1 \r\na\r\n0\r\n\r\n"),
    "chunk empty size": _chunked(b"\r\na\r\n0\r\n\r\n"),
    "chunk overflow": _chunked(b"fffffffffffffffff\r\na\r\n0\r\n\r\n"),
    "chunk bare lf": _chunked(b"1\na\n0\n\n"),
    "chunk without end": _chunked(b"1\r\naXX0\r\n\r\n"),
    "chunk too long": _chunked(b"1\r\nab\r\n0\r\n\r\n"),
    "chunk extension lf": _chunked(b'1;a="b\nc"\r\na\r\n0\r\n\r\n'),
    "chunk extension ctl": _chunked(b"1;a=\x01\r\na\r\n0\r\n\r\n"),
    "chunk extension empty": _chunked(b"1;\r\na\r\n0\r\n\r\n"),
    "trailer cl": _chunked(b"0\r\nContent-Length: 5\r\n\r\n"),
    "trailer nul": _chunked(b"0\r\nX: a\x00b\r\n\r\n"),
    "trailer bare lf": _chunked(b"0\r\nX: a\n\r\n"),
    "trailer space before colon": _chunked(b"0\r\nX : a\r\n\r\n"),
    # shape of lines, and names
    "bare lf everywhere": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare lf in a header": _get(b"X: a\nY: b\r\n"),
    "bare cr in a header": _get(b"X: a\rY: b\r\n"),
    "obs-fold": _get(b"X: a\r\n b\r\n"),
    "obs-fold tab": _get(b"X: a\r\n\tb\r\n"),
    "space before the first header": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "space before colon": _get(b"X : a\r\n"),
    "nul in a value": _get(b"X: a\x00b\r\n"),
    "ctl in a value": _get(b"X: a\x01b\r\n"),
    "del in a value": _get(b"X: a\x7fb\r\n"),
    "late nul in a long value": _get(b"X: " + b"a" * 200 + b"\x00\r\n"),
    "empty name": _get(b": a\r\n"),
    "no colon": _get(b"nocolon\r\n"),
    "non-ascii name": _get(b"X\xe9: a\r\n"),
    "separator in a name": _get(b"X(y): a\r\n"),
    "nul in a name": _get(b"X\x00: a\r\n"),
    # the request line
    "absolute form with user information": _get(target=b"http://a@b/"),
    "absolute form without a host": _get(target=b"http:///a"),
    "absolute form with two slashes inside": _get(target=b"http://a//b"),
    "absolute form with a fragment": _get(target=b"http://a/#b"),
    "absolute form of another scheme": _get(target=b"file:///etc/passwd"),
    "authority form": _get(target=b"a:80"),
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "connect": b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "connect to a path": b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n",
    "relative target": _get(target=b"a"),
    "empty target": b"GET  HTTP/1.1\r\nHost: a\r\n\r\n",
    "query only": _get(target=b"?a"),
    "two slashes": _get(target=b"//a"),
    "two slashes inside": _get(target=b"/a//b"),
    "fragment": _get(target=b"/a#b"),
    "fragment in the query": _get(target=b"/a?b#c"),
    "non-ascii target": _get(target=b"/\xc3\xa9"),
    "non-ascii query": _get(target=b"/?\xc3\xa9"),
    "ctl in the target": _get(target=b"/\x01"),
    "nul in the target": _get(target=b"/\x00"),
    "tab in the target": _get(target=b"/a\tb"),
    "space in the target": _get(target=b"/a b"),
    "unknown method": b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
    "lower-case method": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    # versions
    "http/0.9": b"GET /\r\n\r\n",
    "http/0.9 named": b"GET / HTTP/0.9\r\n\r\n",
    "http/1.2": _get(version=b"HTTP/1.2"),
    "http/2.0": _get(version=b"HTTP/2.0"),
    "http/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http/3.0": _get(version=b"HTTP/3.0"),
    "http/01.1": _get(version=b"HTTP/01.1"),
    "http/1.10": _get(version=b"HTTP/1.10"),
    "lower-case version": _get(version=b"http/1.1"),
    "another protocol": _get(version=b"ICE/1.0"),
    "space after the version": _get(version=b"HTTP/1.1 "),
    "tls hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    # host
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": _get(b"Host: b\r\n"),
    "two equal hosts": _get(b"Host: a\r\n"),
    "two hosts in http/1.0": b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    "host list": b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "host with user": b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
    "host with path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "host with a bad port": b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n",
    # expecting the unknown
    "unknown expectation": _post(b"Expect: 200-ok\r\nContent-Length: 1\r\n"),
}  # fmt: skip
