"""One request on its way through the graph: takes the interpreter's walks, and the calls that they ask for.

A `Run` has a `Branch` for each walk that is under way; where the graph fans out, several are. The first failure ends
them all.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from seldon_core.engine.components import Endpoint, Message
from seldon_core.engine.compression import GZIP_FROM, compressed, takes_gzip
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

# Messages that make more work than the event loop should do between two turns.
HEAVY_BYTES = 256 * 1024
HEAVY_ENCODED_BYTES = 16 * 1024

T = TypeVar("T")

# A step, the bodies of the answers that it was sent, and the body of its own.
Noted = tuple[Step, Sequence[bytes], bytes]

log = logging.getLogger(__name__)


class Finished(NamedTuple):
    """The end of a walk, with what came out of it."""

    message: Message | None


# What a walk asks for: a step to be taken with a message, further walks to be taken at the same time, or the end.
Asked = tuple[Step, Message] | list[Walk[Any]] | Finished | NodeError


def is_heavy(message: Message) -> bool:
    """Whether reading a message takes so long that others would notice."""
    encoded = message.header(b"content-encoding") is not None
    return len(message.body) > (HEAVY_ENCODED_BYTES if encoded else HEAVY_BYTES)


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
            message = run.take(step, response, now)
            if message is not None:
                run.work(partial(self._digest, step, sent, message), self.follow, message)
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

    def resume(self, value: object) -> Asked:
        """Give the walk what it waits for; what it asks for next."""
        try:
            return self._walk.send(value)  # type: ignore[no-any-return] # steps and walks, by the interpreter's word
        except StopIteration as finished:
            return Finished(finished.value)
        except NodeError as error:
            return error

    def _digest(self, step: Step, sent: Message, answer: Message) -> Asked:
        """Read an answer, and give it to the walk."""
        run = self._run
        if run.orchestrator.merges_meta:
            try:
                answer = decoded(answer, run.orchestrator.body_bytes)
            except MessageError as error:
                return NodeError(step.node, str(error))
            run.note(step, sent, answer)
        return self.resume(answer)

    def _answer_ourselves(self, step: Step, function: Callable[[bytes], bytes], message: Message) -> Asked:
        try:
            answer = Message(function(message.body), [JSON])
        except MessageError as error:
            return NodeError(step.node, str(error))
        self._run.note(step, message, answer)
        return self.resume(answer)

    def follow(self, asked: Asked) -> None:
        """Do what the walk asks for."""
        if isinstance(asked, list):
            self._fork(asked)
        elif isinstance(asked, Finished):
            self._finish(asked.message)
        elif isinstance(asked, NodeError):
            self._run.fail(asked.node, asked.status, asked.info)
        else:
            self._call(*asked)

    def _call(self, step: Step, message: Message) -> None:
        run = self._run
        self._step = step
        if step.function is not None:
            run.work(partial(self._answer_ourselves, step, step.function, message), self.follow, message)
            return
        endpoint = self.endpoint = run.orchestrator.endpoints[step]
        self.called_at = perf_counter()
        self._sent = message
        try:
            described = header_lines(header for header in message.headers if header[0] in OF_BODY)
            self.exchange = endpoint.call(message.body, described, run.puid, run.forwarded(), self)
        except OverloadError as error:
            self.failed(error)
        else:
            run.calling.add(self)

    def _fork(self, walks: list[Walk[Any]]) -> None:
        run = self._run
        if not walks:
            self.follow(self.resume([]))
            return
        self._results = [None] * len(walks)
        self._waiting = len(walks)
        for place, walk in enumerate(walks):
            branch = Branch(run, walk, self, place)
            run.work(partial(branch.resume, None), branch.follow)
            if run.over:
                return

    def _finish(self, message: Message | None) -> None:
        parent = self._parent
        if parent is None:
            self._run.complete(message)
            return
        parent._results[self._place] = message
        parent._waiting -= 1
        if not parent._waiting:
            results, parent._results = parent._results, []
            self._run.work(partial(parent.resume, results), parent.follow)


class Run(Served):
    """One request to the graph.

    Attributes:
        message: what the caller sent.
        routing: node -> branch that it took.
        calling: the branches that wait for a component.
    """

    __slots__ = ("_answers", "_heavy", "calling", "message", "routing")

    def __init__(self, orchestrator: "Orchestrator", request: Request, reply: Reply, counter: ByCode) -> None:
        super().__init__(orchestrator, request, reply, counter)
        self.message = Message(request.body, self.split.of_body)
        self.routing: dict[str, int] = {}
        self._answers: list[Noted] = []
        self._heavy = False
        self.calling: set[Branch] = set()

    def start(self, set_out: Callable[["Run"], Walk[Any]]) -> None:
        """Take the first step.

        Args:
            set_out: makes the walk, once the message has been decoded.
        """
        try:
            self.work(partial(self._open, set_out), self._opened, self.message)
        except Exception:
            log.exception("a request failed before the first answer")
            self.refuse(500, "internal error")

    def _open(self, set_out: Callable[["Run"], Walk[Any]]) -> tuple[Branch, Asked] | MessageError:
        orchestrator = self.orchestrator
        try:
            if orchestrator.merges_meta:
                self.message = decoded(self.message, orchestrator.body_bytes)
            branch = Branch(self, set_out(self))
        except MessageError as error:
            return error
        return branch, branch.resume(None)

    def _opened(self, opened: tuple[Branch, Asked] | MessageError) -> None:
        if isinstance(opened, MessageError):
            self.refuse(400, str(opened))
        else:
            branch, asked = opened
            branch.follow(asked)

    def work(self, function: Callable[[], T], then: Callable[[T], None], message: Message | None = None) -> None:
        """Work on messages, and go on with what comes out of it, unless the run is over by then.

        Large messages are worked on in another thread, so that nobody else waits meanwhile.

        Args:
            function: the work.
            then: what to do with its outcome.
            message: a message that it reads, where the run has not seen it before.
        """
        if message is not None and not self._heavy:
            self._heavy = is_heavy(message)
        if not self._heavy:
            then(function())
            return
        future = self.orchestrator.work_apart(lambda: None if self.over else function())
        future.add_done_callback(partial(self._worked, then))

    def _worked(self, then: Callable[[T], None], future: "asyncio.Future[T]") -> None:
        try:
            outcome = future.result()
            if not self.over:
                then(outcome)
        except Exception:
            log.exception("a request failed on a large message")
            self.refuse(500, "internal error")

    def take(self, step: Step, response: Response, now: float) -> Message | None:
        """Take a component's answer; None when it ends the run."""
        self._reserved += response.reserved
        message = Message(response.body, relayed(response.headers), response.status)
        if not 200 <= response.status < 300:
            self.end(message.status, message.headers, message.body, now, (FAILED_NODE, step.node.encode()))
            return None
        return message

    def note(self, step: Step, sent: Message, answer: Message) -> None:
        """Remember an answer for the end."""
        self._answers.append((step, (sent.body,) if sent.sources is None else sent.sources, answer.body))

    def complete(self, message: Message | None) -> None:
        """Answer with what came out of the graph."""
        found = self.message if message is None else message
        if self.orchestrator.merges_meta:
            self.work(partial(self._finish, found), self._answer)
        else:
            self._answer(found)

    def _finish(self, found: Message) -> Message:
        message = self.orchestrator.finish(found, self._answers, self.puid, self.routing)
        if len(message.body) < GZIP_FROM:
            return message
        body, headers = compressed(message.body, message.headers, takes_gzip=takes_gzip(self.split.accepted))
        return Message(body, headers, message.status)

    def _answer(self, message: Message) -> None:
        self.end(message.status, message.headers, message.body, perf_counter())

    def _slowest(self) -> str:
        if not self.calling:
            return self.orchestrator.root.name  # the time went into the messages
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
