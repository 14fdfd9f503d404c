"""Collects predictions that may be made as one, and makes them; adaptive batching.

A prediction waits until there are enough rows to go with it, or its time is over. Predictions whose batch fails, or
whose result cannot be taken apart by rows, are made one by one, so that nobody suffers for the request of another.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from seldon_core.microservice.batching import join, rows, split
from seldon_core.microservice.component import Call
from seldon_core.microservice.worker import Worker

__all__ = ["Batcher"]

log = logging.getLogger(__name__)


class Waiting(Protocol):
    """Whoever wants the result of a call."""

    def resume(self, value: Any, error: BaseException | None) -> Any:
        """Go on, on the worker's thread; what is returned is given to `stepped`."""

    def stepped(self, outcome: Any) -> None:
        """Go on, on the event loop."""


@dataclass(slots=True)
class _Batch:
    calls: list[Call] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    rows: int = 0
    timer: asyncio.TimerHandle | None = None


class Batcher:
    """To be used from the thread of the event loop.

    Args:
        worker: makes the calls.
        size: rows that are worth no more waiting.
        delay: seconds that a prediction waits at most.
    """

    def __init__(self, worker: Worker, size: int, delay: float) -> None:
        self._worker = worker
        self._size = size
        self._delay = delay
        self._batches: dict[Any, _Batch] = {}

    def add(self, call: Call, waiting: Waiting) -> None:
        """Make a call, with others or alone."""
        count = rows(call)
        batch = self._batches.get(call.batch)
        if batch is not None and batch.rows + count > self._size:
            self._run(call.batch)
            batch = None
        if batch is None:
            batch = self._batches[call.batch] = _Batch()
            batch.timer = asyncio.get_running_loop().call_later(self._delay, self._run, call.batch)
        batch.calls.append(call)
        batch.waiting.append(waiting)
        batch.rows += count
        if batch.rows >= self._size:
            self._run(call.batch)

    def _run(self, key: Any) -> None:
        batch = self._batches.pop(key)
        assert batch.timer is not None
        batch.timer.cancel()
        if len(batch.calls) == 1:
            _Run(self._worker, batch).alone()
        else:
            _Run(self._worker, batch).together()


class _Run:
    """Makes the calls of one batch, on the worker's thread, where coroutines on the event loop."""

    def __init__(self, worker: Worker, batch: _Batch) -> None:
        self._worker = worker
        self._batch = batch
        self._tasks: list[asyncio.Task[None]] = []

    def together(self) -> None:
        self._worker.submit(self._call_all, self._called_all)

    def alone(self) -> None:
        """Make each call on its own."""
        for call, waiting in zip(self._batch.calls, self._batch.waiting, strict=True):
            self._worker.submit(partial(_call, call, waiting.resume), partial(self._called_one, waiting))

    def _call_all(self) -> Any:
        return _call(lambda: join(self._batch.calls)(), self._settle)

    def _settle(self, value: Any, error: BaseException | None) -> list[Any] | None:
        """Everybody's outcome; None when the calls have to be made one by one."""
        parts = split(value, self._batch.calls) if error is None else None
        if parts is None:
            cause = "it failed" if error is not None else "its result has not one row for each row of the request"
            log.warning("a batch of %d predictions is made one by one: %s", len(self._batch.calls), cause)
            return None
        return [waiting.resume(part, None) for waiting, part in zip(self._batch.waiting, parts, strict=True)]

    def _called_all(self, outcome: Any) -> None:
        if isinstance(outcome, _Coroutine):
            self._await(outcome.coroutine, lambda value, error: self._worker.submit(
                lambda: self._settle(value, error), self._settled
            ))  # fmt: skip
        else:
            self._settled(outcome)

    def _settled(self, outcomes: list[Any] | None) -> None:
        if outcomes is None:
            self.alone()
            return
        for waiting, outcome in zip(self._batch.waiting, outcomes, strict=True):
            waiting.stepped(outcome)

    def _called_one(self, waiting: Waiting, outcome: Any) -> None:
        if isinstance(outcome, _Coroutine):
            self._await(outcome.coroutine, lambda value, error: self._worker.submit(
                lambda: waiting.resume(value, error), waiting.stepped
            ))  # fmt: skip
        else:
            waiting.stepped(outcome)

    def _await(self, coroutine: Any, done: Callable[[Any, BaseException | None], None]) -> None:
        async def wait() -> None:
            value, failed = None, None
            try:
                value = await coroutine
            except BaseException as error:  # noqa: BLE001 - it goes back into the flows, on the worker's thread
                failed = error
            done(value, failed)

        task = asyncio.get_running_loop().create_task(wait())
        self._tasks.append(task)


@dataclass(frozen=True, slots=True)
class _Coroutine:
    """What a call gave that is to be awaited on the event loop, as opposed to what its flow went on to."""

    coroutine: Any


def _call(call: Callable[[], Any], go_on: Callable[[Any, BaseException | None], Any]) -> Any:
    try:
        value = call()
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever asked
        return go_on(None, error)
    return _Coroutine(value) if inspect.iscoroutine(value) else go_on(value, None)
