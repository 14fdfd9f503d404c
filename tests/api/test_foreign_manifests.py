"""Manifests that others wrote, in short: admitted, or refused because what they ask for never worked."""

from typing import Any

import pytest

from tests.api.samples import Object
from tests.api.verdicts import errors, paths

POD = {"terminationGracePeriodSeconds": 20}


def written(name: str, predictor: Object, version: str = "v1alpha2", **spec: Any) -> Object:
    predictors = [{"name": "example", "replicas": 1, **predictor}]
    return {
        "apiVersion": f"machinelearning.seldon.io/{version}",
        "kind": "SeldonDeployment",
        "metadata": {"name": name, "labels": {"app": "seldon"}},
        "spec": {"name": "test-deployment", "predictors": predictors, **spec},
    }


def running(*names: str, **pod: Any) -> list[Object]:
    return [{"spec": {"containers": [{"name": name, "image": f"seldonio/{name}:1.0"} for name in names], **POD, **pod}}]


LEAF = {"children": [], "endpoint": {"type": "REST"}, "type": "MODEL"}
BANDIT = written(
    "poc-ts",
    {
        "componentSpecs": running("rf-model", "xgb-model", "ts-router"),
        "graph": {
            "name": "ts-router",
            "type": "ROUTER",
            "parameters": [
                {"name": "n_branches", "value": "2", "type": "INT"},
                {"name": "verbose", "value": "1", "type": "BOOL"},
                {"name": "branch_names", "value": "rf:xgb", "type": "STRING"},
            ],
            "children": [{"name": "rf-model", "type": "MODEL"}, {"name": "xgb-model", "type": "MODEL"}],
        },
        "svcOrchSpec": {"env": [{"name": "SELDON_ENABLE_ROUTING_INJECTION", "value": "true"}]},
    },
)
EXPLAINED = written(
    "image",
    {
        "componentSpecs": running("transformer"),
        "engineResources": {"requests": {"memory": "1Gi"}},
        "explainer": {"type": "AnchorImages", "modelUri": "gs://explainer", "endpoint": {"type": "GRPC"}},
        "graph": {
            "name": "transformer",
            "type": "TRANSFORMER",
            "endpoint": {"type": "GRPC"},
            "children": [
                {
                    "name": "classifier",
                    "implementation": "TENSORFLOW_SERVER",
                    "modelUri": "gs://model",
                    "endpoint": {"type": "GRPC"},
                    "parameters": [{"name": "model_name", "value": "classifier", "type": "STRING"}],
                }
            ],
        },
    },
    annotations={"seldon.io/grpc-max-message-size": "1000000000", "seldon.io/rest-read-timeout": "10000000"},
)
KAFKA = written(
    "cifar10",
    {
        "componentSpecs": [
            {
                "spec": {
                    "containers": [
                        {
                            "name": "resnet32",
                            "image": "tensorflow/serving",
                            "ports": [
                                {"name": "grpc", "containerPort": 8500},
                                {"name": "http", "containerPort": 8501},
                            ],
                        }
                    ]
                }
            }
        ],
        "graph": {"name": "resnet32", "type": "MODEL", "endpoint": {"grpcPort": 8500, "httpPort": 8501}},
        "svcOrchSpec": {
            "env": [{"name": f"KAFKA_{name}", "value": "x"} for name in ("BROKER", "INPUT_TOPIC", "OUTPUT_TOPIC")]
        },
    },
    protocol="tensorflow",
    serverType="kafka",
    transport="grpc",
)


MODEL = {"componentSpecs": running("classifier"), "graph": {**LEAF, "name": "classifier"}}
CANARY = written("canary", {**MODEL, "traffic": 75})
CANARY["spec"]["predictors"].append({**MODEL, "name": "canary", "traffic": 25})
EVEN_CANARY = written("canary", MODEL)
EVEN_CANARY["spec"]["predictors"].append({**MODEL, "name": "canary"})


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(written("seldon-model", MODEL), id="model"),
        pytest.param(BANDIT, id="bandit"),
        pytest.param(EXPLAINED, id="explained-images"),
        pytest.param(KAFKA, id="kafka"),
        pytest.param(
            written(
                "triton",
                {"graph": {"name": "cifar10", "implementation": "TRITON_SERVER", "modelUri": "gs://triton"}},
                protocol="kfserving",
            ),
            id="triton",
        ),
        pytest.param(CANARY, id="canary"),
        pytest.param(EVEN_CANARY, id="canary-without-traffic-which-the-reference-refuses"),
    ],
)
def test_admitted(obj: Object) -> None:
    assert errors(obj) == []


@pytest.mark.parametrize(
    ("obj", "path"),
    [
        pytest.param(
            written(
                "fx",
                {
                    "componentSpecs": [*running("classifier"), *running("classifier")],
                    "graph": {**LEAF, "name": "classifier"},
                },
            ),
            "spec.predictors[0].componentSpecs[1].spec.containers[0].name",
            id="two-versions-of-one-container",
        ),
        pytest.param(
            written("half", {"componentSpecs": running("half_plus_two"), "graph": {**LEAF, "name": "half_plus_two"}}),
            "spec.predictors[0].componentSpecs[0].spec.containers[0].name",
            id="name-that-no-service-can-have",
        ),
        pytest.param(
            written(
                "volume",
                {
                    "componentSpecs": [
                        {
                            "spec": {
                                "containers": [
                                    {
                                        "name": "classifier",
                                        "image": "seldonio/mock_classifier:1.3",
                                        "volumeMounts": [{"name": "myvolume", "mountPath": "/tmp/vol"}],
                                    }
                                ]
                            }
                        }
                    ],
                    "graph": {**LEAF, "name": "classifier"},
                },
            ),
            "spec.predictors[0].componentSpecs[0].spec.containers[0].volumeMounts[0].name",
            id="volume-that-is-not-there",
        ),
        pytest.param(
            written(
                "loadtest",
                {
                    "componentSpecs": [{"spec": {"containers": [], **POD}}],
                    "graph": {**LEAF, "name": "stub", "implementation": "SIMPLE_MODEL"},
                },
            ),
            "spec.predictors[0].graph",
            id="nothing-to-run-the-engine-beside",
        ),
        pytest.param(
            written("lgbm", {"graph": {"name": "iris", "implementation": "LIGHTGBM_SERVER", "modelUri": "gs://a"}}),
            "spec.predictors[0].graph.implementation",
            id="server-that-nobody-configured",
        ),
        pytest.param(
            written("namemismatch", {"componentSpecs": running("model"), "graph": {**LEAF, "name": "model_bad_name"}}),
            "spec.predictors[0].graph.name",
            id="node-without-container",
        ),
        pytest.param(
            written("chain", {**MODEL, "graph": {**LEAF, "name": "classifier", "endpoint": {"http_port": 9000}}}),
            "spec.predictors[0].graph.endpoint.http_port",
            id="field-of-another-name",
        ),
        pytest.param(
            written(
                "invalid1",
                {
                    **MODEL,
                    "componentSpecs": [
                        {"spec": {"containers": [{"name": "classifier", "image": "a:1", "imagePullPolicy": 22}]}}
                    ],
                },
            ),
            "spec.predictors[0].componentSpecs[0].spec.containers[0].imagePullPolicy",
            id="number-in-a-pod",
        ),
    ],
)
def test_refused(obj: Object, path: str) -> None:
    """The reference implementation admits the first four, and fails to run them."""
    assert paths(obj) == [path]
