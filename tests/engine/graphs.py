"""Components and requests for tests of whole graphs."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from seldon_core.engine.service import Service
from tests.engine.conftest import node
from tests.http_peers import Peer, RawClient, RawResponse, http_answer

PREDICTIONS = "/api/v1.0/predictions"
FEEDBACK = "/api/v1.0/feedback"
JSON = "content-type: application/json"

# The path that was asked and the body -> the bytes of the answer, or None for none at all.
Behaviour = Callable[[str, bytes], bytes | None]


def component(behaviour: Behaviour) -> Peer:
    """A component that answers what a function of the test says."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, body = await peer.read_request(reader)
            answer = behaviour(head.split(b" ")[1].decode(), body)
            if answer is not None:
                writer.write(answer)

    peer = Peer(script)
    return peer


def says(value: Any) -> Behaviour:
    """Answers a value, as JSON unless it is bytes."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return lambda _, __: http_answer(body, "200 OK", JSON)


def appends(name: str, **meta: Any) -> Behaviour:
    """Answers strData with the name and what was asked added; an array of messages is joined by +."""

    def answer(path: str, body: bytes) -> bytes:
        message = json.loads(body)
        texts = [item["strData"] for item in message] if isinstance(message, list) else [message["strData"]]
        text = f"{name}{path}({'+'.join(texts)})"
        return http_answer(json.dumps({"strData": text, "meta": meta}).encode(), "200 OK", JSON)

    return answer


def breaks_off(_: str, __: bytes) -> bytes:
    """Answers half a message and no more of it; the test ends the connection."""
    return b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"


def silent(_: str, __: bytes) -> None:
    """Never answers."""


@contextlib.asynccontextmanager
async def components(**behaviours: Behaviour) -> AsyncIterator[dict[str, Peer]]:
    """Running components by name."""
    async with contextlib.AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(component(behaviour).running())
            for name, behaviour in behaviours.items()
        }


def place(graph: dict[str, Any], peers: dict[str, Peer]) -> dict[str, Any]:
    """The graph with the endpoints of running components; a node without one is left as it is."""
    children = [place(child, peers) for child in graph.get("children", [])]
    more = {key: value for key, value in graph.items() if key not in ("name", "type", "children")}
    if (peer := peers.get(graph["name"])) is None:
        return {**graph, "children": children}
    return node(graph["name"], peer.port, graph.get("type"), *children, **more)


def n(name: str, kind: str | None = "MODEL", *children: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A node without its endpoint."""
    return {"name": name, "type": kind, "children": list(children), **more}


def post(path: str, value: Any, *headers: str) -> bytes:
    """A POST of a value, as JSON unless it is bytes."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    lines = [f"POST {path} HTTP/1.1", "host: engine", JSON, f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def get(path: str) -> bytes:
    """A GET."""
    return f"GET {path} HTTP/1.1\r\nhost: engine\r\n\r\n".encode()


async def ask(engine: Service, request: bytes) -> RawResponse:
    """The answer to one request on a connection of its own."""
    client = await RawClient.connect(engine.http_port)
    try:
        return await client.ask(request)
    finally:
        client.close()


def paths(peer: Peer) -> list[str]:
    """What a component was asked."""
    return [head.split(b" ")[1].decode() for head in peer.heads]


def info(response: RawResponse) -> str:
    """The text of an error that the engine originates in the seldon protocol."""
    status = json.loads(response.body)["status"]
    assert status["code"] == response.status
    return str(status["info"])
