"""Graphs in the V2 protocol: routers, combiners, tensors as JSON and as bytes, versions, errors."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from seldon_core.protocols import v2
from tests.engine.graphs import Behaviour, ask, components, get, n, paths, place, post, says, silent
from tests.engine.test_rest import CALLED, SERVED, samples
from tests.http_peers import RawResponse, http_answer

INFER = "/v2/models/infer"
V2 = "--protocol=v2"


def tensor(*values: float) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP64", "shape": [len(values)], "data": list(values)}


def request_of(*values: float) -> dict[str, Any]:
    return {"id": "7", "inputs": [tensor(*values)]}


def serves(function: Callable[[list[float]], list[float]], *, binary: bool = False) -> Behaviour:
    """A model, or a combiner of the answers of its children, that computes with the elements it is sent."""

    def answer(_: str, body: bytes) -> bytes:
        end = body.rfind(b"}") + 1
        if body.startswith(b"["):
            found = [item for response in json.loads(body) for item in response["outputs"][0]["data"]]
        else:
            found = v2.parse_request(body, end if end < len(body) else None).inputs[0].values()
        values = function(found)
        output = v2.Tensor("x", "FP64", (len(values),), values)
        if binary:
            output = v2.Tensor("x", "FP64", output.shape, output.packed())
        text, length = v2.encode_response(v2.InferResponse("m", (output,), parameters={"p": 1}))
        described = [f"Inference-Header-Content-Length: {length}"] if length else ["content-type: application/json"]
        return http_answer(text, "200 OK", *described)

    return answer


def values_of(response: RawResponse) -> list[float]:
    length = v2.read_header_length(
        (response.headers.get("inference-header-content-length") or "").encode() or None, len(response.body)
    )
    return v2.parse_response(response.body, length).outputs[0].values()


ADD = serves(lambda values: [value + 1 for value in values])
ADD_RAW = serves(lambda values: [value + 1 for value in values], binary=True)
SUM = serves(lambda values: [sum(values)])


@pytest.mark.parametrize("first", [ADD, ADD_RAW], ids=["JSON", "bytes"])
@pytest.mark.parametrize("second", [ADD, ADD_RAW], ids=["JSON", "bytes"])
async def test_outputs_become_inputs(run_engine, first: Behaviour, second: Behaviour) -> None:
    graph = n("a", "MODEL", n("b"))
    async with components(a=first, b=second) as peers, run_engine(place(graph, peers), V2) as engine:
        response = await ask(engine, post(INFER, request_of(1, 2)))
        assert (response.status, values_of(response)) == (200, [3, 4])
        text = response.body[: int(response.headers.get("inference-header-content-length", len(response.body)))]
        assert json.loads(text)["parameters"] == {"p": 1, "seldon_routing": '{"a":-1,"b":-1}'}


@pytest.mark.parametrize("child", [ADD, ADD_RAW], ids=["JSON", "bytes"])
async def test_a_combiner_gets_the_array_of_answers(run_engine, child: Behaviour) -> None:
    graph = n("c", "COMBINER", n("a"), n("b"))
    async with components(c=SUM, a=child, b=child) as peers, run_engine(place(graph, peers), V2) as engine:
        assert values_of(await ask(engine, post(INFER, request_of(1, 2)))) == [10]
        assert paths(peers["c"]) == ["/v2/models/c/aggregate"]
        answers = json.loads(peers["c"].bodies[0])
        assert [answer["outputs"][0]["data"] for answer in answers] == [[2, 3], [2, 3]]


@pytest.mark.parametrize("binary", [False, True], ids=["JSON", "bytes"])
@pytest.mark.parametrize(("branch", "asked"), [(0, "a"), (1, "b"), (-1, "ab"), (-2, "")])
async def test_a_route_is_the_first_element_of_the_first_output(
    run_engine, branch: int, asked: str, binary: bool
) -> None:
    graph = n("r", "ROUTER", n("a"), n("b"))
    route = serves(lambda _: [branch, 99], binary=binary)
    async with components(r=route, a=ADD, b=ADD) as peers, run_engine(place(graph, peers), V2) as engine:
        response = await ask(engine, post(INFER, request_of(1)))
        assert response.status == 200
        assert paths(peers["r"]) == ["/v2/models/r/route"]
        assert "".join(name for name in "ab" if peers[name].heads) == asked
        if asked:
            routing = json.loads(json.loads(response.body)["parameters"]["seldon_routing"])
            assert routing == {"r": branch, **dict.fromkeys(asked, -1)}
        else:
            assert json.loads(response.body)["inputs"] == [tensor(1)]


@pytest.mark.parametrize("answer", [[2], [-3], []], ids=["too high", "too low", "nothing"])
async def test_a_route_that_leads_nowhere(run_engine, answer: list[float]) -> None:
    graph = n("r", "ROUTER", n("a"), n("b"))
    async with (
        components(r=serves(lambda _: answer), a=ADD, b=ADD) as peers,
        run_engine(place(graph, peers), V2) as engine,
    ):
        response = await ask(engine, post(INFER, request_of(1)))
        assert (response.status, response.headers["seldon-failed-node"]) == (500, "r")
        assert "'r'" in json.loads(response.body)["error"]


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (INFER, "/v2/models/m/infer"),
        ("/v2/models/other/infer", "/v2/models/other/infer"),
        ("/v2/models/m/versions/3/infer", "/v2/models/m/versions/3/infer"),
        ("/v2/models/a%20b/infer", "/v2/models/a%20b/infer"),
    ],
)
async def test_one_node_is_asked_for_the_model_that_the_caller_named(run_engine, path: str, asked: str) -> None:
    async with components(m=ADD) as peers, run_engine(place(n("m"), peers), "--protocol=kfserving") as engine:
        assert (await ask(engine, post(path, request_of(1)))).status == 200
        assert paths(peers["m"]) == [asked]


async def test_names_that_callers_make_up_are_no_labels(run_engine) -> None:
    async with components(m=ADD) as peers, run_engine(place(n("m"), peers), "--protocol=v2") as engine:
        for number in range(30):
            assert (await ask(engine, post(f"/v2/models/x{number}/infer", request_of(1)))).status == 200
        (called,) = (await samples(engine, CALLED)).items()
        assert (called[0][3], called[0][6], called[1]) == ("/v2/models/m/infer", "m", 30)
        assert list((await samples(engine, SERVED)).values()) == [30]


async def test_nodes_of_larger_graphs_are_asked_under_their_own_names(run_engine) -> None:
    graph = n("a", "MODEL", n("b"))
    async with components(a=ADD, b=ADD) as peers, run_engine(place(graph, peers), V2) as engine:
        await ask(engine, post("/v2/models/whatever/infer", request_of(1)))
        assert paths(peers["a"]) + paths(peers["b"]) == ["/v2/models/a/infer", "/v2/models/b/infer"]


async def test_compressed_requests_are_decoded_where_they_must_be(run_engine) -> None:
    graph = n("a", "MODEL", n("b"))
    body = gzip.compress(json.dumps(request_of(1)).encode())
    async with components(a=ADD, b=ADD) as peers, run_engine(place(graph, peers), V2) as engine:
        assert values_of(await ask(engine, post(INFER, body, "content-encoding: gzip"))) == [3]


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"[]", "must be a JSON object"), (b"{}", 'has neither "inputs" nor "outputs"'), (b"x", "Invalid JSON")],
)
async def test_what_is_no_message_is_refused_in_the_form_of_the_protocol(run_engine, body: bytes, said: str) -> None:
    graph = n("a", "MODEL", n("b"))
    async with components(a=ADD, b=ADD) as peers, run_engine(place(graph, peers), V2) as engine:
        response = await ask(engine, post(INFER, body))
        assert response.status >= 400
        assert said in json.loads(response.body)["error"]
        assert not peers["a"].heads


async def test_errors_of_nodes_pass_through_and_others_have_the_form_of_the_protocol(run_engine) -> None:
    own = http_answer(b'{"error":"own"}', "422 Unprocessable", "content-type: application/json")
    graph = n("c", "COMBINER", n("a"), n("b"))
    async with components(c=SUM, a=silent, b=lambda _, __: own) as peers, run_engine(place(graph, peers), V2) as engine:
        response = await ask(engine, post(INFER, request_of(1)))
        assert (response.status, response.body, response.headers["seldon-failed-node"]) == (
            422,
            b'{"error":"own"}',
            "b",
        )
        late = await ask(engine, get("/v2/models/none/ready"))
        assert (late.status, list(json.loads(late.body))) == (404, ["error"])


async def test_the_server_speaks_for_itself(run_engine) -> None:
    async with components(m=says(b"")) as peers, run_engine(place(n("m"), peers), V2) as engine:
        for path in ("/v2/health/live", "/v2/health/ready"):
            assert (await ask(engine, get(path))).status == 200
        metadata = json.loads((await ask(engine, get("/v2"))).body)
        assert (set(metadata), metadata["extensions"]) == ({"name", "version", "extensions"}, ["binary_tensor_data"])
