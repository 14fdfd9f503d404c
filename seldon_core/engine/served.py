"""What every request to the graph has, however it is run: an id, a deadline, a count, and a place for its answer."""

import abc
from time import perf_counter
from typing import TYPE_CHECKING

from seldon_core.engine.components import Endpoint
from seldon_core.engine.headers import EXPECTED_TIMEOUT, FAILED_NODE, PUID, Header, Split, split_request
from seldon_core.engine.metrics import CALLER_GONE, ByCode
from seldon_core.transport.http_client import Exchange, ExchangeError, OverloadError
from seldon_core.transport.http_server import Reply, Request

if TYPE_CHECKING:
    from seldon_core.engine.orchestrator import Orchestrator

JSON: Header = (b"content-type", b"application/json")
NO_SNIFFING: Header = (b"x-content-type-options", b"nosniff")
RETRY_SOON: Header = (b"retry-after", b"1")


class Served(abc.ABC):
    """One request to the graph.

    Attributes:
        orchestrator: what it shares with the others.
        split: its headers.
        puid: id of the prediction.
        over: whether it has been answered.
        expires_at: when it has taken too long, by `perf_counter`.
    """

    __slots__ = (
        "_counter",
        "_reply",
        "_reserved",
        "_started_at",
        "_timeout",
        "expires_at",
        "orchestrator",
        "over",
        "puid",
        "split",
    )

    def __init__(self, orchestrator: "Orchestrator", request: Request, reply: Reply, counter: ByCode) -> None:
        self._started_at = perf_counter()
        self.orchestrator = orchestrator
        self._reply = reply
        self._counter = counter
        head = request.head
        shared = request.headers is head.headers  # whatever was made of them before is right for this request, too
        split: Split | None = head.memo if shared else None
        if split is None:
            split = split_request(request.headers, decodable=orchestrator.merges_meta)
            if shared:
                head.memo = split
        self.split = split
        self.puid = split.puid or next(orchestrator.puids)
        self._reserved = 0
        self.over = False
        self._timeout = orchestrator.timeout if split.limit is None else split.limit
        deadlines = orchestrator.deadlines
        self.expires_at = self._started_at + self._timeout
        deadlines.add(self)
        reply.disconnected = self.caller_gone

    def forwarded(self) -> bytes:
        """The lines of headers that every component is sent."""
        if self.split.limit is None:
            return self.split.forwarded
        left = max(1, round((self.expires_at - perf_counter()) * 1000))
        return b"%b%b: %d\r\n" % (self.split.forwarded, EXPECTED_TIMEOUT, left)

    # What ends it before its time.

    def fail(self, node: str, status: int, info: str) -> None:
        """Answer that a node has failed."""
        if self.over:
            return
        body = self.orchestrator.dialect.error_body(status, f"node {node!r}: {info}")
        failed_node = (FAILED_NODE, node.encode())
        further = (failed_node, RETRY_SOON) if status == 503 else (failed_node,)
        self.end(status, [JSON], body, perf_counter(), *further)

    def refuse(self, status: int, info: str) -> None:
        """Answer that the caller's message cannot be used."""
        self.end(status, [JSON], self.orchestrator.dialect.error_body(status, info), perf_counter())

    def expire(self) -> None:
        """It has taken too long."""
        node = self._slowest()
        # The part in parentheses is what the reference implementation says, which clients look for.
        info = f"no answer within {self._timeout:g} s (Client.Timeout exceeded while awaiting headers)"
        self._cancel_calls(500)
        self.fail(node, 500, info)

    def caller_gone(self) -> None:
        """Nobody waits for the answer any more."""
        self._cancel_calls(CALLER_GONE)
        self._settle(CALLER_GONE, perf_counter())

    # The end.

    def end(self, status: int, headers: list[Header], body: bytes, now: float, *further: Header) -> None:
        """Answer, unless that has been done."""
        if self.over:
            return
        self._cancel_calls(CALLER_GONE)
        self._settle(status, now)
        if self._reply.begun:
            self._reply.cut_off()
        else:
            self._reply.send(status, [*headers, (PUID, self.puid), NO_SNIFFING, *further], body)

    def _settle(self, status: int, now: float) -> None:
        """Count the request and let go of everything that it holds."""
        self.over = True
        orchestrator = self.orchestrator
        self._counter.observe(status, now - self._started_at)
        orchestrator.deadlines.remove(self)
        if self._reserved:
            orchestrator.budget.give_back(self._reserved)
        self._reply.disconnected = self._reply.resumed = None

    @abc.abstractmethod
    def _slowest(self) -> str:
        """The node that has been asked for the longest time."""

    @abc.abstractmethod
    def _cancel_calls(self, code: int) -> None:
        """Stop what is under way, and count it."""


def stop_call(endpoint: Endpoint, exchange: Exchange, code: int, seconds: float) -> None:
    """Cancel a call, and count it."""
    endpoint.cancel(exchange)
    endpoint.calls.observe(code, seconds)


def status_of(error: ExchangeError) -> int:
    """The HTTP status that says what went wrong with a call."""
    return 503 if isinstance(error, OverloadError) else 500
