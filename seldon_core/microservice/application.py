"""The HTTP face of a component: routes, status codes, probes, and the way of each request to the worker and back."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from time import perf_counter
from typing import Any

from seldon_core.microservice.data_plane import Answer, DataPlane, Flow, advance, error_body, failure
from seldon_core.microservice.forms import read_message
from seldon_core.microservice.worker import Worker
from seldon_core.telemetry.metrics import Family, Histogram
from seldon_core.transport.http_server import Headers, Reply, Request

__all__ = ["Application", "Recorder", "render_error"]

# As many as the engine has in flight towards one node.
IN_FLIGHT = 1024
LOADING = "loading: the model is not ready yet"
CLIENT_GONE = 499  # what proxies log for it; nobody is there to read it

JSON_HEADERS: Headers = ((b"content-type", b"application/json"), (b"access-control-allow-origin", b"*"))
TEXT_HEADERS: Headers = ((b"content-type", b"text/plain; charset=utf-8"), (b"access-control-allow-origin", b"*"))
RETRY_HEADERS: Headers = (*JSON_HEADERS, (b"retry-after", b"1"))

_REASONS = {
    404: "MICROSERVICE_NOT_FOUND",
    405: "MICROSERVICE_METHOD_NOT_ALLOWED",
    413: "MICROSERVICE_REQUEST_TOO_LARGE",
    500: "MICROSERVICE_INTERNAL_ERROR",
    503: "MICROSERVICE_UNAVAILABLE",
}

_Result = tuple[Any, BaseException | None]
Recorder = Callable[[str, list[dict[str, Any]]], None]


def render_error(status: int, info: str) -> tuple[Headers, bytes]:
    """Headers and body of an error that never reaches the data plane."""
    headers = RETRY_HEADERS if status == HTTPStatus.SERVICE_UNAVAILABLE else JSON_HEADERS
    return headers, error_body(info, _REASONS.get(status, "MICROSERVICE_BAD_DATA"))


def _predict(plane: DataPlane, request: Request) -> Flow:
    return (yield from plane.predict(read_message(request)))


def _transform_input(plane: DataPlane, request: Request) -> Flow:
    return (yield from plane.transform_input(read_message(request)))


def _transform_output(plane: DataPlane, request: Request) -> Flow:
    return (yield from plane.transform_output(read_message(request)))


def _health_status(plane: DataPlane, _: Request) -> Flow:
    return (yield from plane.health_status())


@dataclass(frozen=True, slots=True)
class _Route:
    name: str
    methods: tuple[str, ...]
    flow: Callable[[DataPlane, Request], Flow]


_PREDICT = _Route("predict", ("GET", "POST"), _predict)
_PREDICTIONS = _Route("predict", ("POST",), _predict)
_HEALTH = _Route("health_status", ("GET",), _health_status)

_ROUTES = {
    "/predict": _PREDICT,
    "/api/v1.0/predictions": _PREDICTIONS,
    "/api/v0.1/predictions": _PREDICTIONS,
    "/transform-input": _Route("transform_input", ("GET", "POST"), _transform_input),
    "/transform-output": _Route("transform_output", ("GET", "POST"), _transform_output),
    "/health/status": _HEALTH,
    "/api/v1.0/health/status": _HEALTH,
}
_PROBES = ("/health/ping", "/live", "/ready")
_METADATA = ("/metadata", "/api/v1.0/metadata")


class Application:
    """Handles the requests of the HTTP server, on its event loop.

    Attributes:
        draining: set it when the process is about to end; requests are still answered, it just is not ready.

    Args:
        worker: runs what needs the user's object.
        requests: time per request, by method and status code.
        record: counts custom metrics.
    """

    def __init__(self, worker: Worker, requests: Family[Histogram], record: Recorder) -> None:
        self.worker = worker
        self.record = record
        self.draining = False
        self.in_flight = 0
        self._requests = requests
        self._plane: DataPlane | None = None
        self._metadata: Answer | None = None

    def serve(self, plane: DataPlane, metadata: Answer) -> None:
        """The model is loaded: answer requests from now on."""
        self._plane = plane
        self._metadata = metadata

    @property
    def loading(self) -> bool:
        """Whether the model cannot answer yet."""
        return self._plane is None

    def handle(self, request: Request, reply: Reply) -> None:
        """Answer one request, or see to it that it is answered later."""
        path = request.path
        route = _ROUTES.get(path)
        methods = ("GET",) if route is None else route.methods
        if route is None and path not in _PROBES and path not in _METADATA:
            known = ", ".join(_ROUTES)
            return _refuse(reply, 404, f"{path[:200]}: there is no such path; requests go to {known}")
        if request.method not in methods and not (request.method == "HEAD" and "GET" in methods):
            return _wrong_method(request, reply, methods)
        if path in _PROBES:
            return self._probe(path, reply)
        if self._plane is None or self._metadata is None:
            return _refuse(reply, 503, LOADING)
        if route is None:
            return reply.send(self._metadata.status, JSON_HEADERS, self._metadata.body)
        if self.in_flight >= IN_FLIGHT:
            return _refuse(reply, 503, f"{IN_FLIGHT} requests are waiting already; try again later")
        return _Exchange(self, route, request, reply, self._plane).begin()

    def _probe(self, path: str, reply: Reply) -> None:
        """Probes are answered by the event loop alone, whatever the model is doing."""
        if path == "/ready" and self.draining:
            _refuse(reply, 503, "draining: the process is about to end")
        elif path == "/ready" and self.loading:
            _refuse(reply, 503, LOADING)
        else:
            reply.send(200, TEXT_HEADERS, b"pong" if path == "/health/ping" else b"ok")

    def finished(self, route: _Route, status: int, seconds: float) -> None:
        """Count an exchange that has ended."""
        self.in_flight -= 1
        self._requests.labels(route.name, str(status)).observe(seconds)


class _Exchange:
    """One request on its way through the data plane."""

    __slots__ = ("_application", "_began", "_error", "_flow", "_reply", "_route", "_task", "_value")

    def __init__(
        self, application: Application, route: _Route, request: Request, reply: Reply, plane: DataPlane
    ) -> None:
        self._application = application
        self._route = route
        self._reply = reply
        self._flow = route.flow(plane, request)
        self._value: Any = None
        self._error: BaseException | None = None
        self._task: asyncio.Task[_Result] | None = None
        self._began = perf_counter()

    def begin(self) -> None:
        self._application.in_flight += 1
        self._reply.disconnected = self._abandon
        self._application.worker.submit(self._step, self._stepped)

    def _step(self) -> Answer | Coroutine[Any, Any, Any]:
        """On the worker's thread: run until the flow ends or has something for the event loop."""
        if self._reply.gone:
            self._flow.close()
            return Answer(CLIENT_GONE, b"")
        try:
            outcome: Answer | Coroutine[Any, Any, Any] = advance(self._flow, self._value, self._error)
        except BaseException as error:  # noqa: BLE001 - whatever a model raises, its caller gets an answer
            outcome = failure(error, self._route.name)
        return outcome

    def _stepped(self, outcome: Answer | Coroutine[Any, Any, Any]) -> None:
        if not isinstance(outcome, Answer):
            self._task = asyncio.get_running_loop().create_task(_result_of(outcome))
            self._task.add_done_callback(partial(self._awaited, outcome))
            if self._reply.gone:
                self._task.cancel()
            return
        if outcome.metrics:
            self._application.record(outcome.method, outcome.metrics)
        self._application.finished(self._route, outcome.status, perf_counter() - self._began)
        self._reply.disconnected = None  # this and the reply would otherwise keep each other alive
        self._reply.send(outcome.status, JSON_HEADERS, outcome.body)

    def _awaited(self, coroutine: Coroutine[Any, Any, Any], task: "asyncio.Task[_Result]") -> None:
        coroutine.close()  # it never ran if the task was cancelled before its first step
        self._value, self._error = (None, asyncio.CancelledError()) if task.cancelled() else task.result()
        self._application.worker.submit(self._step, self._stepped)

    def _abandon(self) -> None:
        if self._task is not None:
            self._task.cancel()


async def _result_of(coroutine: Coroutine[Any, Any, Any]) -> _Result:
    try:
        return await coroutine, None
    except BaseException as error:  # noqa: BLE001 - it goes back into the flow, on the worker's thread
        return None, error


def _refuse(reply: Reply, status: int, info: str) -> None:
    reply.send(status, *render_error(status, info))


def _wrong_method(request: Request, reply: Reply, methods: tuple[str, ...]) -> None:
    """OPTIONS is how browsers ask whether another site may send a request here; any site may."""
    allowed = ", ".join((*methods, "OPTIONS")).encode()
    if request.method == "OPTIONS":
        asked = request.header(b"access-control-request-headers") or b"*"
        cors = ((b"access-control-allow-methods", allowed), (b"access-control-allow-headers", asked))
        reply.send(200, (*TEXT_HEADERS, (b"allow", allowed), *cors), b"")
        return
    headers, body = render_error(405, f"{request.method} {request.path}: use {' or '.join(methods)}")
    reply.send(405, (*headers, (b"allow", allowed)), body)
