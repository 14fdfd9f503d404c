"""The main job, as a user does it: apply a manifest, wait, predict, edit, scale, delete."""

import json
import math
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from .kube import ROOT, Shell, engine_image, post, steady_traffic, wait_for

pytestmark = pytest.mark.e2e
EXAMPLES = ROOT / "examples"
PREDICTIONS = "/api/v1.0/predictions"
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.2, 2.8, 4.8, 1.8], [7.7, 3.0, 6.1, 2.3]]


def ndarray(rows: list[list[float]]) -> dict[str, Any]:
    return {"data": {"ndarray": rows}}


def approx(rows: Any) -> Any:
    return [pytest.approx(list(row), rel=1e-9) for row in rows]


def test_the_example_goes_from_apply_to_a_prediction(shell: Shell) -> None:
    from examples.mock_classifier.MockClassifier import MockClassifier

    shell.apply(EXAMPLES / "seldon-model.yaml")
    found = shell.wait_available("seldon-model")

    assert found["spec"]["protocol"] == "seldon"
    assert found["spec"]["predictors"][0]["labels"] == {"version": "example"}
    assert found["status"]["address"]["url"] == (
        f"http://seldon-model-example.{shell.namespace}.svc.cluster.local:8000{PREDICTIONS}"
    )
    table = shell.kubectl("get", "seldondeployment")
    assert "STATE" in table
    assert "Available" in table
    with shell.forward("service/seldon-model-example", 8000) as url:
        status, answer = post(url + PREDICTIONS, ndarray(ROWS))
    assert status == 200
    expected = MockClassifier().predict(ROWS, [])
    assert answer["data"]["ndarray"] == approx(expected)
    assert all(math.isclose(sum(row), 1.0) for row in answer["data"]["ndarray"])
    assert answer["data"]["names"][0] == "t:0"


def test_every_pod_meets_the_restricted_level(shell: Shell) -> None:
    label = shell.check("kubectl", "get", "namespace", shell.namespace, "--output", "yaml")
    assert yaml.safe_load(label)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    shell.apply(EXAMPLES / "seldon-model.yaml")
    shell.wait_available("seldon-model")
    events = shell.kubectl("get", "events")
    assert "violates PodSecurity" not in events


def test_the_iris_model_answers_as_scikit_learn_does(shell: Shell) -> None:
    from examples.iris.train import train

    shell.apply(EXAMPLES / "iris" / "seldon-deployment.yaml")
    shell.wait_available("iris")
    with shell.forward("service/iris-default", 8000) as url:
        status, answer = post(url + PREDICTIONS, ndarray(ROWS))
    assert status == 200
    assert answer["data"]["ndarray"] == approx(train().predict_proba(ROWS))


def test_an_edited_image_rolls_over_and_no_request_fails(shell: Shell) -> None:
    shell.apply(EXAMPLES / "seldon-model.yaml")
    shell.wait_available("seldon-model")
    before = shell.pod_uids()
    image = yaml.safe_load((EXAMPLES / "iris" / "seldon-deployment.yaml").read_text())
    image = image["spec"]["predictors"][0]["componentSpecs"][0]["spec"]["containers"][0]["image"]
    path = "/spec/predictors/0/componentSpecs/0/spec/containers/0/image"
    patch = json.dumps([{"op": "replace", "path": path, "value": image}])

    url = f"http://seldon-model-example.{shell.namespace}:8000{PREDICTIONS}"
    with steady_traffic(shell, url, ndarray(ROWS), engine_image()) as traffic:
        shell.kubectl("patch", "seldondeployment", "seldon-model", "--type", "json", "--patch", patch)
        shell.wait_available("seldon-model")
        wait_for("the old pods to be gone", lambda: not before & shell.pod_uids())
    assert traffic.failures == []
    assert traffic.sent > 10
    pods = shell.get("pods")["items"]
    assert {c["image"] for pod in pods for c in pod["spec"]["containers"] if c["name"] == "classifier"} == {image}


def test_scale_changes_the_pods(shell: Shell) -> None:
    manifest = EXAMPLES / "scale.yaml"
    name = yaml.safe_load(manifest.read_text())["metadata"]["name"]
    shell.apply(manifest)
    shell.wait_available(name)

    def pods() -> int:
        return len([p for p in shell.get("pods")["items"] if not p["metadata"].get("deletionTimestamp")])

    for replicas in (3, 1):
        shell.kubectl("scale", "seldondeployment", name, f"--replicas={replicas}")
        wait_for(f"{replicas} pods", lambda replicas=replicas: pods() == replicas)
        status = shell.wait_available(name)["status"]
        assert status["replicas"] == replicas


def test_delete_removes_every_child(shell: Shell) -> None:
    shell.apply(EXAMPLES / "seldon-model.yaml")
    shell.wait_available("seldon-model")
    kinds = "deployments,replicasets,pods,services,endpointslices"
    assert shell.get(kinds)["items"]
    shell.kubectl("delete", "--filename", str(EXAMPLES / "seldon-model.yaml"))
    wait_for("the children to be gone", lambda: not shell.get(kinds)["items"])


def test_an_invalid_graph_is_refused_with_path_rule_and_remedy(shell: Shell, tmp_path: Path) -> None:
    manifest = yaml.safe_load((EXAMPLES / "seldon-model.yaml").read_text())
    manifest["metadata"]["name"] = "broken"
    manifest["spec"]["predictors"][0]["graph"]["name"] = "classifer"
    broken = tmp_path / "broken.yaml"
    broken.write_text(yaml.safe_dump(manifest))

    refused = shell.run("kubectl", "--namespace", shell.namespace, "apply", "--filename", str(broken))
    assert refused.returncode != 0
    assert 'spec.predictors[0].graph.name: "classifer": ' in refused.stderr
    assert "container" in refused.stderr
    assert "classifier" in refused.stderr, "the remedy names what is there"
    assert "Traceback" not in refused.stderr
    assert not shell.get("seldondeployments")["items"]


def test_a_user_looks_around_as_the_readme_says() -> None:
    script = 'eval "$(python3 -m hack.cluster env)"\nkubectl --namespace models get seldondeployments,pods\n'
    done = subprocess.run(["bash", "-eu"], input=script, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"seldon-model +Available +True", done.stdout)
