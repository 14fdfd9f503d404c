"""Runs the flows of the data plane on the thread of the worker, call by call, until they end or need the event loop."""

import inspect
import logging
from collections.abc import Callable, Coroutine, Generator
from types import CoroutineType
from typing import Any

import msgspec

from seldon_core.microservice.codec import JSON, Codec
from seldon_core.microservice.component import Call
from seldon_core.microservice.errors import SeldonMicroserviceException, user_traceback
from seldon_core.microservice.seldon_codec import SELDON
from seldon_core.protocols.errors import MessageError
from seldon_core.transport.messages import Block

__all__ = ["Answer", "ErrorHandler", "Flow", "Stream", "advance", "failure"]

log = logging.getLogger(__name__)


class Answer(msgspec.Struct, frozen=True):
    """What the caller gets, and what was counted on the way.

    Attributes:
        status: the HTTP status.
        body: all of it, empty where there is a stream.
        method: the label of custom metrics.
        metrics: custom metrics that were made.
        headers: of the answer.
        reward: of feedback, None for anything else.
        stream: where the answer comes from piece by piece.
    """

    status: int
    body: bytes
    method: str = ""
    metrics: list[dict[str, Any]] = []
    headers: Block = JSON
    reward: float | None = None
    stream: "Stream | None" = None


Flow = Generator[Call, Any, Answer]
# Makes the answer to an error that a model raised at a path; None: the usual one.
ErrorHandler = Callable[[BaseException, str], Answer | None]
_END = object()


class Stream:
    """An answer in pieces: what a generator of the model yields.

    Args:
        source: the generator, plain or asynchronous.
        event: makes a flow to the answer for one item; told whether it is the first.
    """

    def __init__(self, source: Any, event: Callable[[Any, bool], Flow]) -> None:
        self._source = source
        self._event = event
        self._first = True

    def pull(self) -> Generator[Call, Any, Answer | None]:
        """A flow to the next piece; None when there are no more."""
        item = yield Call(self._next)
        if item is _END:
            return None
        first, self._first = self._first, False
        return (yield from self._event(item, first))

    def close(self) -> Coroutine[Any, Any, None] | None:
        """Close the generator, on the thread that runs it; what is returned is to be awaited."""
        closed = self._source.aclose() if inspect.isasyncgen(self._source) else self._source.close()
        return _awaited(closed) if closed is not None else None

    def _next(self) -> Any:
        if inspect.isasyncgen(self._source):
            return _awaited(anext(self._source, _END))
        return next(self._source, _END)


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def advance(flow: Generator[Call, Any, Any], value: Any = None, error: BaseException | None = None) -> Any:
    """Run a flow on this thread until it ends or needs the event loop.

    Args:
        flow: a flow that has just begun, or whose last call returned a coroutine.
        value: what that coroutine gave.
        error: what it raised instead.

    Returns:
        What the flow ends with; or a coroutine to be awaited on the event loop, or a call that is to be made together
        with others, after which the flow goes on.

    Raises:
        BaseException: whatever ended the flow; `failure` makes an answer of it.
    """
    while True:
        try:
            call = flow.send(value) if error is None else flow.throw(error)
        except StopIteration as end:
            return end.value
        if call.batch is not None:
            return call
        value = error = None
        try:
            value = call()
        except BaseException as raised:  # noqa: BLE001 - a model may even raise SystemExit; its caller gets an answer
            error = raised
        if isinstance(value, CoroutineType):
            return value


def failure(error: BaseException, method: str, codec: Codec = SELDON) -> Answer:
    """The answer to a request that failed; errors of the model are logged with their traceback."""
    status, info, reason = 500, str(error) or type(error).__name__, "MICROSERVICE_INTERNAL_ERROR"
    if isinstance(error, MessageError):
        status, reason = 400, "MICROSERVICE_BAD_DATA"
    elif isinstance(error, SeldonMicroserviceException):
        status, info, reason = error.status_code, str(error.message), error.reason
        if type(status) is not int or not 200 <= status <= 599:
            status = 500
    if status >= 500:
        log.error("%s failed\n%s", method, user_traceback(error))
    return Answer(status, codec.error(info, reason))
