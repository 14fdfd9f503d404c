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
from seldon_core.engine.headers import FAILED_NODE, OF_BODY, header_lines, relayed
from seldon_core.engine.interpreter import NodeError, Walk
from seldon_core.engine.metrics import ByCode
from seldon_core.engine.served import JSON, Served, status_of, stop_call
from seldon_core.protocols.errors import MessageError
from seldon_core.transport.http_client import Exchange, ExchangeError, OverloadError, Response
from seldon_core.transport.http_server import Reply, Request

if TYPE_CHECKING:
    from seldon_core.engine.orchestrator import Orchestrator

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
        status = status_of(error)
        endpoint.calls.observe(status, perf_counter() - self.called_at)
        run.fail(endpoint.node, status, str(error))

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
            described = header_lines(header for header in message.headers if header[0] in OF_BODY)
            self.exchange = endpoint.call(message.body, described, run.puid, run.forwarded(), self)
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


class Run(Served):
    """One request to the graph.

    Attributes:
        message: what the caller sent.
        routing: node -> branch that it took.
        calling: the branches that wait for a component.
    """

    __slots__ = ("_answers", "calling", "message", "routing")

    def __init__(self, orchestrator: "Orchestrator", request: Request, reply: Reply, counter: ByCode) -> None:
        super().__init__(orchestrator, request, reply, counter)
        self.message = Message(request.body, self.split.of_body)
        self.routing: dict[str, int] = {}
        self._answers: list[Noted] = []
        self.calling: set[Branch] = set()

    def start(self, walk: Walk[Any]) -> None:
        """Take the first step."""
        try:
            Branch(self, walk).advance(None, self._started_at)
        except Exception:
            log.exception("a request failed before the first answer")
            self.refuse(500, "internal error")

    def take(self, step: Step, sent: Message, response: Response, now: float) -> Message | None:
        """Take a component's answer; None when it ends the run."""
        self._reserved += response.reserved
        message = Message(response.body, relayed(response.headers), response.status)
        if not 200 <= response.status < 300:
            self.end(message.status, message.headers, message.body, now, (FAILED_NODE, step.node.encode()))
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
        self.end(message.status, message.headers, message.body, now)

    def _slowest(self) -> str:
        longest = min(self.calling, key=lambda branch: branch.called_at)
        assert longest.endpoint is not None
        return longest.endpoint.node

    def _cancel_calls(self, code: int) -> None:
        if not self.calling:
            return
        now = perf_counter()
        while self.calling:
            branch = self.calling.pop()
            endpoint, exchange = branch.endpoint, branch.exchange
            assert endpoint is not None
            assert exchange is not None
            branch.exchange = None
            stop_call(endpoint, exchange, code, now - branch.called_at)
