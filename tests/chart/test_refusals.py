"""Values that cannot work are refused before anything is installed: where, what, why, and what to do instead."""

import re
from typing import Any

import pytest

from tests.chart.rendering import Helm, RefusedError
from tests.chart.test_values import nested

# What a value is by itself, refused by the schema: path, value, the place that Helm names.
TYPES: list[tuple[str, Any, str]] = [
    ("manger.logLevel", "INFO", "additional properties 'manger' not allowed"),
    ("manager.cpuRequst", "1", "at '/manager': additional properties 'cpuRequst' not allowed"),
    ("webhook.defaulting.grpah", True, "at '/webhook/defaulting': additional properties 'grpah' not allowed"),
    ("manager.logLevel", "LOUD", "at '/manager/logLevel': value must be one of"),
    ("webhook.port", 443, "at '/webhook/port': minimum: got 443, want 1,024"),
    ("metrics.port", 70000, "at '/metrics/port': maximum"),
    ("executor.port", "8000", "at '/executor/port': got string, want integer"),
    ("executor.metricsPortName", "Metrics", "at '/executor/metricsPortName'"),
    ("executor.metricsPortName", "name-of-19-letters", "at '/executor/metricsPortName': maxLength"),
    ("predictiveUnit.metricsPortName", "123", "at '/predictiveUnit/metricsPortName'"),
    ("predictiveUnit.startupSeconds", 0, "at '/predictiveUnit/startupSeconds': minimum"),
    ("executor.prometheus.path", "metrics", "at '/executor/prometheus/path'"),
    ("executor.resources.cpuLimit", "half", "at '/executor/resources/cpuLimit'"),
    ("executor.resources.cpuLimit", "", "at '/executor/resources/cpuLimit'"),
    ("executor.resources.memoryLimit", None, "at '/executor/resources': missing property 'memoryLimit'"),
    ("executor.user", 0, "at '/executor/user'"),
    ("defaultUserID", "0", "at '/defaultUserID'"),
    ("defaultUserID", "root", "at '/defaultUserID'"),
    ("managerUserID", 0, "at '/managerUserID': minimum"),
    ("image.digest", "sha256:abc", "at '/image/digest'"),
    ("image.tag", "a b", "at '/image/tag'"),
    ("image.pullPolicy", "Sometimes", "at '/image/pullPolicy': value must be one of"),
    ("imagePullSecrets", ["name"], "at '/imagePullSecrets/0': got string, want object"),
    ("controllerId", "not a label", "at '/controllerId'"),
    ("clusterDomain", ".local", "at '/clusterDomain'"),
    ("namespaceOverride", "Seldon", "at '/namespaceOverride'"),
    ("manager.leaderElectionID", "Lease", "at '/manager/leaderElectionID'"),
    ("manager.replicas", 0, "at '/manager/replicas': minimum"),
    ("webhook.replicas", 0, "at '/webhook/replicas': minimum"),
    ("webhook.existingSecret", "My Secret", "at '/webhook/existingSecret'"),
    ("certManager.enabled", "yes", "at '/certManager/enabled': got string, want boolean"),
    ("webhook.port", None, "at '/webhook': missing property 'port'"),
    ("webhook.check.timeoutSeconds", 0, "at '/webhook/check/timeoutSeconds': minimum"),
    ("serviceAccount.name", "", "at '/serviceAccount/name'"),
    ("commonLabels", {"a": 1}, "at '/commonLabels/a': got number, want string"),
    ("istio.tlsMode", "PERMISSIVE", "at '/istio/tlsMode': value must be one of"),
    ("gatewayApi.gateways", ["gateway"], "at '/gatewayApi/gateways/0'"),
    ("predictor_servers", {"A": {"protocols": {"v3": {"image": "a"}}}}, "at '/predictor_servers/A/protocols'"),
    ("predictor_servers", {"A": {"grpc": {"image": "a"}}}, "at '/predictor_servers/A'"),
    ("executor.requestLogger.defaultEndpoint", "broker", "at '/executor/requestLogger/defaultEndpoint'"),
    ("singleNamespace", "yes", "at '/singleNamespace': got string, want boolean"),
]

# What values are together, refused by one template.
COMBINATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no gateway": (
        {"gatewayApi": {"enabled": True}},
        "gatewayApi.gateways: []: names no gateway, while gatewayApi.enabled is true; "
        "list those that routes are attached to, as namespace/name",
    ),
    "Ambassador's annotations": (
        {"ambassador": {"enabled": True, "version": "v1"}},
        "ambassador.version: v1: annotations of Services are not served; write v2",
    ),
    "webhook's ports": (
        {"metrics": {"port": 4443}},
        "metrics.port: 4443: is the port of webhook.port already, in the same pod; choose another",
    ),
    "two sources of certificates": (
        {"certManager": {"enabled": True}, "webhook": {"existingSecret": "mine"}},
        'webhook.existingSecret: "mine": certManager.enabled makes a Secret of its own; set one of the two',
    ),
    "engine's ports": (
        {"executor": {"metricsPort": 8000}},
        "executor.metricsPort: 8000: is the port of executor.port already, in the same pod; choose another",
    ),
    "engine's port names": (
        {"executor": {"metricsPortName": "http"}},
        "executor.metricsPortName: http: is the name of another port of the same container;"
        " choose another, such as metrics",
    ),
    "components' port names": (
        {"predictiveUnit": {"metricsPortName": "grpc"}},
        "predictiveUnit.metricsPortName: grpc: is the name of another port of the same container;"
        " choose another, such as metrics",
    ),
    "accounts": (
        {"serviceAccount": {"name": "seldon-webhook"}},
        'webhook.serviceAccount.name: "seldon-webhook": is the controller\'s account, whose permissions'
        " the webhook must not have; name another",
    ),
    "labels": (
        {"commonLabels": {"app.kubernetes.io/instance": "x"}},
        "commonLabels: app.kubernetes.io/instance: is set by the chart, which finds its objects by it;"
        " choose another label",
    ),
    "labels of pods": (
        {"commonLabels": {"control-plane": "x"}},
        "commonLabels: control-plane: is set by the chart, which finds its objects by it; choose another label",
    ),
}


@pytest.mark.parametrize(("path", "value", "place"), TYPES, ids=lambda part: str(part)[:30])
def test_a_value_of_the_wrong_kind_is_refused_with_its_place(helm: Helm, path: str, value: Any, place: str) -> None:
    assert place in helm.refusal(nested(path, value))


@pytest.mark.parametrize(("values", "finding"), COMBINATIONS.values(), ids=COMBINATIONS)
def test_a_combination_that_cannot_work_is_refused_with_a_remedy(
    helm: Helm, values: dict[str, Any], finding: str
) -> None:
    message = helm.refusal(values)
    assert f"\nThe values of seldon-core-operator cannot be used:\n  - {finding}\n" in message


def test_all_findings_come_at_once(helm: Helm) -> None:
    together: dict[str, Any] = {}
    for values, _ in COMBINATIONS.values():
        for key, value in values.items():
            together[key] = together.get(key, {}) | value
    message = helm.refusal(together)
    assert len(re.findall(r"^  - ", message, re.MULTILINE)) == len(COMBINATIONS)


def test_the_umbrella_refuses_keys_that_it_would_ignore(helm: Helm) -> None:
    with pytest.raises(RefusedError) as refused:
        helm.template({"istio": {"enabled": True}, "manager": {}, "seldon_core_operator": {}})
    assert re.findall(r"^  - (\S+ [^;]*; .*)$", str(refused.value), re.MULTILINE) == [
        "istio: a value of the operator, ignored at the top level; write seldon-core-operator.istio"
        ' (in a values file: indent the whole block below "seldon-core-operator:")',
        "manager: a value of the operator, ignored at the top level; write seldon-core-operator.manager"
        ' (in a values file: indent the whole block below "seldon-core-operator:")',
        "seldon_core_operator: unknown value; the only key at the top level is seldon-core-operator,"
        " and charts/seldon-core-operator/README.md lists what may be set below it",
    ]


@pytest.mark.parametrize("key", ["enabled", "executor", "predictor_servers"])
def test_the_umbrella_refuses_them_with_the_toggle_off_as_well(helm: Helm, key: str) -> None:
    with pytest.raises(RefusedError, match=f"write seldon-core-operator.{key}"):
        helm.template({key: {"a": "b"}, "seldon-core-operator": {"enabled": False}})


def test_values_that_are_shared_between_charts_are_accepted(helm: Helm) -> None:
    assert helm.template({"global": {"region": "eu"}}).objects
