"""Updates of objects that were wrong before."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from seldon_core.api.defaults import stored_defaults
from seldon_core.api.validate import validate
from tests.api.samples import (
    JSON,
    Object,
    broken,
    changed,
    component,
    container,
    node,
    predictor,
    sdep,
    seldon_deployments,
)
from tests.api.verdicts import paths

P0 = "spec.predictors.0"
C0 = f"{P0}.componentSpecs.0.spec.containers.0"
BAD_PORT = [{"containerPort": 8000}]


def warnings(obj: Any, old: Any = None) -> list[str]:
    return [finding.path for finding in validate(obj, old) if finding.severity == "warning"]


def front(*names: str, graph: Object) -> Object:
    """A predictor whose graph has containers before those of the graph given."""
    return predictor("p1", graph, component(*[container(name) for name in names]))


OLD = {
    "name": sdep(predictor("P_1")),
    "label": sdep(predictor(labels={"app": "mine"})),
    "node": sdep(predictor("p1", node("classifier", node("nobody")))),
    "type": sdep(predictor("p1", node(type="model"))),
    "image": changed(sdep(), (f"{C0}.image", ...)),
    "port": sdep(predictor("p1", None, component(container(ports=BAD_PORT)))),
    "traffic": sdep(predictor("p1", None, traffic=50), predictor("p2", None, traffic=30)),
    "protocol": sdep(protocol="grpc"),
    "sdep-name": sdep(name="my.model"),
    "parameter": sdep(predictor("p1", node(parameters=[{"name": "n", "value": "x", "type": "INT"}]))),
    "mount": sdep(predictor("p1", None, component(container(volumeMounts=[{"name": "d", "mountPath": "/d"}])))),
    "pod": sdep(predictor("p1", None, component(pdbSpec={}, metadata={"labels": {"app": "x"}}))),
}


@pytest.mark.parametrize("old", OLD.values(), ids=OLD)
def test_an_old_error_that_the_update_does_not_touch_is_a_warning(old: Object) -> None:
    before = paths(old)
    assert before
    for new in (
        old,
        stored_defaults(old),
        changed(old, ("spec.replicas", 3)),
        changed(old, ("metadata.annotations", {"team": "x"})),
        changed(old, ("apiVersion", "machinelearning.seldon.io/v1alpha2")),
    ):
        assert paths(new, old) == []
        assert set(before) <= set(warnings(new, old))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(
            OLD["node"],
            sdep(predictor("p0", None, traffic=0), {**OLD["node"]["spec"]["predictors"][0], "traffic": 100}),
            id="predictor-before-it",
        ),
        pytest.param(
            sdep(predictor("p0"), OLD["image"]["spec"]["predictors"][0]), OLD["image"], id="predictor-before-it-removed"
        ),
        pytest.param(
            OLD["port"],
            sdep(predictor("p1", None, component(container("first"), container(ports=BAD_PORT)))),
            id="container-before-it",
        ),
        pytest.param(
            OLD["port"],
            sdep(predictor("p1", None, component(container("first")), component(container(ports=BAD_PORT)))),
            id="pod-before-it",
        ),
        pytest.param(
            OLD["port"],
            changed(OLD["port"], (f"{C0}.ports", [{"containerPort": 1}, *BAD_PORT])),
            id="port-before-it",
        ),
        pytest.param(
            OLD["node"],
            sdep(
                predictor(
                    "p1",
                    node("classifier", node("a"), node("b", node("nobody"))),
                    component(*map(container, ["classifier", "a", "b"])),
                )
            ),
            id="node-moved",
        ),
        pytest.param(
            sdep(front("a", graph=node("a", node("a")))),
            sdep(front("b", "a", graph=node("b", node("a", node("a"))))),
            id="rule-that-names-a-place",
        ),
        pytest.param(
            OLD["parameter"],
            changed(
                OLD["parameter"],
                (
                    f"{P0}.graph.parameters",
                    [{"name": "m", "value": "x", "type": "STRING"}, {"name": "n", "value": "x", "type": "INT"}],
                ),
            ),
            id="parameter-before-it",
        ),
    ],
)  # fmt: skip
def test_it_is_known_by_name_wherever_it_stands(old: Object, new: Object) -> None:
    assert paths(old)
    assert paths(new)
    assert paths(new, old) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            OLD["traffic"],
            changed(OLD["traffic"], ("spec.predictors.0.traffic", 60)),
            ["spec.predictors[1].traffic"],
            id="another-wrong-sum",
        ),
        pytest.param(
            OLD["image"],
            sdep(predictor("p1", None, component({"name": "classifier"}, {"name": "other"}))),
            ["spec.predictors[0].componentSpecs[0].spec.containers[1].image"],
            id="the-same-in-another-container",
        ),
        pytest.param(
            OLD["image"],
            sdep(predictor("p2", None, component({"name": "classifier"}))),
            ["spec.predictors[0].componentSpecs[0].spec.containers[0].image"],
            id="the-same-in-another-predictor",
        ),
        pytest.param(
            OLD["type"], sdep(predictor("p1", node(type="router"))), ["spec.predictors[0].graph.type"], id="other-value"
        ),
        pytest.param(
            changed(sdep(), ("spec.replicas", True)), sdep(replicas="x"), ["spec.replicas"], id="value-of-another-type"
        ),
        pytest.param(
            sdep(front("a", graph=node("a", node("a")))),
            sdep(front("a", graph=node("a", node("a"), node("a")))),
            ["spec.predictors[0].graph.children[1].name"],
            id="once-more",
        ),
        pytest.param(sdep(), OLD["node"], ["spec.predictors[0].graph.children[0].name"], id="right-before"),
        pytest.param([], OLD["sdep-name"], ["metadata.name"], id="no-object-before"),
        pytest.param(
            sdep(predictor("p1", node("x"), component(container("x"), container("sidecar", ports=BAD_PORT)))),
            sdep(predictor("p1", node("x"), component(container("x"), container("sidecar", ports=BAD_PORT),
                                                      container("log", ports=BAD_PORT)))),
            ["spec.predictors[0].componentSpecs[0].spec.containers[2].ports[0].containerPort"],
            id="beside-an-old-one",
        ),
    ],
)  # fmt: skip
def test_what_the_update_makes_wrong_is_refused(old: Any, new: Object, expected: list[str]) -> None:
    assert paths(new, old) == expected


def test_warnings_stay_what_they_were() -> None:
    obj = sdep(predictor(engineResources={"requests": {}}))
    obj["spec"]["name"] = "x"
    assert validate(obj, obj) == validate(obj)
    assert len(warnings(obj, obj)) == 2


def test_what_is_softened_says_the_same() -> None:
    (before,) = validate(OLD["label"])
    (after,) = validate(OLD["label"], OLD["label"])
    assert str(after) == str(before)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda spec: spec.update(transport="grpc"), id="transport"),
        pytest.param(lambda spec: spec.update(protocol="v2"), id="protocol"),
        pytest.param(lambda spec: spec["predictors"].append(predictor("p2")), id="predictor-added"),
        pytest.param(lambda spec: spec["predictors"][0].update(name="p2"), id="predictor-renamed"),
        pytest.param(lambda spec: spec["predictors"][0]["graph"].update(type="TRANSFORMER"), id="type"),
        pytest.param(
            lambda spec: spec["predictors"][0].update(
                graph=node(implementation="SKLEARN_SERVER", modelUri="gs://a"), componentSpecs=None
            ),
            id="implementation",
        ),
        pytest.param(
            lambda spec: spec["predictors"][0].update(annotations={"seldon.io/svc-name": "chosen"}), id="service-name"
        ),
        pytest.param(
            lambda spec: spec.update(annotations={"seldon.io/engine-separate-pod": "true"}), id="place-of-the-engine"
        ),
    ],
)
def test_no_field_is_immutable(change: Callable[[Object], Any]) -> None:
    old = stored_defaults(sdep())
    new = copy.deepcopy(old)
    change(new["spec"])
    assert validate(new, old) == validate(new)


@given(seldon_deployments() | broken().filter(lambda value: value is not None))
def test_an_update_of_nothing_is_never_refused(obj: Any) -> None:
    assert paths(obj, obj) == []
    assert paths(stored_defaults(obj), obj) == []


@given(JSON | broken(), JSON | broken())
def test_an_update_finds_what_a_creation_finds(obj: Any, old: Any) -> None:
    def told(findings: list[Any]) -> list[str]:
        return sorted(map(str, findings))

    assert told(validate(obj, old)) == told(validate(obj))
