"""The engine's routes over REST."""

import asyncio
from collections.abc import Callable, Container, Mapping

from seldon_core.engine.errors import JSON, error_body
from seldon_core.engine.face import Face
from seldon_core.engine.readiness import Readiness
from seldon_core.telemetry.metrics import CONTENT_TYPE, Registry
from seldon_core.transport.http_server import Handler, Reply, Request

# The handler of each method; `None` stands for every method that is not named.
Route = Mapping[str | None, Handler]


class Router:
    """Finds the handler of a request by path and method."""

    def __init__(
        self,
        routes: Mapping[str, Route],
        named: Callable[[str], Route | None] = lambda _: None,
        render_body: Callable[[int, str], bytes] = error_body,
        face: Face | None = None,
        plain: Container[str] = (),
    ) -> None:
        """Make it.

        Args:
            routes: of the fixed paths.
            named: finds the route of any other path.
            render_body: gives the body of an error.
            face: what answers carry, if they carry anything.
            plain: the paths whose answers do not.
        """
        # Of the fixed paths, with what their answers carry.
        self._routes = {path: (route, None if path in plain else face) for path, route in routes.items()}
        self._named = named
        self._render_body = render_body
        self._face = face

    def _find(self, path: str) -> tuple[Route | None, Face | None]:
        return self._routes.get(path) or (self._named(path), self._face)

    def find(self, request: Request) -> Handler | None:
        """The handler of a request, None when there is none."""
        route, _ = self._find(request.path)
        return None if route is None else _handler(route, request.method)

    def __call__(self, request: Request, reply: Reply) -> None:
        """Hand the request to its handler, or answer that there is none."""
        route, face = self._routes.get(request.path) or self._find(request.path)
        if route is None:
            reply.send(404, JSON, self._render_body(404, f"there is nothing at {request.path}"))
            return
        handler = route.get(request.method) or _handler(route, request.method)
        if handler is None and (face is None or request.method != "OPTIONS"):
            methods = [method for method in route if method]
            allowed = ", ".join(methods if face is None else [*methods, "OPTIONS"])
            info = f"{request.path} takes {', '.join(methods)}, not {request.method}"
            reply.send(405, [*JSON, (b"allow", allowed.encode())], self._render_body(405, info))
            return
        if face is not None:
            face.dress(request, reply)
        if handler is None:
            assert face is not None
            face.preflight(filter(None, route), reply)
        else:
            handler(request, reply)


def _handler(route: Route, method: str) -> Handler | None:
    """The handler of a method; HEAD is answered as GET, the server leaves the body out."""
    return route.get(method) or route.get(None) or (route.get("GET") if method == "HEAD" else None)


def engine_routes(ready: Handler, metrics: Handler, metrics_path: str) -> dict[str, Route]:
    """The routes of the engine's main port that every protocol has."""
    return {
        "/live": {None: alive},
        "/ready": {None: ready},
        metrics_path: {None: metrics},
    }


def alive(_: Request, reply: Reply) -> None:
    """The process works on requests: that it answers is all there is to say."""
    reply.send(200, (), b"")


def metrics_handler(registry: Registry) -> Handler:
    """Serves the metrics."""

    def show(_: Request, reply: Reply) -> None:
        reply.send(200, ((b"content-type", CONTENT_TYPE),), registry.render())

    return show


class ReadinessHandler:
    """Says whether the graph's components can be reached."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness
        self._answering: set[asyncio.Task[None]] = set()

    def __call__(self, _: Request, reply: Reply) -> None:
        """Answer as soon as it is known."""
        task = asyncio.get_running_loop().create_task(self._answer(reply.send))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, send: Callable[[int, tuple[()], bytes], None]) -> None:
        send(200 if await self._readiness.ready() else 503, (), b"")
