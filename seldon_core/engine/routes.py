"""The paths of each protocol: which question to the graph, or to one of its nodes, a request is."""

import re
from collections.abc import Callable
from functools import partial
from urllib.parse import quote

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


def protocol_routes(
    protocol: str, graph: Orchestrator, queries: Queries, ready: Handler
) -> tuple[dict[str, Methods], Named]:
    """The routes of a protocol.

    Args:
        protocol: seldon, tensorflow, v2 or kfserving.
        graph: answers predictions and feedback.
        queries: answers questions about nodes.
        ready: answers whether the graph can serve.

    Returns:
        The handlers of the fixed paths, and a function for those with names in them.
    """
    if protocol == "seldon":
        return _seldon_routes(graph, queries, ready), partial(_seldon_named, queries)
    if protocol == "tensorflow":
        fixed: dict[str, Methods] = {
            path: {"POST": graph.predict} for path in ("/v1/models/:predict", "/v1/models:predict")
        }
        return {**fixed, "/api/v1.0/feedback": {"POST": echo}}, partial(_tensorflow_named, graph, queries)
    fixed = {
        "/v2/models/infer": {"POST": graph.predict},
        "/v2/health/ready": {"GET": ready},
        "/v2/health/live": {"GET": _alive},
        "/v2": {"GET": _server_metadata},
    }
    return fixed, partial(_v2_named, graph, queries)


def _seldon_routes(graph: Orchestrator, queries: Queries, ready: Handler) -> dict[str, Methods]:
    routes: dict[str, Methods] = {}
    for version in ("v1.0", "v0.1"):
        routes[f"/api/{version}/predictions"] = {"POST": graph.predict}
        routes[f"/api/{version}/feedback"] = {"POST": graph.feedback}
    routes["/api/v1.0/status"] = routes["/api/v1.0/health/status"] = {"GET": ready}
    routes["/api/v1.0/metadata"] = {"GET": queries.graph_metadata}
    return routes


def _seldon_named(queries: Queries, path: str) -> Methods | None:
    found = _SELDON_NODE.match(path)
    if found is None:
        return None
    asked = STATUS_PATH if found[1] == "status" else METADATA_PATH
    return {"GET": partial(queries.node, found[2], asked)}


def _tensorflow_named(graph: Orchestrator, queries: Queries, path: str) -> Methods | None:
    if (found := _TENSORFLOW_PREDICT.match(path)) is not None:
        target = f"/v1/models/{quote(found[1], safe='')}{_version(found[2])}:predict".encode()
        return {"POST": partial(graph.predict, target=target)}
    if (found := _TENSORFLOW_NODE.match(path)) is not None:
        return {"GET": partial(_ask, queries, found[1], f"{_version(found[2])}{found[3] or ''}", "/v1/models/")}
    return None


def _v2_named(graph: Orchestrator, queries: Queries, path: str) -> Methods | None:
    found = _V2_NODE.match(path)
    if found is None:
        return None
    version, action = _version(found[2]), found[3] or ""
    if action == "/infer":
        target = f"/v2/models/{quote(found[1], safe='')}{version}/infer".encode()
        return {"POST": partial(graph.predict, target=target)}
    return {"GET": partial(_ask, queries, found[1], version + action, "/v2/models/")}


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
