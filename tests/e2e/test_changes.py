"""Under constant load, slow requests among it, images, graphs and engines change, and no request fails."""

import json
from typing import Any

import pytest

from .kube import Shell, engine_image, steady_traffic, wait_for
from .test_main_path import PREDICTIONS, ndarray

pytestmark = pytest.mark.e2e
# Two images with the wrapper; the class comes from a ConfigMap, takes as many seconds as the first value says, beside
# other requests, and answers with what it was given.
IMAGES = ("seldonio/mock_classifier:1.0", "seldonio/mean-transformer:0.1.0")
STEP = """
import asyncio


class Step:
    async def predict(self, X, names, meta=None):
        await asyncio.sleep(float(X[0][0]))
        return X

    def transform_input(self, X, names, meta=None):
        return X
"""
SLOW = ndarray([[4.0]])
FAST = ndarray([[0.0]])
NAME = "chain"


def component(name: str, image: str) -> dict[str, Any]:
    container = {
        "name": name,
        "image": image,
        "command": ["seldon-core-microservice", "Step"],
        "env": [{"name": "PYTHONPATH", "value": "/steps"}],
        "volumeMounts": [{"name": "steps", "mountPath": "/steps"}],
    }
    return {"spec": {"containers": [container], "volumes": [{"name": "steps", "configMap": {"name": "steps"}}]}}


def chain(*names: str, image: str = IMAGES[0], spec: Any = None, own: Any = None) -> dict[str, Any]:
    """Nodes that call one another, each in pods of its own."""
    graph: dict[str, Any] = {"name": names[-1], "type": "MODEL"}
    for name in reversed(names[:-1]):
        graph = {"name": name, "type": "TRANSFORMER", "children": [graph]}
    parts = [component(name, image) for name in names]
    return {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": NAME},
        "spec": {
            "annotations": spec or {},
            "predictors": [{"name": "p", "graph": graph, "componentSpecs": parts, "annotations": own or {}}],
        },
    }


@pytest.fixture
def steps(shell: Shell) -> Shell:
    metadata = {"name": "steps", "namespace": shell.namespace}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"Step.py": STEP}}
    shell.kubectl("apply", "--filename", "-", stdin=json.dumps(config))
    return shell


def become(shell: Shell, obj: dict[str, Any]) -> dict[str, str]:
    """Apply a manifest and wait until nothing of before is left; return the uids of the pods by what they hold."""
    shell.kubectl("apply", "--filename", "-", stdin=json.dumps(obj))
    shell.wait_available(NAME)

    def settled() -> dict[str, str] | None:
        wanted = shell.get("seldondeployment", NAME)["status"]["deploymentStatus"]
        pods = shell.get("pods", "-l", f"seldon-deployment-id={NAME}")["items"]
        uids = {pod["metadata"]["labels"]["app"]: pod["metadata"]["uid"] for pod in pods}
        return uids if uids.keys() == wanted.keys() and len(pods) == len(wanted) else None

    return wait_for("one pod of each Deployment, and no others", settled)


@pytest.mark.timeout(420)
def test_images_and_graph_change_and_neither_fast_nor_slow_requests_fail(steps: Shell) -> None:
    become(steps, chain("a", "b", "c"))
    url = f"http://{NAME}-p.{steps.namespace}:8000{PREDICTIONS}"
    with steady_traffic(steps, url, FAST, engine_image(), beside=[SLOW, SLOW, SLOW]) as traffic:
        before = become(steps, chain("a", "b", "c", image=IMAGES[1]))
        # What is new comes first, and would move the ports of all others if they did not keep them; `b` goes.
        after = become(steps, chain("new", "a", "c", image=IMAGES[1]))
    assert before.keys() == {f"{NAME}-p-0-a", f"{NAME}-p-1-b", f"{NAME}-p-2-c"}
    assert after.keys() == {f"{NAME}-p-0-new", f"{NAME}-p-1-a", f"{NAME}-p-2-c"}
    assert after[f"{NAME}-p-2-c"] == before[f"{NAME}-p-2-c"], "nothing has changed for it"
    assert traffic.failures == []
    assert traffic.sent > 50


@pytest.mark.timeout(420)
def test_an_engine_moves_from_its_own_pods_to_nowhere_and_back(steps: Shell) -> None:
    separate = chain("a", spec={"seldon.io/engine-separate-pod": "true"})
    absent = chain("a", own={"seldon.io/no-engine": "true"})
    become(steps, separate)
    # Who calls no engine calls the component, by its own ports and the path that they share.
    engine, model = (f"http://{NAME}-p.{steps.namespace}:{port}{PREDICTIONS}" for port in (8000, 9000))
    with steady_traffic(steps, engine, FAST, engine_image(), elsewhere=[model]) as traffic:
        become(steps, absent)
        assert steps.get("service", f"{NAME}-p")["spec"]["ports"][0]["port"] == 9000
        become(steps, separate)
        assert steps.get("service", f"{NAME}-p")["spec"]["ports"][0]["port"] == 8000
    assert traffic.failures == []
    assert traffic.sent > 50
