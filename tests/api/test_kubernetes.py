"""Types of Kubernetes inside a SeldonDeployment, pod templates above all: checked as an API server describes them."""

import copy
from typing import Any

import pytest

from hack.tools.catalogue import KUBERNETES_VERSION
from seldon_core.api.findings import Finding
from seldon_core.api.installation import Installation
from seldon_core.api.kubernetes import BUNDLED_VERSION, OPENAPI_PATHS, KubernetesTypes, bundled, definitions_of
from seldon_core.api.validate import validate
from tests.api.samples import UNSERVED, Object, component, container, node, predictor, sdep

P0 = "spec.predictors[0]"
POD = f"{P0}.componentSpecs[0].spec"
C0 = f"{POD}.containers[0]"


def found(obj: Object, installation: Installation | None = None) -> list[Finding]:
    findings = validate(obj, None, installation) if installation else validate(obj)
    return [finding for finding in findings if UNSERVED not in finding.rule]


def with_pod(**fields: Any) -> Object:
    pod = component()
    pod["spec"] |= fields
    return sdep(predictor("p1", None, pod))


def with_container(**fields: Any) -> Object:
    return sdep(predictor("p1", None, component(container(**fields))))


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        pytest.param(
            with_container(imagePulPolicy="Always"),
            f'{C0}.imagePulPolicy: "Always": is not a known field; write imagePullPolicy',
            id="misspelt",
        ),
        pytest.param(
            with_container(env=[{"name": "A", "valeu": "1"}]),
            f'{C0}.env[0].valeu: "1": is not a known field; write value',
            id="misspelt-below",
        ),
        pytest.param(
            with_pod(NodeSelector={}), f"{POD}.NodeSelector: {{}}: is not a known field; write nodeSelector", id="case"
        ),
        pytest.param(
            with_container(env=[{"name": "A", "zzz": 1}]),
            f"{C0}.env[0].zzz: 1: is not a known field; remove it, or write one of name, value, valueFrom",
            id="unlike-any-other",
        ),
        pytest.param(with_pod(zzz=1), f"{POD}.zzz: 1: is not a known field; remove it", id="unlike-any-of-many"),
        pytest.param(
            with_container(env=[{"name": "A", "value": 1}]),
            f'{C0}.env[0].value: 1: must be a string, not a number; put it in quotes: "1"',
            id="number-for-text",
        ),
        pytest.param(
            with_pod(terminationGracePeriodSeconds="20"),
            f'{POD}.terminationGracePeriodSeconds: "20": must be a whole number, not a string; write 20 without quotes',
            id="text-for-number",
        ),
        pytest.param(
            with_container(imagePullPolicy="always"),
            f'{C0}.imagePullPolicy: "always": must be one of Always, IfNotPresent, Never; write Always',
            id="word",
        ),
        pytest.param(
            with_container(resources={"limits": {"memory": "2GB"}}),
            f'{C0}.resources.limits[memory]: "2GB": must be an amount, such as 500m or 1Gi; write 2G',
            id="amount",
        ),
        pytest.param(
            with_container(resources={"requests": {"cpu": "a lot"}}),
            f'{C0}.resources.requests[cpu]: "a lot": must be an amount, such as 500m or 1Gi; write 1Gi, for example',
            id="no-amount",
        ),
        pytest.param(
            with_container(livenessProbe={"httpGet": {"path": "/"}}),
            f"{C0}.livenessProbe.httpGet.port: is required; add it",
            id="required",
        ),
        pytest.param(
            with_pod(volumes=[{"name": "a", "emptyDir": []}]),
            f"{POD}.volumes[0].emptyDir: []: must be a mapping, not a list; "
            'write it as lines of "key: value", indented below the field',
            id="list-for-mapping",
        ),
        pytest.param(
            sdep(predictor(explainer={"type": "ALE", "containerSpec": {"name": "x", "imag": "a"}})),
            f'{P0}.explainer.containerSpec.imag: "a": is not a known field; write image',
            id="explainer",
        ),
        pytest.param(
            sdep(predictor(svcOrchSpec={"resources": {"limit": {}}})),
            f"{P0}.svcOrchSpec.resources.limit: {{}}: is not a known field; write limits",
            id="resources-of-the-engine",
        ),
        pytest.param(
            sdep(predictor(svcOrchSpec={"env": [{"name": "A", "value": 1}]})),
            f'{P0}.svcOrchSpec.env[0].value: 1: must be a string, not a number; put it in quotes: "1"',
            id="env-of-the-engine",
        ),
        pytest.param(
            sdep(predictor("p1", None, component(hpaSpec={"maxReplicas": 2, "metricsv2": [{"typ": "Pods"}]}))),
            f"{P0}.componentSpecs[0].hpaSpec.metricsv2[0].type: is required; add it",
            id="metrics",
        ),
    ],
)
def test_refused_where_it_stands_with_what_to_write(obj: Object, message: str) -> None:
    assert message in [str(finding) for finding in found(obj) if finding.severity == "error"]


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(with_pod(nodeSelector=None, tolerations=None, volumes=[]), id="nulls"),
        pytest.param(with_container(imagePullPolicy="", ports=[{"containerPort": 9000, "protocol": ""}]), id="empty"),
        pytest.param(
            with_container(resources={"limits": {"cpu": 1, "memory": "1e9", "nvidia.com/gpu": 1}}), id="amounts"
        ),
        pytest.param(with_pod(schedulingGates=[{"name": "a.b/c"}], hostUsers=False), id="newer-than-the-reference"),
        pytest.param(
            with_container(livenessProbe={"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 5.0}), id="probe"
        ),
        pytest.param(sdep(predictor(engineResources={"limit": 1})), id="ignored"),
    ],
)
def test_accepted(obj: Object) -> None:
    assert [finding for finding in found(obj) if finding.severity == "error"] == []


def cluster(change: Any) -> Installation:
    """An installation on a cluster whose types differ from the bundled ones."""
    definitions = copy.deepcopy(dict(bundled().definitions))
    change(definitions)
    return Installation(kubernetes=KubernetesTypes.of(definitions))


def test_the_clusters_own_types_decide() -> None:
    """A field that only the cluster knows is a warning, one that it does not know an error."""
    newer = cluster(lambda types: types["Container"]["properties"].update(quantum={"type": "string"}))
    (warning,) = found(with_container(quantum="on"), newer)
    assert str(warning) == (
        f'{C0}.quantum: "on": is not a field of Kubernetes {BUNDLED_VERSION}, by which it would be checked, '
        "but of this cluster's; check its spelling yourself"
    )
    assert warning.severity == "warning"
    (error,) = found(with_container(quantum=1), newer)
    assert (error.path, error.rule, error.severity) == (f"{C0}.quantum", "must be a string, not a number", "error")
    (error,) = found(with_container(quantums="on"), newer)
    assert (error.path, error.remedy) == (f"{C0}.quantums", "write quantum")

    older = cluster(lambda types: types["PodSpec"]["properties"].pop("hostUsers"))
    (error,) = found(with_pod(hostUsers=False), older)
    assert (error.path, error.severity) == (f"{POD}.hostUsers", "error")
    assert found(with_pod(), older) == found(with_container(), newer) == []


def document(**schemas: Any) -> Object:
    return {"components": {"schemas": schemas}}


def test_types_are_taken_from_openapi() -> None:
    """References are followed, what does not decide about the form of a value is left out."""
    core, autoscaling = "io.k8s.api.core.v1.", "io.k8s.api.autoscaling.v2."
    text = {"type": "string", "description": "x", "default": ""}
    amount = {"$ref": "#/components/schemas/io.Quantity"}
    reference = {"allOf": [{"$ref": f"#/components/schemas/{core}EnvVar"}], "default": {}}
    documents = [
        document(**{
            f"{core}PodSpec": {"type": "object", "properties": {"env": {"type": "array", "items": reference}}},
            f"{core}Container": {"type": "object", "properties": {"at": {"oneOf": [{"type": "integer"}, text]}}},
            f"{core}EnvVar": {"type": "object", "required": ["name"], "properties": {"name": text}},
            f"{core}ResourceRequirements": {
                "type": "object",
                "properties": {"limits": {"type": "object", "additionalProperties": amount}},
            },
            "io.Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
            "io.Unused": {"type": "object"},
        }),
        document(**{
            f"{autoscaling}MetricSpec": {"type": "object", "properties": {"type": {**text, "enum": ["A", "B"]}}},
            f"{autoscaling}HorizontalPodAutoscalerBehavior": {"type": "object"},
        }),
    ]  # fmt: skip
    assert definitions_of(documents) == {
        "PodSpec": {"type": "object", "properties": {"env": {"type": "array", "items": {"$ref": "EnvVar"}}}},
        "Container": {"type": "object", "properties": {"at": {"x-kubernetes-int-or-string": True}}},
        "EnvVar": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
        "ResourceRequirements": {
            "type": "object",
            "properties": {"limits": {"type": "object", "additionalProperties": {"$ref": "Quantity"}}},
        },
        "Quantity": {"format": "quantity"},
        "MetricSpec": {"type": "object", "properties": {"type": {"type": "string", "enum": ["A", "B", ""]}}},
        "HorizontalPodAutoscalerBehavior": {"type": "object"},
    }
    assert KubernetesTypes.from_openapi(documents) is not bundled()


ODD = [{"allOf": []}, {"$ref": 1}, {"properties": []}, {"enum": 1}, {"items": 5, "type": "array"}]


@pytest.mark.parametrize(
    "documents",
    [
        *([], [{}], [{"components": None}], [None], [document()]),
        *([document(**{"io.k8s.api.core.v1.PodSpec": odd})] for odd in ODD),
    ],
    ids=str,
)
def test_what_describes_no_types_is_an_error(documents: list[Any]) -> None:
    with pytest.raises(ValueError, match="OpenAPI"):
        KubernetesTypes.from_openapi(documents)


def test_the_bundle_is_of_the_pinned_kubernetes() -> None:
    assert BUNDLED_VERSION == KUBERNETES_VERSION
    assert len(OPENAPI_PATHS) == 2


def test_a_type_that_contains_itself_is_open_inside() -> None:
    definitions = {**bundled().definitions}
    definitions["EnvVar"] = {"type": "object", "properties": {"name": {"type": "string"}, "more": {"$ref": "EnvVar"}}}
    installation = Installation(kubernetes=KubernetesTypes.of(definitions))
    obj = sdep(predictor("p1", node(), component(container(env=[{"name": "a", "more": {"any": 1}}]))))
    assert [finding.severity for finding in found(obj, installation)] == ["warning"]
