"""The reference implementation's own cases: the same verdict, at the field that is wrong."""

from typing import Any

import pytest

from seldon_core.api.defaults import stored_defaults
from seldon_core.api.findings import ABSENT
from tests.api.samples import (
    Object,
    chain_in_two_pods,
    changed,
    component,
    container,
    node,
    predictor,
    sdep,
    two,
)
from tests.api.verdicts import errors, paths, refusals

P0 = "spec.predictors[0]"
P1 = "spec.predictors[1]"
NO_ENGINE = {"seldon.io/no-engine": "true"}
KAFKA = ("KAFKA_BROKER", "KAFKA_INPUT_TOPIC", "KAFKA_OUTPUT_TOPIC")


def with_node(**fields: Any) -> Object:
    return sdep(predictor("p1", node(**fields)))


def server(implementation: str, uri: str | None = "gs://seldon-models/x", **spec: Any) -> Object:
    """One node that is a prepackaged server, without a container."""
    graph = node(implementation=implementation, **({"modelUri": uri} if uri is not None else {}))
    return sdep({"name": "p1", "graph": graph}, **spec)


def kafka(*names: str, **fields: Any) -> Object:
    env = [{"name": name, "value": "x"} for name in names]
    return sdep(predictor("p1", None, **{"svcOrchSpec": {"env": env}, **fields}), serverType="kafka")


def ab_test(*children: str, **fields: Any) -> Object:
    graph = node("ab", *map(node, children), implementation="RANDOM_ABTEST", **fields)
    return sdep(predictor("p1", graph, component(*map(container, children or ["other"]))))


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(sdep(serverType="rpc", protocol="tensorflow", transport="grpc"), id="W1-settings"),
        pytest.param(with_node(type=None, implementation=None), id="W2-no-type"),
        pytest.param(sdep(), id="W8-single-model"),
        pytest.param(two({"traffic": 50}, {"traffic": 50}), id="W12-traffic"),
        pytest.param(two(), id="W12-traffic-left-out-is-split-evenly"),
        pytest.param(ab_test("a", "b"), id="W13-ab-test"),
        pytest.param(server("TENSORFLOW_SERVER", protocol="tensorflow"), id="W15-tensorflow"),
        pytest.param(server("TRITON_SERVER", protocol="kfserving"), id="W16-kfserving"),
        pytest.param(server("TRITON_SERVER", protocol="v2"), id="W17-v2"),
        pytest.param(
            sdep(
                predictor(
                    "p1",
                    node(
                        "classifier",
                        node("classifier2", implementation="TENSORFLOW_SERVER", modelUri="gs://b"),
                        implementation="TENSORFLOW_SERVER",
                        modelUri="gs://a",
                    ),
                    component(),
                    component({"name": "classifier2"}),
                )
            ),
            id="W23-two-servers-in-two-pods",
        ),
        pytest.param(
            two(
                {"traffic": 50, "annotations": {"seldon.io/svc-name": "svc1"}},
                {"traffic": 50, "annotations": {"seldon.io/svc-name": "svc2"}},
            ),
            id="W25-svc-names",
        ),
        pytest.param(kafka(*KAFKA), id="V4-kafka"),
        pytest.param(sdep(predictor(annotations=NO_ENGINE)), id="V8-no-engine"),
        pytest.param(
            changed(chain_in_two_pods(), ("spec.predictors.0.annotations", {"seldon.io/no-engine": "false"})),
            id="V8-engine-not-switched-off",
        ),
        pytest.param(with_node(type="UNKNOWN_TYPE", methods=["TRANSFORM_INPUT"]), id="V11-methods"),
        pytest.param(server("HUGGINGFACE_SERVER", None, protocol="v2"), id="V12-model-by-parameters"),
        pytest.param(with_node(logger={"mode": "all"}), id="V15-logger"),
        pytest.param(
            sdep(predictor("p1", node("classifier", endpoint={"type": "GRPC"})), transport="grpc"), id="V17-grpc"
        ),
        pytest.param(
            sdep(predictor("p1", node("classifier", endpoint={"type": "GRPC"}))), id="V17-the-endpoint-decides"
        ),
        pytest.param(
            sdep(predictor("p1", None, traffic=100), predictor("p2", None, shadow=True, traffic=50)), id="V19-shadow"
        ),
    ],
)
def test_accepted(obj: Object) -> None:
    """As it is written and as it is stored."""
    assert errors(obj) == []
    assert errors(stored_defaults(obj)) == []


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(sdep(protocol="abc"), ["spec.protocol"], id="V1-W3-protocol"),
        pytest.param(sdep(transport="abc"), ["spec.transport"], id="V2-W4-transport"),
        pytest.param(sdep(serverType="abc"), ["spec.serverType"], id="V3-W5-server-type"),
        pytest.param(kafka(), [f"{P0}.svcOrchSpec.env"], id="V4-no-variables"),
        pytest.param(kafka(*KAFKA[:2]), [f"{P0}.svcOrchSpec.env"], id="V4-one-missing"),
        pytest.param(
            kafka("KAFKA_BROKER", "KAFKA_BROKER", "KAFKA_BROKER"), [f"{P0}.svcOrchSpec.env"], id="V4-one-thrice"
        ),
        pytest.param(kafka(svcOrchSpec=None), [f"{P0}.svcOrchSpec.env"], id="V4-no-settings-of-the-engine"),
        pytest.param(sdep(predictor(shadow=True)), [f"{P0}.shadow"], id="V5-W19-only-a-shadow"),
        pytest.param(
            two(
                {"traffic": 50, "annotations": {"seldon.io/svc-name": "svc1"}},
                {"traffic": 50, "annotations": {"seldon.io/svc-name": "svc1"}},
            ),
            [f"{P1}.annotations[seldon.io/svc-name]"],
            id="V6-W24-svc-name-twice",
        ),
        pytest.param(changed(sdep(), ("spec.predictors", [])), ["spec.predictors"], id="V7-W20-no-predictors"),
        pytest.param(
            changed(chain_in_two_pods(), ("spec.predictors.0.annotations", NO_ENGINE)),
            [f"{P0}.annotations[seldon.io/no-engine]"],
            id="V8-W10-no-engine-for-two-nodes",
        ),
        pytest.param(
            sdep(predictor("p1", None, traffic=50), predictor("p1", None, traffic=50)),
            [f"{P1}.name"],
            id="V9-W11-E1-predictor-name-twice",
        ),
        pytest.param(sdep(predictor("p1", node("other"))), [f"{P0}.graph.name"], id="V10-E1-no-container"),
        pytest.param(
            sdep(predictor("p1", node("other", implementation=""))), [f"{P0}.graph.name"], id="V10-implementation-empty"
        ),
        pytest.param(
            sdep(predictor("p1", node("classifier", node("b", node("c"))))),
            [f"{P0}.graph.children[0].name", f"{P0}.graph.children[0].children[0].name"],
            id="V10-no-containers-below",
        ),
        pytest.param(changed(sdep(), ("spec.predictors.0.graph.name", ...)), [f"{P0}.graph.name"], id="W9-no-name"),
        pytest.param(with_node(type="UNKNOWN_TYPE"), [f"{P0}.graph.type"], id="V11-unknown-type"),
        pytest.param(with_node(type="UNKNOWN_TYPE", methods=[]), [f"{P0}.graph.type"], id="V11-no-methods"),
        pytest.param(server("SKLEARN_SERVER", None), [f"{P0}.graph.modelUri"], id="V12-no-model"),
        pytest.param(server("XGBOOST_SERVER", ""), [f"{P0}.graph.modelUri"], id="V12-model-empty"),
        *[
            pytest.param(
                server(f"{name}_SERVER", protocol="tensorflow"), [f"{P0}.graph.implementation"], id=f"V13-W14-{name}"
            )
            for name in ("SKLEARN", "XGBOOST", "MLFLOW", "HUGGINGFACE")
        ],
        pytest.param(server("LIGHTGBM_SERVER"), [f"{P0}.graph.implementation"], id="V14-unknown-server"),
        pytest.param(
            with_node(implementation="LIGHTGBM_SERVER", modelUri="gs://a"),
            [f"{P0}.graph.implementation"],
            id="V14-unknown-server-with-an-image",
        ),
        pytest.param(
            sdep(
                predictor(
                    "p1",
                    node("a", node("b", endpoint={"type": "REST"}), endpoint={"type": "GRPC"}),
                    component(container("a"), container("b")),
                ),
                transport="rest",
            ),
            [f"{P0}.graph.endpoint.type"],
            id="V16-W6-mixed",
        ),
        pytest.param(
            sdep(predictor("p1", node(endpoint={"type": "REST"})), predictor("p2", node(endpoint={"type": "GRPC"}))),
            [f"{P1}.graph.endpoint.type"],
            id="V16-mixed-over-two-predictors",
        ),
        pytest.param(
            sdep(predictor("p1", node(endpoint={"type": "GRPC"})), transport="rest"),
            [f"{P0}.graph.endpoint.type"],
            id="V17-W7-grpc-under-rest",
        ),
        pytest.param(
            sdep(predictor("p1", node(endpoint={"type": "REST"})), transport="grpc"),
            [f"{P0}.graph.endpoint.type"],
            id="V17-rest-under-grpc",
        ),
        pytest.param(sdep({"name": "p1"}), [f"{P0}.graph"], id="W18-E1-no-graph"),
        pytest.param(
            sdep(predictor("p1"), predictor("p2", shadow=True), predictor("p3", shadow=True)),
            ["spec.predictors[2].shadow"],
            id="V18-W21-two-shadows",
        ),
        *[
            pytest.param(
                sdep(predictor("p1", None, traffic=100), predictor("p2", None, shadow=True, traffic=traffic)),
                [f"{P1}.traffic"],
                id=f"V19-W22-shadow-traffic-{traffic}",
            )
            for traffic in (101, -1)
        ],
        pytest.param(two({"traffic": 50}, {"traffic": 30}), [f"{P1}.traffic"], id="V20-80-percent"),
        pytest.param(sdep(predictor(traffic=50)), [f"{P0}.traffic"], id="V21-half-of-the-only-one"),
    ],
)
@pytest.mark.parametrize("version", ["v1", "v1alpha2", "v1alpha3"])
def test_refused(obj: Object, expected: list[str], version: str) -> None:
    """At the field that is wrong and nowhere else, as it is written and as it is stored (T23)."""
    obj = {**obj, "apiVersion": f"machinelearning.seldon.io/{version}"}
    assert paths(obj) == expected
    assert paths(stored_defaults(obj)) == expected


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        pytest.param(
            kafka("KAFKA_BROKER"),
            f"{P0}.svcOrchSpec.env: lacks KAFKA_INPUT_TOPIC, KAFKA_OUTPUT_TOPIC, which serverType kafka needs; "
            "add them with the broker and the topics",
            id="V4",
        ),
        pytest.param(
            changed(chain_in_two_pods(), ("spec.predictors.0.annotations", NO_ENGINE)),
            f'{P0}.annotations[seldon.io/no-engine]: "true": a graph of 2 nodes needs an engine that calls them; '
            "remove it",
            id="V8",
        ),
        pytest.param(
            server("SKLEARN_SERVER", None),
            f"{P0}.graph.modelUri: is required, as the implementation is SKLEARN_SERVER; "
            "add it, for example modelUri: gs://bucket/model",
            id="V12",
        ),
        pytest.param(
            server("SKLEARN_SERVER", protocol="tensorflow"),
            f'{P0}.graph.implementation: "SKLEARN_SERVER": does not serve the protocol tensorflow '
            "(it serves seldon, v2); write spec.protocol: seldon or v2",
            id="V13",
        ),
        pytest.param(
            server("SKLEARNSERVER"),
            f'{P0}.graph.implementation: "SKLEARNSERVER": is no server of this installation; write SKLEARN_SERVER, '
            "or have the operator add it to predictor_servers",
            id="V14",
        ),
        pytest.param(
            sdep(predictor("p1", node(endpoint={"type": "GRPC"})), transport="rest"),
            f'{P0}.graph.endpoint.type: "GRPC": all nodes are called in one way, and spec.transport is rest; '
            "remove it, and write spec.transport: rest or grpc for all nodes",
            id="V17",
        ),
    ],
)
def test_the_message_says_what_to_write(obj: Object, message: str) -> None:
    assert errors(obj) == [message]


def test_a_missing_field_is_absent_and_not_null() -> None:
    (finding,) = refusals(server("SKLEARN_SERVER", None))
    assert finding.value is ABSENT
