"""One request on its way through the graph: takes the interpreter's walks, and the calls that they ask for.

A `Run` has a `Branch` for each walk that is under way; where the graph fans out, several are. The first failure ends
them all.
"""

import logging
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from seldon_core.engine.components import Endpoint, Message
from seldon_core.engine.dialects import decoded
from seldon_core.engine.graph import Step
from seldon_core.engine.headers import EXPECTED_TIMEOUT, FAILED_NODE, PUID, Header, relayed, split_request
from seldon_core.engine.interpreter import NodeError, Walk, ask
from seldon_core.engine.metrics import CALLER_GONE, ByCode
from seldon_core.protocols.errors import MessageError
from seldon_core.transport.http_client import Exchange, ExchangeError, OverloadError, Response
from seldon_core.transport.http_server import Reply, Request, Upload

if TYPE_CHECKING:
    from seldon_core.engine.orchestrator import Orchestrator

JSON: Header = (b"content-type", b"application/json")
NO_SNIFFING: Header = (b"x-content-type-options", b"nosniff")
RETRY_SOON: Header = (b"retry-after", b"1")

# A step, the bodies of the answers that it was sent, and the body of its own.
Noted = tuple[Step, Sequence[bytes], bytes]

log = logging.getLogger(__name__)


class Branch:
    """A walk under way: waits for a component's answer, or for the branches that it forked into.

    Attributes:
        endpoint: who is being asked, or was last.
        exchange: the call under way, None when there is none.
        called_at: when it began.
    """

    __slots__ = (
        "_parent",
        "_place",
        "_results",
        "_run",
        "_sent",
        "_step",
        "_waiting",
        "_walk",
        "called_at",
        "endpoint",
        "exchange",
    )

    def __init__(self, run: "Run", walk: Walk[Any], parent: "Branch | None" = None, place: int = 0) -> None:
        self._run = run
        self._walk = walk
        self._parent = parent
        self._place = place
        self._results: list[Message | None] = []
        self._waiting = 0
        self._step: Step | None = None
        self._sent: Message | None = None
        self.endpoint: Endpoint | None = None
        self.exchange: Exchange | None = None
        self.called_at = 0.0

    # The outcome of a call.

    def answered(self, response: Response) -> None:
        """A component has answered."""
        run, endpoint, step, sent = self._run, self.endpoint, self._step, self._sent
        assert endpoint is not None
        assert step is not None
        assert sent is not None
        self.exchange = self._sent = None
        run.calling.discard(self)
        try:
            now = perf_counter()
            endpoint.calls.observe(response.status, now - self.called_at)
            message = run.take(step, sent, response, now)
            if message is not None:
                self.advance(message, now)
        except Exception:  # the caller must not wait for an answer that never comes
            log.exception("a request failed on an answer of node %r", endpoint.node)
            run.fail(endpoint.node, 500, "internal error")

    def failed(self, error: ExchangeError) -> None:
        """A component could not be called, or did not answer."""
        run, endpoint = self._run, self.endpoint
        assert endpoint is not None
        self.exchange = None
        run.calling.discard(self)
        status = 503 if isinstance(error, OverloadError) else 500
        if run.over:
            return
        endpoint.calls.observe(status, perf_counter() - self.called_at)
        run.fail(endpoint.node, status, str(error))

    # The outcome of a call whose answer is relayed as it comes.

    def begun(self, response: Response) -> None:
        """The head of a component's answer is here, and perhaps the beginning of its body."""
        assert self.exchange is not None
        assert self.endpoint is not None
        self._run.begin(self.endpoint.node, self.exchange, response)

    def piece(self, data: bytes) -> None:
        """The next piece of the body."""
        assert self.exchange is not None
        self._run.hand_on(self.exchange, data)

    def ended(self) -> None:
        """The answer is complete."""
        run, endpoint = self._run, self.endpoint
        assert endpoint is not None
        self.exchange = None
        run.calling.discard(self)
        now = perf_counter()
        endpoint.calls.observe(run.status, now - self.called_at)
        run.end(now)

    # From step to step.

    def advance(self, value: object, now: float) -> None:
        """Give the walk what it waits for, and do what it asks for next."""
        try:
            asked = self._walk.send(value)
        except StopIteration as finished:
            self._finish(finished.value, now)
            return
        except NodeError as error:
            self._run.fail(error.node, error.status, error.info)
            return
        if type(asked) is list:
            self._fork(asked, now)
        else:
            step, message = asked
            self._call(step, message, now)

    def _call(self, step: Step, message: Message, now: float) -> None:
        run = self._run
        self._step = step
        if step.function is not None:
            self._answer_ourselves(step, step.function, message, now)
            return
        endpoint = self.endpoint = run.orchestrator.endpoints[step]
        self.called_at = now
        self._sent = message
        try:
            if run.upload is not None:
                self.exchange = endpoint.relay(message, run.upload, run.puid, run.forwarded(), self, run.target)
                run.upload.receiver = Feed(run, self.exchange)
            else:
                stream = self if run.relays else None
                self.exchange = endpoint.call(message, run.puid, run.forwarded(), self, run.target, stream)
        except OverloadError as error:
            self.failed(error)
        else:
            run.calling.add(self)

    def _answer_ourselves(self, step: Step, function: Callable[[bytes], bytes], message: Message, now: float) -> None:
        try:
            answer = Message(function(message.body), [JSON])
        except MessageError as error:
            self._run.fail(step.node, 500, str(error))
            return
        self._run.note(step, message, answer)
        self.advance(answer, now)

    def _fork(self, walks: list[Walk[Any]], now: float) -> None:
        if not walks:
            self.advance([], now)
            return
        self._results = [None] * len(walks)
        self._waiting = len(walks)
        for place, walk in enumerate(walks):
            Branch(self._run, walk, self, place).advance(None, now)
            if self._run.over:
                return

    def _finish(self, message: Message | None, now: float) -> None:
        parent = self._parent
        if parent is None:
            self._run.complete(message, now)
            return
        parent._results[self._place] = message
        parent._waiting -= 1
        if not parent._waiting:
            results, parent._results = parent._results, []
            parent.advance(results, now)


class Feed:
    """Hands the body of a request on to a component as it arrives."""

    __slots__ = ("_run", "_upload")

    def __init__(self, run: "Run", exchange: Exchange) -> None:
        assert exchange.upload is not None
        self._run = run
        self._upload = exchange.upload

    def piece(self, data: bytes) -> None:
        """The next piece."""
        if not self._run.over:
            self._upload.write(data)

    def ended(self) -> None:
        """The body is complete."""
        if not self._run.over:
            self._upload.end()

    def broken(self, status: int, reason: str) -> None:
        """The rest will not come."""
        self._run.refuse(status, reason)


class Run:
    """One request to the graph.

    Attributes:
        orchestrator: what it shares with the others.
        puid: id of the prediction.
        target: the path to ask components in place of their own, if any.
        calling: the branches that wait for a component.
        over: whether it has been answered.
        relays: whether the answer is handed on as it comes.
        upload: the body of the request, where it is handed on as it comes.
        status: of an answer that has begun.
        expires_at: when it has taken too long, on the loop's clock.
    """

    __slots__ = (
        "_answers",
        "_counter",
        "_lines",
        "_reply",
        "_reserved",
        "_shrinks",
        "_started_at",
        "_timeout",
        "calling",
        "expires_at",
        "message",
        "orchestrator",
        "over",
        "puid",
        "relays",
        "routing",
        "status",
        "target",
        "upload",
    )

    def __init__(
        self,
        orchestrator: "Orchestrator",
        request: Request,
        reply: Reply,
        counter: ByCode,
        target: bytes | None = None,
    ) -> None:
        self._started_at = perf_counter()
        self.orchestrator = orchestrator
        self.target = target
        self._reply = reply
        self._counter = counter
        headers, self._lines, puid, limit = split_request(request.headers, decodable=orchestrator.merges_meta)
        self.puid = puid or next(orchestrator.puids)
        self.message = Message(request.body, headers)
        self.routing: dict[str, int] = {}
        self._answers: list[Noted] = []
        self.calling: set[Branch] = set()
        self._reserved = 0
        self.over = False
        self.relays = False
        self.upload: Upload | None = None
        self.status = 0
        deadlines = orchestrator.deadlines
        self._shrinks = limit is not None
        self._timeout = orchestrator.timeout if limit is None else limit
        self.expires_at = deadlines.now() + self._timeout
        deadlines.add(self)
        reply.disconnected = self.caller_gone

    def start(self, walk: Walk[Any]) -> None:
        """Take the first step."""
        try:
            Branch(self, walk).advance(None, self._started_at)
        except Exception:
            log.exception("a request failed before the first answer")
            self.refuse(500, "internal error")

    def relay(self, step: Step, upload: Upload | None) -> None:
        """Take the only step that there is, body and answer as they come.

        Args:
            step: the step.
            upload: the body of the request, None when all of it is here.
        """
        self.relays = True
        self.upload = upload
        self.start(ask(step, self.message))

    # An answer that is handed on as it comes.

    def begin(self, node: str, exchange: Exchange, response: Response) -> None:
        """Answer with what has arrived of a component's answer."""
        reply = self._reply
        self.status = response.status
        further = [(PUID, self.puid), NO_SNIFFING]
        if not 200 <= response.status < 300:
            further.append((FAILED_NODE, node.encode()))
        reply.begin(response.status, [*relayed(response.headers), *further], response.length)
        reply.resumed = exchange.resume
        self.hand_on(exchange, response.body)

    def hand_on(self, exchange: Exchange, data: bytes) -> None:
        """Answer with the next piece."""
        self._reply.write(data)
        if self._reply.paused:
            exchange.pause()

    def end(self, now: float) -> None:
        """The answer is complete."""
        self._settle(self.status, now)
        self._reply.end()

    def forwarded(self) -> bytes:
        """The lines of headers that every component is sent."""
        if not self._shrinks:
            return self._lines
        left = max(1, round((self.expires_at - self.orchestrator.deadlines.now()) * 1000))
        return b"%b%b: %d\r\n" % (self._lines, EXPECTED_TIMEOUT, left)

    def take(self, step: Step, sent: Message, response: Response, now: float) -> Message | None:
        """Take a component's answer; None when it ends the run."""
        self._reserved += response.reserved
        message = Message(response.body, relayed(response.headers), response.status)
        if not 200 <= response.status < 300:
            self._end(message, now, (FAILED_NODE, step.node.encode()))
            return None
        if self.orchestrator.merges_meta:
            try:
                message = decoded(message)
            except MessageError as error:
                self.fail(step.node, 500, str(error))
                return None
            self.note(step, sent, message)
        return message

    def note(self, step: Step, sent: Message, answer: Message) -> None:
        """Remember an answer for the end."""
        self._answers.append((step, (sent.body,) if sent.sources is None else sent.sources, answer.body))

    def complete(self, message: Message | None, now: float) -> None:
        """Answer with what came out of the graph."""
        if message is None:
            message = self.message
        if self.orchestrator.merges_meta:
            message = self.orchestrator.finish(message, self._answers, self.puid, self.routing)
        self._end(message, now)

    # What ends it before its time.

    def fail(self, node: str, status: int, info: str) -> None:
        """Answer that a node has failed."""
        if self.over:
            return
        body = self.orchestrator.dialect.error_body(status, f"node {node!r}: {info}")
        failed_node = (FAILED_NODE, node.encode())
        further = (failed_node, RETRY_SOON) if status == 503 else (failed_node,)
        self._end(Message(body, [JSON], status), perf_counter(), *further)

    def refuse(self, status: int, info: str) -> None:
        """Answer that the caller's message cannot be used."""
        body = self.orchestrator.dialect.error_body(status, info)
        self._end(Message(body, [JSON], status), perf_counter())

    def expire(self) -> None:
        """It has taken too long."""
        longest = min(self.calling, key=lambda branch: branch.called_at)
        assert longest.endpoint is not None
        # The part in parentheses is what the reference implementation says, which clients look for.
        info = f"no answer within {self._timeout:g} s (Client.Timeout exceeded while awaiting headers)"
        self._cancel_calls(500)
        self.fail(longest.endpoint.node, 500, info)

    def caller_gone(self) -> None:
        """Nobody waits for the answer any more."""
        self._settle(CALLER_GONE, perf_counter())

    # The end.

    def _cancel_calls(self, code: int) -> None:
        """Stop what is under way, and count it."""
        now = perf_counter()
        while self.calling:
            branch = self.calling.pop()
            endpoint, exchange = branch.endpoint, branch.exchange
            assert endpoint is not None
            assert exchange is not None
            branch.exchange = None
            endpoint.cancel(exchange)
            endpoint.calls.observe(code, now - branch.called_at)

    def _end(self, message: Message, now: float, *further: Header) -> None:
        if self.over:
            return
        self._settle(message.status, now)
        if self._reply.begun:
            self._reply.cut_off()
            return
        self._reply.send(message.status, [*message.headers, (PUID, self.puid), NO_SNIFFING, *further], message.body)

    def _settle(self, status: int, now: float) -> None:
        """Count the request and let go of everything that it holds."""
        self.over = True
        if self.calling:
            self._cancel_calls(CALLER_GONE)
        orchestrator = self.orchestrator
        self._counter.observe(status, now - self._started_at)
        orchestrator.deadlines.remove(self)
        orchestrator.budget.give_back(self._reserved)
        self._reply.disconnected = self._reply.resumed = None
