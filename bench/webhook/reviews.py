"""The reviews that are measured: of the smallest object that works, and of one as large as they come."""

import json
from typing import Any

NODES = 40


def small() -> bytes:
    """A review of one node in one container, created by `kubectl apply`."""
    container = {"name": "classifier", "image": "seldonio/mock_classifier:1.0"}
    graph = {"name": "classifier", "type": "MODEL"}
    return _review(
        {"name": "main", "replicas": 1, "graph": graph, "componentSpecs": [{"spec": {"containers": [container]}}]}
    )


def large() -> bytes:
    """A review of forty nodes in as many containers, with the settings that real ones have: 22 KB."""
    graph: dict[str, Any] = {}
    for number in reversed(range(NODES)):
        kind = "MODEL" if number == NODES - 1 else "TRANSFORMER"
        graph = {
            "name": f"node-{number}",
            "type": kind,
            "parameters": [{"name": "threshold", "type": "FLOAT", "value": "0.5"}],
            "children": [graph] if graph else [],
        }
    containers = [_container(number) for number in range(NODES)]
    specs = [{"spec": {"containers": containers[at : at + 10]}} for at in range(0, NODES, 10)]
    return _review({"name": "main", "replicas": 3, "graph": graph, "componentSpecs": specs})


def _container(number: int) -> dict[str, Any]:
    return {
        "name": f"node-{number}",
        "image": f"registry.example.com/team/project/node-{number}:1.4.2",
        "env": [
            {"name": "LOG_LEVEL", "value": "INFO"},
            {"name": "MODEL_REVISION", "value": "2026-01-01.14"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "credentials", "key": "token"}}},
        ],
        "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "volumeMounts": [{"name": "cache", "mountPath": "/cache"}],
    }


def _review(predictor: dict[str, Any]) -> bytes:
    for component in predictor["componentSpecs"]:
        if len(predictor["componentSpecs"]) > 1:
            component["spec"]["volumes"] = [{"name": "cache", "emptyDir": {}}]
    kind = {"group": "machinelearning.seldon.io", "version": "v1", "kind": "SeldonDeployment"}
    resource = {"group": "machinelearning.seldon.io", "version": "v1", "resource": "seldondeployments"}
    obj = {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {
            "name": "model",
            "namespace": "models",
            "uid": "0b6b5b0e-8a5c-4d0e-9d6b-0a3c5c1d2e3f",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "generation": 1,
        },
        "spec": {"predictors": [predictor]},
    }
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": "model",
        "namespace": "models",
        "operation": "CREATE",
        "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
        "object": obj,
        "oldObject": None,
        "dryRun": False,
        "options": {
            "kind": "CreateOptions",
            "apiVersion": "meta.k8s.io/v1",
            "fieldManager": "kubectl-client-side-apply",
        },
    }
    return json.dumps(
        {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}, separators=(",", ":")
    ).encode()
