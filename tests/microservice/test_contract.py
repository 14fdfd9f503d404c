"""What holds for every method of the class contract alike, each in a table of all of them."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seldon_core import __version__
from seldon_core.metrics import create_counter
from seldon_core.user_model import SeldonNotImplementedError, SeldonResponse
from seldon_core.utils import (
    feedback_to_json,
    json_to_feedback,
    json_to_seldon_message,
    json_to_seldon_model_metadata,
    seldon_message_to_json,
)

from .serving import ask, get, process, running, served

ND = {"data": {"names": ["a", "b"], "ndarray": [[1, 2]]}}
# What is asked of a class, where, with which message, and the label `method` of its metrics.
OPERATIONS = {
    "predict": ("/predict", ND, "predict"),
    "transform_input": ("/transform-input", ND, "inputtransform"),
    "transform_output": ("/transform-output", ND, "outputtransform"),
    "route": ("/route", ND, "router"),
    "aggregate": ("/aggregate", [ND], "aggregate"),
    "send_feedback": ("/send-feedback", {"request": ND, "reward": 0}, "feedback"),
    "health_status": ("/health/status", None, "health"),
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS)


class All:
    """Has every method; each answers with a metric of this one request, too."""

    def __init__(self, metrics: Any = ()) -> None:
        self._metrics = list(metrics)

    def metrics(self) -> Any:
        return [create_counter("every", 1), *self._metrics]

    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        return SeldonResponse(X, metrics=[create_counter("once", 1)])

    transform_input = transform_output = predict

    def route(self, X: Any, names: Any) -> Any:  # noqa: N803
        return SeldonResponse(1, metrics=[create_counter("once", 1)])

    def aggregate(self, features_list: Any, names_list: Any) -> Any:
        return self.predict(features_list[0], names_list[0])

    def send_feedback(self, features: Any, names: Any, reward: Any, truth: Any, routing: Any = None) -> Any:
        return self.predict(features, names)

    def health_status(self) -> Any:
        return self.predict([1], [])


@every_operation
async def test_metrics_are_counted_under_the_method(operation: str) -> None:
    path, message, label = OPERATIONS[operation]
    async with served(All()) as service:
        for _ in range(2):
            if message is None:
                response = await service.client.get(path)
            else:
                response = await service.client.post(path, json=message)
            assert response.status_code == 200, response.text
            assert [metric["key"] for metric in response.json()["meta"]["metrics"]] == ["every", "once"]
        lines = service.registry.render().decode().splitlines()
    for name in ("every_total", "once_total"):
        [line] = [line for line in lines if line.startswith(name + "{")]
        assert f'method="{label}"' in line
        assert line.endswith(" 2.0")


@every_operation
def test_metrics_may_stay_out_of_every_answer(operation: str) -> None:
    status, answer = ask(All(), OPERATIONS[operation][1], operation, metrics_in_response=False)
    assert (status, "metrics" in answer["meta"]) == (200, False)


@every_operation
def test_bad_metrics_are_a_500_everywhere(operation: str) -> None:
    bad = [{"type": "BAD", "key": "k", "value": 1}]
    status, answer = ask(All(bad), OPERATIONS[operation][1], operation)
    assert (status, answer["status"]["reason"]) == (500, "MICROSERVICE_BAD_METRIC")


@pytest.mark.parametrize("operation", ["predict", "transform_input", "transform_output", "aggregate"])
def test_tags_and_metrics_of_the_request_are_passed_on(operation: str) -> None:
    gauge = {"type": "GAUGE", "key": "before", "value": 100}
    message = {**ND, "meta": {"puid": "p", "tags": {"foo": "bar"}, "metrics": [gauge]}}
    _, answer = ask(All(), [message] if operation == "aggregate" else message, operation)
    assert (answer["meta"]["puid"], answer["meta"]["tags"]) == ("p", {"foo": "bar"})
    assert [metric["key"] for metric in answer["meta"]["metrics"]] == ["before", "every", "once"]


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "health_status"])
@pytest.mark.parametrize("ending", ["_rest", "_raw"])
def test_a_method_for_whole_messages_goes_first(operation: str, ending: str) -> None:
    class Whole(All):
        pass

    answer = {"data": {"ndarray": [9, 9]}, "status": {"code": 400}}
    setattr(Whole, operation + ending, lambda self, msg: answer)
    # The status of a message is the status of HTTP where that has always been so.
    expected = 400 if operation == "predict" else 200
    assert ask(Whole(), OPERATIONS[operation][1], operation) == (expected, answer)


@pytest.mark.parametrize(
    ("branch", "number"),
    [(1, 1), (True, 1), (np.int64(2), 2), (SeldonResponse(-1), -1)],
    ids=["int", "bool", "numpy", "SeldonResponse"],
)
def test_a_branch_is_answered_as_a_number(branch: Any, number: int) -> None:
    class Routes:
        def route(self, X: Any, names: Any) -> Any:  # noqa: N803
            return branch

    _, answer = ask(Routes(), ND, "route")
    [[found]] = answer["data"]["ndarray"]
    assert (type(found), found) == (int, number)


@pytest.mark.parametrize(("operation", "title"), [("route", "Route"), ("aggregate", "Aggregate")])
def test_a_method_that_says_so_is_not_defined(operation: str, title: str) -> None:
    class Partly:
        def refuse(self, *_: Any) -> Any:
            raise SeldonNotImplementedError("for now")

        route = aggregate = refuse

    status, answer = ask(Partly(), OPERATIONS[operation][1], operation)
    assert (status, answer["status"]["info"]) == (400, f"{title} not defined")


def test_a_combiner_gets_the_names_of_each_child() -> None:
    class Combines:
        def aggregate(self, features_list: Any, names_list: Any) -> Any:
            return {"names": names_list, "rows": [features.tolist() for features in features_list]}

    messages = [ND, {"data": {"tensor": {"shape": [1, 1], "values": [3]}}}]
    _, answer = ask(Combines(), messages, "aggregate")
    assert answer["jsonData"] == {"names": [["a", "b"], []], "rows": [[[1, 2]], [[3]]]}


@pytest.mark.parametrize(
    ("convert", "value"),
    [
        (json_to_seldon_message, {"strData": "x", "unknown": 1}),
        (json_to_seldon_message, {"data": {"tensor": {"values": ["x"]}}}),
        (json_to_feedback, {"rewards": 1}),
    ],
    ids=["message", "value", "feedback"],
)
def test_what_is_no_message_is_an_error_of_the_caller(convert: Any, value: Any) -> None:
    from seldon_core.flask_utils import SeldonMicroserviceException

    with pytest.raises(SeldonMicroserviceException, match="Invalid JSON: ") as caught:
        convert(value)
    assert (caught.value.status_code, caught.value.reason) == (400, "MICROSERVICE_BAD_DATA")


def test_messages_become_protobuf_and_back() -> None:
    assert seldon_message_to_json(json_to_seldon_message(ND)) == ND
    assert feedback_to_json(json_to_feedback({"request": ND, "reward": 0.5})) == {"request": ND, "reward": 0.5}
    assert seldon_message_to_json(json_to_seldon_message(None)) == {}
    metadata = json_to_seldon_model_metadata({"name": "m", "unknown": 1})
    assert seldon_message_to_json(metadata) == {"name": "m"}


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    with process(tmp_path, "--version") as service:
        assert service.wait() == 0
    assert service.log() == __version__ + "\n"


def test_lines_of_the_log_have_the_form_that_log_collectors_know(tmp_path: Path) -> None:
    source = """
import logging

class MyModel:
    def predict(self, X, names):
        logging.getLogger("mine").warning("seen")
        return X
"""
    with running(tmp_path, source) as service:
        assert get(service.http + "/predict", ND)[0] == 200
        assert service.stop() == 0
    form = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - mine:predict:6 - WARNING:  seen"
    assert any(re.fullmatch(form, line) for line in service.log().splitlines())
