"""The engine over real sockets, in front of components that the test controls."""

import asyncio
import gc
import json
import re
import uuid
from dataclasses import replace
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from seldon_core.engine.orchestrator import Relay, Run
from seldon_core.engine.service import Service
from seldon_core.transport.http_client import Exchange, Response
from seldon_core.transport.http_server import Reply, Request
from tests.engine.conftest import node
from tests.http_peers import Peer, RawClient, answering, http_answer, until

PREDICTIONS = "/api/v1.0/predictions"
BODY = b'{"data": {"ndarray": [[1.10, 2]]} }\n'
JSON = "content-type: application/json"


def request(body: bytes = BODY, *headers: str, path: str = PREDICTIONS) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: engine", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def echoing() -> Peer:
    """A component that answers with what it was sent, content type included."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, body = await peer.read_request(reader)
            kinds = [line for line in head.decode("latin-1").split("\r\n") if line.startswith("content-type")]
            writer.write(http_answer(body, "200 OK", *kinds))

    peer = Peer(script)
    return peer


def silent() -> Peer:
    """A component that reads requests and never answers."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await peer.read_request(reader)

    peer = Peer(script)
    return peer


def header_lines(head: bytes) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:-2])


async def samples(engine: Service, name: str) -> dict[tuple[str, ...], float]:
    """Samples of one metric as the metrics port shows them: label values in order -> value."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{engine.metrics_port}/metrics")).text
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


SERVED = "seldon_api_executor_server_requests_seconds_count"
CALLED = "seldon_api_executor_client_requests_seconds_count"


async def codes(engine: Service, name: str = SERVED) -> dict[str, float]:
    """How many requests, or calls of components, ended with which code."""
    found: dict[str, float] = {}
    for labels, count in (await samples(engine, name)).items():
        found[labels[5]] = found.get(labels[5], 0) + count
    return found


def info(body: bytes) -> str:
    """The text of an error that the engine originates, whose form is checked."""
    status = json.loads(body)["status"]
    assert status.keys() == {"code", "info", "status"}
    assert status["status"] == "FAILURE"
    return status["info"]


# Routes.


@pytest.mark.parametrize("path", ["/api/v1.0/predictions", "/api/v0.1/predictions", f"{PREDICTIONS}?a=b"])
async def test_predictions_are_served(run_engine, connect, path: str) -> None:
    async with echoing().running() as peer, run_engine(node("m", peer.port)) as engine:
        response = await (await connect(engine.http_port)).ask(request(BODY, JSON, path=path))
        assert (response.status, response.body) == (200, BODY)
        assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/", 404, "there is nothing at /"),
        ("POST", "/v2/models/m/infer", 404, "there is nothing at /v2/models/m/infer"),
        ("GET", PREDICTIONS, 405, f"{PREDICTIONS} takes POST, not GET"),
        ("PUT", PREDICTIONS, 405, f"{PREDICTIONS} takes POST, not PUT"),
    ],
)
async def test_other_routes_are_refused_in_the_protocols_form(
    run_engine, method: str, path: str, status: int, text: str
) -> None:
    async with run_engine(node("m", 1)) as engine, httpx.AsyncClient() as client:
        response = await client.request(method, f"http://127.0.0.1:{engine.http_port}{path}")
        assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
        assert info(response.content) == text
        assert response.headers.get("allow") == ("POST, OPTIONS" if status == 405 else None)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_it_is_alive(run_engine, method: str) -> None:
    async with run_engine(node("m", 1)) as engine, httpx.AsyncClient() as client:
        response = await client.request(method, f"http://127.0.0.1:{engine.http_port}/live")
        assert (response.status_code, response.content) == (200, b"")


async def test_requests_that_are_no_http_are_refused_in_the_protocols_form(run_engine, connect) -> None:
    async with run_engine(node("m", 1)) as engine:
        response = await (await connect(engine.http_port)).ask(b"NONSENSE\r\n\r\n")
        assert (response.status, response.headers["content-type"]) == (400, "application/json")
        assert info(response.body).startswith("not a valid HTTP/1.1 request")


async def test_metrics_are_on_both_ports(run_engine) -> None:
    async with run_engine(node("m", 1), "--prometheus_path=/prometheus") as engine, httpx.AsyncClient() as client:
        for port in (engine.http_port, engine.metrics_port):
            response = await client.get(f"http://127.0.0.1:{port}/prometheus")
            assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert "# TYPE seldon_api_executor_server_requests_seconds histogram\n" in response.text
            assert "# TYPE seldon_api_executor_server_requests_seconds_summary summary\n" in response.text
        assert (await client.get(f"http://127.0.0.1:{engine.metrics_port}/live")).status_code == 404


# One component: relayed as it is.

ODD_BODIES = {
    "empty": b"",
    "not JSON": b"\x00\xff\r\n\r\n<>&",
    "JSON with blanks": b' {"data" : { "ndarray":[ 1.0 ,2 ] }, "meta": {}}\n\n',
    "markup": b'{"strData":"<b>&amp;</b>"}',
    "large": bytes(range(256)) * 4096,
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES)
async def test_one_components_bodies_are_relayed_byte_for_byte(run_engine, connect, body: bytes) -> None:
    async with echoing().running() as peer, run_engine(node("m", peer.port)) as engine:
        response = await (await connect(engine.http_port)).ask(request(body, "content-type: application/x-odd"))
        assert peer.bodies == [body]
        assert (response.status, response.body) == (200, body)
        assert response.headers["content-type"] == "application/x-odd"


async def test_a_compressed_answer_is_relayed_as_it_is(run_engine, connect) -> None:
    answer = http_answer(b"\x1f\x8b...", "200 OK", JSON, "content-encoding: gzip")
    async with answering(answer).running() as peer, run_engine(node("m", peer.port)) as engine:
        response = await (await connect(engine.http_port)).ask(request(BODY, JSON, "accept-encoding: gzip"))
        assert (response.body, response.headers["content-encoding"]) == (b"\x1f\x8b...", "gzip")
        assert header_lines(peer.heads[0])["accept-encoding"] == "gzip"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 400, 409, 500, 503])
async def test_a_components_status_and_body_are_relayed(run_engine, connect, status: int) -> None:
    body = b"" if status == 204 else b'{"status": "<as the component says>"}'
    answer = http_answer(
        body, f"{status} Whatever", "content-type: application/problem+json", "retry-after: 7", "x-in: 1"
    )
    async with answering(answer).running() as peer, run_engine(node("m", peer.port)) as engine:
        response = await (await connect(engine.http_port)).ask(request())
        assert (response.status, response.body) == (status, body)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["retry-after"] == "7"
        assert response.headers.get("seldon-failed-node") == (None if status < 300 else "m")
        assert "x-in" not in response.headers
        assert await codes(engine) == {str(status): 1}
        assert await codes(engine, CALLED) == {str(status): 1}


async def test_the_callers_headers_reach_the_component(run_engine, connect) -> None:
    sent = (
        "X-Custom: Any Thing",
        "Authorization: Bearer x",
        "traceparent: 00-1-2-3",
        JSON,
        "connection: x-private, keep-alive",
        "x-private: 1",
        "te: trailers",
        "content-encoding: br",
    )
    async with echoing().running() as peer, run_engine(node("m", peer.port)) as engine:
        await (await connect(engine.http_port)).ask(request(BODY, *sent))
        head = peer.heads[0]
        puid = header_lines(head)["seldon-puid"]
        assert head.startswith(b"POST /predict HTTP/1.1\r\n")
        assert header_lines(head) == {
            "host": f"127.0.0.1:{peer.port}",
            "x-custom": "Any Thing",
            "authorization": "Bearer x",
            "traceparent": "00-1-2-3",
            "content-type": "application/json",
            "content-encoding": "br",
            "seldon-puid": puid,
            "content-length": str(len(BODY)),
        }


async def test_no_content_type_is_made_up(run_engine, connect) -> None:
    async with echoing().running() as peer, run_engine(node("m", peer.port)) as engine:
        response = await (await connect(engine.http_port)).ask(request())
        assert "content-type" not in header_lines(peer.heads[0])
        assert "content-type" not in response.headers


@pytest.mark.parametrize("given", ["", "1", "any thing"])
async def test_a_prediction_has_an_id(run_engine, connect, given: str) -> None:
    async with echoing().running() as peer, run_engine(node("m", peer.port)) as engine:
        response = await (await connect(engine.http_port)).ask(request(BODY, f"Seldon-Puid: {given}"))
        puid = response.headers["seldon-puid"]
        assert puid == header_lines(peer.heads[0])["seldon-puid"]
        assert puid == given if given else uuid.UUID(puid).version == 4


# Several components.


async def test_a_graph_without_components_answers_with_what_it_was_sent(run_engine, connect) -> None:
    async with run_engine({"name": "n"}) as engine:
        response = await (await connect(engine.http_port)).ask(request(BODY, JSON))
        assert (response.status, response.body, response.headers["content-type"]) == (200, BODY, "application/json")
        assert await codes(engine) == {"200": 1}


def stage(name: str, **meta: Any) -> Peer:
    """A component that appends its name to the strData that it is sent."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, body = await peer.read_request(reader)
            text = json.loads(body)["strData"] + f" {name}"
            answer = json.dumps({"strData": text, "meta": meta}).encode()
            writer.write(http_answer(answer, "200 OK", f"content-type: application/json; from={name}"))

    peer = Peer(script)
    return peer


async def test_a_chain_passes_the_message_on_and_merges_meta_once(run_engine, connect) -> None:
    containers = [{"name": "t", "image": "t:1"}, {"name": "m", "image": "m:2"}]
    async with (
        stage("in", tags={"a": 1, "b": 1}, metrics=[{"key": "x"}]).running() as transformer,
        stage("model", tags={"b": 2}, requestPath={"m": "said"}, metrics=[{"key": "y"}]).running() as model,
        stage("out").running() as output,
        run_engine(
            node(
                "t",
                transformer.port,
                "TRANSFORMER",
                node("o", output.port, "OUTPUT_TRANSFORMER", node("m", model.port)),
            ),
            componentSpecs=[{"spec": {"containers": containers}}],
        ) as engine,
    ):
        sent = request(b'{"strData":"x"}', JSON, "seldon-puid: p1", "accept-encoding: gzip", "x-trace: 1")
        response = await (await connect(engine.http_port)).ask(sent)
        assert response.status == 200
        assert response.headers["content-type"] == "application/json; from=out"
        assert json.loads(response.body) == {
            "strData": "x in model out",
            "meta": {
                "puid": "p1",
                "tags": {"a": 1, "b": 2},
                "routing": {"t": -1, "o": -1, "m": -1},
                "requestPath": {"t": "t:1", "m": "said"},
                "metrics": [{"key": "x"}, {"key": "y"}],
            },
        }
        asked = [("transform-input", transformer), ("predict", model), ("transform-output", output)]
        for method, peer in asked:
            head = peer.heads[0]
            assert head.startswith(f"POST /{method} HTTP/1.1\r\n".encode())
            headers = header_lines(head)
            assert (headers["seldon-puid"], headers["x-trace"]) == ("p1", "1")
            assert "accept-encoding" not in headers
        assert header_lines(model.heads[0])["content-type"] == "application/json; from=in"


async def test_answers_that_are_no_messages_pass_through_a_chain(run_engine, connect) -> None:
    async with (
        echoing().running() as peer,
        run_engine(node("a", peer.port, "MODEL", node("b", peer.port))) as engine,
    ):
        response = await (await connect(engine.http_port)).ask(request(b"plain <text>", "content-type: text/plain"))
        assert (response.body, response.headers["content-type"]) == (b"plain <text>", "text/plain")


async def test_the_first_failure_ends_a_chain(run_engine, connect) -> None:
    failing = answering(http_answer(b"no", "409 Conflict", "content-type: text/plain"))
    async with (
        stage("a").running() as first,
        failing.running() as second,
        stage("c").running() as third,
        run_engine(node("a", first.port, "MODEL", node("b", second.port, "MODEL", node("c", third.port)))) as engine,
    ):
        response = await (await connect(engine.http_port)).ask(request(b'{"strData":""}', JSON))
        assert (response.status, response.body, response.headers["seldon-failed-node"]) == (409, b"no", "b")
        assert response.headers["content-type"] == "text/plain"
        assert not third.heads
        assert await codes(engine, CALLED) == {"200": 1, "409": 1}


# Components that fail.


async def test_a_component_that_is_not_there(run_engine, connect, free_port: int) -> None:
    async with run_engine(node("m", free_port)) as engine:
        response = await (await connect(engine.http_port)).ask(request())
        assert (response.status, response.headers["seldon-failed-node"]) == (500, "m")
        assert response.headers["content-type"] == "application/json"
        assert info(response.body) == f"node 'm': cannot connect to 127.0.0.1:{free_port}: connection refused"
        assert await codes(engine) == await codes(engine, CALLED) == {"500": 1}


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"", "the connection ended before the answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "the connection ended in the middle of the answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "the connection ended in the middle of the answer"),
        (b"nonsense\r\n\r\n", "the answer is not valid HTTP/1.1: "),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 101 + b"\r\n", "the answer has more than 100 headers"),
    ],
    ids=["silence", "half a body", "half a head", "no HTTP", "too many headers"],
)
async def test_a_component_that_breaks_off(run_engine, connect, sent: bytes, text: str) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read_request(reader)
        writer.write(sent)
        await writer.drain()

    peer = Peer(script)
    async with peer.running(), run_engine(node("m", peer.port)) as engine:
        client = await connect(engine.http_port)
        for count in (1, 2):
            response = await client.ask(request())
            assert (response.status, response.headers["seldon-failed-node"]) == (500, "m")
            assert info(response.body).startswith(f"node 'm': {text}")
            assert await codes(engine) == {"500": count}


async def test_a_component_that_is_too_slow(run_engine, connect) -> None:
    async with (
        silent().running() as peer,
        run_engine(node("m", peer.port), annotations={"seldon.io/rest-timeout": "50"}) as engine,
    ):
        response = await (await connect(engine.http_port)).ask(request())
        assert (response.status, response.headers["seldon-failed-node"]) == (500, "m")
        assert info(response.body) == (
            "node 'm': no answer within 0.05 s (Client.Timeout exceeded while awaiting headers)"
        )
        await until(lambda: not peer.open)  # the call was cancelled
        assert await codes(engine) == await codes(engine, CALLED) == {"500": 1}


async def test_the_deadline_is_that_of_the_whole_graph(run_engine, connect) -> None:
    async with (
        stage("a").running() as first,
        silent().running() as second,
        run_engine(
            node("a", first.port, "MODEL", node("b", second.port)), annotations={"seldon.io/rest-timeout": "500"}
        ) as engine,
    ):
        response = await (await connect(engine.http_port)).ask(request(b'{"strData":""}'))
        assert (response.status, response.headers["seldon-failed-node"]) == (500, "b")


async def test_a_dead_kept_alive_connection_is_not_noticed_by_the_caller(run_engine, connect) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read_request(reader)
        writer.write(http_answer(b"alive"))
        await peer.read_request(reader)

    peer = Peer(script)
    async with peer.running(), run_engine(node("m", peer.port)) as engine:
        client = await connect(engine.http_port)
        for _ in range(5):
            response = await client.ask(request())
            assert (response.status, response.body) == (200, b"alive")
        assert await codes(engine) == await codes(engine, CALLED) == {"200": 5}


async def test_connections_to_a_component_are_used_again(run_engine, connect) -> None:
    async with echoing().running() as peer, run_engine(node("m", peer.port)) as engine:
        clients = [await connect(engine.http_port) for _ in range(20)]
        for _ in range(10):
            answers = await asyncio.gather(*(client.ask(request()) for client in clients))
            assert {answer.body for answer in answers} == {BODY}
        assert peer.connections <= len(clients)


async def test_too_many_requests_in_flight_are_refused(run_engine, connect, monkeypatch: pytest.MonkeyPatch) -> None:
    async with silent().running() as peer, run_engine(node("m", peer.port)) as engine:
        (pool,) = engine._pools.values()
        monkeypatch.setattr(pool, "_max_in_flight", 2)
        clients = [await connect(engine.http_port) for _ in range(3)]
        for client in clients[:2]:
            await client.send(request())
        await until(lambda: len(peer.heads) == 2)
        response = await clients[2].ask(request())
        assert (response.status, response.headers["retry-after"]) == (503, "1")
        assert info(response.body) == f"node 'm': 2 requests to 127.0.0.1:{peer.port} are in flight"


async def test_a_caller_that_goes_away_cancels_the_call(run_engine, connect) -> None:
    async with silent().running() as peer, run_engine(node("m", peer.port)) as engine:
        client: RawClient = await connect(engine.http_port)
        await client.send(request())
        await until(lambda: bool(peer.heads))
        assert peer.open == 1
        client.close()
        await until(lambda: not peer.open)
        (pool,) = engine._pools.values()
        assert pool.in_flight == 0
        assert await codes(engine) == await codes(engine, CALLED) == {"499": 1}


async def test_a_caller_that_goes_away_while_the_component_is_connected_to(run_engine, connect, free_port: int) -> None:
    async with run_engine(node("m", free_port)) as engine:
        for _ in range(20):
            client: RawClient = await connect(engine.http_port)
            await client.send(request())
            client.close()
        (pool,) = engine._pools.values()
        await until(lambda: pool.in_flight == 0 and not engine._server.connections)
        counted = await codes(engine)
        assert counted == await codes(engine, CALLED)


async def test_large_bodies_leave_the_budget_as_they_found_it(run_engine, connect) -> None:
    body = bytes(300_000)
    async with echoing().running() as peer, run_engine(node("m", peer.port)) as engine:
        client = await connect(engine.http_port)
        for _ in range(3):
            assert (await client.ask(request(body))).body == body
        await until(lambda: engine._budget.used == 0)


async def test_nothing_of_a_request_is_left_behind(run_engine, connect) -> None:
    """A request is made of no cycles: without the garbage collector nothing piles up."""
    kinds = (Run, Relay, Request, Reply, Exchange, Response)

    def alive() -> list[object]:
        return [item for item in gc.get_objects() if isinstance(item, kinds)]

    gc.collect()
    before = len(alive())
    gc.disable()
    try:
        async with echoing().running() as peer, run_engine(node("m", peer.port)) as engine:
            client = await connect(engine.http_port)
            for _ in range(20):
                assert (await client.ask(request())).status == 200
            client.close()
            await until(lambda: not engine._server.connections)
            assert len(alive()) == before
    finally:
        gc.enable()


# Counting.


async def test_what_is_counted_is_what_was_served(run_engine) -> None:
    async with echoing().running() as peer, run_engine(node("m", peer.port)) as engine:
        base = f"http://127.0.0.1:{engine.http_port}"
        async with httpx.AsyncClient() as client:
            answers = await asyncio.gather(*(client.post(base + PREDICTIONS, content=BODY) for _ in range(50)))
            assert {answer.content for answer in answers} == {BODY}
            for path in ("/live", "/ready", "/nothing"):
                await client.get(base + path)
        labels = ("my-model", "main", "v7")
        assert await samples(engine, SERVED) == {(*labels, "predictions", "post", "200"): 50}
        assert await samples(engine, SERVED.replace("_count", "_summary_count")) == {
            (*labels, "predictions", "post", "200"): 50
        }
        assert await samples(engine, CALLED) == {(*labels, "/predict", "post", "200", "m", "", ""): 50}


async def test_calls_are_labelled_by_node_and_image(run_engine, connect) -> None:
    containers = [{"name": "m", "image": "host:5000/m:0.1"}]
    async with (
        echoing().running() as peer,
        run_engine(node("m", peer.port), componentSpecs=[{"spec": {"containers": containers}}]) as engine,
    ):
        await (await connect(engine.http_port)).ask(request())
        (labels,) = await samples(engine, CALLED)
        assert labels[6:] == ("m", "host:5000/m", "0.1")


# Readiness.


async def ready(engine: Service) -> int:
    async with httpx.AsyncClient() as client:
        response = await client.get(f"http://127.0.0.1:{engine.http_port}/ready")
        assert response.content == b""
        return response.status_code


async def eventually_ready(engine: Service, status: int) -> None:
    async with asyncio.timeout(20):
        while await ready(engine) != status:  # noqa: ASYNC110 - only asking tells
            await asyncio.sleep(0.02)


async def test_it_is_ready_when_all_components_can_be_reached(run_engine) -> None:
    peer = echoing()
    async with echoing().running() as other:
        async with peer.running():
            pass  # to learn a port that is free
        async with run_engine(node("a", other.port, "MODEL", node("b", peer.port))) as engine:
            assert await ready(engine) == 503
            async with echoing().running(peer.port):
                await eventually_ready(engine, 200)
            await eventually_ready(engine, 503)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(http_answer(b'{"data":{}}'), 200, id="healthy"),
        pytest.param(http_answer(b"", "500 Internal Server Error"), 503, id="ill"),
        pytest.param(b"nonsense\r\n\r\n", 503, id="nonsense"),
    ],
)
async def test_full_health_checks_ask_the_components(run_engine, answer: bytes, status: int) -> None:
    async with (
        answering(answer).running() as peer,
        run_engine(node("m", peer.port), "--full_health_checks") as engine,
    ):
        assert await ready(engine) == status
        assert re.match(rb"GET /health/status HTTP/1.1\r\nhost: 127.0.0.1:\d+\r\n", peer.heads[0])


async def test_many_probes_ask_the_components_once(run_engine) -> None:
    async with echoing().running() as peer, run_engine(node("m", peer.port)) as engine:
        assert set(await asyncio.gather(*(ready(engine) for _ in range(10)))) == {200}
        assert peer.connections == 1


async def test_a_component_that_hangs_is_not_ready(run_engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seldon_core.engine.readiness.CHECK_SECONDS", 0.05)
    async with silent().running() as peer, run_engine(node("m", peer.port), "--full_health_checks") as engine:
        assert await ready(engine) == 503
        await until(lambda: not peer.open)


async def test_an_engine_that_stops_is_not_ready_and_still_serves(run_engine, connect) -> None:
    async with echoing().running() as peer, run_engine(node("m", peer.port), "--shutdown_delay=1h") as engine:
        assert await ready(engine) == 200
        stopping = asyncio.ensure_future(engine.stop())
        await eventually_ready(engine, 503)
        response = await (await connect(engine.http_port)).ask(request())
        assert (response.status, response.headers["connection"]) == (200, "close")
        stopping.cancel()
        engine._flags = replace(engine._flags, shutdown_delay=0.0)
        assert await engine.stop() == 0
