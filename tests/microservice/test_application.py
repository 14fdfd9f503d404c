"""The HTTP face of a component, over real sockets."""

import asyncio
import base64
import gzip
import json
import threading
from typing import Any

import flask
import httpx
import pytest

from seldon_core.microservice import application, error_handler, forms, routes
from seldon_core.microservice.error_handler import find_error_handler
from seldon_core.microservice.errors import UsageError
from seldon_core.transport.limits import Limits

from .serving import M, served, until

ND = {"data": {"ndarray": [[1, 2]]}}
METADATA = '{"custom":{},"inputs":[],"name":"test","outputs":[],"platform":"","versions":[""]}\n'
ANSWER = {
    "data": {"names": ["t:0", "t:1"], "ndarray": [[1, 2]]},
    "meta": {"metrics": [{"key": "mycounter", "type": "COUNTER", "value": 1}], "tags": {"mytag": 1}},
}


def info(response: httpx.Response) -> str:
    """The text of an error answer, whose form is checked on the way."""
    assert response.headers["content-type"] == "application/json"
    status = response.json()["status"]
    assert (status["code"], status["status"]) == (-1, 1)
    assert status["reason"].startswith("MICROSERVICE_")
    return str(status["info"])


async def become(condition: Any) -> None:
    await asyncio.to_thread(until, condition)


@pytest.mark.parametrize("path", ["/predict", "/api/v1.0/predictions", "/api/v0.1/predictions"])
async def test_predictions(path: str) -> None:
    async with served(M()) as service:
        response = await service.client.post(path, json=ND)
    assert (response.status_code, response.json()) == (200, ANSWER)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", ["/transform-input", "/transform-output"])
async def test_transformations(path: str) -> None:
    async with served(M()) as service:
        response = await service.client.post(path, json=ND)
    assert (response.status_code, response.json()) == (200, ANSWER)


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/metadata", "application/json", METADATA),
        ("/api/v1.0/metadata", "application/json", METADATA),
        ("/health/ping", "text/plain; charset=utf-8", "pong"),
        ("/live", "text/plain; charset=utf-8", "ok"),
        ("/ready", "text/plain; charset=utf-8", "ok"),
    ],
)
async def test_what_needs_no_model(path: str, content_type: str, body: str) -> None:
    async with served(object()) as service:
        response = await service.client.get(path)
        assert (await service.client.head(path)).content == b""
    assert (response.status_code, response.text, response.headers["content-type"]) == (200, body, content_type)


@pytest.mark.parametrize("path", ["/health/status", "/api/v1.0/health/status"])
async def test_health_status(path: str) -> None:
    async with served(object()) as service:
        response = await service.client.get(path)
    assert (response.status_code, response.json()) == (200, {"meta": {}, "strData": "healthy"})


TEXT = json.dumps(ND)
PNG = b"\x89PNG\r\n\x1a\n\r\n--\x00\xff"


@pytest.mark.parametrize(
    ("request_arguments", "payload"),
    [
        pytest.param({"method": "GET", "params": {"json": TEXT}}, {"data": ANSWER["data"]}, id="query"),
        pytest.param({"data": {"json": TEXT}}, {"data": ANSWER["data"]}, id="form"),
        pytest.param(
            {"content": gzip.compress(TEXT.encode()), "headers": {"content-encoding": "gzip"}},
            {"data": ANSWER["data"]},
            id="gzip",
        ),
        pytest.param({"content": TEXT}, {"data": ANSWER["data"]}, id="no-content-type"),
        pytest.param(
            {"content": TEXT, "headers": {"content-type": "application/json; charset=utf-8"}},
            {"data": ANSWER["data"]},
            id="charset",
        ),
        pytest.param(
            {"content": TEXT, "headers": {"content-type": "application/cloudevents+json"}},
            {"data": ANSWER["data"]},
            id="json-suffix",
        ),
        pytest.param(
            {"files": {"data": (None, json.dumps(ND["data"]))}}, {"data": ANSWER["data"]}, id="multipart-field"
        ),
        pytest.param({"files": {"strData": (None, "some text")}}, {"strData": "some text"}, id="multipart-strData"),
        pytest.param(
            {"files": {"strData": ("a.txt", "some téxt")}}, {"strData": "some téxt"}, id="multipart-text-file"
        ),
        pytest.param(
            {"files": {"binData": ("a.png", PNG)}},
            {"binData": base64.b64encode(PNG).decode()},
            id="multipart-image",
        ),
    ],
)
async def test_every_form_of_a_message_is_read(request_arguments: Any, payload: Any) -> None:
    async with served(M()) as service:
        response = await service.client.request(**{"method": "POST", "url": "/predict", **request_arguments})
    assert response.status_code == 200, response.text
    assert {key: value for key, value in response.json().items() if key != "meta"} == payload


async def test_multipart_carries_meta_too() -> None:
    files = {"meta": (None, '{"puid": "p"}'), "binData": ("a.txt", b"123")}
    async with served(M()) as service:
        response = await service.client.post("/predict", files=files)
    assert (response.json()["meta"]["puid"], response.json()["binData"]) == ("p", "MTIz")


@pytest.mark.parametrize(
    ("request_arguments", "status", "text"),
    [
        pytest.param({}, 400, "Can't find JSON in data: the request has no body", id="nothing"),
        pytest.param({"method": "GET"}, 400, "Can't find JSON in data: the request has no body", id="GET"),
        pytest.param({"content": "{"}, 400, "Invalid JSON: ", id="broken-body"),
        pytest.param({"method": "GET", "params": {"json": "{"}}, 400, "Invalid JSON: ", id="broken-query"),
        pytest.param({"data": {"json": "{"}}, 400, "Invalid JSON: ", id="broken-form"),
        pytest.param(
            {"content": TEXT, "headers": {"content-type": "application/x-www-form-urlencoded"}},
            400,
            "Can't find JSON in data: a body of type application/x-www-form-urlencoded needs a field `json`",
            id="curl-without-a-header",
        ),
        pytest.param({"files": {"data": (None, "{")}}, 400, "data: Invalid JSON: ", id="broken-part"),
        pytest.param({"files": {"strData": ("a", b"\xff")}}, 400, "strData: the file is not UTF-8 text", id="no-text"),
        pytest.param(
            {"content": "x", "headers": {"content-type": "multipart/form-data"}},
            400,
            "multipart/form-data: the Content-Type has no boundary",
            id="no-boundary",
        ),
        pytest.param(
            {"content": "--b\r\n\r\nx\r\n--b--", "headers": {"content-type": "multipart/form-data; boundary=b"}},
            400,
            "multipart/form-data: a part has no name",
            id="part-without-name",
        ),
        pytest.param(
            {"content": '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1',
             "headers": {"content-type": "multipart/form-data; boundary=b"}},
            400,
            "multipart/form-data: the closing boundary is missing",
            id="cut-off",
        ),
        pytest.param(
            {"content": TEXT, "headers": {"content-type": "text/plain"}},
            415,
            "Content-Type text/plain: send application/json",
            id="text",
        ),
        pytest.param(
            {"content": TEXT, "headers": {"content-type": "application/xml"}},
            415,
            "Content-Type application/xml: send application/json",
            id="xml",
        ),
        pytest.param(
            {"content": TEXT, "headers": {"content-encoding": "br"}},
            415,
            "Content-Encoding br: send gzip, deflate or nothing",
            id="unknown-encoding",
        ),
        pytest.param({"json": {"foo": 1}}, 400, "Invalid request data type: {'foo': 1}", id="no-payload"),
        pytest.param({"url": "/nowhere"}, 404, "/nowhere: there is no such path; requests go to /predict", id="404"),
        pytest.param(
            {"url": "/api/v1.0/predictions", "method": "GET"}, 405, "GET /api/v1.0/predictions: use POST", id="405"
        ),
        pytest.param({"url": "/live"}, 405, "POST /live: use GET", id="405-probe"),
        pytest.param({"method": "DELETE"}, 405, "DELETE /predict: use GET or POST", id="405-both"),
        pytest.param({"content": b"x" * 2000}, 413, "the body is larger than 1000 bytes", id="413"),
    ],
)  # fmt: skip
async def test_a_bad_request_gets_its_status_and_the_reason(request_arguments: Any, status: int, text: str) -> None:
    async with served(M(), limits=Limits(body_bytes=1000)) as service:
        response = await service.client.request(**{"method": "POST", "url": "/predict", **request_arguments})
        assert (response.status_code, info(response)[: len(text)]) == (status, text)
        if status == 405:
            assert response.headers["allow"].endswith("OPTIONS")
        assert (await service.client.post("/predict", json=ND)).status_code == 200, "the next request is served"


async def test_browsers_may_ask_from_anywhere() -> None:
    async with served(M()) as service:
        headers = {"Origin": "http://a", "Access-Control-Request-Headers": "content-type"}
        response = await service.client.options("/predict", headers=headers)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-allow-methods"] == "GET, POST, OPTIONS"
    assert response.headers["access-control-allow-headers"] == "content-type"


async def test_while_the_model_loads_only_probes_and_503_are_answered() -> None:
    async with served(None) as service:
        for path in ("/predict", "/ready", "/metadata", "/health/status"):
            response = await service.client.get(path)
            assert (response.status_code, info(response)) == (503, "loading: the model is not ready yet")
            assert response.headers["retry-after"] == "1"
        assert (await service.client.get("/live")).status_code == 200
        assert (await service.client.get("/health/ping")).text == "pong"


async def test_while_draining_requests_are_answered_but_it_is_not_ready() -> None:
    async with served(M()) as service:
        service.application.draining = True
        assert (await service.client.get("/ready")).status_code == 503
        assert (await service.client.get("/live")).status_code == 200
        assert (await service.client.post("/predict", json=ND)).status_code == 200


class Gate:
    """A model whose predictions wait until the test opens the gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.threads: set[int] = set()
        self.running = 0
        self.most = 0
        self.calls = 0

    def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
        self.threads.add(threading.get_ident())
        self.running += 1
        self.most = max(self.most, self.running)
        self.calls += 1
        self.gate.wait()
        self.running -= 1
        return X

    def tags(self) -> Any:
        self.threads.add(threading.get_ident())
        return {}

    metrics = class_names = lambda self: list(self.tags())


async def test_one_request_at_a_time_on_one_thread_that_is_not_the_event_loops() -> None:
    model = Gate()
    async with served(model) as service:
        tasks = [asyncio.create_task(service.client.post("/predict", json=ND)) for _ in range(20)]
        await become(lambda: service.application.in_flight == 20)
        assert (await service.client.get("/live")).status_code == 200, "probes do not wait for the model"
        model.gate.set()
        assert {(await task).status_code for task in tasks} == {200}
    assert model.most == 1
    assert len(model.threads) == 1
    assert threading.get_ident() not in model.threads
    assert service.application.in_flight == 0


async def test_when_too_many_wait_the_next_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "IN_FLIGHT", 2)
    model = Gate()
    async with served(model) as service:
        tasks = [asyncio.create_task(service.client.post("/predict", json=ND)) for _ in range(2)]
        await become(lambda: service.application.in_flight == 2)
        response = await service.client.post("/predict", json=ND)
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert info(response) == "2 requests are waiting already; try again later"
        model.gate.set()
        assert [(await task).status_code for task in tasks] == [200, 200]
        assert (await service.client.post("/predict", json=ND)).status_code == 200


async def test_a_caller_that_goes_away_while_waiting_costs_the_model_nothing() -> None:
    model = Gate()
    async with served(model) as service:
        first = asyncio.create_task(service.client.post("/predict", json=ND))
        await become(lambda: model.running == 1)
        second = asyncio.create_task(service.client.post("/predict", json=ND))
        await become(lambda: service.application.in_flight == 2)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        await become(lambda: len(service.server.connections) == 1)
        model.gate.set()
        assert (await first).status_code == 200
        await become(lambda: service.application.in_flight == 0)
    assert model.calls == 1
    assert 'code="499"' in service.registry.render().decode()


class Asynchronous:
    """A model whose methods are coroutines, which run on the event loop."""

    def __init__(self) -> None:
        self.both = asyncio.Barrier(2)
        self.cancelled = False
        self.threads: set[int] = set()

    async def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        self.threads.add(threading.get_ident())
        if meta == {"tags": {"wait": True}}:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        if meta == {"tags": {"fail": True}}:
            raise ValueError("in a coroutine")
        await self.both.wait()
        return X * 2

    async def tags(self) -> Any:
        return {"asynchronous": True}


async def test_coroutines_run_on_the_event_loop_side_by_side() -> None:
    model = Asynchronous()
    async with served(model) as service:
        responses = await asyncio.gather(*(service.client.post("/predict", json=ND) for _ in range(2)))
    assert [response.json()["data"]["ndarray"] for response in responses] == [[[2, 4]], [[2, 4]]]
    assert responses[0].json()["meta"]["tags"] == {"asynchronous": True}
    assert model.threads == {threading.get_ident()}


async def test_an_error_in_a_coroutine_is_a_500() -> None:
    async with served(Asynchronous()) as service:
        response = await service.client.post("/predict", json={**ND, "meta": {"tags": {"fail": True}}})
    assert (response.status_code, info(response)) == (500, "in a coroutine")


async def test_a_coroutine_is_cancelled_when_its_caller_goes_away() -> None:
    model = Asynchronous()
    async with served(model) as service:
        waiting = asyncio.create_task(service.client.post("/predict", json={**ND, "meta": {"tags": {"wait": True}}}))
        await become(lambda: model.threads)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await become(lambda: model.cancelled and service.application.in_flight == 0)


class Late(Gate):
    """A model whose coroutine is only made when its caller has gone."""

    started = False

    def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
        super().predict(X, names)
        return self.finish()

    async def finish(self) -> Any:
        self.started = True


async def test_a_coroutine_whose_caller_has_gone_is_never_begun() -> None:
    model = Late()
    async with served(model) as service:
        waiting = asyncio.create_task(service.client.post("/predict", json=ND))
        await become(lambda: model.running == 1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await become(lambda: not service.server.connections)
        model.gate.set()
        await become(lambda: service.application.in_flight == 0)
    assert not model.started


class Failing:
    """A model that fails in a way of the caller's choice."""

    def predict(self, X: Any, names: Any) -> Any:  # noqa: N803
        raise {"exit": SystemExit(3), "stop": StopIteration(), "memory": MemoryError()}[X]


@pytest.mark.parametrize("kind", ["exit", "stop", "memory"])
async def test_whatever_a_model_raises_the_next_request_is_served(kind: str) -> None:
    async with served(Failing()) as service:
        for _ in range(2):
            response = await service.client.post("/predict", json={"strData": kind})
            assert response.status_code == 500
            assert info(response)


@pytest.mark.parametrize(
    ("body", "text"),
    [(b"x", "the body is not gzip: "), (gzip.compress(b"1" * 99)[:-9], "the body is not gzip: its end is missing")],
    ids=["no-gzip", "cut-off"],
)
async def test_a_body_that_is_not_what_it_says(body: bytes, text: str) -> None:
    async with served(M()) as service:
        response = await service.client.post("/predict", content=body, headers={"content-encoding": "gzip"})
    assert response.status_code == 400
    assert info(response).startswith(text)


async def test_a_small_body_that_decodes_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "Limits", lambda: Limits(body_bytes=1000))
    async with served(M()) as service:
        body = gzip.compress(b'{"strData": "' + b"1" * 10_000 + b'"}')
        response = await service.client.post("/predict", content=body, headers={"content-encoding": "gzip"})
    assert (response.status_code, info(response)) == (413, "the body is larger than 1000 bytes")


class Undecoded:
    def predict_raw(self, msg: Any) -> Any:
        return f"<got {msg}>" if isinstance(msg, str) else b"<got %b>" % msg


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [({"content": b"no {json"}, b"<got no {json>"), ({"data": {"json": "{x"}}, "<got {x>")],
)
async def test_a_body_may_be_passed_through(arguments: Any, answer: Any) -> None:
    async with served(Undecoded(), passthrough=True) as service:
        response = await service.client.post("/predict", **arguments)
    assert response.headers["content-type"] == "application/json"
    assert response.content == (answer if isinstance(answer, bytes) else answer.encode())


class Handled(M):
    def __init__(self, handler: Any) -> None:
        self.model_error_handler = handler

    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        raise LookupError(402, 1402) if X == "known" else ValueError("unknown")


async def test_a_flask_blueprint_makes_answers_of_errors() -> None:
    blueprint = flask.Blueprint("error_handlers", __name__)

    @blueprint.app_errorhandler(LookupError)
    def handle(error: LookupError) -> Any:
        response = flask.jsonify({"status": {"app_code": error.args[1], "path": flask.request.path}})
        response.status_code = error.args[0]
        return response

    async with served(Handled(blueprint)) as service:
        response = await service.client.post("/predict", json={"strData": "known"})
        assert (response.status_code, response.json()) == (402, {"status": {"app_code": 1402, "path": "/predict"}})
        response = await service.client.post("/predict", json={"strData": "other"})
        assert (response.status_code, info(response)) == (500, "unknown")


def test_a_blueprint_needs_flask(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"must be a flask\.Blueprint with app_errorhandlers"):
        find_error_handler(Handled(object()))
    monkeypatch.setattr(error_handler, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="needs Flask, which is not installed; add flask to requirements"):
        find_error_handler(Handled(object()))


async def test_several_threads_run_side_by_side() -> None:
    model = Gate()
    async with served(model, threads=3) as service:
        tasks = [asyncio.create_task(service.client.post("/predict", json=ND)) for _ in range(5)]
        await become(lambda: model.running == 3)
        model.gate.set()
        assert [(await task).status_code for task in tasks] == [200] * 5
    assert (model.most, len(model.threads)) == (3, 3)


async def test_requests_and_custom_metrics_are_counted_once_each() -> None:
    async with served(M()) as service:
        for _ in range(3):
            await service.client.post("/predict", json=ND)
        await service.client.post("/predict", content="{")
        text = service.registry.render().decode()
    assert 'requests_seconds_count{method="predict",code="200"} 3.0' in text
    assert 'requests_seconds_count{method="predict",code="400"} 1.0' in text
    [line] = [line for line in text.splitlines() if line.startswith("mycounter_total{")]
    assert line.endswith(" 3.0")
    assert 'method="predict"' in line


def test_long_paths_and_types_take_no_memory() -> None:
    """They may all differ, and be as long as a head may be."""
    before = routes._remembered.cache_info().currsize, forms._remembered.cache_info().currsize
    for number in range(10):
        model = f"{number}" * 300
        route = routes.find(f"/v2/models/{model}/infer")
        assert route is not None
        assert route.model == model
        assert forms._kind_of(b"application/json; x=" + model.encode()) == "application/json"
    assert before == (routes._remembered.cache_info().currsize, forms._remembered.cache_info().currsize)
