"""deploy/kubernetes is held to the schemas of Kubernetes, to the hub's settings and routes, and to the image: no cluster runs here."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # without types
import pytest
import yaml  # type: ignore[import-untyped]  # of schemathesis, without types
from tests.deploy.dockerfile import stages
from tests.deploy.test_systemd import SPARE_S
from tests.support.programs import need, program
from tests.support.server import ROOT
from tests.support.sign import SECRET

from fast_sse.config import Config, load, problems, setting_names
from fast_sse.environment import PREFIX
from fast_sse.http.admin.health import ALIVE, SUBSCRIBE
from fast_sse.http.admin.server import STOP_S
from fast_sse.model.limits import Limits

DIRECTORY = ROOT / "deploy" / "kubernetes"
STORES = ("sqlite", "redis", "kafka")
FILES = sorted(str(file.relative_to(DIRECTORY)) for file in DIRECTORY.rglob("*.yaml"))
#: The oldest that the schemas have, and the newest.
VERSIONS = ("1.25", kubernetes_validate.latest_version())
IMAGE = stages((ROOT / "deploy" / "container" / "Dockerfile").read_text())[-1]
#: What a secret of Redis holds beside the template's: its address.
REDIS_URL = {"FAST_SSE_REDIS__URL": "redis://user:password@redis:6379/0"}

Resource = dict[str, Any]


def resources(file: str) -> list[Resource]:
    """What a file describes."""
    return [one for one in yaml.safe_load_all((DIRECTORY / file).read_text()) if one]


def resource(file: str, *kinds: str) -> Resource:
    """The one of a kind in a file."""
    (found,) = (one for one in resources(file) if one["kind"] in kinds)
    return found


def workload(store: str) -> Resource:
    """What runs the hubs of a store."""
    return resource(f"{store}/hub.yaml", "Deployment", "StatefulSet")


def pod(store: str) -> Resource:
    """The pod of a hub."""
    found: Resource = workload(store)["spec"]["template"]["spec"]
    return found


def container(store: str) -> Resource:
    """The one container of it."""
    (found,) = pod(store)["containers"]
    return dict(found)


def given(store: str) -> dict[str, str]:
    """The variables of a hub, with secrets as a user would make them."""
    data: dict[str, str] = resource(f"{store}/hub.yaml", "ConfigMap")["data"]
    names = resource("secret.yaml", "Secret")["stringData"]
    secrets = {name: f"{SECRET[number:]}{SECRET}" for number, name in enumerate(names)}
    own = {one["name"]: "fast-sse-0" for one in container(store)["env"]}
    return {**data, **secrets, **own, **(REDIS_URL if store == "redis" else {})}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", FILES)
@pytest.mark.slow
def test_kubernetes_knows_every_field(file: str, version: str) -> None:
    """Each resource fits the schema of its kind, strictly: no field that is unknown, none of the wrong type."""
    for one in resources(file):
        kubernetes_validate.validate(one, version, strict=True)


def test_a_wrong_field_is_seen() -> None:
    """The schemas are strict: a misspelt field, deep inside, is refused."""
    broken = workload("sqlite")
    broken["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[1], strict=True)


@pytest.mark.parametrize("store", STORES)
def test_a_hub_starts_with_what_it_is_given(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable is a setting, all values together are taken, and the node is called like its pod."""
    keys = {name.removeprefix(PREFIX).lower().replace("__", ".") for name in given(store)}
    assert keys <= set(setting_names())
    for name, value in given(store).items():
        assert isinstance(value, str), f"{name} is no text, which a ConfigMap refuses"
        monkeypatch.setenv(name, value)
    assert problems() == []
    config = load()
    assert (config.store, config.node_name, config.admin_host) == (store, "fast-sse-0", "0.0.0.0")


def test_no_secret_stands_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The template has placeholders, each of which a hub refuses by its name."""
    template: dict[str, str] = resource("secret.yaml", "Secret")["stringData"]
    assert set(template.values()) == {"change-me"}
    for name, value in {**given("sqlite"), **template}.items():
        monkeypatch.setenv(name, value)
    refused = {problem.key for problem in problems()}
    assert {"auth.secret", "auth.publish_secret", "admin.key"} <= refused
    assert not any("SECRET" in name or "KEY" in name for store in STORES for name in _config_map(store))


def _config_map(store: str) -> Iterator[str]:
    yield from resource(f"{store}/hub.yaml", "ConfigMap")["data"]


@pytest.mark.parametrize("store", STORES)
def test_a_drain_ends_before_kubernetes_loses_patience(store: str) -> None:
    """The grace period is longer than what comes before SIGTERM, the longest drain of the default settings, and a margin."""
    limits, hook = Limits(), container(store).get("lifecycle")
    before_s = int(hook["preStop"]["exec"]["command"][1]) if hook else 0
    longest_s = before_s + max(limits.drain_s, limits.append_s) + 1 + STOP_S
    assert pod(store)["terminationGracePeriodSeconds"] >= longest_s + SPARE_S


@pytest.mark.parametrize("store", STORES)
def test_probes_tell_a_drain_from_a_death(store: str) -> None:
    """Only a process that does not answer is restarted; only one that is ready gets clients. Both are asked where it answers."""
    found = container(store)
    paths = {kind: found[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert paths == {"startup": ALIVE, "liveness": ALIVE, "readiness": SUBSCRIBE}
    assert {found[f"{kind}Probe"]["httpGet"]["port"] for kind in paths} == {"admin"}
    ports = {one["name"]: one["containerPort"] for one in found["ports"]}
    fields = Config.model_fields
    assert ports == {"public": fields["port"].default, "admin": fields["admin_port"].default}


@pytest.mark.parametrize("store", STORES)
def test_a_hub_may_do_what_it_needs_and_no_more(store: str) -> None:
    """The image's user, no privilege, no token, no capability, and a file system that it cannot write but for its volume."""
    found, own = pod(store), container(store)
    user, group = (int(part) for part in IMAGE.last("USER").split(":"))
    security = found["securityContext"]
    assert (security["runAsNonRoot"], security["runAsUser"], security["runAsGroup"]) == (True, user, group)
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (found["automountServiceAccountToken"], found["enableServiceLinks"]) == (False, False)
    keeps = store != "redis"
    assert own.get("volumeMounts", []) == [{"name": "data", "mountPath": IMAGE.last("VOLUME")}] * keeps
    assert security.get("fsGroup") == (group if keeps else None)


def test_who_keeps_something_on_disk_keeps_its_name() -> None:
    """SQLite and Kafka have a StatefulSet with volumes, Redis a Deployment; there is one writer of an SQLite log."""
    kinds = {store: workload(store)["kind"] for store in STORES}
    assert kinds == {"sqlite": "StatefulSet", "redis": "Deployment", "kafka": "StatefulSet"}
    claims = {store for store in STORES if workload(store)["spec"].get("volumeClaimTemplates")}
    assert claims == {"sqlite", "kafka"}
    assert {store: workload(store)["spec"]["replicas"] for store in STORES} == {
        "sqlite": 1,
        "redis": 2,
        "kafka": 2,
    }


def test_an_eviction_leaves_a_node() -> None:
    """Where there are two nodes one at a time may go, and a rolling update starts the new one first or replaces them in turn."""
    for store in ("redis", "kafka"):
        budget = resource(f"{store}/hub.yaml", "PodDisruptionBudget")["spec"]
        assert budget["maxUnavailable"] == 1
        assert budget["selector"] == workload(store)["spec"]["selector"]
    assert workload("redis")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert [one["kind"] for one in resources("sqlite/hub.yaml")] == ["ConfigMap", "StatefulSet"]


@pytest.mark.parametrize("store", STORES)
def test_a_volume_holds_more_than_is_kept(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice `retention.max_bytes` and a GiB: the log, what SQLite writes ahead, and room for a copy of it."""
    for name, value in given(store).items():
        monkeypatch.setenv(name, value)
    for claim in workload(store)["spec"].get("volumeClaimTemplates", []):
        size = claim["spec"]["resources"]["requests"]["storage"]
        assert int(size.removesuffix("Gi")) * 1024**3 >= 2 * (load().kept.max_bytes or 0) + 1024**3


def test_everything_finds_the_pods() -> None:
    """Services, policy and selectors name the labels that the pods of every store have, and ports that they have."""
    services = {one["metadata"]["name"]: one["spec"] for one in resources("common/services.yaml")}
    policy = resource("common/network.yaml", "NetworkPolicy")["spec"]
    targets = {name: [port["targetPort"] for port in spec["ports"]] for name, spec in services.items()}
    assert targets == {"fast-sse": ["public"], "fast-sse-nodes": ["admin"]}
    for store in STORES:
        labels = workload(store)["spec"]["template"]["metadata"]["labels"]
        assert workload(store)["spec"]["selector"]["matchLabels"] == labels
        assert [spec["selector"] for spec in services.values()] == [labels] * 2
        assert policy["podSelector"]["matchLabels"] == labels
        assert workload(store)["spec"].get("serviceName", "fast-sse-nodes") in services
        sources = [next(iter(one.values()))["name"] for one in container(store)["envFrom"]]
        assert sources == ["fast-sse", "fast-sse"]


def test_operators_are_reached_from_the_monitoring_alone() -> None:
    """The public port is open to all, the operators' port only to a namespace that is named."""
    rules = resource("common/network.yaml", "NetworkPolicy")["spec"]["ingress"]
    found = {rule["ports"][0]["port"]: rule.get("from") for rule in rules}
    assert found["public"] is None
    assert [list(source) for source in found["admin"]] == [["namespaceSelector"]]


def test_hubs_differ_only_where_they_must() -> None:
    """What is proved of one holds for all: their containers are the same but for the volume and the wait before SIGTERM."""
    own = ("lifecycle", "volumeMounts")
    first, *others = ({k: v for k, v in container(store).items() if k not in own} for store in STORES)
    assert [other == first for other in others] == [True, True]


def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    """Its main file with the recipe that plain.sh writes for the Service: a real nginx finds nothing wrong in it."""
    need("nginx")
    script = ROOT / "deploy" / "nginx" / "plain.sh"
    line = f"sh deploy/nginx/plain.sh fast-sse:{resource_port('common/services.yaml')}"
    assert line in (DIRECTORY / "nginx" / "nginx.yaml").read_text()
    recipe = subprocess.run(["sh", script, "127.0.0.1:80"], check=True, capture_output=True, text=True).stdout
    main: str = resource("nginx/nginx.yaml", "ConfigMap")["data"]["nginx.conf"]
    (tmp_path / "fast-sse.conf").write_text(recipe.replace("/dev/std", f"{tmp_path}/"))
    moved = main.replace("/tmp", str(tmp_path)).replace("/etc/fast-sse", str(tmp_path))
    (tmp_path / "nginx.conf").write_text(moved.replace("/dev/std", f"{tmp_path}/"))
    checked = subprocess.run(
        [str(program("nginx")), "-t", "-c", f"{tmp_path}/nginx.conf"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    ports = resource("nginx/nginx.yaml", "Deployment")["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert f"listen {ports[0]['containerPort']};" in recipe


def resource_port(file: str) -> int:
    """The port of the Service that clients use."""
    return int(resources(file)[0]["spec"]["ports"][0]["port"])
