"""Runs predictions: one `Run` per request takes the interpreter's steps, one call after the other."""

import logging
from collections.abc import Mapping
from time import perf_counter

from seldon_core.engine.components import Endpoint, Message
from seldon_core.engine.deadlines import Deadlines
from seldon_core.engine.errors import JSON, error_body
from seldon_core.engine.graph import Node, Step
from seldon_core.engine.headers import FAILED_NODE, PUID, Header, relayed, split_request
from seldon_core.engine.interpreter import predict
from seldon_core.engine.metrics import CALLER_GONE, ByCode
from seldon_core.engine.puid import puids
from seldon_core.protocols.meta import with_merged_meta
from seldon_core.transport.http_client import Exchange, ExchangeError, OverloadError, Response
from seldon_core.transport.http_server import Reply, Request
from seldon_core.transport.limits import Budget

NO_SNIFFING: Header = (b"x-content-type-options", b"nosniff")
RETRY_SOON: Header = (b"retry-after", b"1")

log = logging.getLogger(__name__)


class Orchestrator:
    """What all predictions of an engine share.

    Attributes:
        root: the graph.
        endpoints: where each step of the graph is taken.
        images: name of each node -> image that serves it.
        timeout: seconds that a prediction may take as a whole.
        budget: bytes of bodies in memory.
        requests: counts the predictions.
        deadlines: of the predictions in flight.
        merges_meta: whether the answers' meta is merged; the answer of a single component is the caller's, byte
            for byte.
        puids: ids for the predictions that come without one.
    """

    def __init__(
        self,
        root: Node,
        endpoints: Mapping[Step, Endpoint],
        images: Mapping[str, str],
        *,
        timeout: float,
        budget: Budget,
        requests: ByCode,
    ) -> None:
        self.root = root
        self.endpoints = endpoints
        self.images = images
        self.timeout = timeout
        self.budget = budget
        self.requests = requests
        self.deadlines = Deadlines()
        self.merges_meta = len(endpoints) > 1
        self.puids = puids()

    def predict(self, request: Request, reply: Reply) -> None:
        """Answer a request with the graph's answer to it."""
        Run(self, request, reply).start()


class Run:
    """One prediction on its way through the graph; receives the answers of the components that it calls.

    Attributes:
        expires_at: when it has taken too long, on the loop's clock.
    """

    __slots__ = (
        "_answers",
        "_called_at",
        "_endpoint",
        "_exchange",
        "_forwarded",
        "_orchestrator",
        "_program",
        "_puid",
        "_reply",
        "_reserved",
        "_routing",
        "_started_at",
        "expires_at",
    )

    def __init__(self, orchestrator: Orchestrator, request: Request, reply: Reply) -> None:
        self._started_at = perf_counter()
        self._orchestrator = orchestrator
        self._reply = reply
        headers, self._forwarded, puid = split_request(request.headers, decodable=orchestrator.merges_meta)
        self._puid = puid or next(orchestrator.puids)
        self._routing: dict[str, int] = {}
        self._program = predict(orchestrator.root, Message(request.body, headers), self._routing)
        self._answers: list[tuple[str, bytes]] = []  # of the nodes, in the order of their calls
        self._endpoint: Endpoint | None = None
        self._exchange: Exchange | None = None
        self._called_at = 0.0
        self._reserved = 0
        deadlines = orchestrator.deadlines
        self.expires_at = deadlines.now() + orchestrator.timeout
        deadlines.add(self)
        reply.disconnected = self.caller_gone

    def start(self) -> None:
        """Take the first step."""
        self._advance(None, self._started_at)

    # The outcome of a call.

    def answered(self, response: Response) -> None:
        """A component has answered."""
        try:
            self._take(response)
        except Exception:  # the caller must not wait for an answer that never comes
            log.exception("a prediction failed on an answer of node %r", self._endpoint and self._endpoint.node)
            self._end_call(500, "internal error")

    def failed(self, error: ExchangeError) -> None:
        """A component could not be called, or did not answer."""
        self._exchange = None
        self._end_call(503 if isinstance(error, OverloadError) else 500, str(error))

    def expire(self) -> None:
        """The prediction has taken too long."""
        self._cancel_call()
        timeout = self._orchestrator.timeout
        # The part in parentheses is what the reference implementation says, which clients look for.
        self._end_call(500, f"no answer within {timeout:g} s (Client.Timeout exceeded while awaiting headers)")

    def caller_gone(self) -> None:
        """Nobody waits for the answer any more."""
        self._cancel_call()
        now = perf_counter()
        if self._endpoint is not None:
            self._endpoint.calls.observe(CALLER_GONE, now - self._called_at)
        self._settle(CALLER_GONE, now)

    # From step to step.

    def _take(self, response: Response) -> None:
        now = perf_counter()
        endpoint = self._endpoint
        assert endpoint is not None
        self._exchange = None
        self._reserved += response.reserved
        endpoint.calls.observe(response.status, now - self._called_at)
        message = Message(response.body, relayed(response.headers), response.status)
        if 200 <= response.status < 300:
            self._answers.append((endpoint.node, response.body))
            self._advance(message, now)
        else:
            self._end(message, now, (FAILED_NODE, endpoint.node.encode()))

    def _advance(self, message: Message | None, now: float) -> None:
        """Give the interpreter the answer it waits for, and take the step that it asks for next."""
        try:
            step, request = self._program.send(message)  # type: ignore[arg-type] # None starts a generator
        except StopIteration as finished:
            self._complete(finished.value, now)
            return
        endpoint = self._endpoint = self._orchestrator.endpoints[step]
        self._called_at = now
        try:
            self._exchange = endpoint.call(request, self._puid, self._forwarded, self)
        except OverloadError as error:
            self._end_call(503, str(error))

    def _complete(self, message: Message, now: float) -> None:
        if self._orchestrator.merges_meta and self._answers:
            images = self._orchestrator.images
            message.body = with_merged_meta(
                [body for _, body in self._answers],
                puid=self._puid.decode("latin-1"),
                routing=self._routing,
                request_path={node: images[node] for node, _ in self._answers if node in images},
            )
        self._end(message, now)

    def _cancel_call(self) -> None:
        if self._exchange is not None and self._endpoint is not None:
            self._endpoint.cancel(self._exchange)
            self._exchange = None

    # The end.

    def _end_call(self, status: int, info: str) -> None:
        """Answer that the call under way has failed."""
        endpoint = self._endpoint
        assert endpoint is not None
        now = perf_counter()
        endpoint.calls.observe(status, now - self._called_at)
        body = error_body(status, f"node {endpoint.node!r}: {info}")
        failed_node = (FAILED_NODE, endpoint.node.encode())
        further = (failed_node, RETRY_SOON) if status == 503 else (failed_node,)
        self._end(Message(body, list(JSON), status), now, *further)

    def _end(self, message: Message, now: float, *further: Header) -> None:
        self._settle(message.status, now)
        self._reply.send(message.status, [*message.headers, (PUID, self._puid), NO_SNIFFING, *further], message.body)

    def _settle(self, status: int, now: float) -> None:
        """Count the prediction and let go of everything that it holds."""
        orchestrator = self._orchestrator
        orchestrator.requests.observe(status, now - self._started_at)
        orchestrator.deadlines.remove(self)
        orchestrator.budget.give_back(self._reserved)
        self._program.close()
        self._reply.disconnected = None
