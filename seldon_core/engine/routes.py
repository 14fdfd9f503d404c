"""The paths of each protocol: which question to the graph, or to one of its nodes, a request is."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from urllib.parse import quote

from seldon_core.engine.face import Face
from seldon_core.engine.metrics import ByCode, EngineMetrics
from seldon_core.engine.orchestrator import Orchestrator
from seldon_core.engine.queries import METADATA_PATH, STATUS_PATH, Queries
from seldon_core.transport.http_server import Handler, Reply, Request

# The handler of each method.
Methods = dict[str | None, Handler]
# A path -> the handlers of its methods, None when it is not served.
Named = Callable[[str], Methods | None]

_SELDON_NODE = re.compile(r"/api/v(?:0\.1|1\.0)/(status|metadata)/([^/]+)\Z")
_TENSORFLOW_PREDICT = re.compile(r"/v1/models/([^/]+?)(/versions/[^/:]+)?/?:predict\Z")
_TENSORFLOW_NODE = re.compile(r"/v1/models/([^/]+)(/versions/[^/]+)?(/metadata)?\Z")
_V2_NODE = re.compile(r"/v2/models/([^/]+)(/versions/[^/]+)?(/infer|/ready)?\Z")


@dataclass(frozen=True, slots=True)
class Handlers:
    """What the routes lead to.

    Attributes:
        graph: answers predictions and feedback.
        queries: answers questions about nodes.
        ready: answers whether the graph can serve.
        page: shows the documentation to people.
        document: gives the OpenAPI document.
        face: identifies the answers that the graph does not.
        metrics: counts the requests that the graph does not.
    """

    graph: Orchestrator
    queries: Queries
    ready: Handler
    page: Handler
    document: Handler
    face: Face
    metrics: EngineMetrics

    def as_status(self, handler: Handler) -> Methods:
        """The route of a question about a status."""
        return {"GET": counted(handler, self.metrics.statuses, self.face)}

    def as_metadata(self, handler: Handler) -> Methods:
        """The route of a question about metadata."""
        return {"GET": counted(handler, self.metrics.metadata, self.face)}


def counted(handler: Handler, counter: ByCode, face: Face) -> Handler:
    """A handler whose answers are counted, and carry the id of their request."""

    def handle(request: Request, reply: Reply) -> None:
        began = perf_counter()
        face.identify(request, reply)
        reply.observe(lambda status, _, __: counter.observe(status, perf_counter() - began))
        handler(request, reply)

    return handle


def protocol_routes(protocol: str, to: Handlers) -> tuple[dict[str, Methods], Named]:
    """The routes of a protocol.

    Args:
        protocol: seldon, tensorflow, v2 or kfserving.
        to: what they lead to.

    Returns:
        The handlers of the fixed paths, and a function for those with names in them.
    """
    pages = {f"/api/{version}/doc{end}": to.page for version in ("v1.0", "v0.1") for end in ("", "/", "/index.html")}
    documents = {f"/api/{version}/doc/seldon.json": to.document for version in ("v1.0", "v0.1")}
    fixed: dict[str, Methods] = {path: {"GET": handler} for path, handler in {**pages, **documents}.items()}
    if protocol == "seldon":
        return {**fixed, **_seldon_routes(to)}, partial(_seldon_named, to)
    if protocol == "tensorflow":
        for path in ("/v1/models/:predict", "/v1/models:predict"):
            fixed[path] = {"POST": to.graph.predict}
        fixed["/api/v1.0/feedback"] = {"POST": counted(echo, to.metrics.feedbacks, to.face)}
        return fixed, partial(_tensorflow_named, to)
    fixed |= {f"/v2/docs{end}": {"GET": to.page} for end in ("", "/", "/index.html")}
    # JSON is YAML, too.
    fixed |= {f"/v2/docs/dataplane.{kind}": {"GET": to.document} for kind in ("json", "yaml")}
    fixed["/v2/models/infer"] = {"POST": to.graph.predict}
    fixed["/v2/health/ready"] = to.as_status(to.ready)
    fixed["/v2/health/live"] = to.as_status(_alive)
    fixed["/v2"] = to.as_metadata(_server_metadata)
    return fixed, partial(_v2_named, to)


def _seldon_routes(to: Handlers) -> dict[str, Methods]:
    routes: dict[str, Methods] = {}
    for version in ("v1.0", "v0.1"):
        routes[f"/api/{version}/predictions"] = {"POST": to.graph.predict}
        routes[f"/api/{version}/feedback"] = {"POST": to.graph.feedback}
    routes["/api/v1.0/status"] = routes["/api/v1.0/health/status"] = to.as_status(to.ready)
    routes["/api/v1.0/metadata"] = to.as_metadata(to.queries.graph_metadata)
    return routes


def _seldon_named(to: Handlers, path: str) -> Methods | None:
    found = _SELDON_NODE.match(path)
    if found is None:
        return None
    if found[1] == "status":
        return to.as_status(partial(to.queries.node, found[2], STATUS_PATH))
    return to.as_metadata(partial(to.queries.node, found[2], METADATA_PATH))


def _tensorflow_named(to: Handlers, path: str) -> Methods | None:
    if (found := _TENSORFLOW_PREDICT.match(path)) is not None:
        target = f"/v1/models/{quote(found[1], safe='')}{_version(found[2])}:predict".encode()
        return {"POST": partial(to.graph.predict, target=target)}
    if (found := _TENSORFLOW_NODE.match(path)) is not None:
        rest = f"{_version(found[2])}{found[3] or ''}"
        handler = partial(_ask, to.queries, found[1], rest, "/v1/models/")
        return to.as_metadata(handler) if found[3] else to.as_status(handler)
    return None


def _v2_named(to: Handlers, path: str) -> Methods | None:
    found = _V2_NODE.match(path)
    if found is None:
        return None
    version, action = _version(found[2]), found[3] or ""
    if action == "/infer":
        target = f"/v2/models/{quote(found[1], safe='')}{version}/infer".encode()
        return {"POST": partial(to.graph.predict, target=target)}
    handler = partial(_ask, to.queries, found[1], version + action, "/v2/models/")
    return to.as_status(handler) if action else to.as_metadata(handler)


def _version(part: str | None) -> str:
    return quote(part or "")


def _ask(queries: Queries, name: str, rest: str, prefix: str, request: Request, reply: Reply) -> None:
    """Ask the node called `name`; the only component of a graph is asked for whichever name the caller uses."""
    queries.node(queries.single or name, f"{prefix}{quote(name, safe='')}{rest}", request, reply)


def _alive(_: Request, reply: Reply) -> None:
    reply.send(200, (), b"")


def _server_metadata(_: Request, reply: Reply) -> None:
    body = b'{"name":"seldon-core-engine","version":"2","extensions":["binary_tensor_data"]}'
    reply.send(200, ((b"content-type", b"application/json"),), body)


def echo(request: Request, reply: Reply) -> None:
    """Answer with what was sent: feedback that no node of the protocol can be told."""
    kind = request.header(b"content-type")
    reply.send(200, [(b"content-type", kind)] if kind else [], request.body)
