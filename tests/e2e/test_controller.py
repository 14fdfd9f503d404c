"""What the controller keeps right on a real cluster: children heal, graphs change under load, failures are said."""

import json
from typing import Any

import pytest
import yaml

from .kube import Shell, engine_image, steady_traffic, wait_for
from .test_main_path import EXAMPLES, PREDICTIONS, ROWS, ndarray

pytestmark = pytest.mark.e2e
MODEL = "seldonio/mock_classifier:1.0"
TRANSFORMER = "seldonio/mean-transformer:0.1.0"
LONG = "a-model-with-a-name-of-seventy-characters-" + "x" * 28


def manifest(name: str, **container: Any) -> dict[str, Any]:
    return {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": name},
        "spec": {
            "predictors": [
                {
                    "name": "default",
                    "graph": {"name": "classifier", "type": "MODEL"},
                    "componentSpecs": [{"spec": {"containers": [{"name": "classifier", "image": MODEL, **container}]}}],
                }
            ]
        },
    }


def apply(shell: Shell, obj: dict[str, Any]) -> None:
    shell.kubectl("apply", "--filename", "-", stdin=json.dumps(obj))


def test_a_deleted_child_comes_back(shell: Shell) -> None:
    shell.apply(EXAMPLES / "seldon-model.yaml")
    shell.wait_available("seldon-model")

    def children() -> dict[tuple[str, str], str]:
        items = shell.get("deployments,services")["items"]
        return {(item["kind"], item["metadata"]["name"]): item["metadata"]["uid"] for item in items}

    before = children()
    shell.kubectl("delete", "deployments,services", "--all")

    def healed() -> bool:
        now = children()
        return now.keys() == before.keys() and not set(now.values()) & set(before.values())

    wait_for("all children to be there again", healed)
    shell.wait_available("seldon-model")


def test_a_graph_grows_and_shrinks_under_load_and_no_request_fails(shell: Shell) -> None:
    small = manifest("growing")
    large = manifest("growing")
    (predictor,) = large["spec"]["predictors"]
    predictor["graph"] = {"name": "scaler", "type": "TRANSFORMER", "children": [predictor["graph"]]}
    predictor["componentSpecs"][0]["spec"]["containers"].append({"name": "scaler", "image": TRANSFORMER})
    apply(shell, small)
    shell.wait_available("growing")
    url = f"http://growing-default.{shell.namespace}:8000{PREDICTIONS}"

    with steady_traffic(shell, url, ndarray(ROWS), engine_image()) as traffic:
        for step in (large, small):
            before = {
                pod["metadata"]["uid"] for pod in shell.get("pods", "-l", "seldon-deployment-id=growing")["items"]
            }
            apply(shell, step)
            shell.wait_available("growing")

            def replaced(before: set[str] = before) -> bool:
                pods = shell.get("pods", "-l", "seldon-deployment-id=growing")["items"]
                return bool(pods) and not before & {pod["metadata"]["uid"] for pod in pods}

            wait_for("the old pods to be gone", replaced)
    assert traffic.failures == []
    assert traffic.sent > 10


@pytest.mark.parametrize(
    ("container", "reason", "said"),
    [
        pytest.param(
            {"image": "seldonio/mock_classifier:absent"}, "ImagePullBackOff", "mock_classifier:absent", id="image"
        ),
        pytest.param({"command": ["python3", "-c", "exit(3)"]}, "CrashLoopBackOff", "exit code 3", id="crash"),
        pytest.param(
            {"command": ["python3", "-c", "x = b'x' * 10**9"], "resources": {"limits": {"memory": "64Mi"}}},
            "OOMKilled",
            "raise resources.limits.memory",
            id="memory",
        ),
        pytest.param(
            {"envFrom": [{"configMapRef": {"name": "absent"}}]},
            "CreateContainerConfigError",
            '"absent"',
            id="configmap",
        ),
        pytest.param(
            {"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "k"}}}]},
            "CreateContainerConfigError",
            "create the Secret or ConfigMap",
            id="secret",
        ),
        pytest.param(
            {"readinessProbe": {"exec": {"command": ["python3", "-c", "exit(1)"]}}},
            "ContainerNotReady",
            "readiness probe fails",
            id="readiness",
        ),
        pytest.param(
            {"resources": {"requests": {"memory": "900Gi"}}}, "Unschedulable", "Insufficient memory", id="no-node"
        ),
    ],
)
def test_what_keeps_a_pod_from_serving_is_said(shell: Shell, container: dict[str, Any], reason: str, said: str) -> None:
    apply(shell, manifest("failing", **container))

    def explained() -> bool:
        status = shell.get("seldondeployment", "failing").get("status", {})
        conditions = {entry["type"]: entry for entry in status.get("conditions", [])}
        found = conditions.get("DeploymentsReady", {})
        return found.get("reason") == reason and said in found["message"] and "classifier" in found["message"]

    wait_for(f"{reason} in the status", explained)


def test_a_name_of_seventy_characters_is_served(shell: Shell) -> None:
    assert len(LONG) == 70
    apply(shell, manifest(LONG))
    found = shell.wait_available(LONG)
    names = [item["metadata"]["name"] for item in shell.get("deployments,services")["items"]]
    assert all(len(name) <= 63 for name in names)
    assert found["status"]["address"]["url"].split("/")[2].split(".")[0] in names


def test_plan_prints_what_runs(shell: Shell) -> None:
    """The names that `seldon-core plan` prints are those of the children."""
    from click.testing import CliRunner

    from seldon_core.cli import main

    example = EXAMPLES / "seldon-model.yaml"
    shell.apply(example)
    shell.wait_available("seldon-model")
    printed = CliRunner().invoke(main, ["plan", "--namespace", shell.namespace, str(example)]).stdout
    planned = {(obj["kind"], obj["metadata"]["name"]) for obj in yaml.safe_load_all(printed)}
    assert planned == {(o["kind"], o["metadata"]["name"]) for o in shell.get("deployments,services")["items"]}
