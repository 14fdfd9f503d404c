"""Objects that are made to take long: everything is checked in time that grows as the object does."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from seldon_core.api.defaults import PortSettings, plan_defaults, stored_defaults
from seldon_core.api.validate import validate
from tests.api.samples import Object, component, container, node, predictor, sdep


def deep(levels: int) -> Object:
    """A chain of so many nodes below the root, none of which has a container."""
    graph = node(f"n{levels}")
    for index in reversed(range(levels)):
        graph = node(f"n{index}", graph)
    return graph


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


SIZES: dict[str, Callable[[int], Object]] = {
    "predictors": lambda n: sdep(*[predictor(f"p{index}", None, traffic=1) for index in range(n)]),
    "predictors-of-one-name": lambda n: sdep(*[predictor("P", None, traffic=500) for _ in range(n)]),
    "predictors-that-differ-in-value": lambda n: sdep(*[predictor("P", None, traffic=500 + i) for i in range(n)]),
    "children": lambda n: sdep(predictor("p", node("r", *[node(f"m{i}", type="X") for i in range(n)]))),
    "containers": lambda n: sdep(predictor("p", node("C"), component(*[container(f"C{i}") for i in range(n)]))),
    "children-and-containers": lambda n: sdep(
        predictor(
            "p",
            node("r", *[node(f"m{i}") for i in range(n)]),
            component(*[container(f"n{i}", ports=[{"containerPort": 8000}]) for i in range(n)]),
        )
    ),
    "pods": lambda n: sdep(predictor("p", None, *[component(container(f"c{i}")) for i in range(n)])),
    "variables": lambda n: sdep(predictor("p", None, component(container(env=[{"name": "A"}, {"name": "B"}] * n)))),
    "ports": lambda n: sdep(predictor("p", None, component(container(ports=[{"containerPort": 1}] * n)))),
    "annotations": lambda n: sdep(annotations={f"seldon.io/engine-{index}": "x" for index in range(n)}),
    "labels": lambda n: sdep(predictor(labels={f"a {index}": "b c" for index in range(n)})),
    "parameters": lambda n: sdep(
        predictor("p", node(parameters=[{"name": "x", "value": "x", "type": "INT"} for _ in range(n)]))
    ),
}


@pytest.mark.parametrize("make", SIZES.values(), ids=SIZES)
def test_ten_times_as_much_takes_ten_times_as_long(make: Callable[[int], Object]) -> None:
    """Counted in function calls, for a new object and for an update of one."""

    def calls(size: int) -> int:
        obj, old = make(size), make(size)
        old["spec"].get("predictors", []).reverse()
        counted = 0

        def count(frame: object, event: str, argument: object) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            validate(obj)
            validate(obj, old)
            stored_defaults(obj)
        finally:
            sys.setprofile(None)
        return counted

    # Sorting takes a little more than that; what grows with the square takes a hundred times as long.
    assert calls(1_000) < 20 * calls(100)


@pytest.mark.parametrize("levels", [150, 1_000, 9_000])
def test_a_graph_that_is_too_deep_is_refused_once(levels: int) -> None:
    obj = sdep(predictor("p1", deep(levels)))
    assert [finding.path for finding in validate(obj)] == ["spec.predictors[0].graph" + ".children[0]" * 101]
    assert validate(stored_defaults(obj), obj)[0].severity == "warning"
    assert plan_defaults(obj, PortSettings())["spec"]["predictors"][0]["name"] == "p1"


LONG = 200_000


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(sdep(name="a-" * LONG), id="name"),
        pytest.param(sdep(predictor("p-" * LONG)), id="predictor"),
        pytest.param(sdep(predictor(labels={"b." * LONG + "/x": "-a" * LONG})), id="label"),
        pytest.param(sdep(annotations={"seldon.io/istio-host": "a-" * LONG + "!"}), id="host"),
        pytest.param(sdep(annotations={"seldon.io/istio-gateway": "a." * LONG + "!"}), id="gateway"),
        pytest.param(sdep(annotations={"seldon.io/ambassador-regex-header": " " * LONG + "!"}), id="header"),
        pytest.param(sdep(annotations={"seldon.io/rest-timeout": "1" * LONG}), id="timeout"),
        pytest.param(sdep(predictor("p", node("a" * LONG, implementation="A" * LONG))), id="implementation"),
        *[
            pytest.param(
                sdep(predictor("p", node(parameters=[{"name": "x", "value": "1" * LONG + "x", "type": kind}]))), id=kind
            )
            for kind in ("INT", "FLOAT", "BOOL")
        ],
        pytest.param(sdep(predictor(explainer={"type": "ALE", "initParameters": "[" * LONG})), id="explainer"),
        pytest.param(nested(900), id="nested"),
        pytest.param(
            sdep(predictor("p", node(parameters=nested(900)), componentSpecs=nested(900))), id="nested-fields"
        ),
    ],
)
def test_long_values_are_refused_in_few_words(obj: Any) -> None:
    errors = [finding for finding in validate(obj) if finding.severity == "error"]
    assert errors
    assert validate(obj, obj)
    paths = sum(len(finding.path) for finding in errors)
    assert sum(len(str(finding)) for finding in errors) - paths < 3_000_000
