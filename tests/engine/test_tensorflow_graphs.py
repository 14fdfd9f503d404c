"""Graphs in TensorFlow Serving's protocol: chains, routers, combiners, rows and columns, feedback."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.engine.graphs import Behaviour, ask, components, n, paths, place, post, says
from tests.http_peers import http_answer

PREDICT = "/v1/models/:predict"
TENSORFLOW = "--protocol=tensorflow"


def serves(function: Callable[[Any], Any], key: str = "predictions") -> Behaviour:
    def answer(_: str, body: bytes) -> bytes:
        message = json.loads(body)
        found = message if isinstance(message, list) else message.get("instances", message.get("inputs"))
        return http_answer(json.dumps({key: function(found)}).encode(), "200 OK", "content-type: application/json")

    return answer


ADD = serves(lambda rows: [row + 1 for row in rows])


async def test_predictions_become_instances(run_engine) -> None:
    graph = n("a", "MODEL", n("b", "OUTPUT_TRANSFORMER"))
    async with components(a=ADD, b=ADD) as peers, run_engine(place(graph, peers), TENSORFLOW) as engine:
        response = await ask(engine, post("/v1/models/x:predict", {"instances": [1, 2], "signature_name": "s"}))
        assert json.loads(response.body) == {"predictions": [3, 4]}
        assert paths(peers["a"]) + paths(peers["b"]) == ["/v1/models/a:predict", "/v1/models/b:predict"]
        assert json.loads(response.headers["seldon-routing"]) == {"a": -1}


async def test_columns_stay_columns(run_engine) -> None:
    columns = serves(lambda found: {"y": found["x"] if "x" in found else found["y"]}, key="outputs")
    graph = n("a", "MODEL", n("b"))
    async with components(a=columns, b=columns) as peers, run_engine(place(graph, peers), TENSORFLOW) as engine:
        response = await ask(engine, post(PREDICT, {"inputs": {"x": [1]}}))
        assert json.loads(response.body) == {"outputs": {"y": [1]}}
        assert json.loads(peers["b"].bodies[0]) == {"inputs": {"y": [1]}}


async def test_a_combiner_gets_the_array_of_answers(run_engine) -> None:
    graph = n("c", "COMBINER", n("a"), n("b"))
    add = serves(lambda answers: [sum(answer["predictions"][0] for answer in answers)])
    async with components(c=add, a=ADD, b=ADD) as peers, run_engine(place(graph, peers), TENSORFLOW) as engine:
        response = await ask(engine, post(PREDICT, {"instances": [1]}))
        assert (json.loads(response.body), paths(peers["c"])) == ({"predictions": [4]}, ["/v1/models/c:aggregate"])


@pytest.mark.parametrize("answer", [[1], [[1, 0]], [{"branch": 1}]])
async def test_a_route_is_the_first_number(run_engine, answer: Any) -> None:
    graph = n("r", "ROUTER", n("a"), n("b"))
    async with (
        components(r=serves(lambda _: answer), a=ADD, b=ADD) as peers,
        run_engine(place(graph, peers), TENSORFLOW) as engine,
    ):
        response = await ask(engine, post(PREDICT, {"instances": [1]}))
        assert json.loads(response.headers["seldon-routing"]) == {"r": 1, "b": -1}
        assert (paths(peers["r"]), len(peers["a"].heads)) == (["/v1/models/r:route"], 0)


@pytest.mark.parametrize(
    ("answer", "said"),
    [([7], "child 7"), ([], "holds no branch"), (["x"], "holds no branch")],
)
async def test_a_route_that_leads_nowhere(run_engine, answer: Any, said: str) -> None:
    graph = n("r", "ROUTER", n("a"), n("b"))
    async with (
        components(r=serves(lambda _: answer), a=ADD, b=ADD) as peers,
        run_engine(place(graph, peers), TENSORFLOW) as engine,
    ):
        response = await ask(engine, post(PREDICT, {"instances": [1]}))
        assert (response.status, response.headers["seldon-failed-node"]) == (500, "r")
        assert said in json.loads(response.body)["error"]


async def test_what_cannot_be_chained_is_said(run_engine) -> None:
    graph = n("a", "MODEL", n("b"))
    async with (
        components(a=says({"other": 1}), b=ADD) as peers,
        run_engine(place(graph, peers), TENSORFLOW) as engine,
    ):
        response = await ask(engine, post(PREDICT, {"instances": [1]}))
        assert (response.status, response.headers["seldon-failed-node"]) == (500, "b")
        assert "Failed to convert tensorflow response" in json.loads(response.body)["error"]


async def test_feedback_comes_back_and_no_node_hears_it(run_engine) -> None:
    async with components(m=ADD) as peers, run_engine(place(n("m"), peers), TENSORFLOW) as engine:
        response = await ask(engine, post("/api/v1.0/feedback", {"reward": 1}))
        assert (response.status, json.loads(response.body), peers["m"].heads) == (200, {"reward": 1}, [])


async def test_a_built_in_router_serves_every_protocol(run_engine) -> None:
    graph = n("r", None, n("a"), n("b"), implementation="SIMPLE_ROUTER")
    async with components(a=ADD, b=ADD) as peers, run_engine(place(graph, peers), TENSORFLOW) as engine:
        response = await ask(engine, post(PREDICT, {"instances": [1]}))
        assert json.loads(response.body) == {"predictions": [2]}
        assert json.loads(response.headers["seldon-routing"]) == {"r": 0, "a": -1}
