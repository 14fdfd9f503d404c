"""One request through a model: payloads, meta, names, hooks, errors."""

import json
from typing import Any

import numpy as np
import pytest

from seldon_core.flask_utils import SeldonMicroserviceException
from seldon_core.metrics import create_gauge
from seldon_core.microservice.identity import Identity
from seldon_core.user_model import SeldonComponent, SeldonNotImplementedError, SeldonResponse

from .serving import COUNTER, M, ask, finish, plane_of

META = {"metrics": [COUNTER], "tags": {"mytag": 1}}
ND = {"data": {"ndarray": [[1, 2]]}}


class Predicts:
    """A model that answers with a fixed result."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        return self.result


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        pytest.param(
            {"data": {"names": ["a", "b"], "ndarray": [[1, 2]]}},
            {"data": {"names": ["t:0", "t:1"], "ndarray": [[1, 2]]}, "meta": META},
            id="ndarray",
        ),
        pytest.param(
            {"data": {"ndarray": [1, 2]}}, {"data": {"names": [], "ndarray": [1, 2]}, "meta": META}, id="1-D"
        ),
        pytest.param(
            {"data": {"tensor": {"shape": [2, 1], "values": [1, 2]}}},
            {"data": {"names": ["t:0"], "tensor": {"shape": [2, 1], "values": [1, 2]}}, "meta": META},
            id="tensor",
        ),
        pytest.param(
            {"data": {"ndarray": [["x", 1]]}},
            {"data": {"names": ["t:0", "t:1"], "ndarray": [["x", "1"]]}, "meta": META},
            id="mixed",
        ),
        pytest.param({"strData": "hi"}, {"meta": META, "strData": "hi"}, id="strData"),
        pytest.param({"binData": "MTIz"}, {"binData": "MTIz", "meta": META}, id="binData"),
        pytest.param({"jsonData": {"k": [1, 2]}}, {"jsonData": {"k": [1, 2]}, "meta": META}, id="jsonData"),
        pytest.param({"data": {}}, {"data": {"names": [], "ndarray": []}, "meta": META}, id="empty-data"),
        pytest.param(
            {"meta": {"puid": "p", "routing": {"r": 1}, "tags": {"a": 1}}, "data": {"ndarray": []}},
            {
                "data": {"names": [], "ndarray": []},
                "meta": {"metrics": [COUNTER], "puid": "p", "routing": {"r": 1}, "tags": {"a": 1, "mytag": 1}},
            },
            id="meta-with-routing",
        ),
        pytest.param({"meta": {"puid": 123}, "strData": ""}, {"meta": {**META, "puid": 123}, "strData": ""}, id="puid"),
        pytest.param(
            {"meta": {"tags": {"foo": "bar", "mytag": 2}}, "strData": ""},
            {"meta": {**META, "tags": {"foo": "bar", "mytag": 1}}, "strData": ""},
            id="tags-of-the-request",
        ),
        pytest.param(
            {"meta": {"metrics": [{"type": "GAUGE", "key": "request_gauge", "value": 100}]}, "strData": ""},
            {"meta": {**META, "metrics": [{"type": "GAUGE", "key": "request_gauge", "value": 100}, COUNTER]},
             "strData": ""},
            id="metrics-of-the-request",
        ),
    ],
)  # fmt: skip
def test_identity(message: Any, answer: Any) -> None:
    assert ask(M(), message) == (200, answer)


def test_the_answer_is_compact_sorted_and_ends_with_a_newline() -> None:
    body = finish(plane_of(M()).predict(ND)).body
    assert body == (
        b'{"data":{"names":["t:0","t:1"],"ndarray":[[1,2]]},'
        b'"meta":{"metrics":[{"key":"mycounter","type":"COUNTER","value":1}],"tags":{"mytag":1}}}\n'
    )


@pytest.mark.parametrize(
    ("unit", "image", "incoming", "path"),
    [
        pytest.param("", "", None, None, id="outside-of-a-graph"),
        pytest.param("", "", {"earlier": "image"}, {"earlier": "image"}, id="passes-through"),
        pytest.param("mine", "my:1", None, {"mine": "my:1"}, id="own"),
        pytest.param("mine", "", None, {"mine": "NOT_IMPLEMENTED:NOT_IMPLEMENTED"}, id="own-without-image"),
        pytest.param("mine", "my:1", {"earlier": "x:2"}, {"earlier": "x:2", "mine": "my:1"}, id="both"),
        pytest.param("mine", "my:1", {"mine": "x:2"}, {"mine": "x:2"}, id="incoming-wins"),
    ],
)
def test_request_path(unit: str, image: str, incoming: Any, path: Any) -> None:
    message = {"strData": "", "meta": {"requestPath": incoming}}
    _, answer = ask(M(), message, identity=Identity(unit=unit, image=image))
    assert answer["meta"].get("requestPath") == path


@pytest.mark.parametrize("message", [ND, {"strData": "x"}], ids=["data", "strData"])
def test_a_class_without_hooks_gives_an_empty_meta(message: Any) -> None:
    assert ask(Predicts("y"), message) == (200, {"meta": {}, "strData": "y"})


def test_a_list_in_answer_to_text_is_a_tensor() -> None:
    expected = {"data": {"names": [], "tensor": {"shape": [3], "values": [1, 2, 3]}}, "meta": {}}
    assert ask(Predicts([1, 2, 3]), {"strData": "x"}) == (200, expected)


def test_a_class_without_predict_answers_with_nothing() -> None:
    assert ask(object(), ND) == (200, {"data": {"names": [], "ndarray": []}, "meta": {}})


@pytest.mark.parametrize("operation", ["transform_input", "transform_output"])
def test_a_class_without_a_transformation_changes_nothing(operation: str) -> None:
    message = {"data": {"names": ["a", "b"], "ndarray": [[1, 2]]}, "meta": {"puid": "p"}}
    assert ask(object(), message, operation) == (200, message)


class Transforms:
    """Doubles what comes in and keeps what its calls were made with."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def transform_input(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        self.calls.append((X.tolist(), names, meta))
        return X * 2

    def transform_output(self, X: Any, names: Any) -> Any:  # noqa: N803
        return X[:, :1]


def test_a_transformer_keeps_the_names_while_the_shape_stays() -> None:
    message = {"data": {"names": ["a", "b"], "ndarray": [[1, 2]]}, "meta": {"tags": {"x": 1}}}
    model = Transforms()
    _, answer = ask(model, message, "transform_input")
    assert answer["data"] == {"names": ["a", "b"], "ndarray": [[2, 4]]}
    assert model.calls == [([[1, 2]], ["a", "b"], {"tags": {"x": 1}})]
    _, answer = ask(model, message, "transform_output")
    assert answer["data"] == {"names": ["t:0"], "ndarray": [[1]]}


class Names(Transforms):
    def class_names(self) -> Any:
        return np.array(["c", "d"])

    def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
        return X


class FeatureNames(Names):
    def feature_names(self) -> Any:
        return ["f", "g"]


class NoFeatureNames(Names):
    def feature_names(self) -> Any:
        raise SeldonNotImplementedError("not here")


class FixedNames(Transforms):
    class_names = ("c", "d")

    def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
        return X


@pytest.mark.parametrize(
    ("model", "operation", "names"),
    [
        pytest.param(Names, "predict", ["c", "d"], id="method"),
        pytest.param(FixedNames, "predict", ["c", "d"], id="attribute"),
        pytest.param(Names, "transform_input", ["c", "d"], id="transform"),
        pytest.param(FeatureNames, "transform_input", ["f", "g"], id="feature-names"),
        pytest.param(NoFeatureNames, "transform_input", ["c", "d"], id="feature-names-not-implemented"),
        pytest.param(FeatureNames, "predict", ["c", "d"], id="feature-names-are-not-for-predict"),
    ],
)
def test_the_model_names_the_columns(model: type, operation: str, names: Any) -> None:
    _, answer = ask(model(), {"data": {"names": ["a", "b"], "ndarray": [[1, 2]]}}, operation)
    assert answer["data"]["names"] == names


def test_one_dimension_has_no_names() -> None:
    _, answer = ask(Names(), {"data": {"ndarray": [1, 2]}})
    assert answer["data"]["names"] == []


class SeesMeta:
    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        return SeldonResponse(X, tags={"inc_meta": meta})


def test_the_model_sees_the_meta_of_the_request() -> None:
    _, answer = ask(SeesMeta(), {"meta": {"puid": "abc"}, **ND})
    assert answer["meta"]["tags"] == {"inc_meta": {"puid": "abc"}}
    _, answer = ask(SeesMeta(), ND)
    assert answer["meta"]["tags"] == {"inc_meta": None}


class Runtime(M):
    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        return SeldonResponse(X, tags={"mytag": "right one", "runtime": 1}, metrics=[create_gauge("g", 42)])


def test_tags_and_metrics_of_one_request_come_last() -> None:
    _, answer = ask(Runtime(), ND)
    assert answer["meta"] == {
        "tags": {"mytag": "right one", "runtime": 1},
        "metrics": [COUNTER, {"type": "GAUGE", "key": "g", "value": 42}],
    }


def test_metrics_may_stay_out_of_the_answer_but_are_recorded() -> None:
    message = {**ND, "meta": {"metrics": [COUNTER]}}
    answer = finish(plane_of(Runtime(), metrics_in_response=False).predict(message))
    assert "metrics" not in json.loads(answer.body)["meta"]
    assert [metric["key"] for metric in answer.metrics] == ["mycounter", "g"]
    assert answer.method == "predict"


class Raw:
    """Answers whole messages with what it was made with."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def predict_raw(self, msg: Any) -> Any:
        return self.result(msg) if callable(self.result) else self.result

    transform_input_raw = transform_output_raw = predict_raw

    def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
        return "not raw"


@pytest.mark.parametrize("operation", ["predict", "transform_input", "transform_output"])
def test_a_raw_method_gets_and_gives_the_whole_message(operation: str) -> None:
    message = {"anything": [1], "meta": {"puid": "p"}}
    assert ask(Raw(lambda msg: {"got": msg}), message, operation) == (200, {"got": message})


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({"code": 400, "info": "exception caught"}, 400, id="400"),
        pytest.param({"code": 402}, 402, id="402"),
        pytest.param({"code": 200}, 200, id="200"),
        pytest.param({"status": "FAILURE"}, 200, id="no-code"),
        pytest.param({"code": -1, "status": 1}, 500, id="no-HTTP-status-failure"),
        pytest.param({"code": 7}, 200, id="no-HTTP-status"),
        pytest.param("bad", 200, id="no-object"),
    ],
)
def test_predict_raw_decides_the_status(status: Any, expected: int) -> None:
    message = {"status": status, "strData": "x"}
    assert ask(Raw(message), ND) == (expected, message)
    assert ask(Raw(message), ND, "transform_input") == (200, message)


def test_raw_metrics_are_recorded_and_may_stay_out_of_the_answer() -> None:
    message = {"strData": "x", "meta": {"metrics": [COUNTER], "puid": "p"}}
    answer = finish(plane_of(Raw(message)).predict(ND))
    assert json.loads(answer.body) == message
    assert answer.metrics == [COUNTER]
    answer = finish(plane_of(Raw(message), metrics_in_response=False).predict(ND))
    assert json.loads(answer.body) == {"strData": "x", "meta": {"puid": "p"}}
    assert answer.metrics == [COUNTER]
    assert message["meta"] == {"metrics": [COUNTER], "puid": "p"}, "the model's own message was changed"


def test_a_raw_method_that_is_not_implemented_gives_way_to_the_other() -> None:
    def not_implemented(_: Any) -> Any:
        raise SeldonNotImplementedError("not this one")

    assert ask(Raw(not_implemented), ND) == (200, {"strData": "not raw", "meta": {}})


def test_a_raw_method_must_return_a_message() -> None:
    status, answer = ask(Raw([1]), ND)
    assert status == 500
    assert answer["status"]["info"] == "predict_raw returned list, must return a dict or a SeldonMessage"


class Doubles(SeldonComponent):
    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        return X * 2


def test_what_is_merely_inherited_counts_as_absent() -> None:
    assert ask(Doubles(), ND) == (200, {"data": {"names": ["t:0", "t:1"], "ndarray": [[2, 4]]}, "meta": {}})
    assert ask(Doubles(), {"strData": "x"}, "transform_input") == (200, {"strData": "x", "meta": {}})


class Healthy:
    def __init__(self, result: Any) -> None:
        self.result = result

    def health_status(self) -> Any:
        return self.result


class RawHealth:
    def health_status_raw(self) -> Any:
        return {"data": {"ndarray": [1]}, "own": True}


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        pytest.param(object(), {"strData": "healthy", "meta": {}}, id="absent"),
        pytest.param(Doubles(), {"strData": "not implemented - assuming healthy", "meta": {}}, id="inherited"),
        pytest.param(
            Healthy([0.123]),
            {"data": {"names": [], "tensor": {"shape": [1], "values": [0.123]}}, "meta": {}},
            id="array",
        ),
        pytest.param(Healthy("fine"), {"strData": "fine", "meta": {}}, id="text"),
        pytest.param(RawHealth(), {"data": {"ndarray": [1]}, "own": True}, id="raw"),
        pytest.param(M(), {"strData": "healthy", "meta": META}, id="with-tags-and-metrics"),
    ],
)
def test_health_status(model: object, answer: Any) -> None:
    assert ask(model, None, "health_status") == (200, answer)


class Forbidden(SeldonMicroserviceException):
    status_code = 403


class Raises:
    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.calls = 0

    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        self.calls += 1
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "info", "reason"),
    [
        pytest.param(ValueError("boom"), 500, "boom", "MICROSERVICE_INTERNAL_ERROR", id="any"),
        pytest.param(ValueError(), 500, "ValueError", "MICROSERVICE_INTERNAL_ERROR", id="without-text"),
        pytest.param(TypeError("in predict"), 500, "in predict", "MICROSERVICE_INTERNAL_ERROR", id="TypeError"),
        pytest.param(SystemExit("out"), 500, "out", "MICROSERVICE_INTERNAL_ERROR", id="SystemExit"),
        pytest.param(
            SeldonMicroserviceException("foo", status_code=403), 403, "foo", "MICROSERVICE_BAD_DATA", id="status"
        ),
        pytest.param(SeldonMicroserviceException("foo"), 400, "foo", "MICROSERVICE_BAD_DATA", id="default-status"),
        pytest.param(
            SeldonMicroserviceException("foo", status_code=402, reason="MINE"), 402, "foo", "MINE", id="reason"
        ),
        pytest.param(Forbidden("no"), 403, "no", "MICROSERVICE_BAD_DATA", id="subclass"),
        pytest.param(
            SeldonMicroserviceException("foo", status_code=9), 500, "foo", "MICROSERVICE_BAD_DATA", id="no-HTTP-status"
        ),
    ],
)
def test_an_error_of_the_model_is_reported_once(error: BaseException, status: int, info: str, reason: str) -> None:
    model = Raises(error)
    expected = {"status": {"code": -1, "info": info, "reason": reason, "status": 1}}
    assert ask(model, ND) == (status, expected)
    assert model.calls == 1


def test_the_log_has_the_traceback_of_the_model_alone(caplog: pytest.LogCaptureFixture) -> None:
    ask(Raises(ValueError("boom")), ND)
    [record] = caplog.records
    assert "in predict\n    raise self.error" in record.getMessage()
    assert "ValueError: boom" in record.getMessage()
    assert "/data_plane.py" not in record.getMessage()


@pytest.mark.parametrize("error", [SeldonMicroserviceException("x"), SeldonNotImplementedError("x")])
def test_what_the_caller_did_wrong_is_no_error_in_the_log(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    ask(Raises(error), ND)
    assert not caplog.records


@pytest.mark.parametrize(
    ("message", "info"),
    [
        pytest.param({"foo": 1}, "Invalid request data type: {'foo': 1}", id="no-payload"),
        pytest.param(
            {"data": {"tensor": {"shape": [2], "values": [1]}}},
            "data.tensor.shape: [2]: asks for 2 values, data.tensor.values holds 1",
            id="shape",
        ),
        pytest.param(
            {"strData": "", "meta": {"tags": [1]}}, "meta.tags: [1]: must be an object", id="tags"
        ),
        pytest.param({"strData": "", "meta": {"metrics": {}}}, "meta.metrics: {}: must be a list", id="metrics"),
    ],
)  # fmt: skip
def test_a_bad_message_is_a_400_with_the_reason(message: Any, info: str) -> None:
    expected = {"status": {"code": -1, "info": info, "reason": "MICROSERVICE_BAD_DATA", "status": 1}}
    assert ask(M(), message) == (400, expected)


class Hook(M):
    """Overrides one hook with a fixed result."""

    def __init__(self, name: str, result: Any) -> None:
        setattr(self, name, lambda: result)


@pytest.mark.parametrize(
    ("name", "result", "reason", "info"),
    [
        pytest.param("metrics", [{"type": "BAD", "key": "k", "value": 1}], "MICROSERVICE_BAD_METRIC",
                     "Bad metric created during request: {'type': 'BAD', 'key': 'k', 'value': 1}: "
                     "type must be COUNTER, GAUGE or TIMER", id="bad-metric"),
        pytest.param("metrics", None, "MICROSERVICE_BAD_METRIC",
                     "Bad metric created during request: None: must be a list", id="no-metrics"),
        pytest.param("tags", [1], "MICROSERVICE_INTERNAL_ERROR", "tags() returned list, must return a dict", id="tags"),
        pytest.param("tags", {"a": 1j}, "MICROSERVICE_INTERNAL_ERROR",
                     "builtins.complex has no form in JSON: 1j", id="unwritable-tag"),
    ],
)  # fmt: skip
def test_a_hook_that_returns_nonsense_is_a_500(name: str, result: Any, reason: str, info: str) -> None:
    expected = {"status": {"code": -1, "info": info, "reason": reason, "status": 1}}
    assert ask(Hook(name, result), ND) == (500, expected)


@pytest.mark.parametrize("result", [None, 1.5, (1, 2)], ids=["None", "float", "tuple"])
def test_a_result_of_an_unknown_type_is_a_400(result: Any) -> None:
    status, answer = ask(Predicts(result), ND)
    assert status == 400
    assert answer["status"]["info"].startswith("Unknown data type returned as payload (must be list or np array):")


def test_nan_never_makes_invalid_json() -> None:
    def refuse(constant: str) -> Any:
        raise AssertionError(constant)

    result = {"a": float("nan"), "b": np.array([np.inf, 1.0]), "c": np.float32(2)}
    body = finish(plane_of(Predicts(result)).predict(ND)).body
    assert json.loads(body, parse_constant=refuse)["jsonData"] == {"a": None, "b": [None, 1.0], "c": 2.0}
