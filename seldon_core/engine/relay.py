"""A request to a graph of one component: body and answer go through as they come, and nothing looks into them.

Such a graph's answer is the caller's, byte for byte, so there is nothing to interpret and no reason to wait for the end
of a message: pieces pass on as they arrive, as server-sent events and bodies beyond any buffer need it. A walk needs
whole messages. All else (ids, deadline, limits, headers, errors, counts) is in `Served`, which both are.
"""

from time import perf_counter

from seldon_core.engine.components import Endpoint
from seldon_core.engine.headers import FAILED_NODE, PUID, relayed
from seldon_core.engine.served import NO_SNIFFING, Served, status_of, stop_call
from seldon_core.transport.http_client import Exchange, ExchangeError, OverloadError, Response
from seldon_core.transport.http_server import Block, Request


class Relay(Served):
    """One request to a graph of one component; takes the component's answer."""

    __slots__ = ("_called_at", "_endpoint", "_exchange", "_status")

    def start(self, request: Request, endpoint: Endpoint, target: bytes | None) -> None:
        """Ask the component.

        Args:
            request: what to ask.
            endpoint: where to ask it.
            target: the path to ask in place of its own.
        """
        self._endpoint = endpoint
        self._exchange: Exchange | None = None
        self._called_at = self._started_at
        self._status = 0  # of the answer that has begun
        split, upload = self.split, request.upload
        forwarded = split.forwarded if split.limit is None else self.forwarded()
        try:
            if upload is None:
                self._exchange = endpoint.call(
                    request.body, split.described, self.puid, forwarded, self, target, stream=self
                )
            else:
                self._exchange = endpoint.relay(upload, split.described, self.puid, forwarded, self, target)
                upload.receiver = Feed(self, self._exchange)
        except OverloadError as error:
            self.failed(error)

    # An answer that is here as a whole.

    def answered(self, response: Response) -> None:
        """The component has answered."""
        now = perf_counter()
        self._exchange = None
        status = response.status
        self._endpoint.calls.observe(status, now - self._called_at)
        self._reserved = response.reserved
        self._settle(status, now)
        self._reply.send(status, ((PUID, self.puid),), response.body, self._relayed(response))

    # An answer that comes in pieces.

    def begun(self, response: Response) -> None:
        """The head of the answer is here, and perhaps the beginning of its body."""
        assert self._exchange is not None
        self._status = response.status
        self._reply.begin(response.status, ((PUID, self.puid),), response.length, self._relayed(response))
        self._reply.resumed = self._exchange.resume
        self.piece(response.body)

    def piece(self, data: bytes) -> None:
        """The next piece of the body."""
        self._reply.write(data)
        if self._reply.paused and self._exchange is not None:
            self._exchange.pause()

    def ended(self) -> None:
        """The answer is complete."""
        now = perf_counter()
        self._exchange = None
        self._endpoint.calls.observe(self._status, now - self._called_at)
        self._settle(self._status, now)
        self._reply.end()

    def failed(self, error: ExchangeError) -> None:
        """There is no answer, or no more of it."""
        self._exchange = None
        status = status_of(error)
        self._endpoint.calls.observe(status, perf_counter() - self._called_at)
        self.fail(self._endpoint.node, status, str(error))

    def _relayed(self, response: Response) -> Block:
        """What the caller gets to see of the head of the component's answer."""
        head = response.head
        if head is not None and head.memo is not None:
            return head.memo  # type: ignore[no-any-return] # what this method has put there
        headers = [*relayed(response.headers), NO_SNIFFING]
        if not 200 <= response.status < 300:
            headers.append((FAILED_NODE, self._endpoint.node.encode()))
        block = Block(*headers)
        if head is not None:
            head.memo = block
        return block

    # What ends it before its time.

    def _slowest(self) -> str:
        return self._endpoint.node

    def _cancel_calls(self, code: int) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            stop_call(self._endpoint, exchange, code, perf_counter() - self._called_at)


class Feed:
    """Hands the body of a request on to the component as it arrives."""

    __slots__ = ("_relay", "_upload")

    def __init__(self, relay: Relay, exchange: Exchange) -> None:
        assert exchange.upload is not None
        self._relay = relay
        self._upload = exchange.upload

    def piece(self, data: bytes) -> None:
        """The next piece."""
        if not self._relay.over:
            self._upload.write(data)

    def ended(self) -> None:
        """The body is complete."""
        if not self._relay.over:
            self._upload.end()

    def broken(self, status: int, reason: str) -> None:
        """The rest will not come."""
        self._relay.refuse(status, reason)
