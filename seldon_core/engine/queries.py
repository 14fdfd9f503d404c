"""Asks the graph's nodes about themselves: status, readiness and metadata, one node's or the whole graph's."""

import asyncio
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any

import msgspec

from seldon_core.engine.dialects import SeldonDialect
from seldon_core.engine.graph import Node
from seldon_core.engine.headers import FAILED_NODE, relayed, split_request
from seldon_core.engine.metadata import graph_metadata
from seldon_core.protocols.errors import MessageError
from seldon_core.protocols.json_codec import loads
from seldon_core.transport.balancer import Peer
from seldon_core.transport.http_client import ExchangeError, Response
from seldon_core.transport.http_server import Reply, Request

JSON = (b"content-type", b"application/json")
METADATA_PATH = "/metadata"
STATUS_PATH = "/health/status"


class QueryError(Exception):
    """A node could not be asked.

    Attributes:
        node: its name, empty when there is none.
        status: the HTTP status that says so.
    """

    def __init__(self, node: str, info: str, status: int = 500) -> None:
        super().__init__(info)
        self.node = node
        self.status = status


class Queries:
    """Questions to the nodes of a graph.

    Attributes:
        single: the only node that is a component; None when there are several or none.
    """

    def __init__(
        self,
        name: str,
        root: Node,
        pools: Mapping[tuple[str, int], Peer],
        dialect: SeldonDialect,
        timeout: float,
    ) -> None:
        """Make it.

        Args:
            name: of the predictor.
            root: the graph.
            pools: by host and port, the connections to the nodes.
            dialect: of the protocol.
            timeout: seconds that a question may take.
        """
        self._name = name
        self._root = root
        self._dialect = dialect
        self._timeout = timeout
        self._pools = {}
        for node in root.nodes():
            address = next(((step.host, step.port) for step in node.own_steps() if step.function is None), None)
            if address is not None:
                self._pools[node.name] = pools[address]
        self.single = next(iter(self._pools)) if len(self._pools) == 1 else None
        self._answering: set[asyncio.Task[None]] = set()

    def node(self, name: str, path: str, request: Request, reply: Reply) -> None:
        """Answer with what the node called `name` answers at `path`, byte for byte."""
        self._start(self._ask_node(name, path, request, reply), reply)

    def graph_metadata(self, request: Request, reply: Reply) -> None:
        """Answer with the metadata of all nodes, and of the graph as a whole."""
        self._start(self._ask_graph(request, reply), reply)

    def _start(self, work: Coroutine[Any, Any, None], reply: Reply) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        reply.disconnected = partial(_cancel, task)

    async def _ask_node(self, name: str, path: str, request: Request, reply: Reply) -> None:
        try:
            response = await self._get(name, path, request)
        except QueryError as error:
            self._refuse(reply, error)
            return
        failed = [] if 200 <= response.status < 300 else [(FAILED_NODE, name.encode())]
        reply.disconnected = None
        reply.send(response.status, [*relayed(response.headers), *failed], response.body)

    async def _ask_graph(self, request: Request, reply: Reply) -> None:
        failures: list[QueryError] = []
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {name: group.create_task(self._metadata(name, request)) for name in self._pools}
        except* QueryError as errors:
            failures += [error for error in errors.exceptions if isinstance(error, QueryError)]
        if failures:
            self._refuse(reply, failures[0])
            return
        found = {name: task.result() for name, task in tasks.items()}
        reply.disconnected = None
        reply.send(200, [JSON], msgspec.json.encode(graph_metadata(self._name, self._root, found)))

    async def _metadata(self, name: str, request: Request) -> dict[str, Any]:
        response = await self._get(name, METADATA_PATH, request)
        if not 200 <= response.status < 300:
            raise QueryError(name, f"{METADATA_PATH} answers {response.status}")
        try:
            found = loads(response.body)
        except MessageError as error:
            raise QueryError(name, f"{METADATA_PATH}: {error}") from None
        if not isinstance(found, dict):
            raise QueryError(name, f"{METADATA_PATH} answers no JSON object")
        return found

    async def _get(self, name: str, path: str, request: Request) -> Response:
        pool = self._pools.get(name)
        if pool is None:
            raise QueryError("", f"Failed to find model {name}; the graph has {', '.join(self._pools) or 'none'}", 404)
        lines = split_request(request.headers, decodable=True).forwarded
        host = f"[{pool.host}]" if ":" in pool.host else pool.host
        head = f"GET {path} HTTP/1.1\r\nhost: {host}:{pool.port}\r\n".encode() + lines + b"\r\n"
        outcome = _Outcome()
        try:
            exchange = pool.request(head, b"", outcome)
        except ExchangeError as error:
            raise QueryError(name, str(error), 503) from None
        try:
            async with asyncio.timeout(self._timeout):
                response = await outcome.future
        except ExchangeError as error:
            raise QueryError(name, str(error)) from None
        except TimeoutError:
            raise QueryError(name, f"no answer within {self._timeout:g} s") from None
        finally:
            pool.cancel(exchange)
        pool.budget.give_back(response.reserved)
        return response

    def _refuse(self, reply: Reply, error: QueryError) -> None:
        info = f"node {error.node!r}: {error}" if error.node else str(error)
        failed = [(FAILED_NODE, error.node.encode())] if error.node else []
        reply.disconnected = None
        reply.send(error.status, [JSON, *failed], self._dialect.error_body(error.status, info))


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


class _Outcome:
    """The outcome of an exchange as something to wait for."""

    def __init__(self) -> None:
        self.future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    def answered(self, response: Response) -> None:
        self.future.set_result(response)

    def failed(self, error: ExchangeError) -> None:
        self.future.set_exception(error)
