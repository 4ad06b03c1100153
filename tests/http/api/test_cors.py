"""Rules of `http.api.cors`."""

from fast_sse.http.api.cors import HEADERS_ALLOWED, Cors
from fast_sse.http.api.headers import READ
from fast_sse.http.message import Request, Response

SHOP = "https://shop.example"


def request(origin: str | None = SHOP, method: str = "GET") -> Request:
    """A request from an origin."""
    return Request(method, "/", "", {} if origin is None else {"origin": origin})


def headers(answer: Response) -> dict[str, str]:
    """Its headers."""
    return dict(answer.headers)


def test_an_allowed_origin_may_read_answers_and_errors() -> None:
    """The exact origin comes back, with Vary so that no cache serves it to another; never credentials, never `*`."""
    marked = headers(Cors(frozenset({SHOP})).mark(request(), Response(401)))
    assert marked["Access-Control-Allow-Origin"] == SHOP
    assert marked["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in marked


def test_a_page_may_send_every_header_that_the_api_reads() -> None:
    """But for those that a browser sends without being asked, or sends itself; polyfills of EventSource add Cache-Control."""
    allowed = {name.strip().lower() for name in HEADERS_ALLOWED.split(",")}
    assert allowed - {"cache-control"} == READ.keys() - {
        "accept",
        "accept-encoding",
        "host",
        "origin",
        "x-forwarded-for",
    }


def test_other_origins_get_nothing() -> None:
    """Origins are compared character for character: no suffix, no case, no scheme, no `null`."""
    cors = Cors(frozenset({SHOP}))
    for origin in (
        "https://evil.example",
        "https://shop.example.evil",
        "http://shop.example",
        SHOP.upper(),
        "null",
    ):
        marked = headers(cors.mark(request(origin), Response(200)))
        assert "Access-Control-Allow-Origin" not in marked
        assert marked["Vary"] == "Origin"


def test_without_a_list_nothing_is_added() -> None:
    """No origins, no CORS: the answer is the same object."""
    answer = Response(200)
    assert Cors().mark(request(), answer) is answer


def test_a_preflight_allows_what_clients_of_the_hub_send() -> None:
    """204 with the methods, and Last-Event-ID and x-signature among the headers (whatwg/fetch#568)."""
    answer = Cors(frozenset({SHOP})).preflight(request(method="OPTIONS"), "POST")
    allowed = headers(answer)
    assert answer.status == 204
    assert allowed["Access-Control-Allow-Methods"] == "POST"
    names = allowed["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"last-event-id", "x-signature", "idempotency-key", "content-type"} <= set(names)
    assert int(allowed["Access-Control-Max-Age"]) > 0


def test_a_preflight_of_a_stranger_allows_nothing() -> None:
    """An unknown origin, or none, learns the methods of the route and gets no allowance."""
    for origin in ("https://evil.example", None):
        allowed = headers(Cors(frozenset({SHOP})).preflight(request(origin, "OPTIONS"), "POST"))
        assert not [name for name in allowed if name.startswith("Access-Control")]
        assert allowed["Allow"] == "POST, OPTIONS"


def test_more_headers_and_credentials_only_when_a_setting_says_so() -> None:
    """For a proxy in front that reads cookies or headers of its own; the hub reads none of them."""
    cors = Cors(frozenset({SHOP}), frozenset({"X-Request-ID"}), credentials=True)
    allowed = headers(cors.preflight(request(method="OPTIONS"), "POST"))
    assert allowed["Access-Control-Allow-Headers"].endswith("x-signature, X-Request-ID")
    assert allowed["Access-Control-Allow-Credentials"] == "true"
    assert headers(cors.mark(request(), Response(200)))["Access-Control-Allow-Credentials"] == "true"
    assert "Access-Control-Allow-Credentials" not in headers(
        cors.mark(request("https://b.example"), Response(200))
    )
