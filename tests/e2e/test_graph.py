"""A graph of every kind of node, each in a container of its own, and one that the engine mostly runs itself."""

import json
from typing import Any

import pytest
import yaml

from .kube import Shell, post
from .test_main_path import EXAMPLES, PREDICTIONS, ROWS, approx, ndarray

pytestmark = pytest.mark.e2e
FEEDBACK = "/api/v1.0/feedback"
MANIFEST = EXAMPLES / "components" / "graph.yaml"
# Far more than it takes to see the branch that the router takes for one request in ten.
ATTEMPTS = 300


def test_a_graph_of_transformer_router_and_combiner_answers_as_its_classes_do(shell: Shell) -> None:
    from examples.components.mean_combiner.MeanCombiner import MeanCombiner
    from examples.components.outlier_detector import train as outliers
    from examples.iris.train import train
    from examples.mock_classifier.MockClassifier import MockClassifier

    single = train().predict_proba(ROWS)
    forest = outliers.train()
    unusual = (-forest.score_samples(ROWS) > -forest.offset_).tolist()
    ensemble = MeanCombiner().aggregate([MockClassifier().predict(ROWS, []), single], [[], []])
    containers = yaml.safe_load(MANIFEST.read_text())["spec"]["predictors"][0]["componentSpecs"][0]["spec"][
        "containers"
    ]
    images = {container["name"]: container["image"] for container in containers}
    nodes_of = {0: ("ensemble", "mock", "iris"), 1: ("single",)}

    shell.apply(MANIFEST)
    shell.wait_available("components")
    with shell.forward("service/components-default", 8000) as url:
        answers: dict[int, dict[str, Any]] = {}
        for _ in range(ATTEMPTS):
            status, answer = post(url + PREDICTIONS, ndarray(ROWS))
            assert status == 200, answer
            branch = answer["meta"]["routing"]["router"]
            assert answer["data"]["ndarray"] == approx({0: ensemble, 1: single}[branch])
            answers[branch] = answer
            if len(answers) == 2:
                break
        assert set(answers) == {0, 1}
        for branch, answer in answers.items():
            visited = {"outlier-detector", "router", *nodes_of[branch]}
            assert answer["meta"]["requestPath"] == {name: images[name] for name in visited}
            assert answer["meta"]["tags"]["is_outlier"] == unusual
            assert len(answer["meta"]["puid"]) == 36
            feedback = {"request": ndarray(ROWS), "response": answer, "reward": float(branch)}
            status, heard = post(url + FEEDBACK, feedback)
            assert status == 200, heard

        # A node that is given nonsense answers for itself.
        status, refused = post(url + PREDICTIONS, ndarray([["a"]]))
        assert status == 400
        assert "must be numbers" in json.dumps(refused)


GRAPH = {
    "name": "split",
    "implementation": "RANDOM_ABTEST",
    "parameters": [{"name": "ratioA", "type": "FLOAT", "value": "0.5"}],
    "children": [
        {
            "name": "mean",
            "implementation": "AVERAGE_COMBINER",
            "children": [
                {"name": "one", "implementation": "SIMPLE_MODEL"},
                {"name": "two", "implementation": "SIMPLE_MODEL"},
            ],
        },
        {"name": "classifier", "type": "MODEL"},
    ],
}


def test_the_engine_runs_what_it_has_built_in(shell: Shell) -> None:
    from examples.mock_classifier.MockClassifier import MockClassifier

    containers = [{"name": "classifier", "image": "seldonio/mock_classifier:1.0"}]
    manifest = {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": "built-in"},
        "spec": {
            "predictors": [{"name": "main", "graph": GRAPH, "componentSpecs": [{"spec": {"containers": containers}}]}]
        },
    }
    shell.kubectl("apply", "--filename", "-", stdin=json.dumps(manifest))
    shell.wait_available("built-in")
    with shell.forward("service/built-in-main", 8000) as url:
        seen = set()
        for _ in range(ATTEMPTS):
            status, answer = post(url + PREDICTIONS, ndarray(ROWS))
            assert status == 200, answer
            branch = answer["meta"]["routing"]["split"]
            if branch == 0:
                assert answer["data"]["tensor"]["values"] == pytest.approx([0.1, 0.9, 0.5])
            else:
                assert answer["data"]["ndarray"] == approx(MockClassifier().predict(ROWS, []))
            seen.add(branch)
            if seen == {0, 1}:
                break
        assert seen == {0, 1}
