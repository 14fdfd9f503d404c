"""Methods for whole messages, as unchanged classes have them: decoded JSON, but protobuf for feedback."""

import base64
from typing import Any

import numpy as np
import pytest

from seldon_core.proto import prediction_pb2
from seldon_core.user_model import SeldonComponent
from seldon_core.utils import json_to_feedback, seldon_message_to_json

from .serving import ask, served

ND = {"data": {"ndarray": [[1, 2]]}}
FEEDBACK = {
    "request": {"data": {"names": ["a", "b"], "ndarray": [[1, 2]]}, "meta": {"puid": "p"}},
    "response": {"meta": {"routing": {"r": 1}}},
    "reward": 0.5,
    "truth": {"data": {"tensor": {"shape": [1, 1], "values": [3]}}},
}


class Learns(SeldonComponent):
    """Reads a protobuf message, over whatever transport it came, and answers with one."""

    def send_feedback_raw(self, feedback: Any) -> Any:
        request = feedback.request.data
        return prediction_pb2.SeldonMessage(
            meta=prediction_pb2.Meta(
                puid=feedback.request.meta.puid,
                routing=dict(feedback.response.meta.routing),
                metrics=[prediction_pb2.Metric(key="seen", type="COUNTER", value=1)],
            ),
            data=prediction_pb2.DefaultData(
                names=[*request.names, "reward", "truth"],
                tensor=prediction_pb2.Tensor(
                    shape=[1, 4],
                    values=[*request.ndarray[0], feedback.reward, *feedback.truth.data.tensor.values],
                ),
            ),
        )


def test_feedback_is_a_protobuf_message() -> None:
    assert ask(Learns(), FEEDBACK, "send_feedback") == (
        200,
        {
            "data": {"names": ["a", "b", "reward", "truth"], "tensor": {"shape": [1, 4], "values": [1, 2, 0.5, 3]}},
            "meta": {
                "puid": "p", "routing": {"r": 1}, "metrics": [{"key": "seen", "type": "COUNTER", "value": 1.0}],
            },
        },
    )  # fmt: skip


async def test_what_it_answers_is_counted() -> None:
    async with served(Learns()) as service:
        response = await service.client.post("/send-feedback", json=FEEDBACK)
        assert response.status_code == 200, response.text
        lines = service.registry.render().decode().splitlines()
    counted = [line for line in lines if line.startswith(("seen_total{", "seldon_api_model_feedback_reward_total{"))]
    assert sorted(line.rpartition(" ")[2] for line in counted) == ["0.5", "1.0"]


class Keeps:
    def __init__(self) -> None:
        self.got: Any = None

    def send_feedback_raw(self, feedback: Any) -> Any:
        self.got = feedback
        return {"strData": "as a dictionary"}


V2_FEEDBACK = {
    "request": {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}]},
    "response": {"parameters": {"seldon_routing": '{"r": 1}'}, "outputs": []},
    "reward": 0.5,
    "truth": {"outputs": [{"name": "y", "shape": [1, 1], "datatype": "FP64", "data": [3]}]},
}
TENSORFLOW_FEEDBACK = {
    "request": {"instances": [[1.0, 2.0]]}, "routing": {"r": 1}, "reward": 0.5, "truth": {"predictions": [[3.0]]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("/send-feedback", FEEDBACK, id="seldon"),
        pytest.param("/v2/models/Keeps/feedback", V2_FEEDBACK, id="v2"),
        pytest.param("/v1/models/Keeps:feedback", TENSORFLOW_FEEDBACK, id="tensorflow"),
    ],
)
async def test_feedback_of_every_protocol_is_the_same_message(path: str, message: Any) -> None:
    model = Keeps()
    async with served(model) as service:
        response = await service.client.post(path, json=message)
        assert response.status_code == 200, response.text
    assert isinstance(model.got, prediction_pb2.Feedback)
    data = model.got.request.data
    values = data.tensor.values or [value for row in data.ndarray for value in row]
    assert list(values) == [1, 2]
    assert dict(model.got.response.meta.routing) == {"r": 1}
    assert model.got.reward == 0.5
    assert list(model.got.truth.data.tensor.values) == [3]


def columns(**parameters: Any) -> Any:
    """Feedback for a V2 request of two tensors."""
    tensors = [
        {"name": "age", "shape": [2, 1], "datatype": "INT64", "data": [1, 2]},
        {"name": "city", "shape": [2, 1], "datatype": "BYTES", "data": ["a", "b"]},
    ]
    return {"request": {"parameters": parameters, "inputs": tensors}, "reward": 1}


@pytest.mark.parametrize(
    ("message", "request_part"),
    [
        pytest.param(columns(), {"jsonData": {"age": [[1], [2]], "city": [["a"], ["b"]]}, "meta": {}}, id="arrays"),
        pytest.param(
            columns(content_type="pd"),
            {"data": {"names": ["age", "city"], "ndarray": [[1, "a"], [2, "b"]]}, "meta": {}}, id="DataFrame",
        ),
    ],
)  # fmt: skip
async def test_feedback_for_several_tensors(message: Any, request_part: Any) -> None:
    model = Keeps()
    async with served(model) as service:
        response = await service.client.post("/v2/models/Keeps/feedback", json=message)
        assert response.status_code == 200, response.text
    assert seldon_message_to_json(model.got)["request"] == request_part


@pytest.mark.parametrize(
    "part",
    [
        {"strData": "x"}, {"binData": "AAE="}, {"jsonData": {"k": [1, None]}},
        {"data": {"tensor": {"shape": [2], "values": ["NaN", "-Infinity"]}}}, {"data": {}}, {},
    ],
    ids=["strData", "binData", "jsonData", "tensor", "data", "nothing"],
)  # fmt: skip
def test_feedback_carries_any_payload(part: Any) -> None:
    model = Keeps()
    assert ask(model, {"request": part}, "send_feedback")[0] == 200
    assert seldon_message_to_json(model.got) == {"request": part}
    assert model.got == json_to_feedback({"request": part})


def test_feedback_that_is_no_message_is_a_400() -> None:
    status, answer = ask(Keeps(), {"request": ND, "rewards": 1}, "send_feedback")
    assert (status, answer["status"]["reason"]) == (400, "MICROSERVICE_BAD_DATA")
    assert answer["status"]["info"].startswith("Invalid JSON: ")
    assert "rewards" in answer["status"]["info"]


class Older:
    def send_feedback_rest(self, feedback: Any) -> Any:
        return {"strData": feedback}


def test_feedback_of_older_classes_is_json_text() -> None:
    assert ask(Older(), {"reward": 1}, "send_feedback") == (200, {"strData": '{"reward":1}'})


class Decoded:
    """Every other method gets and gives decoded JSON."""

    def predict_raw(self, msg: Any) -> Any:
        return {"jsonData": {"type": type(msg).__name__, "msg": msg}}

    transform_input_raw = transform_output_raw = route_raw = aggregate_raw = predict_raw

    def health_status_raw(self) -> Any:
        return {"strData": "fine"}


@pytest.mark.parametrize("operation", ["predict", "transform_input", "transform_output", "route"])
def test_other_messages_are_decoded_json(operation: str) -> None:
    assert ask(Decoded(), ND, operation) == (200, {"jsonData": {"type": "dict", "msg": ND}})


FILE = b"a text file\r\n\x00\xff\r\n--"


@pytest.mark.parametrize(
    ("meta", "puid"),
    [((None, '{"puid": "p"}'), "p"), ((None, '{"puid": 7}', "application/json"), 7)],
    ids=["field", "field-with-type"],
)
async def test_a_form_of_parts_is_one_message(meta: Any, puid: Any) -> None:
    async with served(Decoded()) as service:
        response = await service.client.post("/predict", files={"meta": meta, "binData": ("a.txt", FILE)})
    assert response.status_code == 200, response.text
    message = {"meta": {"puid": puid}, "binData": base64.b64encode(FILE).decode()}
    assert response.json() == {"jsonData": {"type": "dict", "msg": message}}


REFUSED = {
    "status": {"code": 400, "status": 1, "info": "exception caught", "reason": "exception message", "app_code": 7},
    "strData": "a reason",
    "meta": {"tags": {"big": 2**60}},
    "mine": [0.1, None],
}


class Refuses:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def predict_raw(self, msg: Any) -> Any:
        return self.answer


@pytest.mark.parametrize("answer", [REFUSED, {"status": {"code": 400}}], ids=["everything", "status-alone"])
@pytest.mark.parametrize(
    "request_arguments",
    [
        pytest.param({"json": ND}, id="JSON"),
        pytest.param({"files": {"meta": (None, '{"puid": "p"}'), "strData": ("a.txt", "text")}}, id="parts"),
    ],
)
async def test_its_code_is_the_status_of_http_and_it_goes_out_as_it_is(answer: Any, request_arguments: Any) -> None:
    async with served(Refuses(answer)) as service:
        response = await service.client.post("/predict", **request_arguments)
    assert (response.status_code, response.json()) == (400, answer)
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("message", [[ND, ND], {"seldonMessages": [ND]}], ids=["list", "dict"])
def test_messages_to_join_are_as_they_came(message: Any) -> None:
    expected = {"type": type(message).__name__, "msg": message}
    assert ask(Decoded(), message, "aggregate") == (200, {"jsonData": expected})


def test_health_as_a_whole_message() -> None:
    assert ask(Decoded(), None, "health_status") == (200, {"strData": "fine"})


class Protobuf:
    """One class for REST and gRPC may give a protobuf message in both."""

    def predict_raw(self, msg: Any) -> Any:
        tensor = prediction_pb2.Tensor(shape=[2], values=np.array([0.1, 2]))
        return prediction_pb2.SeldonMessage(data=prediction_pb2.DefaultData(tensor=tensor))


def test_a_protobuf_message_may_be_given_anywhere() -> None:
    assert ask(Protobuf(), ND) == (200, {"data": {"tensor": {"shape": [2], "values": [0.1, 2.0]}}})
