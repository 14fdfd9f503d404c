"""Whatever the validator lets through can be planned."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from seldon_core.api.validate import validate
from seldon_core.plan import Observed, plan

from .build import CONFIG, Object, component, container, node, predictor, sdep

GARBAGE = st.sampled_from(
    [None, 0, -1, "", "x", True, [], {}, [None], ["x"], [[]], [{}], {"x": None}, {"name": 1}, 1.5]
)
Place = tuple[Any, Any]


def rich() -> Object:
    """A SeldonDeployment in which every field stands that the plan looks at."""
    full = container(
        "a",
        env=[{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        ports=[{"name": "http", "containerPort": 5000, "protocol": "TCP"}],
        volumeMounts=[{"name": "v", "mountPath": "/v"}],
        readinessProbe={"tcpSocket": {"port": 5000}},
        lifecycle={"postStart": {"exec": {"command": ["x"]}}},
        securityContext={"runAsUser": 1},
        resources={"limits": {"cpu": 1}},
    )
    pod = {
        "initContainers": [container("i")],
        "volumes": [{"name": "v", "emptyDir": {}}],
        "securityContext": {},
        "terminationGracePeriodSeconds": 5,
    }
    metadata = {"name": "own", "labels": {"l": "1"}, "annotations": {"a": "1"}}
    graph = node("a", node("b"), kind="TRANSFORMER", parameters=[{"name": "p", "value": "1", "type": "INT"}])
    graph["endpoint"] = {"type": "REST", "service_port": 1}
    first = component(full, container("aside"), pod=pod, metadata=metadata, replicas=1)
    made = predictor("p", graph, first, component(container("b")), labels={"x": "y"}, annotations={"k": "v"})
    made |= {"replicas": 2, "progressDeadlineSeconds": 600, "traffic": 100, "shadow": False}
    made["svcOrchSpec"] = {"env": [{"name": "E", "value": "1"}], "resources": {"limits": {"cpu": "1"}}}
    return sdep(made, annotations={"seldon.io/engine-x": "1"}, replicas=1, protocol="seldon")


def places(value: Any) -> Iterator[Place]:
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


def test_the_rich_example_is_valid() -> None:
    assert [str(finding) for finding in validate(rich()) if finding.severity == "error"] == []


@given(st.data())
@settings(max_examples=300)
def test_what_the_validator_lets_through_can_be_planned(data: st.DataObject) -> None:
    obj = copy.deepcopy(rich())
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(list(places(obj["spec"]))))
        if data.draw(st.booleans()):
            holder[key] = copy.deepcopy(data.draw(GARBAGE))
        elif isinstance(holder, dict):
            del holder[key]
    if not any(finding.severity == "error" for finding in validate(obj)):
        assert plan(obj, CONFIG, Observed()).objects
