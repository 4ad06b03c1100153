"""Where settings come from, which of them win, and how a wrong one is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from ipaddress import IPv6Network
from pathlib import Path

import msgspec
import pytest

from fast_sse.checks import _sharing
from fast_sse.config import Config, load, setting_names
from fast_sse.hub.telling import LetterRules
from fast_sse.model.errors import ConfigError
from fast_sse.model.limits import Limits
from fast_sse.model.signature import Keyring
from fast_sse.store.letters import LetterBounds

SECRET = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)


def refused(**flags: object) -> str:
    """The line that a start with these flags ends with."""
    with pytest.raises(ConfigError) as caught:
        load(None, flags)
    return str(caught.value)


def from_toml(tmp_path: Path, text: str) -> Config:
    """A configuration whose file holds `text`."""
    file = tmp_path / "hub.toml"
    file.write_text(text)
    return load(file)


def test_a_secret_is_all_it_takes() -> None:
    """With nothing but auth.secret the hub listens on loopback only and keeps its log on disk."""
    config = load()
    assert (config.host, config.port, config.admin_host, config.admin_port) == (
        "127.0.0.1",
        30000,
        "127.0.0.1",
        30001,
    )
    assert config.store == "sqlite"
    assert config.bounds == Limits()
    assert config.keyring.secret == SECRET.encode()


def test_flags_beat_environment_beats_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each source wins over the one below it, key by key, inside groups too."""
    file = tmp_path / "hub.toml"
    file.write_text("port = 1\nhost = '::1'\nadmin_port = 7\n[limits]\nstall_s = 1\nbody_s = 1\n")
    monkeypatch.setenv("FAST_SSE_PORT", "2")
    monkeypatch.setenv("FAST_SSE_HOST", "127.0.0.2")
    monkeypatch.setenv("FAST_SSE_LIMITS__STALL_S", "2.5")
    config = load(file, {"port": 3, "host": None})
    assert (config.port, config.host, config.admin_port) == (3, "127.0.0.2", 7)
    assert (config.bounds.stall_s, config.bounds.body_s) == (2.5, 1.0)


def test_a_configuration_does_not_change() -> None:
    """What was checked at the start is what runs."""
    with pytest.raises(ValueError, match="frozen"):
        load().port = 1


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("FAST_SSE_PROT", "prot"),
        ("FAST_SSE_AUTH__SECRT", "auth.secrt"),
        ("FAST_SSE_LIMITS__HEARTBEAT_S", "limits.heartbeat_s"),
        ("FAST_SSE_REDIS__URI", "redis.uri"),
        ("FAST_SSE_LIMITS__CONNECTION_AGE_S", "limits.connection_age_s"),
        ("FAST_SSE_DEAD_LETTERS__GRACE", "dead_letters.grace"),
        ("fast_sse_bogus__deep__er", "bogus.deep.er"),
    ],
)
def test_unknown_variables_are_refused(name: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable with our prefix that is no setting of this version ends the start and is named by its key."""
    monkeypatch.setenv(name, "5")
    assert refused().startswith(f"{key}: unknown setting")


@pytest.mark.parametrize(
    "text", ["prot = 5", "[auth]\nsecrt = 'x'", "[limits]\nheartbeat_s = 5", "[dead_letters]\nx = 1"]
)
def test_unknown_keys_of_the_file_are_refused(text: str, tmp_path: Path) -> None:
    """So does a key of the file."""
    with pytest.raises(ConfigError, match="unknown setting"):
        from_toml(tmp_path, text)


def test_a_misspelt_key_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says which key was probably meant, and which other keys are wrong too."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRT", SECRET)
    assert refused(port=99999) == ("port: must be at most 65535 (also wrong: auth.secrt)")
    assert refused() == "auth.secrt: unknown setting; did you mean auth.secret? (in FAST_SSE_AUTH__SECRT)"


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("", "shorter than 32 bytes"),
        ("0123456789abcdef0123456789abcde", "shorter than 32 bytes"),
        ("{HMAC_SECRET_FROM_ENV}", "placeholder"),
        ("${HMAC_SECRET_FROM_THE_ENVIRONMENT}", "placeholder"),
        ("<put the secret of the hub in here>", "placeholder"),
        ("changeme-changeme-changeme-changeme", "placeholder"),
        ("CHANGE_ME_CHANGE_ME_CHANGE_ME_CHANGE_ME", "placeholder"),
        ("your-secret-your-secret-your-secret", "placeholder"),
        ("00000000000000000000000000000000", "placeholder"),
    ],
)
@pytest.mark.parametrize("name", ["SECRET", "SECRET_PREVIOUS", "PUBLISH_SECRET", "PUBLISH_SECRET_PREVIOUS"])
def test_weak_secrets_are_refused(
    name: str, secret: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No secret of the hub may be empty, short, or what a template holds before it is filled."""
    monkeypatch.setenv(f"FAST_SSE_AUTH__{name}", secret)
    line = refused()
    assert line.startswith(f"auth.{name.lower()}: ")
    assert problem in line


def test_weak_keys_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The secrets of auth.keys keep the same rules."""
    monkeypatch.setenv("FAST_SSE_AUTH__KEYS", '{"web": "short"}')
    assert refused().startswith("auth.keys: is shorter than 32 bytes")


def test_no_line_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret under a wrong name, of a wrong shape or in a kid's place is in no error (CWE-532)."""
    hidden = "hunter2-hunter2-hunter2"
    for name, value in [
        ("AUTH__SECRET", hidden),
        ("AUTH__SECRET_PREVIOUS", f"{{{hidden}}}"),
        ("AUTH", hidden),
        ("AUTH__V1", hidden),
        ("AUTH__KEYS", hidden),
        ("AUTH__KEYS", json.dumps({hidden: "k1"})),
        ("AUTH__KEYS", json.dumps({f"{hidden} ": OTHER})),
        ("AUTH__KEYS", json.dumps({"k1": [hidden]})),
        ("AUTH__SIGNING_KID", hidden),
        ("PORT", hidden),
        ("ADMIN__KEY", "<" + hidden + ">"),
        ("SECRET", hidden),
    ]:
        with monkeypatch.context() as patch:
            patch.setenv(f"FAST_SSE_{name}", value)
            assert hidden not in refused(), name
    monkeypatch.setenv("FAST_SSE_ADMIN__KEY", hidden)
    assert hidden not in repr(load()) + str(load())
    assert SECRET not in repr(load()) + str(load())


def test_v1_needs_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a secret the hub starts only when v1 is off and somebody else holds a key."""
    monkeypatch.delenv("FAST_SSE_AUTH__SECRET")
    assert refused().startswith("auth.secret: is missing")
    monkeypatch.setenv("FAST_SSE_AUTH__KEYS", json.dumps({"web-1": OTHER}))
    assert refused().startswith("auth.secret: is missing")
    monkeypatch.setenv("FAST_SSE_AUTH__V1", "off")
    assert load().keyring.keys == {"web-1": OTHER.encode()}
    monkeypatch.delenv("FAST_SSE_AUTH__KEYS")
    assert refused().startswith("auth.keys: is empty")


def test_a_mounted_hub_is_read_without_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """`serve` reads what it always did: tokens publish nothing, so that it refuses to start with them alone."""
    monkeypatch.delenv("FAST_SSE_AUTH__SECRET")
    assert load(mounted=True).keyring == Keyring()
    monkeypatch.setenv("FAST_SSE_AUTH__JWT__ISSUER", "https://login.example")
    monkeypatch.setenv("FAST_SSE_AUTH__JWT__AUDIENCE", "fast-sse")
    monkeypatch.setenv("FAST_SSE_AUTH__JWT__SECRET", OTHER)
    assert load(mounted=True).auth.jwt.is_on
    assert refused().startswith("auth.secret: is missing")
    assert "mounted" in refused()
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", "")
    with pytest.raises(ConfigError, match=r"auth\.secret"):
        load(mounted=True)


def test_two_secrets_that_are_one_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A publish secret that every subscriber knows separates nothing."""
    monkeypatch.setenv("FAST_SSE_AUTH__PUBLISH_SECRET", SECRET)
    assert refused().startswith("auth.publish_secret: is the same as auth.secret")


def test_the_signing_kid_is_one_of_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one key it is that one; with several it is named, and exists."""
    monkeypatch.setenv("FAST_SSE_AUTH__KEYS", json.dumps({"a": OTHER}))
    assert load().keyring.signing_kid == "a"
    monkeypatch.setenv("FAST_SSE_AUTH__KEYS", json.dumps({"a": OTHER, "b": SECRET}))
    assert load().keyring.signing_kid == ""
    monkeypatch.setenv("FAST_SSE_AUTH__SIGNING_KID", "c")
    assert refused() == "auth.signing_kid: is not a name in auth.keys; set it to one of them"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", frozenset()),
        ("[]", frozenset()),
        ("a", frozenset({"a"})),
        (" a , b,", frozenset({"a", "b"})),
        ('["a,b", "c"]', frozenset({"a,b", "c"})),
        ("*", frozenset({"*"})),
    ],
)
def test_lists_are_json_or_words(text: str, meant: frozenset[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An allow-list that is unset allows all; one that is set and empty allows none (the original's was fail-open)."""
    assert load().auth.allowed_event_ids is None
    monkeypatch.setenv("FAST_SSE_AUTH__ALLOWED_EVENT_IDS", text)
    assert load().auth.allowed_event_ids == meant


@pytest.mark.parametrize("origin", ["*", "shop.example", "https://shop.example/", "https://*.example", ""])
def test_origins_are_exact(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An origin is as a browser sends it; a pattern or a path would never match, or match too much."""
    monkeypatch.setenv("FAST_SSE_CORS__ORIGINS", json.dumps(["https://ok.example:8443", origin]))
    assert refused().startswith("cors.origins")


def test_proxies_are_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses and networks are taken, names are not: whoever answers for a name would be trusted."""
    monkeypatch.setenv("FAST_SSE_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8, ::1")
    assert {str(network) for network in load().trusted_proxies} == {"127.0.0.1/32", "10.0.0.0/8", "::1/128"}
    monkeypatch.setenv("FAST_SSE_TRUSTED_PROXIES", '["unix", "::ffff:10.0.0.0/104"]')
    assert set(load().trusted_proxies) == {"unix", IPv6Network("::ffff:10.0.0.0/104")}
    for wrong in ("proxy.example", "unix:/run/hub.sock", "10.0.0.1/8", "fe80::1%eth0", "true"):
        monkeypatch.setenv("FAST_SSE_TRUSTED_PROXIES", f"127.0.0.1,{wrong}")
        assert refused().startswith("trusted_proxies")


@pytest.mark.parametrize("path", ["/", "/health", "/healthz/", "/v1", "/v10", "/a/v1/b", "/%7Ea"])
def test_a_health_path_is_one_of_the_hubs_own(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an absolute path that no route of the API has; anything else would never be asked."""
    monkeypatch.setenv("FAST_SSE_HEALTH_PATH", path)
    if path == "/v1":
        assert refused().startswith("health_path")
    else:
        assert load().health_path == path


@pytest.mark.parametrize(
    "path", ["health", "/v1/subscribe", "/v1/", "/a?b", "/a b", "//a", "/a//b", "/ä", "*", "/a#b"]
)
def test_no_other_text_is_a_health_path(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a part of the API, and nothing that a request line cannot hold."""
    monkeypatch.setenv("FAST_SSE_HEALTH_PATH", path)
    assert refused().startswith("health_path")


def test_every_limit_is_a_setting(tmp_path: Path) -> None:
    """Each field of Limits can be set and arrives; some are settings of their own."""
    names = [field.name for field in msgspec.structs.fields(Limits)]
    top = {"heartbeat_s", "connection_age_s", "drain_s"}
    lines = [f"{name} = 3" for name in names if name not in top]
    config = from_toml(
        tmp_path, "heartbeat_s = 3\nconnection_age_s = 3\ndrain_s = 3\n[limits]\n" + "\n".join(lines)
    )
    assert {getattr(config.bounds, name) for name in names} == {3}
    assert {name.removeprefix("limits.") for name in setting_names() if name.startswith("limits.")} == set(
        names
    ) - top


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "x", "1.5"])
def test_limits_are_positive_whole_or_finite(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound that bounds nothing is refused."""
    monkeypatch.setenv("FAST_SSE_LIMITS__BODY_BYTES_MAX", value)
    assert refused().startswith("limits.body_bytes_max: ")
    monkeypatch.delenv("FAST_SSE_LIMITS__BODY_BYTES_MAX")
    if value != "1.5":
        monkeypatch.setenv("FAST_SSE_LIMITS__STALL_S", value)
        assert refused().startswith("limits.stall_s: ")


def test_retention_depends_on_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log in memory is bounded tighter than one on disk; 0 takes a bound away."""
    assert load().kept.max_bytes == 1 << 30
    assert load(None, {"store": "memory"}).kept.max_bytes == 256 << 20
    monkeypatch.setenv("FAST_SSE_RETENTION__MAX_BYTES", "0")
    monkeypatch.setenv("FAST_SSE_RETENTION__MAX_AGE_S", "0")
    monkeypatch.setenv("FAST_SSE_RETENTION__MAX_MESSAGES", "9")
    kept = load().kept
    assert (kept.max_bytes, kept.max_age_s, kept.max_messages) == (None, None, 9)


def test_dead_letters_as_the_store_and_the_hub_take_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds go to the store, rules to the hub; what is not set is the default of either."""
    assert (load().letter_bounds, load().letter_rules) == (LetterBounds(), LetterRules())
    for name, value in {
        "DEAD_LETTERS__ENABLED": "false",
        "DEAD_LETTERS__GRACE_S": "2.5",
        "DEAD_LETTERS__MAX_COUNT": "7",
        "DEAD_LETTERS__MAX_BYTES": str(5 << 20),
        "DEAD_LETTERS__MAX_AGE_S": "60",
        "DEAD_LETTERS__IGNORED_EVENT_TYPES": "typing, presence",
        "LIMITS__POISON_MAX": "9",
    }.items():
        monkeypatch.setenv(f"FAST_SSE_{name}", value)
    assert load().letter_bounds == LetterBounds(max_count=7, max_bytes=5 << 20, max_age_s=60, poison_max=9)
    ignored = frozenset({"typing", "presence"})
    rules = LetterRules(enabled=False, grace_s=2.5, max_count=7, max_age_s=60, ignored=ignored)
    assert load().letter_rules == rules


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("grace_s", "0.4"),
        ("grace_s", "3601"),
        ("max_count", "0"),
        ("max_count", "1000001"),
        ("max_bytes", "1048575"),
        ("max_age_s", "59"),
    ],
)
def test_bounds_of_dead_letters_have_bounds(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grace that no client can keep, or a store that would keep nothing, is a mistake."""
    monkeypatch.setenv(f"FAST_SSE_DEAD_LETTERS__{name.upper()}", value)
    assert refused().startswith(f"dead_letters.{name}: ")


def test_workers_of_one_address_have_a_name_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they share a store: those that do not are told apart by that, and a name that is set is meant."""
    monkeypatch.setattr("socket.gethostname", lambda: "m")
    assert load(None, {"store": "redis"}).of_worker(77).node_name == "m-30000-pid77"
    assert load(None, {"store": "redis", "node": "a"}).of_worker(77).node_name == "a"
    assert load(None, {"store": "kafka"}).of_worker(77).node_name == "m-30000"
    monkeypatch.setattr("socket.gethostname", lambda: "x" * 64)
    assert load(None, {"store": "redis"}).of_worker(77).node_name == "x" * 58 + "-pid77"


def test_a_node_is_called_by_its_machine_and_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that differs where processes differ, whatever the machine is called; a free port is known only later."""
    monkeypatch.setattr("socket.gethostname", lambda: "döner.example")
    assert load(None, {"port": 8080}).node_name == "d-ner.example-8080"
    assert load(None, {"port": 0}).node_name == f"d-ner.example-pid{os.getpid()}"
    monkeypatch.setattr("socket.gethostname", lambda: "x" * 64)
    assert load(None, {"port": 8080}).node_name == "x" * 59 + "-8080"
    assert load(None, {"node": "sse-1"}).node_name == "sse-1"


@pytest.mark.parametrize("name", ["", "a b", "../x", "a\n", "é", "x" * 65])
def test_a_node_s_name_is_safe_everywhere(name: str) -> None:
    """It is part of file names, log lines and labels."""
    assert refused(node=name).startswith("node: ")


@pytest.mark.parametrize("store", ["sqlite", "memory"])
def test_a_log_of_one_process_is_not_shared(store: str) -> None:
    """Two hubs on one port with a log each would tell half of their clients nothing."""
    assert refused(store=store, node="a", reuse_port=True) == (
        f"reuse_port: needs a store that processes share, redis or kafka; the {store} store belongs to one process"
    )


def test_processes_on_one_port_need_names_and_the_port() -> None:
    """What keeps several processes from being one hub is told by key."""
    config = Config.model_construct(store="redis", reuse_port=True, port=0)
    assert [key for key, _ in _sharing(config)] == ["node", "port"]
    config = Config.model_construct(store="redis", reuse_port=True, node="a")
    assert list(_sharing(config)) == []


def test_a_store_that_does_not_exist_is_refused() -> None:
    """The line lists those that do."""
    assert refused(store="sqlit") == "store: must be sqlite, memory, redis or kafka"


def test_options_of_kafka_are_texts_and_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers and booleans are written as librdkafka reads them, and no value is ever shown."""
    monkeypatch.setenv(
        "FAST_SSE_KAFKA__OPTIONS", '{"sasl.password": "hunter2", "linger.ms": 5, "debug": true}'
    )
    config = load(None, {"store": "kafka"})
    found = {name: value.get_secret_value() for name, value in config.kafka.options.items()}
    assert found == {"sasl.password": "hunter2", "linger.ms": "5", "debug": "true"}
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize(
    ("name", "value"),
    [("TOPIC", ".."), ("TOPIC", "a b"), ("BOOTSTRAP_SERVERS", "kafka://user:password@host")],
)
def test_a_place_that_kafka_cannot_have_is_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of topics are Kafka's, brokers are host:port, and the line does not show what may be a password."""
    monkeypatch.setenv(f"FAST_SSE_KAFKA__{name}", value)
    said = refused(store="kafka")
    assert said.startswith(f"kafka.{name.lower()}: ")
    assert "password" not in said


def test_kafka_cannot_count_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound that no broker keeps is refused, instead of being ignored."""
    monkeypatch.setenv("FAST_SSE_RETENTION__MAX_MESSAGES", "5")
    assert refused(store="kafka").startswith("retention.max_messages: is not for store = kafka")
    assert load(None, {"store": "sqlite"}).kept.max_messages == 5


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "hub.example"])
def test_an_open_admin_listener_needs_a_key(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can reach the admin listener from elsewhere must show a key (S24)."""
    assert refused(admin_host=host).startswith("admin.key: is required")
    monkeypatch.setenv("FAST_SSE_ADMIN__KEY", "operators-only")
    assert load(None, {"admin_host": host}).admin_host == host
    monkeypatch.setenv("FAST_SSE_ADMIN__KEY", "")
    assert refused(admin_host=host).startswith("admin.key: is empty")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_a_loopback_admin_listener_needs_none(host: str) -> None:
    """On the machine itself the admin listener is open."""
    assert load(None, {"admin_host": host}).admin.key is None


def test_tls_takes_both_files(tmp_path: Path) -> None:
    """A certificate without its key, or a key without its certificate, is refused by the name that is missing."""
    with pytest.raises(ConfigError, match=r"^tls.key: is missing"):
        from_toml(tmp_path, "tls.cert = 'a.pem'")
    with pytest.raises(ConfigError, match=r"^tls.cert: is missing"):
        from_toml(tmp_path, "tls.key = 'a.pem'")


def unreadable(tmp_path: Path) -> Iterator[Path]:
    """Files that are no configuration."""
    yield tmp_path / "absent.toml"
    yield tmp_path
    for name, content in [("text.toml", b"port: 5"), ("binary.toml", b"\xff\xfe")]:
        (tmp_path / name).write_bytes(content)
        yield tmp_path / name


def test_a_file_that_cannot_be_read_is_a_wrong_setting(tmp_path: Path) -> None:
    """A missing or broken file never means "use the defaults"."""
    for file in unreadable(tmp_path):
        with pytest.raises(ConfigError, match=r"^--config: "):
            load(file)


def test_a_queue_is_where_the_log_is_unless_it_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers and options of a foreign topic are the store's; options of the store never go to other brokers."""
    monkeypatch.setenv("FAST_SSE_INGEST__KAFKA_TOPIC__TOPIC", "orders")
    monkeypatch.setenv("FAST_SSE_KAFKA__OPTIONS", '{"sasl.password": "one"}')
    config = load()
    assert (config.queue_servers, config.queue_options) == ("127.0.0.1:9092", {"sasl.password": "one"})
    monkeypatch.setenv("FAST_SSE_INGEST__KAFKA_TOPIC__BOOTSTRAP_SERVERS", "a:9092,b:9092")
    config = load()
    assert (config.queue_servers, config.queue_options) == ("a:9092,b:9092", {})
    monkeypatch.setenv("FAST_SSE_INGEST__KAFKA_TOPIC__OPTIONS", '{"sasl.password": "two"}')
    assert load().queue_options == {"sasl.password": "two"}


def test_the_log_is_not_its_own_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading its own topic a hub would take every message of its log for poison."""
    monkeypatch.setenv("FAST_SSE_INGEST__KAFKA_TOPIC__TOPIC", "fast-sse")
    assert refused(store="kafka", node="a").startswith(
        "ingest.kafka_topic.topic: is the topic of the hub's own log"
    )
    assert load().ingest.kafka_topic.topic == "fast-sse"
    monkeypatch.setenv("FAST_SSE_INGEST__KAFKA_TOPIC__BOOTSTRAP_SERVERS", "elsewhere:9092")
    assert load(None, {"store": "kafka", "node": "a"}).store == "kafka"


FILES = ["auth.secret", "auth.publish_secret", "auth.secret_previous", "admin.key"]


@pytest.mark.parametrize("key", FILES)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_may_stand_in_a_file(
    key: str, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line end at its end is not part of it; everything else is."""
    monkeypatch.delenv("FAST_SSE_AUTH__SECRET")
    if key != "auth.secret":
        monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    file = tmp_path / "secret"
    file.write_bytes(OTHER.encode() + end.encode())
    monkeypatch.setenv("FAST_SSE_" + key.upper().replace(".", "__") + "_FILE", str(file))
    config = load()
    group, name = key.split(".")
    assert getattr(getattr(config, group), name).get_secret_value() == OTHER


def test_only_one_line_end_is_not_part_of_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """White space that is left is told at the start, by name and without the value."""
    monkeypatch.delenv("FAST_SSE_AUTH__SECRET")
    (tmp_path / "secret").write_text(f"{SECRET}\n\n")
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET_FILE", str(tmp_path / "secret"))
    config = load()
    assert config.keyring.secret == f"{SECRET}\n".encode()
    assert config.ending_in_space == ["auth.secret"]


def test_keys_and_options_may_stand_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are JSON in the environment are JSON in a file; a URL is a line."""
    (tmp_path / "keys").write_text(json.dumps({"web-1": SECRET}) + "\n")
    (tmp_path / "options").write_text('{"sasl.password": "x"}')
    (tmp_path / "url").write_text("redis://:pw@127.0.0.1:6379/0\n")
    monkeypatch.setenv("FAST_SSE_AUTH__KEYS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("FAST_SSE_KAFKA__OPTIONS_FILE", str(tmp_path / "options"))
    monkeypatch.setenv("FAST_SSE_REDIS__URL_FILE", str(tmp_path / "url"))
    config = load()
    assert config.keyring.keys == {"web-1": SECRET.encode()}
    assert config.kafka.options["sasl.password"].get_secret_value() == "x"
    assert config.redis.url is not None
    assert config.redis.url.get_secret_value() == "redis://:pw@127.0.0.1:6379/0"


def test_a_secret_and_its_file_are_one_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody could say which counts, wherever each of them stands."""
    (tmp_path / "secret").write_text(OTHER)
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET_FILE", str(tmp_path / "secret"))
    assert refused() == "auth.secret_file: and auth.secret are both set; remove one of them"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the path, which is no secret, and the reason."""
    monkeypatch.delenv("FAST_SSE_AUTH__SECRET")
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET_FILE", str(tmp_path / "none"))
    assert refused() == f"auth.secret_file: cannot read {tmp_path / 'none'}: No such file or directory"
    (tmp_path / "bytes").write_bytes(b"\xff" * 40)
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET_FILE", str(tmp_path / "bytes"))
    assert refused().endswith("it is not UTF-8")


def test_a_hub_starts_beside_a_service_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes' variables for a Service `fast-sse` are no settings; a misspelt one still ends the start."""
    monkeypatch.setenv("FAST_SSE_SERVICE_HOST", "10.96.7.1")
    monkeypatch.setenv("FAST_SSE_PORT", "tcp://10.96.7.1:30000")
    monkeypatch.setenv("FAST_SSE_REDIS_PORT", "tcp://10.96.7.2:6379")
    assert load().port == 30_000
    monkeypatch.setenv("FAST_SSE_PROT", "30000")
    assert refused().startswith("prot: unknown setting")


def test_empty_variables_are_unset_but_for_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Templates leave variables empty; an empty secret stays an error that names its key."""
    monkeypatch.setenv("FAST_SSE_NODE", "")
    monkeypatch.setenv("FAST_SSE_RETENTION__MAX_AGE_S", "")
    assert load().node is None
    monkeypatch.setenv("FAST_SSE_AUTH__PUBLISH_SECRET", "")
    assert refused().startswith("auth.publish_secret: ")


def test_a_byte_order_mark_before_the_file_is_passed_over(tmp_path: Path) -> None:
    """Some editors put one there."""
    file = tmp_path / "hub.toml"
    file.write_bytes(b"\xef\xbb\xbfport = 1\n")
    assert load(file).port == 1


@pytest.mark.parametrize(
    "origin", ["capacitor://localhost", "tauri://localhost", "chrome-extension://abcdef", "null"]
)
def test_apps_have_origins_of_their_own(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Schemes that are not the web's, and `null` for whoever asks for it."""
    monkeypatch.setenv("FAST_SSE_CORS__ORIGINS", origin)
    assert load().cors.origins == {origin}
