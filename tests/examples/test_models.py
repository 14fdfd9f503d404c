"""The models of examples/ answer with the right numbers, through the wrapper."""

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import yaml

from examples.iris.train import train
from examples.mock_classifier.MockClassifier import COEFFICIENTS, INTERCEPTS, MockClassifier
from seldon_core import __version__

from ..microservice.serving import ask, get, process, until

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
IMAGES = EXAMPLES.parent / "images"
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.2, 2.8, 4.8, 1.8], [7.7, 3.0, 6.1, 2.3]]


def request(name: str) -> Any:
    return json.loads((EXAMPLES / name / "request.json").read_text())


def softmax(scores: Any) -> Any:
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


def test_the_mock_classifier_is_a_logistic_regression() -> None:
    expected = softmax(np.array(ROWS) @ COEFFICIENTS.T + INTERCEPTS)
    status, answer = ask(MockClassifier(), {"data": {"ndarray": ROWS}})
    assert status == 200
    assert answer["data"]["names"] == ["t:0", "t:1", "t:2"]
    np.testing.assert_allclose(answer["data"]["ndarray"], expected, rtol=1e-12)
    np.testing.assert_allclose(np.sum(answer["data"]["ndarray"], axis=1), 1.0)
    assert np.argmax(answer["data"]["ndarray"], axis=1).tolist() == [0, 2, 2]


def test_the_mock_classifier_keeps_the_form_of_the_request() -> None:
    _, answer = ask(MockClassifier(), {"data": {"tensor": {"shape": [1, 4], "values": ROWS[0]}}})
    assert answer["data"]["tensor"]["shape"] == [1, 3]
    _, answer = ask(MockClassifier(), {"data": {"ndarray": ROWS[0]}})
    assert np.shape(answer["data"]["ndarray"]) == (1, 3)


@pytest.mark.parametrize("rows", [[[1, 2, 3]], [1], [[[1, 2, 3, 4]]]])
def test_the_mock_classifier_says_what_it_needs(rows: Any) -> None:
    status, answer = ask(MockClassifier(), {"data": {"ndarray": rows}})
    assert status == 400
    assert answer["status"]["info"].startswith("every row must have four numbers, got an array of shape")


def test_the_iris_model_answers_as_scikit_learn_does(tmp_path: Path) -> None:
    joblib.dump(train(), tmp_path / "model.joblib")
    (tmp_path / "IrisClassifier.py").write_bytes((EXAMPLES / "iris" / "IrisClassifier.py").read_bytes())
    with process(tmp_path, "IrisClassifier") as service:
        port = service.wait_for_line(r"REST on port (\d+)")[1]
        url = f"http://127.0.0.1:{port}"
        until(lambda: get(url + "/ready")[0] == 200)
        status, body = get(url + "/api/v1.0/predictions", request("iris"))
    assert status == 200
    answer = json.loads(body)["data"]
    assert answer["names"] == ["setosa", "versicolor", "virginica"]
    expected = train().predict_proba(request("iris")["data"]["ndarray"])
    np.testing.assert_allclose(answer["ndarray"], expected, rtol=1e-12)
    assert np.argmax(expected, axis=1).tolist() == [0, 2, 2]


def test_the_requests_fit_their_models() -> None:
    status, answer = ask(MockClassifier(), request("mock_classifier"))
    assert (status, np.shape(answer["data"]["ndarray"])) == (200, (2, 3))


def test_the_pinned_requirements_are_those_that_are_tested() -> None:
    from importlib.metadata import version

    lines = (EXAMPLES / "iris" / "requirements.txt").read_text().split()
    assert lines == [f"{name}=={version(name)}" for name in ("scikit-learn", "joblib")]


@pytest.mark.parametrize("name", ["mock_classifier", "iris"])
def test_a_models_image_starts_from_this_versions_base(name: str) -> None:
    first = (EXAMPLES / name / "Dockerfile").read_text().split()[1]
    assert first == f"docker.io/seldonio/seldon-core-microservice:{__version__}"


@pytest.mark.parametrize("name", ["operator", "engine", "microservice"])
def test_an_image_is_labelled_with_this_version(name: str) -> None:
    assert f"ARG VERSION={__version__}\n" in (IMAGES / name / "Dockerfile").read_text()


def test_the_scaled_example_sets_replicas_in_one_place_only() -> None:
    text = (EXAMPLES / "scale.yaml").read_text()
    assert yaml.safe_load(text)["spec"]["replicas"] == 1
    assert text.count("replicas:") == 1
