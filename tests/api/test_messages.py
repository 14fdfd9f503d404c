"""What is said about an object: the value, the rule it breaks, and what to write instead."""

import pytest

from seldon_core.api.findings import short
from tests.api.samples import (
    Object,
    changed,
    component,
    container,
    node,
    pod_of,
    predictor,
    sdep,
)
from tests.api.verdicts import errors, warnings

P0 = "spec.predictors[0]"
C0 = f"{P0}.componentSpecs[0].spec.containers[0]"
ONE_CONTAINER = "spec.predictors.0.componentSpecs.0.spec.containers.0"


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(
            sdep(predictor("main", None, traffic=50), predictor("b", None, traffic=30)),
            "spec.predictors[1].traffic: 30: weights of the non-shadow predictors add up to 80, must be 100; "
            'raise "main" to 70 or omit traffic on all to split evenly',
            id="traffic-raise",
        ),
        pytest.param(
            sdep(predictor("main", None, traffic=80), predictor("b", None, traffic=30)),
            "spec.predictors[1].traffic: 30: weights of the non-shadow predictors add up to 110, must be 100; "
            'lower "main" to 70 or omit traffic on all to split evenly',
            id="traffic-lower",
        ),
        pytest.param(
            sdep(predictor("main", None, traffic=80), predictor("b")),
            "spec.predictors[1].traffic: weights of the non-shadow predictors add up to 80, must be 100; "
            'set "b" to 20 or omit traffic on all to split evenly',
            id="traffic-set",
        ),
        pytest.param(
            sdep(*[predictor(name, None, traffic=90) for name in ("a", "b", "c")]),
            "spec.predictors[2].traffic: 90: weights of the non-shadow predictors add up to 270, must be 100; "
            "choose weights that add up to 100 or omit traffic on all to split evenly",
            id="traffic-choose",
        ),
        pytest.param(
            sdep(predictor("p1", node("clasifier"), component(container(), container("log")))),
            f'{P0}.graph.name: "clasifier": no container in componentSpecs has this name; rename the node to '
            f'"classifier", or add a container named "clasifier" with its image to {P0}.componentSpecs',
            id="misspelt-container",
        ),
        pytest.param(
            sdep(predictor("p1", node("x"), component(container("aaa"), container("bbb")))),
            f'{P0}.graph.name: "x": no container in componentSpecs has this name; rename the node to one of aaa, bbb, '
            f'or add a container named "x" with its image to {P0}.componentSpecs',
            id="no-container-like-it",
        ),
        pytest.param(
            sdep(predictor("p1", node("x"), componentSpecs=None)),
            f'{P0}.graph.name: "x": no container in componentSpecs has this name; add a container named "x" with its '
            f"image to {P0}.componentSpecs",
            id="no-container-at-all",
        ),
        pytest.param(
            changed(sdep(), ("spec.predictors.0.graph", ...)),
            f'{P0}.graph: is required; add it, for example graph: {{"name": "classifier", "type": "MODEL"}}',
            id="graph",
        ),
        pytest.param(
            sdep(annotations={"seldon.io/x": True}),
            'spec.annotations[seldon.io/x]: true: must be a string, not a boolean; put it in quotes: "true"',
            id="quotes",
        ),
        pytest.param(
            sdep(predictor(replicas="3")),
            f'{P0}.replicas: "3": must be a whole number, not a string; write 3 without quotes',
            id="no-quotes",
        ),
        pytest.param(
            pod_of(container(env=[{"name": "THRESHOLD", "value": 0.5}])),
            f'{C0}.env[0].value: 0.5: must be a string, not a number; put it in quotes: "0.5"',
            id="quotes-in-env",
        ),
        pytest.param(
            sdep(predictor(shadow="True")),
            f'{P0}.shadow: "True": must be true or false, not a string; write true without quotes',
            id="no-quotes-for-true",
        ),
        pytest.param(
            sdep(predictor(shadow=1)),
            f"{P0}.shadow: 1: must be true or false, not a number; write true or false",
            id="true-or-false",
        ),
        pytest.param(
            sdep(annotations=[]),
            "spec.annotations: []: must be a mapping, not a list; "
            'write it as lines of "key: value", indented below the field',
            id="mapping",
        ),
        pytest.param(
            sdep(name="___"),
            'metadata.name: "___": must be lower-case letters, digits and dashes, begin with a letter and end '
            "with a letter or digit, as Services are named after it; write a name such as my-model",
            id="name-beyond-repair",
        ),
        pytest.param(
            pod_of(container("c" * 64)),
            f"{C0}.name: {short('c' * 64)}: has 64 characters, must have 63 at most, as containers and their Services "
            "are named after it; shorten it",
            id="name-too-long",
        ),
        pytest.param(
            changed(sdep(), (f"{ONE_CONTAINER}.image", ...)),
            f"{C0}.image: is required; add the image of the container, for example image: example.com/classifier:1.0",
            id="image",
        ),
        pytest.param(
            sdep(predictor("p1", node(type="model"))),
            f'{P0}.graph.type: "model": must be one of UNKNOWN_TYPE, ROUTER, COMBINER, MODEL, TRANSFORMER, '
            "OUTPUT_TRANSFORMER; write MODEL",
            id="enum",
        ),
        pytest.param(
            changed(sdep(), ("spec.predictors.0.componentSpecs.0.spec.containers", container())),
            f"{P0}.componentSpecs[0].spec.containers: {short(container())}: "
            'must be a list, not a mapping; write it as a list, each item on a line after "- "',
            id="list",
        ),
        pytest.param(
            sdep(name="My_Model.v2"),
            'metadata.name: "My_Model.v2": must be lower-case letters, digits and dashes, begin with a letter and end '
            "with a letter or digit, as Services are named after it; write my-model-v2",
            id="name",
        ),
        pytest.param(
            sdep(name="2-models"),
            'metadata.name: "2-models": must be lower-case letters, digits and dashes, begin with a letter and end '
            "with a letter or digit, as Services are named after it; write model-2-models",
            id="name-digit",
        ),
        pytest.param(
            sdep(predictor("p1"), predictor("p1-classifier")),
            'spec.predictors[1].name: "p1-classifier": makes a Service named "mydep-p1-classifier", as '
            f"{C0}.name does; rename one of the two",
            id="collision",
        ),
        pytest.param(
            sdep(predictor(shadow=True)),
            f"{P0}.shadow: true: a shadow needs a predictor that answers the requests; remove shadow, or add another "
            "predictor",
            id="W19-V5-only-a-shadow",
        ),
        pytest.param(
            sdep(predictor("p1"), predictor("p2", shadow=True), predictor("p3", shadow=True)),
            "spec.predictors[2].shadow: true: there is a shadow already; keep one shadow, remove the others",
            id="W21-V18-two-shadows",
        ),
        pytest.param(
            sdep(predictor("p1", None, traffic=100), predictor("p2", None, shadow=True, traffic=101)),
            "spec.predictors[1].traffic: 101: must be 100 or less; write 100 or a smaller number",
            id="W22-V19-shadow-traffic",
        ),
        pytest.param(
            sdep(predictor("p1", None, traffic=50), predictor("p2", None, shadow=True)),
            f"{P0}.traffic: 50: the only predictor that answers has all the traffic; write 100 or leave traffic out",
            id="traffic-beside-a-shadow",
        ),
    ],
)
def test_the_message_says_what_to_write(obj: Object, expected: str) -> None:
    assert expected in errors(obj)


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(sdep(name="a"), [], id="nothing"),
        pytest.param(
            changed(sdep(), ("spec.name", "test-deployment")),
            ['spec.name: "test-deployment": is ignored; metadata.name is the name'],
            id="spec-name",
        ),
        pytest.param(
            changed(sdep(), ("spec.oauth_key", "a"), ("spec.oauth_secret", "")),
            ['spec.oauth_key: "a": is ignored; remove it'],
            id="oauth",
        ),
        pytest.param(
            sdep(predictor(engineResources={"requests": {"cpu": 1}})),
            [
                f'{P0}.engineResources: {{"requests": {{"cpu": 1}}}}: is ignored; '
                "write the engine's resources into svcOrchSpec.resources"
            ],
            id="engine-resources",
        ),
        pytest.param(sdep(predictor(engineResources={})), [], id="no-engine-resources"),
        pytest.param(
            sdep(predictor("p1", node(endpoint={"type": "REST", "service_host": "0.0.0.0", "httpPort": 9000}))),
            [
                f"{P0}.graph.endpoint.httpPort: 9000: is ignored; remove it",
                f'{P0}.graph.endpoint.service_host: "0.0.0.0": is ignored; remove it',
            ],
            id="endpoint",
        ),
        pytest.param(
            pod_of(container(env=[{"name": "A", "value": value} for value in "12"])),
            [f'{C0}.env: "A": is set 2 times, of which the last counts; remove the others'],
            id="env-twice",
        ),
        pytest.param(
            sdep(predictor(svcOrchSpec={"env": [{"name": "A"}, {"name": "A"}]})),
            [f'{P0}.svcOrchSpec.env: "A": is set 2 times, of which the last counts; remove the others'],
            id="env-of-the-engine-twice",
        ),
        pytest.param(
            sdep(predictor(labels={"seldon.io/model": "true"})),
            [f'{P0}.labels[seldon.io/model]: "true": is set by the controller; remove it: the value is replaced'],
            id="role-label",
        ),
        pytest.param(
            sdep(predictor("p1", None, component(), component(container("log", ports=[{"containerPort": 8000}])))),
            [],
            id="port-of-the-engine-in-another-pod",
        ),
        pytest.param(
            pod_of(container(ports=[{"containerPort": 80}]), container("log", ports=[{"containerPort": 80}])),
            [
                f"{P0}.componentSpecs[0].spec.containers[1].ports[0].containerPort: 80: is declared by {C0} too, in "
                "whose pod only one of them can listen on it; let the container listen on another port"
            ],
            id="port-of-two-containers",
        ),
    ],
)  # fmt: skip
def test_warnings(obj: Object, expected: list[str]) -> None:
    assert warnings(obj) == expected
    assert errors(obj) == []
