"""Every value does something; values.yaml, schema, templates, README and umbrella name the same ones."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from seldon_core.plan import Config
from seldon_core.plan.reading import DEFAULT_SERVERS
from tests.chart.rendering import OPERATOR, ROOT, Helm, Object, Rendered

MANAGER, WEBHOOK, CHECK = "seldon-controller-manager", "seldon-webhook", "seldon-webhook-check"
ENGINE = "seldonio/seldon-core-engine"
DIGEST = "sha256:" + "0123456789abcdef" * 4
See = Callable[[Rendered], Any]


def leaves(tree: Object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a tree by dotted path; an empty map is a value."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def nested(path: str, value: Any) -> Object:
    for key in reversed(path.split(".")):
        value = {key: value}
    return dict(value)


VALUES = yaml.safe_load((OPERATOR / "values.yaml").read_text())
SCHEMA = json.loads((OPERATOR / "values.schema.json").read_text())
NOT_SERVED = yaml.safe_load((OPERATOR / "files" / "not-served.yaml").read_text())


@dataclass(frozen=True)
class Case:
    """A value set to something else, where that is seen in the render, and what is seen then."""

    path: str
    value: Any
    see: See
    expected: Any


def env(name: str) -> See:
    return lambda rendered: rendered.environment(MANAGER).get(name)


def argument(owner: str, flag: str) -> See:
    return lambda rendered: rendered.argument(owner, flag)


def container(owner: str, *keys: str) -> See:
    return lambda rendered: _dig(rendered.container(owner), keys)


def pod(owner: str, *keys: str) -> See:
    return lambda rendered: _dig(rendered.pods()[owner], keys)


def all_pods(*keys: str) -> See:
    return lambda rendered: [_dig(found, keys) for found in rendered.pods().values()]


def count(kind: str, name: str = "") -> See:
    return lambda rendered: len([found for found in rendered.of(kind) if name in found["metadata"]["name"]])


def _dig(tree: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _namespaces(rendered: Rendered) -> set[str]:
    return {found["metadata"]["namespace"] for found in rendered.objects if "namespace" in found["metadata"]}


def _labels(key: str) -> See:
    return lambda rendered: {found["metadata"]["labels"].get(key) for found in rendered.objects}


def _resources(section: str, owner: str) -> list[Case]:
    names = {"cpuRequest": ("requests", "cpu"), "cpuLimit": ("limits", "cpu")}
    names |= {"memoryRequest": ("requests", "memory"), "memoryLimit": ("limits", "memory")}
    values = {"cpuRequest": "150m", "cpuLimit": 2, "memoryRequest": 1000000000, "memoryLimit": "2Gi"}
    return [
        Case(f"{section}.{name}", values[name], container(owner, "resources", *keys), str(values[name]))
        for name, keys in names.items()
    ]


def _image(section: str, see: See, repository: str) -> list[Case]:
    return [
        Case(f"{section}.registry", "r.example:5000", see, f"r.example:5000/{repository}:0.1.0"),
        Case(f"{section}.registry", "", see, f"{repository}:0.1.0"),
        Case(f"{section}.repository", "mine/it", see, "docker.io/mine/it:0.1.0"),
        Case(f"{section}.tag", "2.0", see, f"docker.io/{repository}:2.0"),
        Case(f"{section}.digest", DIGEST, see, f"docker.io/{repository}:0.1.0@{DIGEST}"),
    ]


def _program(section: str, owner: str) -> list[Case]:
    return [
        *_resources(section, owner),
        Case(f"{section}.replicas", 3, lambda found: found.one("Deployment", owner)["spec"]["replicas"], 3),
        Case(f"{section}.annotations", {"a": "b"}, pod(owner, "metadata", "annotations", "a"), "b"),
        Case(f"{section}.affinity", {"podAffinity": {}}, pod(owner, "spec", "affinity"), {"podAffinity": {}}),
        Case(f"{section}.priorityClassName", "high", pod(owner, "spec", "priorityClassName"), "high"),
        Case(
            f"{section}.containerSecurityContext",
            {"runAsGroup": 5},
            container(owner, "securityContext", "runAsGroup"),
            5,
        ),
    ]


TOLERATION = [{"key": "ml", "operator": "Exists"}]
CASES = [
    Case("namespaceOverride", "other", _namespaces, {"other"}),
    Case("nameOverride", "ml", _labels("app.kubernetes.io/name"), {"ml"}),
    Case("nameOverride", "1", _labels("app.kubernetes.io/name"), {"1"}),
    Case("commonLabels", {"team": "ml"}, _labels("team"), {"ml"}),
    Case("commonLabels", {"team": "ml"}, all_pods("metadata", "labels", "team"), ["ml"] * 3),
    *_image("image", container(WEBHOOK, "image"), "seldonio/seldon-core-operator"),
    Case("image.pullPolicy", "Always", container(CHECK, "imagePullPolicy"), "Always"),
    Case("imagePullSecrets", [{"name": "s"}], all_pods("spec", "imagePullSecrets"), [[{"name": "s"}]] * 3),
    Case("managerUserID", 1000650000, all_pods("spec", "securityContext", "runAsUser"), [1000650000] * 3),
    Case("managerUserID", None, all_pods("spec", "securityContext", "runAsUser"), [None] * 3),
    Case("nodeSelector", {"disk": "ssd"}, all_pods("spec", "nodeSelector"), [{"disk": "ssd"}] * 3),
    Case("tolerations", TOLERATION, all_pods("spec", "tolerations"), [TOLERATION] * 3),
    Case("metrics.port", 9090, argument(MANAGER, "metrics-port"), "9090"),
    Case("metrics.port", 9090, argument(WEBHOOK, "metrics-port"), "9090"),
    Case("metrics.port", 9090, pod(WEBHOOK, "metadata", "annotations", "prometheus.io/port"), "9090"),
    *_program("manager", MANAGER),
    Case("manager.logLevel", "DEBUG", env("SELDON_LOG_LEVEL"), "DEBUG"),
    Case("manager.logLevel", "DEBUG", argument(WEBHOOK, "log-level"), "DEBUG"),
    Case("manager.logLevel", "DEBUG", argument(CHECK, "log-level"), "DEBUG"),
    Case("manager.leaderElectionID", "other", env("LEADER_ELECTION_ID"), "other"),
    Case("serviceAccount.create", False, count("ServiceAccount", "seldon-manager"), 0),
    Case("serviceAccount.name", "mine", pod(MANAGER, "spec", "serviceAccountName"), "mine"),
    Case("serviceAccount.name", "1", pod(MANAGER, "spec", "serviceAccountName"), "1"),
    *_program("webhook", WEBHOOK),
    Case("webhook.port", 8443, argument(WEBHOOK, "port"), "8443"),
    Case("webhook.defaulting.graph", False, argument(WEBHOOK, "defaulting-graph"), "false"),
    Case("webhook.serviceAccount.create", False, lambda found: len(found.of("ServiceAccount")), 2),
    Case("webhook.serviceAccount.name", "mine", pod(WEBHOOK, "spec", "serviceAccountName"), "mine"),
    Case("webhook.check.enabled", False, lambda found: CHECK in found.text, False),
    Case("webhook.check.timeoutSeconds", 60, argument(CHECK, "timeout"), "60"),
    Case("webhook.existingSecret", "mine", argument(WEBHOOK, "secret-name"), "mine"),
    Case("webhook.existingSecret", "mine", argument(WEBHOOK, "certificates"), "given"),
    Case("certManager.enabled", True, argument(WEBHOOK, "secret-name"), "seldon-webhook-tls"),
    Case("certManager.enabled", True, argument(WEBHOOK, "certificates"), "given"),
    Case("hostNetwork", True, pod(WEBHOOK, "spec", "hostNetwork"), True),
    Case("hostNetwork", True, pod(WEBHOOK, "spec", "dnsPolicy"), "ClusterFirstWithHostNet"),
    *_image("executor.image", env("EXECUTOR_CONTAINER_IMAGE_AND_VERSION"), ENGINE),
    Case("rbac.create", False, count("ClusterRole"), 0),
    Case("crd.create", False, count("CustomResourceDefinition"), 0),
    Case(
        "crd.annotations",
        {"a": "b"},
        lambda found: found.of("CustomResourceDefinition")[0]["metadata"]["annotations"].get("a"),
        "b",
    ),
]

MINE = {"MINE": {"protocols": {"seldon": {"image": "mine", "defaultImageVersion": "1"}}}}
# Values that the controller reads: path, another value, variable, field of its configuration, what it is there.
READ = [
    ("clusterDomain", "k8s.example", "SELDON_CLUSTER_DOMAIN", "cluster_domain", "k8s.example"),
    ("controllerId", "x", "CONTROLLER_ID", "controller_id", "x"),
    ("manager.deploymentNameAsPrefix", True, "DEPLOYMENT_NAME_AS_PREFIX", "name_as_prefix", True),
    ("defaultUserID", "1000", "DEFAULT_USER_ID", "user_id", 1000),
    ("defaultUserID", 1000650000, "DEFAULT_USER_ID", "user_id", 1000650000),
    ("defaultUserID", "", "DEFAULT_USER_ID", "user_id", None),
    ("defaultUserID", None, "DEFAULT_USER_ID", "user_id", None),
    (
        "executor.image.tag",
        "2",
        "EXECUTOR_CONTAINER_IMAGE_AND_VERSION",
        "engine_image",
        f"docker.io/{ENGINE}:2",
    ),
    ("executor.image.pullPolicy", "Never", "EXECUTOR_CONTAINER_IMAGE_PULL_POLICY", "engine_pull_policy", "Never"),
    ("executor.user", 1000650000, "EXECUTOR_CONTAINER_USER", "engine_user", 1000650000),
    ("executor.user", "", "EXECUTOR_CONTAINER_USER", "engine_user", None),
    ("executor.port", 8001, "EXECUTOR_SERVER_PORT", "engine_http_port", 8001),
    ("executor.grpcPort", 5003, "EXECUTOR_SERVER_GRPC_PORT", "engine_grpc_port", 5003),
    ("executor.metricsPort", 5004, "EXECUTOR_SERVER_METRICS_PORT", "engine_metrics_port", 5004),
    ("executor.metricsPortName", "prom", "EXECUTOR_SERVER_METRICS_PORT_NAME", "engine_metrics_port_name", "prom"),
    ("executor.prometheus.path", "/metrics", "EXECUTOR_PROMETHEUS_PATH", "prometheus_path", "/metrics"),
    ("executor.fullHealthChecks", True, "EXECUTOR_FULL_HEALTH_CHECKS", "full_health_checks", True),
    ("executor.resources.cpuRequest", 2, "EXECUTOR_DEFAULT_CPU_REQUEST", "engine_cpu_request", "2"),
    ("executor.resources.cpuLimit", "3", "EXECUTOR_DEFAULT_CPU_LIMIT", "engine_cpu_limit", "3"),
    ("executor.resources.memoryRequest", "1Gi", "EXECUTOR_DEFAULT_MEMORY_REQUEST", "engine_memory_request", "1Gi"),
    (
        "executor.resources.memoryLimit",
        4000000000,
        "EXECUTOR_DEFAULT_MEMORY_LIMIT",
        "engine_memory_limit",
        "4000000000",
    ),
    ("predictiveUnit.httpPort", 9100, "PREDICTIVE_UNIT_HTTP_SERVICE_PORT", "http_port", 9100),
    ("predictiveUnit.grpcPort", 9600, "PREDICTIVE_UNIT_GRPC_SERVICE_PORT", "grpc_port", 9600),
    ("predictiveUnit.metricsPort", 6100, "PREDICTIVE_UNIT_METRICS_SERVICE_PORT", "metrics_port", 6100),
    ("predictiveUnit.metricsPortName", "prom", "PREDICTIVE_UNIT_METRICS_PORT_NAME", "metrics_port_name", "prom"),
    ("predictiveUnit.startupSeconds", 60, "PREDICTIVE_UNIT_STARTUP_SECONDS", "startup_seconds", 60),
    ("predictiveUnit.serverStartupSeconds", 60, "PREPACKAGED_SERVER_STARTUP_SECONDS", "server_startup_seconds", 60),
    ("predictiveUnit.defaultEnvSecretRefName", "s", "PREDICTIVE_UNIT_DEFAULT_ENV_SECRET_REF_NAME", "env_secret", "s"),
    (
        "executor.serviceAccount.name",
        "engines",
        "EXECUTOR_CONTAINER_SERVICE_ACCOUNT_NAME",
        "engine_service_account",
        "engines",
    ),
    (
        "executor.requestLogger.defaultEndpoint",
        "http://l",
        "EXECUTOR_REQUEST_LOGGER_DEFAULT_ENDPOINT",
        "logger_endpoint",
        "http://l",
    ),
    (
        "executor.requestLogger.workQueueSize",
        5,
        "EXECUTOR_REQUEST_LOGGER_WORK_QUEUE_SIZE",
        "logger_queue_size",
        5,
    ),
    (
        "executor.requestLogger.writeTimeoutMs",
        5,
        "EXECUTOR_REQUEST_LOGGER_WRITE_TIMEOUT_MS",
        "logger_write_timeout_ms",
        5,
    ),
    (
        "predictor_servers",
        MINE,
        "PREDICTOR_SERVERS",
        "servers",
        {**DEFAULT_SERVERS, "MINE": {"seldon": "mine:1"}},
    ),
    ("storageInitializer.image", "i:1", "STORAGE_INITIALIZER_IMAGE", "storage_image", "i:1"),
    ("storageInitializer.cpuRequest", 2, "STORAGE_INITIALIZER_CPU_REQUEST", "storage_cpu_request", "2"),
    ("storageInitializer.cpuLimit", "3", "STORAGE_INITIALIZER_CPU_LIMIT", "storage_cpu_limit", "3"),
    ("storageInitializer.memoryRequest", "2Gi", "STORAGE_INITIALIZER_MEMORY_REQUEST", "storage_memory_request", "2Gi"),
    ("storageInitializer.memoryLimit", "3Gi", "STORAGE_INITIALIZER_MEMORY_LIMIT", "storage_memory_limit", "3Gi"),
    ("explainer.image", "e:1", "EXPLAINER_IMAGE", "explainer_image", "e:1"),
    ("explainer.image_v2", "e:2", "EXPLAINER_IMAGE_V2", "explainer_image_v2", "e:2"),
    ("gatewayApi.gateways", ["n/g/l", "n/h"], "GATEWAY_API_GATEWAYS", "gateways", (("n", "g", "l"), ("n", "h", ""))),
    ("gatewayApi.grpcGateways", ["n/g"], "GATEWAY_API_GRPC_GATEWAYS", "grpc_gateways", (("n", "g", ""),)),
    ("istio.enabled", True, "ISTIO_ENABLED", "istio_enabled", True),
    ("istio.gateway", "n/g", "ISTIO_GATEWAY", "istio_gateway", "n/g"),
    ("istio.tlsMode", "STRICT", "ISTIO_TLS_MODE", "istio_tls_mode", "ISTIO_MUTUAL"),
    ("ambassador.enabled", True, "AMBASSADOR_ENABLED", "ambassador_enabled", True),
    ("ambassador.singleNamespace", True, "AMBASSADOR_SINGLE_NAMESPACE", "ambassador_single_namespace", True),
    ("keda.enabled", True, "KEDA_ENABLED", "keda_enabled", True),
    ("rollout.onUpgrade", "roll", "ROLLOUT_ON_UPGRADE", "rolls_on_upgrade", True),
    ("rollout.concurrency", 5, "ROLLOUT_CONCURRENCY", "rolls_at_once", 5),
]

# Tested where they belong: the toggle, the modes, and what is refused in combination.
ELSEWHERE = {"enabled", "singleNamespace", "gatewayApi.enabled", "ambassador.version"}


@pytest.mark.parametrize("path", [path for path, value in leaves(VALUES) if value in ("", {}, [])])
def test_null_is_as_good_as_empty(helm: Helm, default: Rendered, path: str) -> None:
    assert helm.operator(nested(path, None)).text == default.text


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.path}={json.dumps(case.value)[:20]}")
def test_a_value_has_its_effect(helm: Helm, default: Rendered, case: Case) -> None:
    assert case.see(default) != case.expected
    assert case.see(helm.operator(nested(case.path, case.value))) == case.expected


def test_large_numbers_are_written_out(helm: Helm) -> None:
    large = {"managerUserID": 1000650000, "manager": {"memoryLimit": 4000000000}, "executor": {"user": 1000660000}}
    text = helm.operator({"crd": {"create": False}, **large}).text
    assert [text.count(number) for number in ("1000650000", "4000000000", "1000660000")] == [3, 1, 1]


@pytest.mark.parametrize(("path", "value", "variable", "field", "expected"), READ, ids=lambda part: str(part)[:40])
def test_the_controller_reads_what_the_value_says(
    helm: Helm, default: Rendered, path: str, value: Any, variable: str, field: str, expected: Any
) -> None:
    environment = helm.operator(nested(path, value)).environment(MANAGER)
    assert environment[variable] != default.environment(MANAGER)[variable]
    assert getattr(Config.from_env(environment), field) == expected


def test_gateway_api_is_switched_on_with_the_gateways_that_it_needs(helm: Helm) -> None:
    rendered = helm.operator({"gatewayApi": {"enabled": True, "gateways": ["n/g"]}})
    config = Config.from_env(rendered.environment(MANAGER))
    assert (config.gateway_enabled, config.gateways) == (True, (("n", "g", ""),))


def test_the_webhook_judges_by_what_the_controller_serves(helm: Helm) -> None:
    values = {
        "keda": {"enabled": True},
        "predictor_servers": MINE,
        "executor": {"port": 8001},
        "istio": {"enabled": True},
    }
    rendered = helm.operator(values)
    told = {"EXECUTOR_CONTAINER_IMAGE_AND_VERSION": "engine:1", **rendered.environment(WEBHOOK)}
    assert Config.from_env(told).installation == Config.from_env(rendered.environment(MANAGER)).installation


def test_the_defaults_of_chart_and_controller_agree(default: Rendered) -> None:
    assert Config.from_env(default.environment(MANAGER)) == Config()


def test_every_value_is_in_a_table() -> None:
    covered = {case.path for case in CASES} | {row[0] for row in READ} | ELSEWHERE
    assert covered == {path for path, _ in leaves(VALUES)}


def _schema_leaves(schema: Object, prefix: str = "") -> Iterator[tuple[str, Object]]:
    for key, found in schema["properties"].items():
        resolved = SCHEMA["definitions"][found["$ref"].rsplit("/", 1)[1]] if "$ref" in found else found
        if "properties" in resolved:
            yield from _schema_leaves(resolved, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", found


def _is_not_served(schema: Object) -> bool:
    return schema == {"$ref": "#/definitions/notServed"}


def test_the_schema_knows_the_values_and_no_others() -> None:
    served = {path for path, schema in _schema_leaves(SCHEMA) if not _is_not_served(schema)}
    assert served == {path for path, _ in leaves(VALUES)} | {"global"}


def test_what_is_not_served_is_known_to_the_schema_and_the_notes_alike() -> None:
    in_schema = {path for path, schema in _schema_leaves(SCHEMA) if _is_not_served(schema)}
    for path, _ in leaves(NOT_SERVED):
        assert any(path == known or path.startswith(f"{known}.") for known in in_schema), path
    for path in in_schema:
        section: Any = NOT_SERVED
        for key in path.split("."):
            section = section[key]


def _objects(schema: Any) -> Iterator[Object]:
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for found in schema.values():
            yield from _objects(found)
    elif isinstance(schema, list):
        for found in schema:
            yield from _objects(found)


def test_the_schema_is_closed_everywhere() -> None:
    objects = list(_objects(SCHEMA))
    assert len(objects) > 10
    assert all(found.get("additionalProperties") is False for found in objects)


def test_the_templates_use_no_value_that_is_not_in_values_yaml() -> None:
    known = {path for path, _ in leaves(VALUES)}
    used = {
        match
        for template in (OPERATOR / "templates").rglob("*.*")
        for match in re.findall(r"(?:\.Values|\$v)\.([A-Za-z][\w.]*\w)", template.read_text())
    }
    assert len(used) > 40
    unknown = {path for path in used if not any(f"{found}.".startswith(f"{path}.") for found in known)}
    assert unknown == set()


def test_the_readme_lists_every_value_with_its_default() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| `(.*?)` \| (.+) \|$", (OPERATOR / "README.md").read_text(), re.MULTILINE)
    described = {path: json.loads(value) for path, value, _ in rows}
    assert len(described) == len(rows)
    assert described == dict(leaves(VALUES))


def test_the_umbrella_knows_the_operators_keys() -> None:
    text = (ROOT / "templates" / "_operator-keys.tpl").read_text()
    match = re.search(r'define "seldon-core\.operatorKeys" -}}\s*(.*?)\s*{{-', text, re.DOTALL)
    assert match is not None
    assert match[1].split() == sorted(SCHEMA["properties"].keys() - {"global"})
