"""Whole graphs over real sockets: who is asked what, in which order, and what comes out."""

import asyncio
import gzip
import json
from typing import Any

import pytest

from tests.engine.graphs import (
    FEEDBACK,
    PREDICTIONS,
    Behaviour,
    appends,
    ask,
    breaks_off,
    components,
    info,
    n,
    paths,
    place,
    post,
    says,
    silent,
)
from tests.engine.test_rest import CALLED, codes
from tests.http_peers import http_answer, until

X = {"strData": "x"}
ROUTER = n("r", "ROUTER", n("a"), n("b"))
ALL_METHODS = ["TRANSFORM_INPUT", "TRANSFORM_OUTPUT", "ROUTE", "AGGREGATE"]


def branch(value: Any) -> dict[str, Any]:
    return {"data": {"ndarray": value}}


@pytest.mark.parametrize(
    ("graph", "text", "routing"),
    [
        pytest.param(n("a", "MODEL", n("b")), "b/predict(a/predict(x))", {"a": -1, "b": -1}, id="two models"),
        pytest.param(
            n("c", "COMBINER", n("a"), n("b")),
            "c/aggregate(a/predict(x)+b/predict(x))",
            {"c": -1, "a": -1, "b": -1},
            id="combiner of two models",
        ),
        pytest.param(
            n("c", "COMBINER", n("a")), "c/aggregate(a/predict(x))", {"c": -1, "a": -1}, id="combiner of one model"
        ),
        pytest.param(
            n("t", "TRANSFORMER", n("o", "OUTPUT_TRANSFORMER", n("c", "COMBINER", n("a"), n("b")))),
            "o/transform-output(c/aggregate(a/predict(t/transform-input(x))+b/predict(t/transform-input(x))))",
            {"t": -1, "o": -1, "c": -1, "a": -1, "b": -1},
            id="transformers around a combiner",
        ),
        pytest.param(
            n("c", "COMBINER", n("d", "COMBINER", n("a"), n("b")), n("t", "TRANSFORMER", n("o"))),
            "c/aggregate(d/aggregate(a/predict(x)+b/predict(x))+o/predict(t/transform-input(x)))",
            {"c": -1, "d": -1, "a": -1, "b": -1, "t": -1, "o": -1},
            id="combiner of combiners",
        ),
        pytest.param(
            n("m", None, n("a"), n("b")), "a/predict(x)", {"m": -1, "a": -1, "b": -1}, id="nobody joins: the first"
        ),
        pytest.param(n("m", "COMBINER"), "x", None, id="a combiner without children"),
        pytest.param(n("a", "MODEL", methods=["TRANSFORM_INPUT"]), "a/transform-input(x)", None, id="method over type"),
    ],
)
async def test_a_graph_answers(run_engine, graph: dict[str, Any], text: str, routing: dict[str, int] | None) -> None:
    names = "abcdtom"
    async with (
        components(**{name: appends(name) for name in names}) as peers,
        run_engine(place(graph, peers)) as engine,
    ):
        response = await ask(engine, post(PREDICTIONS, X, "seldon-puid: p"))
        answer = json.loads(response.body)
        assert (response.status, answer["strData"]) == (200, text)
        if routing is not None:
            assert answer["meta"] == {"puid": "p", "routing": routing}


async def test_methods_without_a_type(run_engine) -> None:
    """Every method of a node is called once, the router's answer chooses."""

    def answer(path: str, body: bytes) -> bytes | None:
        return says(branch([1]))(path, body) if path == "/route" else appends("n")(path, body)

    graph = n("n", None, n("a"), n("b"), methods=ALL_METHODS)
    async with components(n=answer, a=appends("a"), b=appends("b")) as peers, run_engine(place(graph, peers)) as engine:
        response = await ask(engine, post(PREDICTIONS, X))
        answered = json.loads(response.body)
        assert answered["strData"] == "n/transform-output(n/aggregate(b/predict(n/transform-input(x))))"
        assert answered["meta"]["routing"] == {"n": 1, "b": -1}
        assert paths(peers["n"]) == ["/transform-input", "/route", "/aggregate", "/transform-output"]
        assert not peers["a"].heads


# Routers.


@pytest.mark.parametrize(
    ("answer", "route", "text"),
    [
        pytest.param(branch([0]), 0, "a/predict(x)", id="0"),
        pytest.param(branch([[1]]), 1, "b/predict(x)", id="nested 1"),
        pytest.param(branch([[1, 0], [0, 1]]), 1, "b/predict(x)", id="only the first number counts"),
        pytest.param(branch([1.9]), 1, "b/predict(x)", id="the fraction is cut off"),
        pytest.param({"data": {"tensor": {"shape": [1], "values": [1]}}}, 1, "b/predict(x)", id="tensor"),
        pytest.param({"data": {"tftensor": {"intVal": [1]}}}, 1, "b/predict(x)", id="tftensor"),
        pytest.param([1, 2], 1, "b/predict(x)", id="bare array"),
        pytest.param(branch([-1]), -1, "a/predict(x)", id="-1 asks all"),
        pytest.param({"data": {}}, -1, "a/predict(x)", id="data without an array asks all"),
        pytest.param(branch([-2]), -2, "x", id="-2 ends here"),
    ],
)
async def test_a_router_chooses(run_engine, answer: Any, route: int, text: str) -> None:
    async with (
        components(r=says(answer), a=appends("a"), b=appends("b")) as peers,
        run_engine(place(ROUTER, peers)) as engine,
    ):
        response = await ask(engine, post(PREDICTIONS, X))
        answered = json.loads(response.body)
        assert (response.status, answered["strData"]) == (200, text)
        asked = {name: -1 for name in ("a", "b") if peers[name].heads}
        assert answered["meta"]["routing"] == {"r": route, **asked}
        assert list(asked) == {-1: ["a", "b"], -2: [], 0: ["a"], 1: ["b"]}[route]
        assert paths(peers["r"]) == ["/route"]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        pytest.param(branch([7]), "it routes to child 7, but its children are 0 to 1 ", id="too large"),
        pytest.param(branch([2]), "it routes to child 2, but", id="just too large"),
        pytest.param(branch([-3]), "it routes to child -3, but", id="too small"),
        pytest.param(branch([10**30]), "it routes to child 1000", id="huge"),
        pytest.param(branch([]), "[]: holds no branch", id="empty list"),
        pytest.param(branch(["a"]), "['a']: holds no branch", id="text in the list"),
        pytest.param(branch([True]), "[True]: holds no branch", id="bool"),
        pytest.param(branch([None]), "[None]: holds no branch", id="null"),
        pytest.param(b'{"data":{"ndarray":[NaN]}}', "[nan]: holds no branch", id="NaN"),
        pytest.param({"data": {"tensor": {"values": []}}}, "[]: holds no branch", id="empty tensor"),
        pytest.param({"data": {"tensor": 3.5}}, None, id="tensor that is a number"),
        pytest.param({"strData": "0"}, "{'strData': '0'}: no branch;", id="text"),
        pytest.param(b"nonsense", "Invalid JSON: ", id="no JSON"),
        pytest.param(b"", "Invalid JSON: ", id="nothing"),
        pytest.param(3, "3: no branch;", id="a number"),
        pytest.param(b"[" * 5000, "Invalid JSON: ", id="nested too deeply"),
    ],
)
async def test_a_router_that_answers_garbage(run_engine, answer: Any, text: str | None) -> None:
    """An error that names node and value, in a fan-out too, and the next request is served."""
    graph = n("top", None, ROUTER, n("s"))
    async with (
        components(r=says(answer), a=appends("a"), b=appends("b"), s=appends("s")) as peers,
        run_engine(place(graph, peers)) as engine,
    ):
        for _ in range(2):
            response = await ask(engine, post(PREDICTIONS, X))
            assert (response.status, response.headers["seldon-failed-node"]) == (500, "r")
            assert info(response).startswith(f"node 'r': {text or ''}")
        assert not peers["a"].heads
        assert not peers["b"].heads


# Meta.


async def test_meta_of_all_branches_is_merged_in_the_order_of_the_graph(run_engine) -> None:
    counter = [{"key": "k", "type": "COUNTER", "value": 1}]
    graph = n("r", "ROUTER", n("c", "COMBINER", n("a"), n("b")))
    images = [{"name": name, "image": f"{name}:1"} for name in "rcab"]
    router = {**branch([0]), "meta": {"tags": {"by": "r", "r": 1}}}
    async with (
        components(
            r=says(router),
            c=appends("c", metrics=[*counter, *counter]),
            a=appends("a", tags={"by": "a"}, metrics=counter, requestPath={"a": "said"}),
            b=appends("b", tags={"by": "b"}, metrics=counter),
        ) as peers,
        run_engine(place(graph, peers), componentSpecs=[{"spec": {"containers": images}}]) as engine,
    ):
        response = await ask(engine, post(PREDICTIONS, X, "seldon-puid: p"))
        assert json.loads(response.body) == {
            "strData": "c/aggregate(a/predict(x)+b/predict(x))",
            "meta": {
                "puid": "p",
                "tags": {"by": "b", "r": 1},
                "routing": {"r": 0, "c": -1, "a": -1, "b": -1},
                "requestPath": {"r": "r:1", "c": "c:1", "a": "said", "b": "b:1"},
                "metrics": [*counter, *counter],
            },
        }


async def test_compressed_messages_are_decoded_once(run_engine) -> None:
    packed = gzip.compress(json.dumps({"strData": "y"}).encode())

    def compressed(_: str, __: bytes) -> bytes:
        return http_answer(packed, "200 OK", "content-encoding: gzip", "content-type: application/json")

    graph = n("c", "COMBINER", n("a"), n("b"))
    async with components(c=appends("c"), a=compressed, b=appends("b")) as peers, run_engine(place(graph, peers)) as e:
        sent = post(PREDICTIONS, gzip.compress(json.dumps(X).encode()), "content-encoding: gzip")
        response = await ask(e, sent)
        assert json.loads(response.body)["strData"] == "c/aggregate(y+b/predict(x))"
        assert "content-encoding" not in response.headers
        broken = await ask(e, post(PREDICTIONS, b"no gzip", "content-encoding: gzip"))
        assert (broken.status, info(broken)[:20]) == (400, "the body is not gzip")


@pytest.mark.parametrize("value", [2**60, 0.1234567890123456789, 1e-300])
async def test_numbers_survive_a_graph(run_engine, value: float) -> None:
    body = f'{{"data":{{"ndarray":[{value!r}]}},"z":"<&>","a":1}}'.encode()

    def echo(_: str, sent: bytes) -> bytes:
        return http_answer(sent, "200 OK", "content-type: application/json")

    async with components(a=echo, b=echo) as peers, run_engine(place(n("a", "MODEL", n("b")), peers)) as engine:
        response = await ask(engine, post(PREDICTIONS, body, "seldon-puid: p"))
        assert response.body == body[:-1] + b',"meta":{"puid":"p","routing":{"a":-1,"b":-1}}}'


# Children run at once.


async def test_children_are_asked_at_the_same_time(run_engine) -> None:
    """Each child answers only when all of them have been asked."""
    names = "abde"
    asked: set[str] = set()
    everybody = asyncio.Event()

    def waiting(name: str):
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                _, body = await peers[name].read_request(reader)
                asked.add(name)
                if len(asked) == len(names):
                    everybody.set()
                await everybody.wait()
                writer.write(appends(name)("/predict", body))

        return script

    graph = n("c", "COMBINER", *(n(name) for name in names))
    async with components(c=appends("c"), **dict.fromkeys(names, silent)) as peers:
        for name in names:
            peers[name].script = waiting(name)
        async with run_engine(place(graph, peers)) as engine:
            response = await ask(engine, post(PREDICTIONS, X))
            expected = "+".join(f"{name}/predict(x)" for name in names)
            assert json.loads(response.body)["strData"] == f"c/aggregate({expected})"


async def test_many_requests_at_once_keep_their_ids(run_engine) -> None:
    def router(_: str, body: bytes) -> bytes:
        return says(branch([int(json.loads(body)["strData"]) % 2]))(_, body) or b""

    graph = n("t", "TRANSFORMER", n("r", "ROUTER", n("a"), n("b")))
    plain: Behaviour = lambda _, body: http_answer(body, "200 OK", "content-type: application/json")  # noqa: E731
    async with components(t=plain, r=router, a=plain, b=plain) as peers, run_engine(place(graph, peers)) as engine:

        async def one(number: int) -> None:
            response = await ask(engine, post(PREDICTIONS, {"strData": str(number)}, f"seldon-puid: p{number}"))
            answer = json.loads(response.body)
            assert (answer["strData"], answer["meta"]["puid"]) == (str(number), f"p{number}")
            assert response.headers["seldon-puid"] == f"p{number}"
            assert answer["meta"]["routing"]["r"] == number % 2

        await asyncio.gather(*(one(number) for number in range(200)))
        assert await codes(engine, CALLED) == {"200": 600}
        assert all(pool.in_flight == 0 for pool in engine._pools.values())


# What fails in a fan-out.

FAN_OUT = n("c", "COMBINER", n("a"), n("b"), n("s"))


@pytest.mark.parametrize(
    ("failing", "status", "body"),
    [
        pytest.param(
            lambda _, __: http_answer(b'{"status":"failed"}', "409 Conflict", "content-type: application/x-own"),
            409,
            b'{"status":"failed"}',
            id="passes the component's error through",
        ),
        pytest.param(lambda _, __: b"nonsense\r\n\r\n", 500, None, id="garbage"),
    ],
)
async def test_the_first_failure_wins_and_siblings_are_cancelled(
    run_engine, failing: Behaviour, status: int, body: bytes | None
) -> None:
    async with (
        components(c=appends("c"), a=silent, b=failing, s=silent) as peers,
        run_engine(place(FAN_OUT, peers)) as engine,
    ):
        response = await ask(engine, post(PREDICTIONS, X))
        assert (response.status, response.headers["seldon-failed-node"]) == (status, "b")
        if body is not None:
            assert (response.body, response.headers["content-type"]) == (body, "application/x-own")
        await until(lambda: not peers["a"].open and not peers["s"].open)
        assert not peers["c"].heads
        assert all(pool.in_flight == 0 for pool in engine._pools.values())
        assert await codes(engine, CALLED) == {"499": 2, str(status): 1}
        assert await codes(engine) == {str(status): 1}
        assert len(engine._orchestrator.deadlines) == 0


async def test_a_component_that_dies_in_the_middle_of_a_fan_out(run_engine) -> None:
    async with (
        components(c=appends("c"), a=silent, b=breaks_off, s=appends("s")) as peers,
        run_engine(place(FAN_OUT, peers)) as engine,
    ):
        asking = asyncio.ensure_future(ask(engine, post(PREDICTIONS, X)))
        await until(lambda: all(peers[name].heads for name in "abs"))
        for writer in tuple(peers["b"]._writers):
            writer.transport.abort()
        response = await asking
        assert (response.status, response.headers["seldon-failed-node"]) == (500, "b")
        assert "in the middle of the answer" in info(response)
        await until(lambda: not peers["a"].open)
        assert all(pool.in_flight == 0 for pool in engine._pools.values())


async def test_a_caller_that_goes_away_cancels_every_call(run_engine, connect) -> None:
    async with (
        components(c=appends("c"), a=silent, b=silent, s=silent) as peers,
        run_engine(place(FAN_OUT, peers)) as engine,
    ):
        client = await connect(engine.http_port)
        await client.send(post(PREDICTIONS, X))
        await until(lambda: all(peers[name].heads for name in "abs"))
        client.close()
        await until(lambda: not any(peers[name].open for name in "abs"))
        assert await codes(engine, CALLED) == {"499": 3}
        assert await codes(engine) == {"499": 1}


async def test_the_deadline_of_the_graph_ends_all_calls(run_engine) -> None:
    async with (
        components(c=appends("c"), a=silent, b=silent, s=appends("s")) as peers,
        run_engine(place(FAN_OUT, peers), annotations={"seldon.io/rest-timeout": "60"}) as engine,
    ):
        response = await ask(engine, post(PREDICTIONS, X))
        assert response.status == 500
        assert response.headers["seldon-failed-node"] in ("a", "b")
        assert "no answer within 0.06 s (Client.Timeout exceeded while awaiting headers)" in info(response)
        await until(lambda: not peers["a"].open and not peers["b"].open)


async def test_the_time_that_the_caller_waits_shrinks_from_node_to_node(run_engine) -> None:
    header = "x-envoy-expected-rq-timeout-ms"
    graph = n("a", "MODEL", n("b"))
    async with components(a=appends("a"), b=appends("b")) as peers, run_engine(place(graph, peers)) as engine:
        assert (await ask(engine, post(PREDICTIONS, X, f"{header}: 30000"))).status == 200
        left = [
            int(line.split(b": ")[1])
            for name in "ab"
            for line in peers[name].heads[0].split(b"\r\n")
            if line.startswith(header.encode())
        ]
        assert 30000 >= left[0] >= left[1] > 0
        await ask(engine, post(PREDICTIONS, X))
        assert header.encode() not in peers["a"].heads[1]


async def test_the_caller_says_how_long_it_waits(run_engine) -> None:
    async with components(a=silent) as peers, run_engine(place(n("a"), peers)) as engine:
        response = await ask(engine, post(PREDICTIONS, X, "x-envoy-expected-rq-timeout-ms: 50"))
        assert (response.status, "no answer within 0.05 s" in info(response)) == (500, True)


# Feedback.


def given(routing: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "request": X,
        "response": {"meta": {"routing": routing}} if routing is not None else {},
        "reward": 1,
        **more,
    }


@pytest.mark.parametrize(
    ("routing", "asked"),
    [
        pytest.param({"r": 1}, "br", id="only the branch that was taken"),
        pytest.param({"r": 0}, "ar", id="the other branch"),
        pytest.param({"r": -1}, "abr", id="all branches"),
        pytest.param({"r": -2}, "r", id="the router ended the prediction"),
        pytest.param({}, "abr", id="nothing was recorded"),
        pytest.param(None, "abr", id="no meta"),
    ],
)
async def test_feedback_takes_the_branch_of_the_prediction(run_engine, routing: Any, asked: str) -> None:
    order: list[str] = []

    def hears(name: str) -> Behaviour:
        def answer(path: str, body: bytes) -> bytes | None:
            assert (path, json.loads(body)) == ("/send-feedback", given(routing))
            order.append(name)
            return says({"strData": name})(path, body)

        return answer

    async with components(**{name: hears(name) for name in "rab"}) as peers, run_engine(place(ROUTER, peers)) as engine:
        response = await ask(engine, post(FEEDBACK, given(routing)))
        assert (response.status, json.loads(response.body)["strData"]) == (200, "r")
        assert sorted(order) == sorted(asked)
        assert order[-1] == "r"
        assert await codes(engine) == {"200": 1}


@pytest.mark.parametrize("routed", [2, -3, "0", 1.0, None, True, [0], 10**40])
async def test_feedback_with_a_branch_that_leads_nowhere(run_engine, routed: Any) -> None:
    async with (
        components(r=appends("r"), a=appends("a"), b=appends("b")) as peers,
        run_engine(place(ROUTER, peers)) as engine,
    ):
        for _ in range(2):
            response = await ask(engine, post(FEEDBACK, given({"r": routed})))
            assert (response.status, response.headers["seldon-failed-node"]) == (400, "r")
            assert "response.meta.routing says" in info(response)
        assert not any(peer.heads for peer in peers.values())


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b'{"response":3}', b'{"response":{"meta":{"routing":[]}}}'])
async def test_feedback_that_is_no_feedback(run_engine, body: bytes) -> None:
    async with (
        components(r=appends("r"), a=appends("a"), b=appends("b")) as peers,
        run_engine(place(ROUTER, peers)) as e,
    ):
        response = await ask(e, post(FEEDBACK, body))
        assert response.status == 400
        assert info(response)


async def test_feedback_that_no_node_hears_comes_back(run_engine) -> None:
    graph = n("t", "TRANSFORMER", n("o", "OUTPUT_TRANSFORMER"))
    async with components(t=appends("t"), o=appends("o")) as peers, run_engine(place(graph, peers)) as engine:
        body = json.dumps(given()).encode()
        response = await ask(engine, post(FEEDBACK, body))
        assert (response.status, response.body) == (200, body)
        assert not peers["t"].heads


async def test_feedback_that_the_root_does_not_hear_is_answered_by_its_children(run_engine) -> None:
    graph = n("t", "TRANSFORMER", n("a"), methods=[])
    async with components(t=appends("t"), a=says({"strData": "heard"})) as peers, run_engine(place(graph, peers)) as e:
        response = await ask(e, post(FEEDBACK, given()))
        assert json.loads(response.body)["strData"] == "heard"


async def test_feedback_is_never_sent_twice(run_engine) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peers["m"].read_request(reader)
        writer.write(http_answer(b'{"strData":""}', "200 OK"))
        await peers["m"].read_request(reader)

    async with components(m=silent) as peers:
        peers["m"].script = script
        async with run_engine(place(n("m"), peers)) as engine:
            assert (await ask(engine, post(FEEDBACK, given()))).status == 200
            response = await ask(engine, post(FEEDBACK, given()))
            assert (response.status, response.headers["seldon-failed-node"]) == (500, "m")
            assert len(peers["m"].heads) == 2
