from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seldon_core.api.defaults import stored_defaults
from seldon_core.api.findings import Finding
from seldon_core.api.validate import validate
from tests.api.samples import (
    JSON,
    Object,
    broken,
    chain_in_two_pods,
    changed,
    component,
    container,
    node,
    pod_of,
    predictor,
    sdep,
    seldon_deployments,
    two,
)
from tests.api.verdicts import errors, paths

P0 = "spec.predictors[0]"
C0 = f"{P0}.componentSpecs[0].spec.containers[0]"
ONE_CONTAINER = "spec.predictors.0.componentSpecs.0.spec.containers.0"


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(sdep(), id="W8-single-model"),
        pytest.param(sdep(protocol="seldon", transport="rest", serverType="rpc"), id="W1-written-out"),
        pytest.param(chain_in_two_pods(), id="chain-in-two-pods"),
        pytest.param(pod_of(container("a"), container("b"), graph=node("a", node("b"))), id="chain-in-one-pod"),
        pytest.param(sdep(predictor("p1", node(children=[], endpoint={"type": "REST"}, type="MODEL"))), id="example"),
        pytest.param(sdep(predictor("p1", node(type="OUTPUT_TRANSFORMER"))), id="output-transformer"),
        pytest.param(sdep(predictor("p1", node(implementation="UNKNOWN_IMPLEMENTATION"))), id="unknown-implementation"),
        pytest.param(two({"traffic": 100}), id="traffic-on-one"),
        pytest.param(two({"traffic": 30}, {"traffic": 70}), id="traffic"),
        pytest.param(two(), id="traffic-split-evenly"),
        pytest.param(sdep(predictor(traffic=100)), id="traffic-of-the-only-one"),
        pytest.param(sdep(predictor(traffic=0)), id="no-traffic-of-the-only-one"),
        pytest.param(
            two({"annotations": {"seldon.io/svc-name": "svc1"}}, {"annotations": {"seldon.io/svc-name": "svc2"}}),
            id="W25-svc-names",
        ),
        pytest.param(sdep(predictor(annotations={"seldon.io/no-engine": "false"})), id="engine-not-switched-off"),
        pytest.param(pod_of(container(), container("tfserving"), container("log")), id="sidecars"),
        pytest.param(
            sdep(predictor("p1", node("a", node("b")), *[component(container(n), container("log")) for n in "ab"])),
            id="same-sidecar-in-two-pods",
        ),
        pytest.param(sdep(name="x" * 67), id="R9-long-name"),
        pytest.param(changed(sdep(), ("metadata", {"generateName": "my-model-"})), id="generated-name"),
        pytest.param(changed(sdep(), ("apiVersion", "machinelearning.seldon.io/v1alpha2")), id="v1alpha2"),
        pytest.param(changed(sdep(), ("apiVersion", "machinelearning.seldon.io/v1alpha3")), id="v1alpha3"),
        pytest.param(sdep(replicas=0), id="no-replicas"),
        pytest.param(sdep(predictor(replicas=2.0)), id="whole-float"),
        pytest.param(sdep(predictor(replicas=None, traffic=None, labels=None), annotations=None), id="nulls"),
        pytest.param(
            pod_of(container(ports=[{"containerPort": 53, "protocol": p} for p in ("TCP", "UDP")])), id="port-twice"
        ),
        pytest.param(
            sdep(predictor("p1", node(parameters=[{"name": "load", "value": "a", "type": "STRING"}] * 2))),
            id="parameter-twice",
        ),
        pytest.param(sdep(predictor(labels={"version": "v1", "team": "a-b_c.d", "example.com/x": ""})), id="labels"),
    ],
)
def test_accepted(obj: Object) -> None:
    """Raw as well as with what is stored filled in (W2)."""
    assert errors(obj) == []
    assert errors(stored_defaults(obj)) == []


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        # The object
        pytest.param([], ["SeldonDeployment"], id="no-mapping"),
        pytest.param({}, ["apiVersion", "kind", "metadata.name", "spec"], id="empty"),
        pytest.param(changed(sdep(), ("apiVersion", "v1")), ["apiVersion"], id="api-version"),
        pytest.param(changed(sdep(), ("kind", "Deployment")), ["kind"], id="kind"),
        pytest.param(changed(sdep(), ("spec", "x")), ["spec"], id="spec-text"),
        pytest.param(sdep(name="my.model"), ["metadata.name"], id="name-with-dot"),
        pytest.param(sdep(name="1model"), ["metadata.name"], id="name-with-digit-first"),
        pytest.param(changed(sdep(), ("metadata.name", ["a"])), ["metadata.name"], id="name-list"),
        pytest.param(changed(sdep(), ("metadata", {"generateName": "My-"})), ["metadata.generateName"], id="prefix"),
        # The spec
        pytest.param(sdep(protocol="abc"), ["spec.protocol"], id="W3-V1-protocol"),
        pytest.param(sdep(transport="abc"), ["spec.transport"], id="W4-V2-transport"),
        pytest.param(sdep(serverType="abc"), ["spec.serverType"], id="W5-V3-server-type"),
        pytest.param(changed(sdep(), ("spec.predictors", [])), ["spec.predictors"], id="W20-V7-no-predictors"),
        pytest.param(changed(sdep(), ("spec.predictors", ...)), ["spec.predictors"], id="V7-predictors-missing"),
        pytest.param(changed(sdep(), ("spec.predictors", "p1")), ["spec.predictors"], id="predictors-text"),
        pytest.param(
            changed(sdep(), ("spec.predictors", [None, "a"])), [P0, "spec.predictors[1]"], id="not-predictors"
        ),
        pytest.param(sdep(replicas=-1), ["spec.replicas"], id="negative-replicas"),
        pytest.param(sdep(replicas="2"), ["spec.replicas"], id="replicas-text"),
        pytest.param(sdep(replicas=True), ["spec.replicas"], id="replicas-boolean"),
        pytest.param(sdep(replicas=2**31), ["spec.replicas"], id="replicas-too-many"),
        pytest.param(
            sdep(annotations={"seldon.io/x": True}), ["spec.annotations[seldon.io/x]"], id="annotation-boolean"
        ),
        pytest.param(sdep(annotations={"a b": "x"}), ["spec.annotations[a b]"], id="annotation-key"),
        # Predictors
        pytest.param(changed(sdep(), ("spec.predictors.0.name", ...)), [f"{P0}.name"], id="predictor-nameless"),
        pytest.param(sdep(predictor("")), [f"{P0}.name"], id="predictor-name-empty"),
        pytest.param(sdep(predictor("My_Predictor")), [f"{P0}.name"], id="predictor-name"),
        pytest.param(sdep(predictor("p" * 64)), [f"{P0}.name"], id="predictor-name-long"),
        pytest.param(
            sdep(predictor("p1", None, traffic=50), predictor("p1", None, traffic=50)),
            ["spec.predictors[1].name"],
            id="W11-V9-E1-predictor-name-twice",
        ),
        pytest.param(changed(sdep(), ("spec.predictors.0.graph", ...)), [f"{P0}.graph"], id="W18-E1-no-graph"),
        pytest.param(sdep({"name": "p1"}), [f"{P0}.graph"], id="W18-only-a-name"),
        pytest.param(sdep(predictor(replicas=-1)), [f"{P0}.replicas"], id="negative-predictor-replicas"),
        pytest.param(sdep(predictor(labels=["a"])), [f"{P0}.labels"], id="labels-list"),
        pytest.param(sdep(predictor(labels={"team": 3})), [f"{P0}.labels[team]"], id="label-number"),
        pytest.param(sdep(predictor(labels={"team": "a b"})), [f"{P0}.labels[team]"], id="label-value"),
        pytest.param(sdep(predictor(labels={"/x": "a"})), [f"{P0}.labels[/x]"], id="label-key"),
        pytest.param(sdep(predictor(labels={"app": "a"})), [f"{P0}.labels[app]"], id="label-app"),
        pytest.param(sdep(predictor(labels={"app": "p1"})), [f"{P0}.labels[app]"], id="label-app-as-the-predictor"),
        pytest.param(sdep(predictor(labels={"seldon-app": "a"})), [f"{P0}.labels[seldon-app]"], id="label-seldon-app"),
        pytest.param(
            sdep(predictor(labels={"seldon-deployment-id": "a"})), [f"{P0}.labels[seldon-deployment-id]"], id="label-id"
        ),
        pytest.param(
            sdep(predictor(labels={"seldon-app-svc-x": "a"})), [f"{P0}.labels[seldon-app-svc-x]"], id="label-svc"
        ),
        pytest.param(
            sdep(predictor("p1", None, component(metadata={"labels": {"app": "a"}}))),
            [f"{P0}.componentSpecs[0].metadata.labels[app]"],
            id="pod-label-app",
        ),
        # Traffic
        pytest.param(two({"traffic": 50}, {"traffic": 30}), ["spec.predictors[1].traffic"], id="V20-80-percent"),
        pytest.param(two({"traffic": 0}, {"traffic": 0}), ["spec.predictors[1].traffic"], id="W12-V20-zero-percent"),
        pytest.param(
            two({"traffic": 150}, {"traffic": -50}), [f"{P0}.traffic", "spec.predictors[1].traffic"], id="out-of-range"
        ),
        pytest.param(sdep(predictor(traffic=50)), [f"{P0}.traffic"], id="V21-half-of-the-only-one"),
        # Names made from names
        pytest.param(
            two({"annotations": {"seldon.io/svc-name": "svc1"}}, {"annotations": {"seldon.io/svc-name": "svc1"}}),
            ["spec.predictors[1].annotations[seldon.io/svc-name]"],
            id="W24-V6-svc-name-twice",
        ),
        pytest.param(
            sdep(predictor(annotations={"seldon.io/svc-name": "1.x"})),
            [f"{P0}.annotations[seldon.io/svc-name]"],
            id="svc-name-syntax",
        ),
        pytest.param(
            sdep(predictor(annotations={"seldon.io/svc-name": "mydep-p1-classifier"})),
            [f"{C0}.name"],
            id="svc-name-of-a-container",
        ),
        pytest.param(
            sdep(predictor("p1", None, traffic=50), predictor("p1-classifier", None, traffic=50)),
            ["spec.predictors[1].name"],
            id="predictor-and-container",
        ),
        pytest.param(
            sdep(
                predictor("p", node("b", node("x")), component(container("b")), component(container("x"))),
                predictor("p-1", None, component(metadata={"name": "0-classifier"})),
                predictor("p-1-x", None, component(metadata={"name": "1"})),
                predictor("p-1", None),
            ),
            ["spec.predictors[3].name"],
            id="no-more-findings-for-a-name-taken-twice",
        ),
        pytest.param(
            sdep(
                predictor("p-0", node("z"), component(container("z"), metadata={"name": "q"})),
                predictor("p", node("x"), component(container("x"), metadata={"name": "0-q"})),
            ),
            ["spec.predictors[1].componentSpecs[0]"],
            id="deployment-names",
        ),
        # The graph
        pytest.param(sdep(predictor("p1", node("other"))), [f"{P0}.graph.name"], id="E1-V10-no-container"),
        pytest.param(
            sdep(predictor("p1", node("classifier", node("other")))),
            [f"{P0}.graph.children[0].name"],
            id="V10-no-container-for-a-child",
        ),
        pytest.param(
            changed(sdep(), ("spec.predictors.0.componentSpecs", ...)), [f"{P0}.graph.name"], id="V10-no-pods"
        ),
        pytest.param(changed(sdep(), ("spec.predictors.0.graph.name", ...)), [f"{P0}.graph.name"], id="W9-nameless"),
        pytest.param(
            changed(chain_in_two_pods(), ("spec.predictors.0.graph.children.0.name", ...)),
            [f"{P0}.graph.children[0].name"],
            id="nameless-child",
        ),
        pytest.param(
            sdep(predictor("p1", node("classifier", node("classifier")))),
            [f"{P0}.graph.children[0].name"],
            id="node-name-twice",
        ),
        pytest.param(sdep(predictor("p1", node(type="UNKNOWN_TYPE"))), [f"{P0}.graph.type"], id="V11-unknown-type"),
        pytest.param(sdep(predictor("p1", node(type="model"))), [f"{P0}.graph.type"], id="type-enum"),
        pytest.param(
            sdep(predictor("p1", node(endpoint={"type": "HTTP"}))), [f"{P0}.graph.endpoint.type"], id="endpoint-enum"
        ),
        pytest.param(sdep(predictor("p1", node(children="x"))), [f"{P0}.graph.children"], id="children-text"),
        pytest.param(sdep(predictor("p1", node(children=[3]))), [f"{P0}.graph.children[0]"], id="child-number"),
        pytest.param(
            sdep(predictor("p1", node(parameters=[{"name": "x", "value": 0.5, "type": "FLOAT"}, {"type": "int"}]))),
            [
                f"{P0}.graph.parameters[0].value",
                *[f"{P0}.graph.parameters[1].{key}" for key in ("name", "type", "value")],
            ],
            id="parameter-shape",
        ),
        *[
            pytest.param(
                sdep(predictor("p1", node(parameters=[{"name": "x", "value": value, "type": kind}]))),
                [f"{P0}.graph.parameters[0].value"],
                id=f"parameter-{kind}",
            )
            for kind, value in (("INT", "1.5"), ("FLOAT", "a"), ("DOUBLE", ""), ("BOOL", "yes"))
        ],
        # Pods
        pytest.param(
            changed(sdep(), ("spec.predictors.0.componentSpecs", {"spec": {}})),
            [f"{P0}.componentSpecs", f"{P0}.graph.name"],
            id="pods-mapping",
        ),
        pytest.param(
            changed(sdep(), ("spec.predictors.0.componentSpecs.0", {})),
            [f"{P0}.componentSpecs[0].spec", f"{P0}.graph.name"],
            id="no-pod-spec",
        ),
        pytest.param(
            changed(sdep(), ("spec.predictors.0.componentSpecs.0.spec", {})),
            [f"{P0}.componentSpecs[0].spec.containers", f"{P0}.graph.name"],
            id="no-containers",
        ),
        pytest.param(
            changed(sdep(), ("spec.predictors.0.componentSpecs.0.spec.containers", "classifier")),
            [f"{P0}.componentSpecs[0].spec.containers", f"{P0}.graph.name"],
            id="containers-text",
        ),
        pytest.param(
            changed(sdep(), ("spec.predictors.0.componentSpecs.0.spec.containers", ["classifier"])),
            [C0, f"{P0}.graph.name"],
            id="container-text",
        ),
        pytest.param(changed(sdep(), (f"{ONE_CONTAINER}.image", ...)), [f"{C0}.image"], id="no-image"),
        pytest.param(changed(sdep(), (f"{ONE_CONTAINER}.image", 5)), [f"{C0}.image"], id="image-number"),
        pytest.param(changed(sdep(), (f"{ONE_CONTAINER}.image", "a:1 ")), [f"{C0}.image"], id="image-white-space"),
        pytest.param(
            changed(sdep(), (f"{ONE_CONTAINER}.name", ...)), [f"{C0}.name", f"{P0}.graph.name"], id="container-nameless"
        ),
        pytest.param(
            changed(sdep(), (f"{ONE_CONTAINER}.name", 5)),
            [f"{C0}.name", f"{P0}.graph.name"],
            id="container-name-number",
        ),
        pytest.param(pod_of(container("half_plus_two")), [f"{C0}.name"], id="container-name"),
        pytest.param(pod_of(container("c" * 64)), [f"{C0}.name"], id="container-name-long"),
        pytest.param(
            pod_of(container(), container()),
            [f"{P0}.componentSpecs[0].spec.containers[1].name"],
            id="container-name-twice",
        ),
        pytest.param(
            sdep(predictor("p1", None, component(), component())),
            [f"{P0}.componentSpecs[1].spec.containers[0].name"],
            id="container-of-a-node-in-two-pods",
        ),
        pytest.param(
            changed(sdep(), ("spec.predictors.0.componentSpecs.0.spec.initContainers", [container()])),
            [f"{C0}.name"],
            id="container-and-init-container",
        ),
        pytest.param(
            pod_of(container(), container("seldon-container-engine")),
            [f"{P0}.componentSpecs[0].spec.containers[1].name"],
            id="name-of-the-engine",
        ),
        pytest.param(pod_of(container("tfserving")), [f"{C0}.name"], id="name-of-tfserving"),
        pytest.param(pod_of(container(env={"A": "1"})), [f"{C0}.env"], id="env-mapping"),
        pytest.param(pod_of(container(env=["A=1"])), [f"{C0}.env[0]"], id="env-text"),
        pytest.param(pod_of(container(env=[{"value": "1"}])), [f"{C0}.env[0].name"], id="env-nameless"),
        pytest.param(
            sdep(predictor(svcOrchSpec={"env": [{"name": "A", "value": 1}]})),
            [f"{P0}.svcOrchSpec.env[0].value"],
            id="env-of-the-engine",
        ),
        pytest.param(
            pod_of(container(volumeMounts=[{"name": "podinfo"}])),
            [f"{C0}.volumeMounts[0].mountPath"],
            id="mount-nowhere",
        ),
        pytest.param(
            sdep(predictor(annotations={"seldon.io/svc-name": "s" * 64})),
            [f"{P0}.annotations[seldon.io/svc-name]"],
            id="svc-name-long",
        ),
        pytest.param(pod_of(container(ports=9000)), [f"{C0}.ports"], id="ports-number"),
        pytest.param(pod_of(container(ports=[9000])), [f"{C0}.ports[0]"], id="port-number"),
        pytest.param(pod_of(container(ports=[{"name": "a"}])), [f"{C0}.ports[0].containerPort"], id="port-missing"),
        *[
            pytest.param(
                pod_of(container(ports=[{"containerPort": number}])),
                [f"{C0}.ports[0].containerPort"],
                id=f"port-{number}",
            )
            for number in (0, 65536, "9000", True)
        ],
        *[
            pytest.param(
                pod_of(container(ports=[{"containerPort": 1234, "name": name}])),
                [f"{C0}.ports[0].name"],
                id=f"port-name-{name}",
            )
            for name in ("HTTP", "a--b", "123", "sixteen-letters-", 7)
        ],
        pytest.param(
            pod_of(container(ports=[{"containerPort": 1234}, {"containerPort": 1234, "protocol": "TCP"}])),
            [f"{C0}.ports[1].containerPort"],
            id="port-twice",
        ),
        pytest.param(
            pod_of(container(ports=[{"containerPort": n, "name": "http"} for n in (1, 2)])),
            [f"{C0}.ports[1].name"],
            id="port-name-twice",
        ),
        *[
            pytest.param(
                pod_of(container(ports=[{"containerPort": number}])),
                [f"{C0}.ports[0].containerPort"],
                id=f"port-{number}-of-the-engine",
            )
            for number in (8000, 5001, 5002)
        ],
        pytest.param(
            pod_of(container(), container("log", ports=[{"containerPort": 8000}])),
            [f"{P0}.componentSpecs[0].spec.containers[1].ports[0].containerPort"],
            id="port-of-the-engine-beside-it",
        ),
        pytest.param(
            sdep(predictor("p1", None, component(metadata={"name": "a_b"}))),
            [f"{P0}.componentSpecs[0].metadata.name"],
            id="pod-name",
        ),
    ],
)
def test_refused(obj: Any, expected: list[str]) -> None:
    """At the field that is wrong, once, and the same with the defaults filled in."""
    assert paths(obj) == expected
    assert paths(stored_defaults(obj)) == expected


def test_everything_is_reported_at_once_and_in_order() -> None:
    obj = sdep(
        predictor("P", node("x", node("y")), component(container("z")), replicas=-1),
        predictor("b", None, traffic=7),
        protocol="abc",
        name="a_b",
    )
    obj["spec"]["name"] = "ignored"
    assert [(finding.severity, finding.path) for finding in validate(obj)] == [
        ("error", "metadata.name"),
        ("error", f"{P0}.graph.name"),
        ("error", f"{P0}.graph.children[0].name"),
        ("error", f"{P0}.name"),
        ("error", f"{P0}.replicas"),
        ("error", "spec.predictors[1].traffic"),
        ("error", "spec.protocol"),
        ("warning", "spec.name"),
    ]


def test_items_are_ordered_by_number() -> None:
    obj = sdep(*[predictor(f"P{index}") for index in range(12)])
    assert paths(obj) == [f"spec.predictors[{index}].name" for index in range(12)]


def test_a_deep_wrong_type_below_what_the_crd_describes_is_found() -> None:
    graph = node("n9", endpoint={"type": "UDP"})
    for index in reversed(range(9)):
        graph = node(f"n{index}", graph)
    obj = sdep(predictor("p1", graph, component(*[container(f"n{index}") for index in range(10)])))
    assert paths(obj) == [f"{P0}.graph" + ".children[0]" * 9 + ".endpoint.type"]


@given(JSON | broken())
@settings(max_examples=300)
def test_validate_never_raises_and_every_finding_is_whole(value: Any) -> None:
    for finding in validate(value):
        assert finding.path
        assert finding.rule
        assert finding.remedy
        assert str(finding)


@given(seldon_deployments() | broken())
def test_defaults_change_no_verdict(obj: Any) -> None:
    def told(findings: list[Finding]) -> list[str]:
        return sorted(map(str, findings))

    assert told(validate(stored_defaults(obj))) == told(validate(obj))


@given(broken(), st.randoms(use_true_random=False))
def test_findings_do_not_depend_on_the_order_of_keys(obj: Any, random: Any) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            random.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    def told(value: Any) -> list[tuple[str, str]]:
        return sorted((finding.path, finding.rule) for finding in validate(value))

    assert told(shuffled(obj)) == told(obj)
