"""Autoscalers, disruption budgets, and how many pods there are."""

from dataclasses import replace
from typing import Any

import pytest

from seldon_core.plan import LiveObject, Observed, plan
from seldon_core.plan.hpa_metrics import converted

from .build import CONFIG, Object, as_applied, component, container, deployment, live, node, planned, predictor, sdep

KEDA = replace(CONFIG, keda_enabled=True)
TRIGGERS = [{"type": "prometheus", "metadata": {"query": "q"}}]
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "m-p-0-a"}


def scaled(*, replicas: int | None = None, **fields: Any) -> Object:
    counted = {} if replicas is None else {"replicas": replicas}
    return sdep(predictor("p", node("a"), component(container("a"), **fields), **counted))


def test_an_autoscaler_for_the_deployment() -> None:
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 10}}]
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 60}}
    obj = scaled(hpaSpec={"maxReplicas": 10, "metrics": metrics, "behavior": behavior}, replicas=3)
    hpa = planned(obj)["HorizontalPodAutoscaler", "m-p-0-a"]
    assert hpa["apiVersion"] == "autoscaling/v2"
    assert hpa["spec"] == {
        "scaleTargetRef": TARGET,
        "maxReplicas": 10,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 10}},
            }
        ],
        "behavior": behavior,
    }
    assert hpa["metadata"]["labels"] == {
        "seldon-deployment-id": "m",
        "app.kubernetes.io/managed-by": "seldon-core",
    }
    assert "replicas" not in deployment(obj)["spec"], "the autoscaler decides"


def test_a_scaled_object_for_the_deployment() -> None:
    given = {"minReplicaCount": 2, "maxReplicaCount": 15, "triggers": TRIGGERS, "advanced": {"a": 1}}
    obj = scaled(kedaSpec=given, replicas=3)
    found = planned(obj, KEDA)["ScaledObject", "m-p-0-a"]
    assert found["apiVersion"] == "keda.sh/v1alpha1"
    assert found["spec"] == {**given, "scaleTargetRef": TARGET}
    assert "replicas" not in deployment(obj, KEDA)["spec"]


def test_without_keda_the_written_replicas_hold() -> None:
    obj = scaled(kedaSpec={"triggers": TRIGGERS}, replicas=3)
    assert not [kind for kind, _ in planned(obj) if kind == "ScaledObject"]
    assert deployment(obj)["spec"]["replicas"] == 3
    assert plan(scaled(kedaSpec={"triggers": TRIGGERS}), CONFIG, Observed()).scaled == ["m-p-0-a"]
    assert plan(scaled(kedaSpec={"triggers": TRIGGERS}), KEDA, Observed()).scaled == []


def renamed(*containers: Object, **fields: Any) -> Object:
    return sdep(predictor("p", node(containers[0]["name"]), component(*containers, **fields)))


HPA = {"hpaSpec": {"maxReplicas": 9}}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(renamed(container("a"), container("log"), **HPA), 7, id="a-container-more"),
        pytest.param(renamed(container("b"), **HPA), 7, id="a-container-of-another-name"),
        pytest.param(renamed(container("b"), kedaSpec={"triggers": TRIGGERS}), 7, id="under-keda"),
        pytest.param(renamed(container("b")), 7, id="under-nobody"),
        pytest.param(renamed(container("b"), replicas=2), 2, id="a-number-of-its-own"),
        pytest.param(sdep(predictor("q", node("a"), component(container("a"), **HPA))), None, id="another-predictor"),
    ],
)
def test_a_deployment_of_another_name_starts_with_as_many_pods(after: Object, expected: int | None) -> None:
    before = as_applied(plan(scaled(**HPA), CONFIG, Observed()))
    seven = replace(before.deployments["m-p-0-a"], replicas=7)
    made = deployment(after, KEDA, replace(before, deployments={"m-p-0-a": seven}))
    assert made["metadata"]["name"] != "m-p-0-a"
    assert made["spec"].get("replicas") == expected


def test_each_of_several_pods_follows_on_its_own_kind() -> None:
    def pods(*parts: str) -> Object:
        graph = node("a", node("b"), kind="TRANSFORMER")
        return sdep(predictor("p", graph, *(component(*map(container, part.split("-")), **HPA) for part in parts)))

    before = as_applied(plan(pods("a", "b"), CONFIG, Observed()))
    counted = {"m-p-0-a": 3, "m-p-1-b": 8}
    lives = {name: replace(live, replicas=counted[name]) for name, live in before.deployments.items()}
    made = planned(pods("b", "a-x"), CONFIG, replace(before, deployments=lives))
    found = {name: item["spec"]["replicas"] for (kind, name), item in made.items() if kind == "Deployment"}
    assert found == {"m-p-0-b": 8, "m-p-1-a-x": 3}


def test_a_budget_is_for_the_pods_of_one_deployment() -> None:
    budget = {"maxUnavailable": 1}
    parts = (component(container("a"), pdbSpec=budget), component(container("b"), pdbSpec={"minAvailable": "50%"}))
    objects = planned(sdep(predictor("p", node("a", node("b")), *parts)))
    first, second = (objects["PodDisruptionBudget", name]["spec"] for name in ("m-p-0-a", "m-p-1-b"))
    assert first == {"maxUnavailable": 1, "selector": {"matchLabels": {"seldon-deployment-id": "m", "app": "m-p-0-a"}}}
    assert second["minAvailable"] == "50%"
    assert second["selector"] != first["selector"]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        pytest.param(live(5, sole_owner_of_replicas=True), 5, id="until-the-autoscaler-has-set-it"),
        pytest.param(live(7), None, id="then-it-is-left-to-the-autoscaler"),
        pytest.param(None, None, id="new"),
    ],
)
def test_an_autoscaler_takes_over_without_a_dip(before: Any, expected: int | None) -> None:
    obj = scaled(hpaSpec={"maxReplicas": 10}, replicas=5)
    observed = Observed(deployments={} if before is None else {"m-p-0-a": before})
    assert deployment(obj, observed=observed)["spec"].get("replicas") == expected


def test_one_autoscaler_goes_before_the_other_comes() -> None:
    old = {("HorizontalPodAutoscaler", "m-p-0-a"): LiveObject(uid="1")}
    observed = Observed(deployments={"m-p-0-a": live(5)}, others=old)
    made = plan(scaled(kedaSpec={"triggers": TRIGGERS}, replicas=5), KEDA, observed)
    assert [(ref.kind, ref.uid) for ref in made.obsolete] == [("HorizontalPodAutoscaler", "1")]
    assert "ScaledObject" in {item["kind"] for item in made.due()}


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        pytest.param(
            {
                "type": "Object",
                "object": {
                    "target": {"kind": "sdep", "apiVersion": "v1", "name": "foo"},
                    "metricName": "m",
                    "targetValue": "100",
                },
            },
            {
                "type": "Object",
                "object": {
                    "describedObject": {"kind": "sdep", "apiVersion": "v1", "name": "foo"},
                    "metric": {"name": "m"},
                    "target": {"type": "Value", "value": "100"},
                },
            },
            id="C1-object",
        ),
        pytest.param(
            {
                "type": "Object",
                "object": {
                    "target": {"kind": "k", "name": "n"},
                    "metricName": "m",
                    "targetValue": "0",
                    "averageValue": "5",
                },
            },
            {
                "type": "Object",
                "object": {
                    "describedObject": {"kind": "k", "name": "n"},
                    "metric": {"name": "m"},
                    "target": {"type": "AverageValue", "averageValue": "5"},
                },
            },
            id="C1-object-average",
        ),
        pytest.param(
            {"type": "Pods", "pods": {"metricName": "m", "targetAverageValue": "100", "selector": {"matchLabels": {}}}},
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": "m", "selector": {"matchLabels": {}}},
                    "target": {"type": "AverageValue", "averageValue": "100"},
                },
            },
            id="C2-pods",
        ),
        pytest.param(
            {"type": "Resource", "resource": {"name": "memory", "targetAverageValue": "100"}},
            {
                "type": "Resource",
                "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "100"}},
            },
            id="C3-resource",
        ),
        pytest.param(
            {
                "type": "ContainerResource",
                "containerResource": {"name": "memory", "container": "c", "targetAverageValue": "100"},
            },
            {
                "type": "ContainerResource",
                "containerResource": {
                    "name": "memory",
                    "container": "c",
                    "target": {"type": "AverageValue", "averageValue": "100"},
                },
            },
            id="C4-container-resource",
        ),
        pytest.param(
            {"type": "External", "external": {"metricName": "m", "targetAverageValue": "100"}},
            {
                "type": "External",
                "external": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "100"}},
            },
            id="C5-external",
        ),
        pytest.param(
            {"type": "External", "external": {"metricName": "m", "targetValue": "100"}},
            {"type": "External", "external": {"metric": {"name": "m"}, "target": {"type": "Value", "value": "100"}}},
            id="C5-external-value",
        ),
        *[
            pytest.param(metric, metric, id=f"v2-{metric['type']}")
            for metric in (
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 5}},
                },
                {
                    "type": "Pods",
                    "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "1"}},
                },
            )
        ],
    ],
)
def test_metrics_of_v2beta1_become_those_of_v2(metric: Object, expected: Object) -> None:
    assert converted(metric) == expected


@pytest.mark.parametrize(
    ("spec", "own", "part", "expected"),
    [
        pytest.param(None, 4, None, 4, id="R18-predictor"),
        pytest.param(3, 4, None, 4, id="R18-predictor-over-spec"),
        pytest.param(3, 4, 5, 5, id="R18-component-over-predictor"),
        pytest.param(3, None, None, 3, id="R18-spec"),
        pytest.param(None, None, None, None, id="R18-none"),
        pytest.param(3, 0, None, 0, id="T7-nothing-is-a-number-too"),
    ],
)
def test_replicas_come_from_the_most_specific_place(
    spec: int | None, own: int | None, part: int | None, expected: int | None
) -> None:
    def counted(number: int | None) -> Object:
        return {} if number is None else {"replicas": number}

    made = sdep(predictor("p", node("a"), component(container("a"), **counted(part)), **counted(own)), **counted(spec))
    assert deployment(made)["spec"].get("replicas") == expected
