"""The acceptance cases of the orchestrator over REST, under their numbers, so that one can see that none is missing.

Cases of gRPC, Kafka, tracing and request logging are not here. 12 and 81 differ from the reference on purpose: it asks
for the health of components on a path that they do not have, and waits for all children when one has failed.
"""

import asyncio
import json
import uuid
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from seldon_core.api.podinfo import parse_annotations
from seldon_core.engine.documents import openapi
from seldon_core.engine.metrics import split_image
from seldon_core.protocols.errors import MessageError
from seldon_core.protocols.graph_messages import join, seldon_branch, v2_request
from tests.engine.conftest import node
from tests.engine.graphs import (
    FEEDBACK,
    PREDICTIONS,
    Behaviour,
    appends,
    ask,
    components,
    get,
    info,
    n,
    paths,
    place,
    post,
    says,
    silent,
)
from tests.engine.test_rest import CALLED, codes, header_lines, samples
from tests.http_peers import RawResponse, http_answer, until

MESSAGE = {"data": {"ndarray": [1.1, 2.0]}}
OLD_PREDICTIONS = "/api/v0.1/predictions"
CE = ("ce-id", "ce-specversion", "ce-path", "ce-type", "ce-source")
EVENTS = ("--sdep=test-deployment", "--namespace=test-namespace")


def echo(_: str, body: bytes) -> bytes:
    return http_answer(body, "200 OK", "content-type: application/json")


async def asked_of_one(run_engine, behaviour: Behaviour, request: bytes, *flags: str) -> tuple[RawResponse, Any]:
    """The answer of a graph of one model called mymodel, and the component that served it."""
    async with components(mymodel=behaviour) as peers, run_engine(place(n("mymodel"), peers), *flags) as engine:
        return await ask(engine, request), peers["mymodel"]


# The REST server.


async def test_01_alive(run_engine) -> None:
    async with run_engine(node("m", 1)) as engine:
        assert (await ask(engine, get("/live"))).status == 200


async def test_02_simple_model(run_engine) -> None:
    response, _ = await asked_of_one(run_engine, echo, post(OLD_PREDICTIONS, MESSAGE))
    assert (response.status, json.loads(response.body)) == (200, MESSAGE)


async def test_03_the_answer_to_an_event_is_an_event(run_engine) -> None:
    request = post(OLD_PREDICTIONS, MESSAGE, "Ce-Specversion: 0.3")
    response, peer = await asked_of_one(run_engine, echo, request, *EVENTS)
    puid = response.headers["seldon-puid"]
    assert {name: response.headers[name] for name in CE} == {
        "ce-id": puid,
        "ce-specversion": "0.3",
        "ce-path": OLD_PREDICTIONS,
        "ce-type": "seldon.test-deployment.test-namespace.response",
        "ce-source": "seldon.test-deployment",
    }
    assert len(puid) == 36
    assert header_lines(peer.heads[0])["seldon-puid"] == puid


@pytest.mark.parametrize("path", [PREDICTIONS, FEEDBACK])
async def test_03_an_event_has_the_id_that_its_request_has(run_engine, path: str) -> None:
    response, peer = await asked_of_one(run_engine, echo, post(path, MESSAGE, "Ce-Specversion: 1.0", "Seldon-Puid: p"))
    assert (response.headers["ce-id"], response.headers["seldon-puid"]) == ("p", "p")
    assert header_lines(peer.heads[0])["seldon-puid"] == "p"


async def test_07_a_question_keeps_its_id(run_engine) -> None:
    asked = get("/api/v1.0/metadata/mymodel").replace(b"\r\n\r\n", b"\r\nseldon-puid: p\r\n\r\n")
    response, _ = await asked_of_one(run_engine, says({}), asked)
    assert response.headers["seldon-puid"] == "p"


async def test_04_any_other_answer_is_not(run_engine) -> None:
    response, _ = await asked_of_one(run_engine, echo, post(OLD_PREDICTIONS, MESSAGE), *EVENTS)
    assert not [name for name in CE if name in response.headers]


async def test_05_06_an_id_is_made_up_and_reaches_the_component(run_engine) -> None:
    response, peer = await asked_of_one(run_engine, echo, post(OLD_PREDICTIONS, MESSAGE))
    puid = response.headers["seldon-puid"]
    assert str(uuid.UUID(puid)) == puid
    assert header_lines(peer.heads[0])["seldon-puid"] == puid


async def test_07_an_id_is_passed_on(run_engine) -> None:
    response, peer = await asked_of_one(run_engine, echo, post(OLD_PREDICTIONS, MESSAGE, "Seldon-Puid: 1"))
    assert (response.headers["seldon-puid"], header_lines(peer.heads[0])["seldon-puid"]) == ("1", "1")


async def test_08_23_answers_are_not_to_be_sniffed(run_engine) -> None:
    response, _ = await asked_of_one(run_engine, echo, post(OLD_PREDICTIONS, MESSAGE))
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_09_metrics_can_be_parsed(run_engine) -> None:
    async with components(m=echo) as peers, run_engine(place(n("m"), peers)) as engine:
        await ask(engine, post(PREDICTIONS, MESSAGE))
        text = (await ask(engine, get("/metrics"))).body.decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["seldon_api_executor_server_requests_seconds"].type == "histogram"
    assert families["seldon_api_executor_server_requests_seconds_summary"].type == "summary"


STATUS = b'{"model_version_status":[{"state":"AVAILABLE"}]}'


@pytest.mark.parametrize(
    ("protocol", "path", "asked"),
    [
        pytest.param("tensorflow", "/v1/models/mymodel", "/v1/models/mymodel", id="10 tensorflow status"),
        pytest.param("seldon", "/api/v1.0/status/mymodel", "/health/status", id="11 seldon status"),
        pytest.param("seldon", "/api/v0.1/status/mymodel", "/health/status", id="11 seldon status, old path"),
        pytest.param("seldon", "/api/v1.0/metadata/mymodel", "/metadata", id="13 seldon metadata"),
        pytest.param("seldon", "/api/v0.1/metadata/mymodel", "/metadata", id="13 seldon metadata, old path"),
        pytest.param(
            "tensorflow", "/v1/models/mymodel/metadata", "/v1/models/mymodel/metadata", id="16 tensorflow metadata"
        ),
        pytest.param("v2", "/v2/models/mymodel", "/v2/models/mymodel", id="V2 metadata"),
        pytest.param("v2", "/v2/models/mymodel/ready", "/v2/models/mymodel/ready", id="V2 ready"),
        pytest.param("kfserving", "/v2/models/mymodel/versions/2", "/v2/models/mymodel/versions/2", id="V2 version"),
        pytest.param(
            "v2", "/v2/models/mymodel/versions/2/ready", "/v2/models/mymodel/versions/2/ready", id="V2 version ready"
        ),
    ],
)
async def test_a_node_answers_for_itself(run_engine, protocol: str, path: str, asked: str) -> None:
    response, peer = await asked_of_one(run_engine, says(STATUS), get(path), f"--protocol={protocol}")
    assert (response.status, response.body, paths(peer)) == (200, STATUS, [asked])
    assert response.headers["x-content-type-options"] == "nosniff"
    assert uuid.UUID(response.headers["seldon-puid"])


@pytest.mark.parametrize("path", ["/api/v1.0/status", "/api/v1.0/health/status"])
async def test_12_the_status_of_the_graph_is_that_of_its_nodes(run_engine, path: str) -> None:
    response, peer = await asked_of_one(run_engine, says(b""), get(path), "--full_health_checks")
    assert (response.status, response.body, paths(peer)) == (200, b"", ["/health/status"])


async def test_14_feedback(run_engine) -> None:
    response, peer = await asked_of_one(run_engine, echo, post(FEEDBACK, {"reward": 1.0}))
    assert (response.status, paths(peer)) == (200, ["/send-feedback"])


def model(name: str, **more: Any) -> Behaviour:
    return says(
        {"name": name, "versions": ["v1"], "platform": "p", "inputs": f"{name} in", "outputs": f"{name} out", **more}
    )


async def test_15_the_metadata_of_a_graph(run_engine) -> None:
    graph = n("model-1", "MODEL", n("model-2"))
    behaviours = {name: model(name) for name in ("model-1", "model-2")}
    async with components(**behaviours) as peers, run_engine(place(graph, peers)) as engine:
        response = await ask(engine, get("/api/v1.0/metadata"))
        assert json.loads(response.body) == {
            "name": "main",
            "models": {
                name: {
                    "name": name, "versions": ["v1"], "platform": "p", "inputs": f"{name} in", "outputs": f"{name} out"
                }
                for name in ("model-1", "model-2")
            },
            "graphinputs": "model-1 in",
            "graphoutputs": "model-2 out",
        }  # fmt: skip


async def test_17_an_error_is_passed_on(run_engine) -> None:
    failing = http_answer(b'{"status":"failed"}', "409 Conflict", "content-type: application/json")
    response, _ = await asked_of_one(run_engine, lambda _, __: failing, post(PREDICTIONS, MESSAGE))
    assert (response.status, response.body) == (409, b'{"status":"failed"}')
    assert (response.headers["content-type"], response.headers["seldon-failed-node"]) == ("application/json", "mymodel")


ROWS = {"instances": [[1, 2, 3]]}


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        pytest.param("/v1/models/:predict", "/v1/models/mymodel:predict", id="18 without a name"),
        pytest.param("/v1/models:predict", "/v1/models/mymodel:predict", id="18 without a name, short"),
        pytest.param("/v1/models/xyz/:predict", "/v1/models/xyz:predict", id="19 another name"),
        pytest.param("/v1/models/mymodel:predict", "/v1/models/mymodel:predict", id="its own name"),
        pytest.param("/v1/models/cifar10:predict", "/v1/models/cifar10:predict", id="63 the caller's name"),
        pytest.param("/v1/models/m/versions/3:predict", "/v1/models/m/versions/3:predict", id="a version"),
    ],
)
async def test_tensorflow_predictions(run_engine, path: str, asked: str) -> None:
    response, peer = await asked_of_one(run_engine, echo, post(path, ROWS), "--protocol=tensorflow")
    assert (response.status, json.loads(response.body), paths(peer)) == (200, ROWS, [asked])


ALLOWED = "Accept, Accept-Encoding, Authorization, Content-Length, Content-Type, X-CSRF-Token"


@pytest.mark.parametrize("path", ["/api/v1.0/status", "/api/v1.0/metadata/mymodel", "/api/v1.0/doc/"])
async def test_20_other_sites_may_read(run_engine, path: str) -> None:
    response, _ = await asked_of_one(run_engine, says({}), get(path))
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-allow-headers"] == ALLOWED


async def test_21_which_sites_is_a_setting(run_engine) -> None:
    environ = {"CORS_ALLOWED_ORIGINS": "http://www.google.com", "CORS_ALLOWED_HEADERS": "Accept"}
    async with components(m=echo) as peers, run_engine(place(n("m"), peers), environ=environ) as engine:
        response = await ask(engine, post(PREDICTIONS, MESSAGE))
    assert response.headers["access-control-allow-origin"] == "http://www.google.com"
    assert response.headers["access-control-allow-headers"] == "Accept"


@pytest.mark.parametrize(
    ("path", "methods"),
    [(PREDICTIONS, "POST, OPTIONS"), (FEEDBACK, "POST, OPTIONS"), ("/api/v1.0/metadata/mymodel", "GET, OPTIONS")],
)
async def test_22_browsers_may_ask_first(run_engine, path: str, methods: str) -> None:
    request = f"OPTIONS {path} HTTP/1.1\r\nhost: engine\r\norigin: http://a\r\n\r\n".encode()
    response, peer = await asked_of_one(run_engine, echo, request)
    assert (response.status, response.body, peer.heads) == (200, b"", [])
    assert response.headers["access-control-allow-methods"] == methods
    assert response.headers["access-control-allow-origin"] == "*"


def test_24_the_document_names_the_paths_of_the_deployment() -> None:
    document = openapi("seldon", "seldon-deployment", "default")
    for end in ("predictions", "feedback"):
        operation = document["paths"][f"/seldon/default/seldon-deployment/api/v1.0/{end}"]["post"]
        assert "parameters" not in operation
    assert "servers" not in document


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", PREDICTIONS, 405)], ids=["no path", "no method"]
)
async def test_26_what_is_not_served(run_engine, method: str, path: str, status: int) -> None:
    request = f"{method} {path} HTTP/1.1\r\nhost: engine\r\n\r\n".encode()
    response, _ = await asked_of_one(run_engine, echo, request)
    assert response.status == status
    assert "access-control-allow-origin" not in response.headers


async def test_27_ready_once_the_node_is_up(run_engine, free_port: int) -> None:
    async with run_engine(node("m", free_port)) as engine:
        response = await ask(engine, get("/ready"))
        assert (response.status, response.body) == (503, b"")
        async with components(m=says(b"")) as peers, run_engine(place(n("m"), peers)) as other:
            assert (await ask(other, get("/ready"))).status == 200


# Calls of nodes, and what is made of their answers.


@pytest.mark.parametrize(
    ("kind", "asked"),
    [("MODEL", "/predict"), ("TRANSFORMER", "/transform-input"), ("OUTPUT_TRANSFORMER", "/transform-output")],
)
async def test_28_simple_methods(run_engine, kind: str, asked: str) -> None:
    answer = {"data": {"ndarray": [[0.9, 0.1]]}}
    async with components(m=says(answer)) as peers, run_engine(place(n("m", kind), peers)) as engine:
        response = await ask(engine, post(PREDICTIONS, MESSAGE))
        assert (json.loads(response.body), paths(peers["m"])) == (answer, [asked])


async def test_32_calls_are_counted_by_image(run_engine) -> None:
    containers = [{"spec": {"containers": [{"name": "model", "image": "foo:0.1"}]}}]
    async with (
        components(model=echo) as peers,
        run_engine(place(n("model"), peers), componentSpecs=containers) as engine,
    ):
        for _ in range(3):
            await ask(engine, post(PREDICTIONS, MESSAGE))
        counted = await samples(engine, CALLED)
    assert list(counted.values()) == [3]
    (labels,) = counted
    assert labels[-3:] == ("model", "foo", "0.1")


async def test_34_a_node_that_takes_too_long(run_engine) -> None:
    annotations = {"seldon.io/rest-timeout": "1"}
    async with components(m=silent) as peers, run_engine(place(n("m"), peers), annotations=annotations) as engine:
        response = await ask(engine, post(PREDICTIONS, MESSAGE))
    assert response.status == 500
    assert "Client.Timeout exceeded while awaiting headers" in info(response)


async def test_35_bodies_are_not_escaped(run_engine) -> None:
    """The reference escapes markup, which corrupts whatever is not JSON; browsers are told not to sniff instead."""
    body = b'{"strData":"<div class=\\"d\\">&</div>"}'
    response, _ = await asked_of_one(run_engine, echo, post(PREDICTIONS, body))
    assert (response.body, response.headers["x-content-type-options"]) == (body, "nosniff")


@pytest.mark.parametrize(
    ("body", "request_body"),
    [
        pytest.param({"inputs": [1]}, {"inputs": [1]}, id="36 inputs"),
        pytest.param({"outputs": [1]}, {"inputs": [1]}, id="37 outputs"),
        pytest.param(
            {"parameters": {"a": 1}, "outputs": [1]}, {"parameters": {"a": 1}, "inputs": [1]}, id="38 parameters"
        ),
    ],
)
def test_v2_chaining(body: Any, request_body: Any) -> None:
    assert json.loads(v2_request(json.dumps(body).encode(), None)[0]) == request_body


def test_40_answers_are_joined() -> None:
    assert json.loads(join([b'{"a":1}', b'{"a":1}'])) == [{"a": 1}, {"a": 1}]


@pytest.mark.parametrize(
    ("answer", "route"),
    [([1, 2], 1), *(({"data": {"ndarray": array}}, route) for array, route in
     [([[1]], 1), ([2], 2), ([3, 4], 3), ([[1, 2], [3, 4]], 1)])],
)  # fmt: skip
def test_41_42_routes_are_read(answer: Any, route: int) -> None:
    assert seldon_branch(json.dumps(answer).encode()) == route


def test_42_no_route_is_an_error() -> None:
    with pytest.raises(MessageError, match="holds no branch"):
        seldon_branch(b'{"data":{"ndarray":[]}}')


async def test_44_routing_is_said_in_meta(run_engine) -> None:
    graph = n("r", "ROUTER", n("a"), n("b"))
    behaviours = {"r": says({"data": {"ndarray": [1]}}), "a": echo, "b": echo}
    async with components(**behaviours) as peers, run_engine(place(graph, peers)) as engine:
        response = await ask(engine, post(PREDICTIONS, MESSAGE))
    assert json.loads(response.body)["meta"]["routing"] == {"r": 1, "b": -1}


async def test_44_unless_it_is_switched_off(run_engine) -> None:
    graph = n("r", "ROUTER", n("a"), n("b"))
    behaviours = {"r": says({"data": {"ndarray": [1]}}), "a": echo, "b": echo}
    environ = {"SELDON_ENABLE_ROUTING_INJECTION": "false"}
    async with components(**behaviours) as peers, run_engine(place(graph, peers), environ=environ) as engine:
        response = await ask(engine, post(PREDICTIONS, MESSAGE))
    assert "routing" not in json.loads(response.body)["meta"]


@pytest.mark.parametrize("text", ["a=b", '"a"="b"', 'a="b"\n', 'bad\na="b"'])
def test_46_annotations(text: str) -> None:
    assert parse_annotations(text) == {"a": "b"}


def test_135_images() -> None:
    assert split_image("localhost:32000/sklearn-iris:0.1") == ("localhost:32000/sklearn-iris", "0.1")


# Graphs.


X = {"strData": "x"}


async def text_of(run_engine, graph: dict[str, Any], **behaviours: Behaviour) -> tuple[str, dict[str, list[str]]]:
    async with components(**behaviours) as peers, run_engine(place(graph, peers)) as engine:
        response = await ask(engine, post(PREDICTIONS, X))
        assert response.status == 200, response.body
        return json.loads(response.body)["strData"], {name: paths(peer) for name, peer in peers.items()}


async def test_62_64_models(run_engine) -> None:
    graph = n("a", "MODEL", n("b"))
    text, _ = await text_of(run_engine, graph, a=appends("a"), b=appends("b"))
    assert text == "b/predict(a/predict(x))"


async def test_65_a_combiner_is_called_once(run_engine) -> None:
    graph = n("c", "COMBINER", n("a"), n("b"))
    text, asked = await text_of(run_engine, graph, a=appends("a"), b=appends("b"), c=appends("c"))
    assert (text, asked["c"]) == ("c/aggregate(a/predict(x)+b/predict(x))", ["/aggregate"])


async def test_66_methods_of_a_node_without_a_type(run_engine) -> None:
    def behaviour(path: str, body: bytes) -> bytes:
        return says([-1])(path, body) if path == "/route" else appends("m")(path, body)  # type: ignore[return-value]

    methods = ["TRANSFORM_INPUT", "TRANSFORM_OUTPUT", "ROUTE", "AGGREGATE"]
    graph = n("m", None, n("a"), methods=methods)
    text, asked = await text_of(run_engine, graph, m=behaviour, a=appends("a"))
    assert asked["m"] == ["/transform-input", "/route", "/aggregate", "/transform-output"]
    assert text == "m/transform-output(m/aggregate(a/predict(m/transform-input(x))))"


async def test_67_feedback_of_parent_and_child(run_engine) -> None:
    graph = n("a", None, n("b", None, methods=["SEND_FEEDBACK"]), methods=["SEND_FEEDBACK"])
    async with components(a=echo, b=echo) as peers, run_engine(place(graph, peers)) as engine:
        response = await ask(engine, post(FEEDBACK, {"reward": 1}))
        assert response.status == 200
        assert paths(peers["a"]) == paths(peers["b"]) == ["/send-feedback"]


@pytest.mark.parametrize(
    ("route", "text"),
    [(-1, "a/predict(x)"), (0, "a/predict(x)"), (1, "b/predict(x)"), (-2, "x")],
    ids=["all, the first counts", "first", "second", "none"],
)
async def test_68_routers(run_engine, route: int, text: str) -> None:
    graph = n("r", "ROUTER", n("a"), n("b"))
    found, asked = await text_of(
        run_engine, graph, r=says({"data": {"ndarray": [[route]]}}), a=appends("a"), b=appends("b")
    )
    assert found == text
    assert [name for name in "ab" if asked[name]] == {-1: ["a", "b"], -2: []}.get(route, ["ab"[route]])


async def test_69_the_error_of_a_transformer(run_engine) -> None:
    failing = http_answer(b"<own>", "418 Teapot", "content-type: text/x")
    graph = n("t", "TRANSFORMER", n("m"))
    async with components(t=lambda _, __: failing, m=echo) as peers, run_engine(place(graph, peers)) as engine:
        response = await ask(engine, post(PREDICTIONS, X))
        assert (response.status, response.body, response.headers["content-type"]) == (418, b"<own>", "text/x")
        assert not peers["m"].heads


@pytest.mark.parametrize("ratio", ["0", "1"])
async def test_70_a_coin_chooses(run_engine, ratio: str) -> None:
    parameters = [{"name": "other", "value": "1", "type": "INT"}, {"name": "ratioA", "value": ratio, "type": "FLOAT"}]
    graph = n("t", None, n("a"), n("b"), implementation="RANDOM_ABTEST", parameters=parameters)
    text, asked = await text_of(run_engine, graph, a=appends("a"), b=appends("b"))
    assert text == ("a/predict(x)" if ratio == "1" else "b/predict(x)")
    assert sum(len(of_node) for of_node in asked.values()) == 1


@pytest.mark.parametrize(
    ("graph", "inputs", "outputs"),
    [
        pytest.param(n("a"), "a in", "a out", id="77 simple"),
        pytest.param(n("a", "MODEL", n("b")), "a in", "b out", id="77 two levels"),
        pytest.param(n("a", "TRANSFORMER", n("b")), "a in", "b out", id="77 input transformer"),
        pytest.param(n("a", "OUTPUT_TRANSFORMER", n("b")), "b in", "a out", id="77 output transformer"),
        pytest.param(n("a", "COMBINER", n("b"), n("c")), "b in", "a out", id="78 combiner"),
        pytest.param(n("a", "ROUTER", n("b"), n("c")), "b in", "b out", id="78 router"),
        pytest.param(n("a", None, n("b"), implementation="SIMPLE_ROUTER"), "b in", "b out", id="an untyped node"),
    ],
)
async def test_what_a_graph_takes_and_gives(run_engine, graph: dict[str, Any], inputs: str, outputs: str) -> None:
    names = [name for name in "abc" if json.dumps(graph).count(f'"name": "{name}"')]
    served = [name for name in names if not (name == "a" and "implementation" in graph)]
    async with components(**{name: model(name) for name in served}) as peers, run_engine(place(graph, peers)) as engine:
        answer = json.loads((await ask(engine, get("/api/v1.0/metadata"))).body)
    assert (answer["graphinputs"], answer["graphoutputs"]) == (inputs, outputs)
    assert set(answer["models"]) == set(served)


async def test_79_inputs_of_any_shape_are_copied(run_engine) -> None:
    odd = {"messagetype": "jsonData", "schema": {"names": ["a", 1, None]}}
    response, _ = await asked_of_one(run_engine, says({"name": "m", "inputs": odd}), get("/api/v1.0/metadata"))
    assert json.loads(response.body)["graphinputs"] == odd


@pytest.mark.parametrize("answer", [{"data": {"ndarray": [7]}}, {"data": {"ndarray": []}}, {"strData": "1"}, {}])
async def test_80_a_router_that_leads_nowhere(run_engine, answer: Any) -> None:
    graph = n("eg", "ROUTER", n("a"), n("b"))
    async with components(eg=says(answer), a=echo, b=echo) as peers, run_engine(place(graph, peers)) as engine:
        for _ in range(2):
            response = await ask(engine, post(PREDICTIONS, X))
            assert (response.status, response.headers["seldon-failed-node"]) == (500, "eg")
            assert "'eg'" in info(response)
        assert (await ask(engine, get("/live"))).status == 200


async def test_81_the_first_failure_wins(run_engine) -> None:
    failing = http_answer(b"", "502 Bad Gateway")
    graph = n("c", "COMBINER", n("slow"), n("bad"))
    async with (
        components(c=appends("c"), slow=silent, bad=lambda _, __: failing) as peers,
        run_engine(place(graph, peers)) as engine,
    ):
        response = await ask(engine, post(PREDICTIONS, X))
        assert (response.status, response.headers["seldon-failed-node"]) == (502, "bad")
        await until(lambda: not peers["slow"].open)


async def test_82_feedback_takes_the_branch_of_the_prediction(run_engine) -> None:
    graph = n("eg", "ROUTER", n("a"), n("b"))
    async with components(eg=echo, a=echo, b=echo) as peers, run_engine(place(graph, peers)) as engine:
        feedback = {"response": {"meta": {"routing": {"eg": 1}}}, "reward": 1}
        assert (await ask(engine, post(FEEDBACK, feedback))).status == 200
        assert [len(peers[name].heads) for name in ("eg", "a", "b")] == [1, 0, 1]


async def test_171_markup_is_harmless_without_escaping(run_engine) -> None:
    response, _ = await asked_of_one(run_engine, echo, post(PREDICTIONS, {"strData": '<div class="div-class"></div>'}))
    assert json.loads(response.body) == {"strData": '<div class="div-class"></div>'}
    assert response.headers["content-type"] == "application/json"


TENSOR = {"name": "x", "datatype": "FP64", "shape": [1], "data": [1.0]}


async def test_172_a_v2_graph_of_two(run_engine) -> None:
    def infer(_: str, body: bytes) -> bytes:
        (tensor,) = json.loads(body)["inputs"]
        answer = {"model_name": "m", "outputs": [{**tensor, "data": [tensor["data"][0] + 1]}]}
        return http_answer(json.dumps(answer).encode(), "200 OK", "content-type: application/json")

    graph = n("a", "MODEL", n("b"))
    async with components(a=infer, b=infer) as peers, run_engine(place(graph, peers), "--protocol=v2") as engine:
        response = await ask(engine, post("/v2/models/a/infer", {"inputs": [TENSOR]}))
        assert json.loads(response.body)["outputs"] == [{**TENSOR, "data": [3.0]}]
        assert paths(peers["b"]) == ["/v2/models/b/infer"]


@pytest.mark.parametrize(
    ("protocol", "page", "document"),
    [
        ("seldon", "/api/v0.1/doc/", "/api/v0.1/doc/seldon.json"),
        ("seldon", "/api/v1.0/doc/", "/api/v1.0/doc/seldon.json"),
        ("v2", "/v2/docs/", "/v2/docs/dataplane.yaml"),
        ("v2", "/api/v1.0/doc/index.html", "/v2/docs/dataplane.json"),
        ("tensorflow", "/api/v1.0/doc/", "/api/v1.0/doc/seldon.json"),
    ],
)
async def test_174_documents(run_engine, protocol: str, page: str, document: str) -> None:
    async with run_engine(node("m", 1), f"--protocol={protocol}") as engine, httpx.AsyncClient() as client:
        shown = await client.get(f"http://127.0.0.1:{engine.http_port}{page}")
        described = await client.get(f"http://127.0.0.1:{engine.http_port}{document}")
    assert shown.headers["content-type"].startswith("text/html")
    assert "openapi" in described.json()


async def test_a_status_is_that_of_the_node_and_unknown_nodes_are_named(run_engine) -> None:
    response, _ = await asked_of_one(run_engine, says(b""), get("/api/v1.0/status/other"))
    assert response.status == 404
    assert "Failed to find model other" in info(response)


async def test_what_is_asked_of_nodes_is_counted(run_engine) -> None:
    async with components(m=says({})) as peers, run_engine(place(n("m"), peers)) as engine:
        for path in ("status", "status/m", "metadata", "metadata/m", "metadata/x", "health/status"):
            await ask(engine, get(f"/api/v1.0/{path}"))
        for path in ("/live", "/ready"):
            await ask(engine, get(path))
        counted = await samples(engine, "seldon_api_executor_server_requests_seconds_count")
    assert {labels[3:]: count for labels, count in counted.items()} == {
        ("status", "get", "200"): 3,
        ("metadata", "get", "200"): 2,
        ("metadata", "get", "404"): 1,
    }


async def test_codes_that_components_make_up_stay_few(run_engine) -> None:
    def making_up(_: str, body: bytes) -> bytes:
        return http_answer(b"", f"{int(json.loads(body))} Odd")

    async with components(m=making_up) as peers, run_engine(place(n("m"), peers)) as engine:
        for code in (299, 298, 599, 598, 204):
            await ask(engine, post(PREDICTIONS, code))
        assert await codes(engine, CALLED) == {"2xx": 2, "5xx": 2, "204": 1}


async def test_a_question_whose_caller_goes_away_is_counted(run_engine, connect) -> None:
    async with components(m=silent) as peers, run_engine(place(n("m"), peers)) as engine:
        client = await connect(engine.http_port)
        await client.send(get("/api/v1.0/metadata/m"))
        await until(lambda: bool(peers["m"].heads))
        client.close()
        await until(lambda: not peers["m"].open)
        await asyncio.sleep(0)
        assert await codes(engine) == {"499": 1}
