"""What this version does not serve is refused, with what to write instead."""

from typing import Any

import pytest

from seldon_core.api.installation import Installation
from seldon_core.api.validate import validate
from tests.api.samples import UNSERVED, Object, chain_in_two_pods, component, node, predictor, sdep

P0 = "spec.predictors[0]"


def refusals(obj: Any) -> list[str]:
    return [str(finding) for finding in validate(obj) if finding.severity == "error" and UNSERVED in finding.rule]


def with_node(**fields: Any) -> Object:
    return sdep(predictor("p1", node(**fields)))


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(
            sdep(transport="grpc"),
            'spec.transport: "grpc": is not served by this version; write rest or leave transport out',
            id="transport",
        ),
        pytest.param(
            sdep(serverType="kafka"),
            'spec.serverType: "kafka": is not served by this version; write rpc or leave serverType out',
            id="server-type",
        ),
        pytest.param(
            sdep(predictor(ssl={"certSecretName": "a"})),
            f'{P0}.ssl: {{"certSecretName": "a"}}: is not served by this version; remove it',
            id="ssl",
        ),
        pytest.param(
            with_node(logger={"mode": "all"}),
            f'{P0}.graph.logger: {{"mode": "all"}}: is not served by this version; remove it',
            id="logger",
        ),
        pytest.param(
            with_node(endpoint={"type": "GRPC"}),
            f'{P0}.graph.endpoint.type: "GRPC": is not served by this version; write REST or leave type out',
            id="W6-W7-grpc-endpoint",
        ),
    ],
)
def test_refused_with_what_to_write_instead(obj: Object, expected: str) -> None:
    assert refusals(obj) == [expected]


def test_an_unserved_part_is_reported_at_every_node() -> None:
    """Also below the root."""
    obj = chain_in_two_pods()
    obj["spec"]["predictors"][0]["ssl"] = {"certSecretName": "a"}
    obj["spec"]["predictors"][0]["graph"]["children"][0]["logger"] = {"mode": "all"}
    assert [refusal.partition(": ")[0] for refusal in refusals(obj)] == [
        f"{P0}.graph.children[0].logger",
        f"{P0}.ssl",
    ]


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(sdep(predictor(ssl=None)), id="predictor"),
        pytest.param(with_node(logger=None), id="node"),
    ],
)
def test_what_is_empty_is_not_asked_for(obj: Object) -> None:
    assert refusals(obj) == []


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(sdep(annotations={"seldon.io/engine-separate-pod": "true"}), id="separate-engine"),
        pytest.param(sdep(annotations={"seldon.io/headless-svc": "yes"}), id="headless"),
        pytest.param(sdep(predictor(annotations={"seldon.io/no-engine": "true"})), id="no-engine"),
        pytest.param(sdep(predictor("p1"), predictor("p2", shadow=True)), id="shadow"),
        pytest.param(
            sdep(predictor(explainer={"type": "AnchorTabular", "modelUri": "gs://a/b"})),
            id="explainer",
        ),
        pytest.param(sdep(predictor(svcOrchSpec={"replicas": 2})), id="engine-replicas"),
        pytest.param(sdep(predictor("p1", None, component(hpaSpec={"maxReplicas": 2}))), id="hpa"),
        pytest.param(
            sdep(predictor("p1", None, component(kedaSpec={"triggers": [{"type": "cpu", "metadata": {}}]}))),
            id="keda",
        ),
        pytest.param(sdep(predictor("p1", None, component(pdbSpec={"maxUnavailable": 1}))), id="pdb"),
        pytest.param(with_node(implementation="SKLEARN_SERVER", modelUri="gs://a/b"), id="prepackaged-server"),
        pytest.param(
            with_node(modelUri="gs://a/b", envSecretRefName="s", storageInitializerImage="i:1", serviceAccountName="x"),
            id="model-from-storage",
        ),
    ],
)
def test_served_as_it_only_needs_objects(obj: Object) -> None:
    assert [str(finding) for finding in validate(obj) if finding.severity == "error"] == []


def test_shares_are_warned_about_where_nothing_routes() -> None:
    obj = sdep(predictor("p1", traffic=50), predictor("p2", traffic=50))
    assert [str(finding) for finding in validate(obj, installation=Installation(ingress=True))] == []
    assert [str(finding) for finding in validate(obj, installation=Installation(ingress=False))] == [
        "spec.predictors: requests are shared out by an ingress, and this installation uses none; "
        "send requests to the Service of one of the predictors, or switch an ingress on"
    ]


def test_a_scaled_object_is_warned_about_where_nobody_acts_on_it() -> None:
    keda = {"triggers": [{"type": "cpu", "metadata": {}}]}
    obj = sdep(predictor("p1", None, component(kedaSpec=keda)))
    assert [str(finding) for finding in validate(obj, installation=Installation(keda=True))] == []
    assert [str(finding) for finding in validate(obj, installation=Installation(keda=False))] == [
        f"{P0}.componentSpecs[0].kedaSpec: has no effect, as KEDA is switched off in this installation: "
        "the written replicas hold; set the value keda.enabled, or write hpaSpec in its place"
    ]
