"""The HTTP face of a component: routes, status codes, probes, and where each request goes."""

import logging
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from seldon_core.microservice.codec import ANY_ORIGIN, JSON_HEADERS, Codec, seldon_error
from seldon_core.microservice.exchange import Exchange
from seldon_core.microservice.flows import Answer, ErrorHandler
from seldon_core.microservice.joining import Batcher
from seldon_core.microservice.routes import PATHS, Model, Route, find
from seldon_core.microservice.tensorflow_codec import TENSORFLOW
from seldon_core.microservice.v2_codec import V2Codec
from seldon_core.microservice.worker import Worker
from seldon_core.telemetry.metrics import Family, Histogram
from seldon_core.transport.http_server import Headers, HTTPServer, Reply, Request
from seldon_core.transport.loan import Loan

__all__ = ["Application", "Recorder", "render_error"]

log = logging.getLogger(__name__)

# As many as the engine has in flight towards one node.
IN_FLIGHT = 1024
LOADING = "loading: the model is not ready yet"

TEXT_HEADERS: Headers = ((b"content-type", b"text/plain; charset=utf-8"), ANY_ORIGIN)
RETRY_HEADERS: Headers = (*JSON_HEADERS, (b"retry-after", b"1"))

_REASONS = {
    404: "MICROSERVICE_NOT_FOUND",
    405: "MICROSERVICE_METHOD_NOT_ALLOWED",
    413: "MICROSERVICE_REQUEST_TOO_LARGE",
    500: "MICROSERVICE_INTERNAL_ERROR",
    503: "MICROSERVICE_UNAVAILABLE",
}
_PROBES = ("/health/ping", "/live", "/ready", "/v2/health/live", "/v2/health/ready")
_UNLOADED_V2 = V2Codec("")

Recorder = Callable[[Answer], None]


def render_error(status: int, info: str, codec: Codec | None = None) -> tuple[Headers, bytes]:
    """Headers and body of an error that never reaches the data plane."""
    headers = RETRY_HEADERS if status == HTTPStatus.SERVICE_UNAVAILABLE else JSON_HEADERS
    reason = _REASONS.get(status, "MICROSERVICE_BAD_DATA")
    return headers, codec.error(info, reason) if codec else seldon_error(info, reason)


class Application:
    """Handles the requests of the HTTP server: on its event loop, but for those of a lent connection.

    Attributes:
        draining: set it when the process is about to end; requests are still answered, it just is not ready.
        also_ready: says whether all others that belong to this one are ready.
        answered: called with the number of requests that were answered so far, on the thread that answered the last.

    Args:
        worker: runs what needs the user's object.
        requests: time per request, by method and status code.
        record: counts what an answer says was made on the way.
        batcher: makes predictions together, None: each is made alone.
        access_log: whether each of them is logged.
        timeout: seconds after which a request is answered 504; 0: never.
    """

    def __init__(
        self,
        worker: Worker,
        requests: Family[Histogram],
        record: Recorder,
        batcher: Batcher | None = None,
        *,
        access_log: bool = False,
        timeout: float = 0.0,
    ) -> None:
        self.worker = worker
        self.record = record
        self.batcher = batcher
        self.draining = False
        self.in_flight = 0
        self.also_ready: Callable[[], bool] = lambda: True
        self.answered: Callable[[int], None] | None = None
        self.handle_error: ErrorHandler | None = None
        self._access_log = access_log
        self._timeout = timeout
        self._count = 0
        self._requests = requests
        self._bound: dict[tuple[str, int], Histogram] = {}
        self._model: Model | None = None
        self._loan: Loan | None = None

    def serve(self, model: Model, handle_error: ErrorHandler | None = None) -> None:
        """The model is loaded: answer requests from now on.

        Args:
            model: answers.
            handle_error: makes answers of some errors, in place of the usual ones.
        """
        self._model = model
        self.handle_error = handle_error

    @property
    def loading(self) -> bool:
        """Whether the model cannot answer yet."""
        return self._model is None

    def handle(self, request: Request, reply: Reply) -> None:
        """Answer one request, or see to it that it is answered later."""
        path = request.path
        route = PATHS.get(path)
        if route is None:
            if path in _PROBES:
                return self._probe(request, reply)
            if (route := find(path)) is None:
                known = ", ".join(PATHS)
                return _refuse(reply, 404, f"{path[:200]}: there is no such path; requests go to {known}", _form(path))
        if request.method not in route.methods and not (request.method == "HEAD" and "GET" in route.methods):
            return _wrong_method(request, reply, route.methods, self._codec(route))
        model = self._model
        if model is None:
            return _refuse(reply, 503, LOADING, self._codec(route))
        if route.model is not None and route.model not in model.names:
            text = f"{route.model[:200]}: there is no such model here; it is called {model.names[0]}"
            return _refuse(reply, 404, text, self._codec(route))
        if route.flow is None:
            assert route.answer is not None
            answer = route.answer(model)
            return reply.send(answer.status, (), answer.body, answer.headers)
        if self.in_flight >= IN_FLIGHT:
            text = f"{IN_FLIGHT} requests are waiting already; try again later"
            return _refuse(reply, 503, text, self._codec(route))
        if self._loan is not None:
            self._loan.recall()
        exchange = Exchange(self, route.name, partial(route.flow, model, request), self._codec(route), path, reply)
        exchange.begin()
        if self._timeout:
            exchange.limit(self._timeout)
        return None

    def borrow_from(self, server: HTTPServer) -> None:
        """Have the worker's thread read and answer a connection itself, while no other has requests for the model.

        It takes exactly one thread, and nothing that the event loop has to do for each request.
        """
        if self.worker.threads == 1 and self.batcher is None and not self._timeout:
            server.borrower = self

    def is_free(self) -> bool:
        """Whether the worker's thread has nothing to do."""
        return not self.in_flight and not self.loading

    def borrow(self, loan: Loan) -> None:
        """Have the worker's thread answer a lent connection."""
        self._loan = loan
        self.worker.submit(partial(self._answer_on, loan), partial(self._give_back, loan))

    def _answer_on(self, loan: Loan) -> Exchange | None:
        """On the worker's thread: answer what needs the model alone; what is returned takes the event loop."""
        while (request := loan.receive()) is not None:
            path, model = request.path, self._model
            route = PATHS.get(path) or find(path)
            assert model is not None
            if route is None or route.flow is None or request.method not in route.methods:
                break
            if route.model is not None and route.model not in model.names:
                break
            read = partial(route.flow, model, request)
            exchange = Exchange(self, route.name, read, self._codec(route), path, loan.reply)
            if not exchange.answer_on(loan):
                return exchange
        return None

    def _give_back(self, loan: Loan, exchange: Exchange | None) -> None:
        self._loan = None
        loan.give_back(answering=exchange is not None)
        if exchange is not None:
            exchange.go_on()

    def _codec(self, route: Route) -> Codec:
        """The form of the errors of a route."""
        if route.codec is not None:
            return route.codec
        return self._model.v2 if self._model is not None else _UNLOADED_V2

    def _probe(self, request: Request, reply: Reply) -> None:
        """Probes are answered by the event loop alone, whatever the model is doing."""
        if request.method not in ("GET", "HEAD"):
            return _wrong_method(request, reply, ("GET",), None)
        ready = request.path.endswith("/ready")
        if ready and self.draining:
            return _refuse(reply, 503, "draining: the process is about to end", _form(request.path))
        if ready and (self.loading or not self.also_ready()):
            return _refuse(reply, 503, LOADING, _form(request.path))
        return reply.send(200, TEXT_HEADERS, b"pong" if request.path == "/health/ping" else b"ok")

    def finished(self, name: str, path: str, status: int, seconds: float) -> None:
        """Count an exchange that has ended."""
        if self._access_log:
            log.info("%s %d %.1f ms", path, status, seconds * 1000)
        series = self._bound.get((name, status))
        if series is None:
            series = self._bound[name, status] = self._requests.labels(name, str(status))
        series.observe(seconds)
        self._count += 1
        if self.answered is not None:
            self.answered(self._count)


def _form(path: str) -> Codec | None:
    """The form of errors at a path that no route stands for."""
    if path.startswith("/v2"):
        return _UNLOADED_V2
    return TENSORFLOW if path.startswith("/v1/") else None


def _refuse(reply: Reply, status: int, info: str, codec: Codec | None) -> None:
    reply.send(status, *render_error(status, info, codec))


def _wrong_method(request: Request, reply: Reply, methods: tuple[str, ...], codec: Any) -> None:
    """OPTIONS is how browsers ask whether another site may send a request here; any site may."""
    allowed = ", ".join((*methods, "OPTIONS")).encode()
    if request.method == "OPTIONS":
        asked = request.header(b"access-control-request-headers") or b"*"
        cors = ((b"access-control-allow-methods", allowed), (b"access-control-allow-headers", asked))
        reply.send(200, (*TEXT_HEADERS, (b"allow", allowed), *cors), b"")
        return
    headers, body = render_error(405, f"{request.method} {request.path}: use {' or '.join(methods)}", codec)
    reply.send(405, (*headers, (b"allow", allowed)), body)
