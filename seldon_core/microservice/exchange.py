"""One request on its way through the data plane: to the worker, to the event loop where its flow asks for it, and back.

An answer of which the model makes one piece after the other goes out as server-sent events, in the form of
https://html.spec.whatwg.org/multipage/server-sent-events.html: each piece is asked for when the one before is on its
way, and no more of them when the caller is slow or gone.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

from seldon_core.microservice.codec import ANY_ORIGIN, JSON, Codec
from seldon_core.microservice.component import Call
from seldon_core.microservice.flows import Answer, Flow, Stream, advance, failure
from seldon_core.transport.http_server import Block, Reply
from seldon_core.transport.loan import Loan

if TYPE_CHECKING:
    from seldon_core.microservice.application import Application

__all__ = ["Exchange"]

TIMED_OUT = 504
CLIENT_GONE = 499  # what proxies log for it; nobody is there to read it
EVENTS = Block(
    (b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"), ANY_ORIGIN
)  # fmt: skip

_Result = tuple[Any, BaseException | None]


class Exchange:
    """A request and its answer.

    Args:
        application: counts, and knows the worker.
        name: of the route, in metrics and logs.
        read: reads the message, on the worker's thread, and gives what makes the answer.
        codec: the form of errors.
        path: that was asked.
        reply: where the answer goes.
    """

    __slots__ = (
        "_application", "_began", "_closing", "_codec", "_error", "_expired", "_failed", "_flow", "_name",
        "_outcome", "_path", "_read", "_reply", "_stream", "_task", "_timer", "_value",
    )  # fmt: skip

    def __init__(
        self, application: "Application", name: str, read: Callable[[], Flow], codec: Codec, path: str, reply: Reply
    ) -> None:
        self._application = application
        self._name = name
        self._read = read
        self._flow: Generator[Call, Any, Answer | None] | None = None
        self._codec = codec
        self._path = path
        self._reply = reply
        self._value: Any = None
        self._outcome: Any = None
        self._error: BaseException | None = None
        self._task: asyncio.Task[_Result] | None = None
        self._stream: Stream | None = None
        self._failed = False
        self._closing = False
        self._expired = False
        self._timer: asyncio.TimerHandle | None = None
        self._began = perf_counter()

    def begin(self) -> None:
        """Start working on it."""
        self._application.in_flight += 1
        self._reply.disconnected = self._abandon
        self._application.worker.submit(self.step, self.stepped)

    def limit(self, seconds: float) -> None:
        """Answer 504 unless the answer has begun by then."""
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire, seconds)

    def _expire(self, seconds: float) -> None:
        """What the model is doing cannot be stopped, unless it is a coroutine; its result is not waited for."""
        reply = self._reply
        if reply.gone or reply.begun:
            return
        self._expired = True
        text = f"the model did not answer within {seconds:g} seconds, which seldon.io/rest-timeout allows"
        reply.send(TIMED_OUT, (), self._codec.error(text, "MICROSERVICE_TIMEOUT"), JSON)
        reply.gone = True
        self._abandon()

    def resume(self, value: Any, error: BaseException | None) -> Any:
        """On the worker's thread: go on with what a call gave that was made together with others."""
        self._value, self._error = value, error
        return self.step()

    def answer_on(self, loan: Loan) -> bool:
        """On the worker's thread: answer a request of a lent connection.

        Returns:
            False: it takes the event loop, where `go_on` is to be called.
        """
        self._outcome = outcome = self.step()
        if type(outcome) is not Answer or outcome.stream is not None:
            return False
        self._record(outcome)
        self._count(outcome.status)
        loan.send(outcome.status, outcome.headers, outcome.body)
        return True

    def go_on(self) -> None:
        """Back on the event loop, after `answer_on` could not answer."""
        self._application.in_flight += 1
        self._reply.disconnected = self._abandon
        self.stepped(self._outcome)

    def step(self) -> Any:
        """On the worker's thread: run until the flow ends or has something for the event loop."""
        if self._reply.gone:
            return self._give_up()
        try:
            if self._flow is None:
                self._flow = self._read()
            outcome = advance(self._flow, self._value, self._error)
        except BaseException as error:  # noqa: BLE001 - whatever a model raises, its caller gets an answer
            self._application.worker.leave_if_forked(error)
            return self._failure(error)
        self._application.worker.leave_if_forked(None)
        return outcome

    def stepped(self, outcome: Any) -> None:
        """Back on the event loop, with what `step` returned."""
        if isinstance(outcome, Answer):
            self._record(outcome)
            if self._stream is not None:
                self._send_event(outcome)
            elif outcome.stream is not None and outcome.status != CLIENT_GONE:
                self._stream = outcome.stream
                self._pull()
            else:
                self._finish(outcome.status)
                self._reply.send(outcome.status, (), outcome.body, outcome.headers)
        elif outcome is None:
            self._end_stream()
        elif isinstance(outcome, Call):
            assert self._application.batcher is not None
            self._application.batcher.add(outcome, self)
        else:
            self._await(outcome)

    def _record(self, answer: Answer) -> None:
        if answer.metrics or answer.reward is not None:
            self._application.record(answer)

    def _failure(self, error: BaseException) -> Answer:
        self._failed = True
        handle = self._application.handle_error
        answer = handle(error, self._path) if handle is not None else None
        return answer or failure(error, self._name, self._codec)

    def _finish(self, status: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._expired:
            status = TIMED_OUT
        self._application.in_flight -= 1
        self._count(status)
        self._reply.disconnected = self._reply.resumed = None  # they would keep each other alive

    def _count(self, status: int) -> None:
        self._application.finished(self._name, self._path, status, perf_counter() - self._began)

    # Coroutines of the model.

    def _await(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._task = asyncio.get_running_loop().create_task(_result_of(coroutine))
        self._task.add_done_callback(partial(self._awaited, coroutine))
        if self._reply.gone and not self._closing:
            self._task.cancel()

    def _awaited(self, coroutine: Coroutine[Any, Any, Any], task: "asyncio.Task[_Result]") -> None:
        coroutine.close()  # it never ran if the task was cancelled before its first step
        self._task = None
        self._value, self._error = (None, asyncio.CancelledError()) if task.cancelled() else task.result()
        self._application.worker.submit(self.step, self.stepped)

    # Answers in pieces.

    def _pull(self) -> None:
        """Ask the model for the next piece."""
        assert self._stream is not None
        self._flow = self._stream.pull()
        self._value = self._error = None
        self._application.worker.submit(self.step, self.stepped)

    def _send_event(self, answer: Answer) -> None:
        reply = self._reply
        if answer.status == CLIENT_GONE:
            self._finish(CLIENT_GONE)
            return
        if not reply.begun:
            if self._failed:  # before anything was sent: an error like any other
                self._finish(answer.status)
                reply.send(answer.status, (), answer.body, answer.headers)
                return
            reply.begin(200, (), common=EVENTS)
        reply.write(_event(answer.body, b"error" if self._failed else None))
        if self._failed:
            self._finish(answer.status)
            reply.end()
        elif reply.paused:
            reply.resumed = self._resumed
        else:
            self._pull()

    def _resumed(self) -> None:
        self._reply.resumed = None
        self._pull()

    def _end_stream(self) -> None:
        if not self._reply.begun:
            self._reply.begin(200, (), common=EVENTS)
        self._finish(200)
        self._reply.end()

    # Callers that go away.

    def _abandon(self) -> None:
        if self._task is not None:
            self._task.cancel()
        elif self._reply.resumed is not None:  # nothing is running that would notice
            self._reply.resumed = None
            self._application.worker.submit(self.step, self.stepped)

    def _give_up(self) -> Any:
        """On the worker's thread: close what is open; nobody waits for the answer."""
        if self._flow is not None:
            self._flow.close()
        stream, self._stream = self._stream, None
        try:
            closing = stream.close() if stream is not None else None
        except BaseException as error:  # noqa: BLE001 - the model's own clean-up may fail, too
            failure(error, self._name)
            closing = None
        if closing is None:
            return Answer(CLIENT_GONE, b"")
        self._closing = True
        self._flow = _after(closing)
        return advance(self._flow)


def _after(closing: Coroutine[Any, Any, None]) -> Generator[Call, Any, Answer]:
    yield Call(lambda: closing)
    return Answer(CLIENT_GONE, b"")


def _event(body: bytes, kind: bytes | None) -> bytes:
    """One event; a line break would end its data, so each line is marked."""
    lines = body.rstrip(b"\n").split(b"\n")
    named = b"event: %b\n" % kind if kind else b""
    return named + b"".join([b"data: %b\n" % line for line in lines]) + b"\n"


async def _result_of(coroutine: Coroutine[Any, Any, Any]) -> _Result:
    try:
        return await coroutine, None
    except BaseException as error:  # noqa: BLE001 - it goes back into the flow, on the worker's thread
        return None, error
