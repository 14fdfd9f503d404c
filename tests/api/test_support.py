"""What this version does not serve is refused, with what to write instead."""

from typing import Any

import pytest

from seldon_core.api.validate import validate
from tests.api.samples import UNSERVED, Object, chain_in_two_pods, component, node, predictor, sdep

P0 = "spec.predictors[0]"
IN_AN_IMAGE = "put the model into the image of a container that has the node's name"


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
            sdep(annotations={"seldon.io/engine-separate-pod": "True"}),
            'spec.annotations[seldon.io/engine-separate-pod]: "true": is not served by this version; '
            "remove the annotation: the engine runs beside the model",
            id="separate-engine",
        ),
        pytest.param(
            sdep(annotations={"seldon.io/headless-svc": "yes"}),
            'spec.annotations[seldon.io/headless-svc]: "yes": is not served by this version; remove the annotation',
            id="headless",
        ),
        pytest.param(
            sdep(predictor(annotations={"seldon.io/no-engine": "true"})),
            f'{P0}.annotations[seldon.io/no-engine]: "true": is not served by this version; '
            "remove the annotation: the engine runs beside the model",
            id="no-engine",
        ),
        pytest.param(
            sdep(predictor("p1"), predictor("p2", shadow=True)),
            "spec.predictors[1].shadow: true: is not served by this version; "
            "remove the predictor, or serve it without shadow",
            id="shadow",
        ),
        pytest.param(
            sdep(predictor(explainer={"type": "AnchorTabular"})),
            f'{P0}.explainer.type: "AnchorTabular": is not served by this version; remove the explainer',
            id="explainer",
        ),
        pytest.param(
            sdep(predictor(ssl={"certSecretName": "a"})),
            f'{P0}.ssl: {{"certSecretName": "a"}}: is not served by this version; remove it',
            id="ssl",
        ),
        pytest.param(
            sdep(predictor(svcOrchSpec={"replicas": 2})),
            f"{P0}.svcOrchSpec.replicas: 2: is not served by this version; remove it: there is one engine per pod",
            id="engine-replicas",
        ),
        *[
            pytest.param(
                sdep(predictor("p1", None, component(**{field: {"maxReplicas": 2}}))),
                f'{P0}.componentSpecs[0].{field}: {{"maxReplicas": 2}}: is not served by this version; '
                f"remove it and create a {kind}",
                id=field,
            )
            for field, kind in (
                ("hpaSpec", "HorizontalPodAutoscaler for the SeldonDeployment, whose scale it can set"),
                ("kedaSpec", "ScaledObject for the SeldonDeployment, whose scale it can set"),
                ("pdbSpec", "PodDisruptionBudget that selects the pods"),
            )
        ],
        pytest.param(
            sdep(predictor("p1", None, component(), {"spec": {"containers": []}})),
            f"{P0}.componentSpecs[1].spec.containers: []: a pod without containers is not served by this version; "
            "list its containers or remove the componentSpec",
            id="pod-without-containers",
        ),
        *[
            pytest.param(
                with_node(implementation=implementation),
                f'{P0}.graph.implementation: "{implementation}": is not served by this version; '
                f"remove it, and {IN_AN_IMAGE}",
                id=implementation,
            )
            for implementation in ("SKLEARN_SERVER", "TENSORFLOW_SERVER", "MY_SERVER")
        ],
        pytest.param(
            with_node(modelUri="gs://a/b"),
            f'{P0}.graph.modelUri: "gs://a/b": is not served by this version; {IN_AN_IMAGE}',
            id="model-uri",
        ),
        pytest.param(
            with_node(logger={"mode": "all"}),
            f'{P0}.graph.logger: {{"mode": "all"}}: is not served by this version; remove it',
            id="logger",
        ),
        pytest.param(
            with_node(serviceAccountName="x"),
            f'{P0}.graph.serviceAccountName: "x": is not served by this version; '
            "write serviceAccountName into the spec of the componentSpec",
            id="service-account",
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
    obj["spec"]["predictors"][0]["annotations"] = {"seldon.io/no-engine": "true"}
    obj["spec"]["predictors"][0]["graph"]["children"][0]["logger"] = {"mode": "all"}
    assert [refusal.partition(": ")[0] for refusal in refusals(obj)] == [
        f"{P0}.annotations[seldon.io/no-engine]",
        f"{P0}.graph.children[0].logger",
    ]


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(sdep(predictor(explainer={})), id="explainer"),
        pytest.param(sdep(predictor(explainer={"type": ""})), id="explainer-without-type"),
        pytest.param(sdep(predictor(shadow=False, ssl=None, svcOrchSpec={})), id="predictor"),
        pytest.param(sdep(predictor("p1", None, component(hpaSpec=None))), id="pod"),
        pytest.param(with_node(methods=[], modelUri="", logger=None, implementation=""), id="node"),
        pytest.param(sdep(annotations={"seldon.io/headless-svc": "false"}), id="headless"),
    ],
)
def test_what_is_empty_is_not_asked_for(obj: Object) -> None:
    assert refusals(obj) == []
