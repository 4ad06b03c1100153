"""docs/openapi.yaml and the code name the same routes, statuses and codes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import schemathesis
from tests.docs.test_spoken import faults
from tests.openapi.fuzzing import DOCUMENT

from fast_sse.http.admin.app import admin_app
from fast_sse.http.admin.pages import PAGE, STATIC
from fast_sse.http.api.access import Access
from fast_sse.http.api.cors import Cors
from fast_sse.http.api.delivery import CLIENT_BYTES_MAX
from fast_sse.http.api.endpoints import Endpoints
from fast_sse.http.api.forms import Forms
from fast_sse.http.api.paths import DELIVERY
from fast_sse.http.api.subscribing import _QUERY_FIELDS_MAX
from fast_sse.http.message import Request, Response, Stream
from fast_sse.http.wire import response_fields, stream_fields
from fast_sse.hub.retained import PAGE_MAX as RETAINED_MAX
from fast_sse.model.channel import FILTER_CHANNELS_MAX, SEGMENT_BYTES_MAX, Channel, Filter
from fast_sse.model.cursor import parse_cursor
from fast_sse.model.errors import ConfigError, FastSseError
from fast_sse.model.frame import HEARTBEAT, HEARTBEAT_EVENT, expired, frame, moved, retry, started
from fast_sse.model.letter import Reason
from fast_sse.model.limits import Limits
from fast_sse.model.message import EVENT_BYTES_MAX, TTL_S_MAX, PublishBody
from fast_sse.model.parser import EventParser
from fast_sse.model.signature import Keyring
from fast_sse.store.letters import PAGE_MAX

TEXT: dict[str, Any] = schemathesis.openapi.from_path(str(DOCUMENT)).raw_schema
PATHS: dict[str, Any] = TEXT["paths"]
METHODS = {"get", "post", "put", "delete", "patch", "options", "head"}
OPERATORS = {path for path, item in PATHS.items() if "servers" in item}


def mappings(part: Any = TEXT) -> Iterator[dict[str, Any]]:
    """Every mapping of the document."""
    if isinstance(part, dict):
        yield part
    if isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from mappings(inner)


def operations() -> Iterator[tuple[str, str, Any]]:
    """Path, method and operation of everything that is documented."""
    for path, item in PATHS.items():
        yield from ((path, method, item[method]) for method in METHODS & item.keys())


def errors() -> Iterator[tuple[str, str]]:
    """Status and code of every error that can be answered."""

    def tree(kind: type[FastSseError]) -> Iterator[tuple[str, str]]:
        yield str(kind.status), kind.code
        for child in kind.__subclasses__():
            if child is not ConfigError and child.__module__ == FastSseError.__module__:
                yield from tree(child)

    yield from tree(FastSseError)


def resolved(part: Any) -> Any:
    """What a reference points to, or the thing itself."""
    if "$ref" not in part:
        return part
    found = TEXT
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return resolved(found)


def test_it_is_openapi() -> None:
    """The document is valid OpenAPI 3.1, and every operation has a name of its own and a tag."""
    schemathesis.openapi.from_path(str(DOCUMENT)).validate()
    named = [operation["operationId"] for _, method, operation in operations() if method != "options"]
    assert len(named) == len(set(named)) > 5
    assert all(operation["tags"] in (["public"], ["operators"]) for _, _, operation in operations())


def test_no_reference_is_dead_and_no_component_unused() -> None:
    """Every reference leads somewhere, and every component is referred to."""
    text = DOCUMENT.read_text()
    referred = set(re.findall(r'"#/components/(\w+/[\w-]+)"', text))
    assert all(resolved({"$ref": f"#/components/{name}"}) for name in referred)
    kinds = ("parameters", "headers", "schemas", "responses")
    defined = {f"{kind}/{name}" for kind in kinds for name in TEXT["components"][kind]}
    # The lines of a batch, the envelope and the gap are text inside text, where no reference can stand.
    assert defined - referred == {"schemas/BatchLine", "schemas/Envelope", "schemas/Gap", "schemas/Start"}


@pytest.fixture
def public() -> Endpoints:
    """The public routes, the load route among them."""
    hub: Any = SimpleNamespace(store=SimpleNamespace(durability="process"), delivery=None, now_ms=None)
    return Endpoints(hub, Limits(), Access(keyring=Keyring()), now=lambda: 0.0, load_route=True)


def test_every_public_route_is_documented_and_no_other(public: Endpoints) -> None:
    """The paths and methods of the table are those of the document, and what else is asked there is refused with them."""
    table: dict[str, set[str]] = {}
    for route in public.routes:
        table.setdefault(route.path, set()).add(route.method.lower())
    assert table == {path: METHODS & PATHS[path].keys() for path in PATHS.keys() - OPERATORS}
    for path, methods in table.items():
        refused = public.handle(Request("BREW", path.format(event_id="x", event_type="x", id="x"), "", {}))
        assert isinstance(refused, Response)
        assert refused.status == 405
        taken = {method.lower() for method in dict(refused.headers)["Allow"].split(", ")}
        assert taken | {"options"} == methods, path


def test_every_body_that_is_read_is_documented(public: Endpoints) -> None:
    """A route that judges the head of a request reads its body, and the document says what that is."""
    for route in public.routes:
        operation = PATHS[route.path][route.method.lower()]
        assert ("requestBody" in operation) == (route.judge is not None), route


def test_every_operators_route_is_documented_and_no_other() -> None:
    """The same of the operators' listener; HEAD is GET without a body and stands nowhere."""
    node: Any = None
    routes: Any = admin_app(node, b"").routes
    taken = {route.path: {method.lower() for method in route.methods} - {"head"} for route in routes}
    for path in (PAGE, STATIC + "{name:path}"):  # files of the dashboard, which are for browsers
        assert taken.pop(path) == {"get"}
    assert taken.pop(DELIVERY) == {"get"}
    assert "operators' listener answers this path, too" in PATHS[DELIVERY]["get"]["description"]
    assert taken == {path: METHODS & PATHS[path].keys() for path in OPERATORS}


def test_every_error_is_documented_and_no_other() -> None:
    """The document has each code, and each status with the codes that the tree of errors gives it."""
    codes = set(TEXT["components"]["schemas"]["Code"]["enum"])
    assert codes == {code for _, code in errors()} | {"not_ready"}
    found: set[tuple[str, str]] = set()
    for _, _, operation in operations():
        for status, response in operation["responses"].items():
            schema = resolved(response).get("content", {}).get("application/json", {}).get("schema", {})
            for part in schema.get("allOf", ()):
                code = part.get("properties", {}).get("code", {})
                found |= {(status, one) for one in code.get("enum", [code.get("const")]) if one}
    assert found == set(errors())


@pytest.mark.parametrize("status", sorted({status for status, _ in errors()}))
def test_every_status_stands_somewhere(status: str) -> None:
    """No status that the code can answer is without an operation that says so."""
    assert any(status in operation["responses"] for _, _, operation in operations())


def test_every_answer_header_is_documented() -> None:
    """What the code puts into the head of an answer, a stream and a preflight stands there in the document."""
    framing = {"Content-Type", "Content-Length"}
    request = Request("OPTIONS", "/", "", {"origin": "https://shop.example"})
    cors = Cors(frozenset({"https://shop.example"}), credentials=True)
    takes_gzip = Request("GET", "/", "", {"accept-encoding": "gzip"})
    _, gzip = Forms(compression="auto").of(takes_gzip, Filter.of(Channel("a", "t")), {})
    answer, stream = (
        cors.mark(request, Response(200)),
        cors.mark(request, Stream(lambda transport, _: transport, gzip)),
    )
    responses = TEXT["components"]["responses"]
    for fields, name in (
        (response_fields(answer), "Published"),
        (stream_fields(stream), "Stream"),
        (cors.preflight(request, "GET").headers, "Preflight"),
    ):
        assert {field for field, _ in fields} - framing == set(responses[name]["headers"])
    for name, header in (
        ("Unauthorized", "WWW-Authenticate"),
        ("RateLimited", "Retry-After"),
        ("NotStored", "Retry-After"),
        ("Overloaded", "Retry-After"),
    ):
        assert header in responses[name]["headers"]


def test_bounds_are_those_of_the_code() -> None:
    """Numbers of the document that the code also has are the same."""
    limits, schemas = Limits(), TEXT["components"]["schemas"]
    message = schemas["Message"]["properties"]
    parameters = TEXT["components"]["parameters"]
    assert schemas["Segment"]["maxLength"] == SEGMENT_BYTES_MAX
    assert message["headers"]["maxProperties"] == limits.header_count_max
    assert message["event"]["maxLength"] == EVENT_BYTES_MAX
    assert message["ttl_s"]["maximum"] == TTL_S_MAX
    assert message["idempotency_key"]["maxLength"] == limits.key_bytes_max
    assert schemas["Load"]["properties"]["body_size"]["maximum"] * 1024 == limits.body_bytes_max
    assert (
        schemas["BatchResults"]["properties"]["data"]["properties"]["results"]["maxItems"]
        == limits.batch_lines_max
    )
    assert f"At most {FILTER_CHANNELS_MAX} different" in parameters["channel"]["description"]
    assert parameters["channel"]["schema"]["maxItems"] == _QUERY_FIELDS_MAX
    assert parameters["last"]["schema"]["maximum"] == limits.last_records_max
    assert parameters["last_of_a_page"]["schema"]["maximum"] == RETAINED_MAX
    assert parameters["limit_of_a_page"]["schema"]["maximum"] == RETAINED_MAX
    assert set(message) == set(PublishBody.__struct_fields__)
    assert schemas["Ack"]["properties"]["client"]["maxLength"] == CLIENT_BYTES_MAX
    assert parameters["channel_of_a_stream"]["schema"]["maxItems"] == FILTER_CHANNELS_MAX
    assert parameters["limit"]["schema"]["maximum"] == PAGE_MAX
    assert schemas["Reason"]["enum"] == list(get_args(Reason))


def test_examples_of_the_stream_are_what_the_code_writes() -> None:
    """The stream's examples are framed by the code's own functions, so that a reader can trust each line feed."""
    examples = TEXT["components"]["responses"]["Stream"]["content"]["text/event-stream"]["examples"]
    values = {name: example["value"].encode() for name, example in examples.items()}
    assert values["heartbeat"] == HEARTBEAT
    cursor = parse_cursor("s1.k3v9x2qah5m2c.4711")
    assert cursor is not None
    assert values["heartbeat-event"] == HEARTBEAT_EVENT
    assert values["expired"] == expired(cursor.text)
    assert values["come-back"] == retry(17204)
    assert values["priming"] == retry(2731) + started(cursor, resumed=False)
    assert values["position"] == moved(cursor)
    for name, kind in (("message", ""), ("named", "cart"), ("gap", "fast-sse.gap")):
        (event,) = EventParser("").feed(values[name])
        assert frame(event.last_event_id, kind, event.text.encode()) == values[name]
        json.loads(event.text)


def test_a_description_reads_at_first_sight() -> None:
    """What tools show beside a route or a field keeps the rules of the pages."""
    said = [
        text
        for part in mappings()
        for name in ("summary", "description")
        if isinstance(text := part.get(name), str)
    ]
    assert len(said) > 200
    assert {text: found for text in said if (found := faults(text))} == {}


def test_a_description_is_whole() -> None:
    """A comma in a text without quotes, in braces, would end it: the rest becomes a name without a value."""
    torn = [
        name
        for part in mappings()
        if "description" in part
        for name in part
        if " " in name or part[name] is None
    ]
    assert torn == []
