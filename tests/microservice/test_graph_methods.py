"""Routers, combiners and feedback over REST, in the seldon protocol."""

import json
from typing import Any

import numpy as np
import pytest

from seldon_core.microservice.identity import Identity
from seldon_core.user_model import SeldonComponent, SeldonResponse

from .serving import COUNTER, M, ask, finish, plane_of, served

ND = {"data": {"ndarray": [[1, 2]]}}
META = {"metrics": [COUNTER], "tags": {"mytag": 1}}


class Router(M):
    def __init__(self, branch: Any = 22) -> None:
        self.branch = branch
        self.seen: list[Any] = []

    def route(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        self.seen.append((X.tolist(), names, meta))
        return self.branch


@pytest.mark.parametrize(
    ("message", "data"),
    [
        pytest.param(ND, {"names": ["t:0"], "ndarray": [[22]]}, id="ndarray"),
        pytest.param(
            {"data": {"tensor": {"shape": [1], "values": [0]}}},
            {"names": ["t:0"], "tensor": {"shape": [1, 1], "values": [22]}}, id="tensor",
        ),
        pytest.param(
            {"data": {"tftensor": {"dtype": "DT_FLOAT", "floatVal": [1]}}},
            {"names": ["t:0"], "tensor": {"shape": [1, 1], "values": [22]}}, id="tftensor",
        ),
    ],
)  # fmt: skip
def test_a_router_answers_its_branch(message: Any, data: Any) -> None:
    assert ask(Router(), message, "route") == (200, {"data": data, "meta": META})


def test_a_router_sees_the_meta_but_does_not_repeat_it() -> None:
    router = Router(1)
    meta = {"puid": "p", "tags": {"a": 1}, "metrics": [COUNTER]}
    _, answer = ask(router, {**ND, "meta": meta}, "route")
    assert router.seen == [([[1, 2]], [], meta)]
    assert answer["meta"] == {"puid": "p", **META}


class Plain:
    def route(self, X: Any, names: Any) -> Any:  # noqa: N803
        return SeldonResponse(np.int64(-1), tags={"why": "all"})


def test_a_router_may_take_no_meta_and_answer_with_tags() -> None:
    status, answer = ask(Plain(), ND, "route")
    assert (status, answer["data"]["ndarray"], answer["meta"]) == (200, [[-1]], {"tags": {"why": "all"}})


@pytest.mark.parametrize("branch", ["a", 1.5, None, [1]])
def test_a_branch_is_a_whole_number(branch: Any) -> None:
    status, answer = ask(Router(branch), ND, "route")
    assert (status, answer["status"]["info"]) == (400, f"Routing response must be int but got {branch!r}")


class Inherits(SeldonComponent):
    pass


@pytest.mark.parametrize("model", [object(), Inherits()], ids=["absent", "inherited"])
@pytest.mark.parametrize(
    ("operation", "message", "info"),
    [("route", ND, "Route not defined"), ("aggregate", [ND], "Aggregate not defined")],
)
def test_what_a_class_does_not_do_is_a_400(model: object, operation: str, message: Any, info: str) -> None:
    status, answer = ask(model, message, operation)
    assert (status, answer["status"]["info"]) == (400, info)


class First(M):
    def aggregate(self, features_list: Any, names_list: Any) -> Any:
        return features_list[0]


def child(payload: Any, **meta: Any) -> Any:
    return {**payload, "meta": meta}


@pytest.mark.parametrize("payload", [ND, {"strData": "x"}, {"binData": "MTIz"}, {"jsonData": {"a": 1}}],
                         ids=["ndarray", "strData", "binData", "jsonData"])  # fmt: skip
@pytest.mark.parametrize("listed", [True, False])
def test_a_combiner_gets_what_the_children_answered(payload: Any, listed: bool) -> None:
    messages = [payload, payload]
    status, answer = ask(First(), messages if listed else {"seldonMessages": messages}, "aggregate")
    expected = {"data": {"names": ["t:0", "t:1"], "ndarray": [[1, 2]]}} if payload is ND else payload
    assert (status, answer) == (200, {**expected, "meta": META})


def test_a_combiner_unites_the_meta_of_the_children() -> None:
    gauges = [{"key": f"g{value}", "type": "GAUGE", "value": value} for value in (100, 200)]
    messages = [
        child(ND, puid="p", tags={"input-1": "yes", "common": 1}, requestPath={"node-1": "a"}, metrics=[gauges[0]]),
        child(ND, puid="q", tags={"input-2": "yes", "common": 2}, requestPath={"node-2": "b"}, metrics=[gauges[1]]),
    ]
    _, answer = ask(First(), messages, "aggregate", identity=Identity(unit="c", image="c:1"))
    assert answer["meta"] == {
        "puid": "p",
        "tags": {"common": 2, "input-1": "yes", "input-2": "yes", "mytag": 1},
        "requestPath": {"c": "c:1", "node-1": "a", "node-2": "b"},
        "metrics": [*gauges, COUNTER],
    }


@pytest.mark.parametrize(
    ("message", "info"),
    [
        pytest.param({"wrong": [ND]}, "{'wrong': [{'data': ", id="wrong-key"),
        pytest.param({"seldonMessages": ND}, "{'seldonMessages': {'data'", id="no-list"),
        pytest.param([ND, {"foo": 1}], "seldonMessages[1]: Invalid request data type: {'foo': 1}", id="no-payload"),
        pytest.param([], "seldonMessages: []: must hold at least one message", id="empty"),
        pytest.param([1], "seldonMessages[0]: Invalid request data type: 1", id="no-message"),
    ],
)
def test_a_bad_list_is_a_400(message: Any, info: str) -> None:
    status, answer = ask(First(), message, "aggregate")
    assert (status, answer["status"]["reason"]) == (400, "MICROSERVICE_BAD_DATA")
    assert answer["status"]["info"].startswith(info)


class Learns:
    def __init__(self, result: Any = None) -> None:
        self.result = result
        self.heard: list[Any] = []

    def send_feedback(self, features: Any, names: Any, reward: Any, truth: Any, routing: Any = None) -> Any:
        self.heard.append((features, names, reward, truth, routing))
        return self.result


def plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize(
    ("message", "heard"),
    [
        pytest.param(
            {"request": {"data": {"names": ["a", "b"], "ndarray": [[1, 2]]}},
             "response": {"meta": {"routing": {"mine": 1}}}, "reward": 1, "truth": {"data": {"ndarray": [[3]]}}},
            [[[1, 2]], ["a", "b"], 1.0, [[3]], 1], id="everything",
        ),
        pytest.param({"reward": 0.5}, [[], [], 0.5, [], None], id="reward-alone"),
        pytest.param({"request": {"strData": "x"}, "truth": {"jsonData": {"a": 2**60}}},
                     ["x", [], 0.0, {"a": 2**60}, None], id="native-payloads"),
        pytest.param({"request": {"meta": {"puid": "p"}}, "response": {"meta": {"routing": {"other": 1}}}},
                     [[], [], 0.0, [], None], id="no-payload-and-another-router"),
    ],
)  # fmt: skip
def test_feedback_reaches_the_class(message: Any, heard: Any) -> None:
    model = Learns()
    status, _ = ask(model, message, "send_feedback", identity=Identity(unit="mine"))
    assert status == 200
    assert [plain(value) for value in model.heard[0]] == heard


def test_outside_of_a_graph_the_branch_is_called_0() -> None:
    model = Learns()
    ask(model, {"response": {"meta": {"routing": {"0": 7}}}}, "send_feedback")
    assert model.heard[0][-1] == 7


@pytest.mark.parametrize(
    ("model", "message", "answer"),
    [
        pytest.param(Learns(), {"request": ND, "reward": 1}, {"data": {"names": [], "ndarray": []}, "meta": {}},
                     id="nothing"),
        pytest.param(object(), {"request": {**ND, "meta": {"puid": "p", "tags": {"a": 1}}}},
                     {"data": {"names": [], "ndarray": []}, "meta": {"puid": "p"}}, id="absent"),
        pytest.param(Inherits(), {"request": ND}, {"data": {"names": [], "ndarray": []}, "meta": {}}, id="inherited"),
        pytest.param(Learns([1]), {"request": ND}, {"data": {"names": [], "ndarray": [1]}, "meta": {}}, id="something"),
        pytest.param(Learns(), {}, {"data": {"names": [], "tensor": {"shape": [0], "values": []}}, "meta": {}},
                     id="no-request"),
    ],
)  # fmt: skip
def test_the_answer_to_feedback(model: object, message: Any, answer: Any) -> None:
    assert ask(model, message, "send_feedback") == (200, answer)


@pytest.mark.parametrize(
    ("message", "info"),
    [
        ([1], "[1]: feedback must be an object with request, response, reward and truth"),
        ({"reward": "much"}, "reward: 'much': must be a number"),
        ({"request": 1}, "request: 1: must be a message"),
        ({"truth": {"data": {"ndarray": 1}}}, "truth: data.ndarray: 1: must be a list"),
    ],
)
def test_bad_feedback_is_a_400(message: Any, info: str) -> None:
    status, answer = ask(Learns(), message, "send_feedback")
    assert (status, answer["status"]["info"]) == (400, info)


class Positional:
    def send_feedback(self, features: Any, names: Any, reward: Any, truth: Any) -> Any:
        return [reward]


def test_feedback_without_a_place_for_the_branch() -> None:
    assert ask(Positional(), {"request": ND, "reward": 2}, "send_feedback")[1]["data"]["ndarray"] == [2.0]


class Whole:
    def route_raw(self, msg: Any) -> Any:
        return {"data": {"tensor": {"shape": [1], "values": [1]}}, "got": msg}

    def aggregate_raw(self, msgs: Any) -> Any:
        return {"strData": json.dumps(msgs)}

    def send_feedback_raw(self, feedback: Any) -> Any:
        return {"jsonData": {"reward": feedback.reward}}


@pytest.mark.parametrize(
    ("operation", "message", "answer"),
    [
        ("route", ND, {"data": {"tensor": {"shape": [1], "values": [1]}}, "got": ND}),
        ("aggregate", [ND], {"strData": json.dumps([ND])}),
        ("send_feedback", {"reward": 1}, {"jsonData": {"reward": 1}}),
    ],
)
def test_methods_for_whole_messages(operation: str, message: Any, answer: Any) -> None:
    assert ask(Whole(), message, operation) == (200, answer)


class Older(Whole):
    def predict_rest(self, request: Any) -> Any:
        return {"data": {"ndarray": [9, 9]}}

    def predict_raw(self, msg: Any) -> Any:
        raise AssertionError("the older one goes first")


def test_methods_of_older_classes_win() -> None:
    assert ask(Older(), ND) == (200, {"data": {"ndarray": [9, 9]}})


def test_rewards_are_counted() -> None:
    plane = plane_of(Learns())
    for reward in (42, 42, -4, 0):
        answer = finish(plane.send_feedback({"request": ND, "reward": reward}))
        assert answer.reward == reward


async def test_rewards_are_shown() -> None:
    async with served(Learns()) as service:
        for path, reward in (("/send-feedback", 42), ("/api/v1.0/feedback", 42), ("/api/v0.1/feedback", -4)):
            response = await service.client.post(path, json={"request": ND, "reward": reward})
            assert response.status_code == 200
        response = await service.client.get("/send-feedback", params={"json": '{"reward": 0}'})
        assert response.status_code == 200
        lines = service.registry.render().decode().splitlines()
    assert [line.rpartition(" ")[2] for line in lines if line.startswith("seldon_api_model_feedback")] == [
        "3.0", "80.0",
    ]  # fmt: skip
    assert "# TYPE seldon_api_model_feedback_reward_total gauge" in lines, "it may fall"


@pytest.mark.parametrize(("path", "message"), [("/route", ND), ("/aggregate", [ND])])
async def test_paths(path: str, message: Any) -> None:
    class Both(Router, First):
        pass

    async with served(Both(0)) as service:
        response = await service.client.post(path, json=message)
        assert response.status_code == 200, response.text
        response = await service.client.get(path, params={"json": json.dumps(message)})
        assert response.status_code == 200, response.text
        assert (await service.client.post(path)).status_code == 400
