"""The keys of what has to be looked at: each at most once in line, and never at two workers at the same time."""

import asyncio
import contextlib
import heapq
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from seldon_core.kube.backoff import Backoff

K = TypeVar("K", bound=Hashable)

_FIRST_RETRY, _LONGEST_RETRY = 0.5, 300.0


class KeyQueue(Generic[K]):
    """A queue of keys for several workers on one event loop.

    Only the key is queued: whoever takes it looks at the world as it is then, so that any number of changes in the
    meantime are one piece of work. A key that is added while a worker has it is handed out again after `done`.

    Args:
        clock: The time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ready: dict[K, None] = {}  # in the order in which they were added
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._due: dict[K, float] = {}
        self._timers: list[tuple[float, int, K]] = []
        self._timer_number = 0
        self._backoffs: dict[K, Backoff] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        """Return how many keys wait for a worker now, those whose time has not come left out."""
        self._advance()
        return len(self._ready) + len(self._again)

    @property
    def idle(self) -> bool:
        """Whether no key waits for a worker, and none has one."""
        return not len(self) and not self._working

    def add(self, key: K) -> None:
        """Have the key looked at as soon as possible."""
        self._due.pop(key, None)
        if key in self._working:
            self._again.add(key)
        else:
            self._ready[key] = None
        self._changed.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Have the key looked at after some time, unless it is sooner for another reason."""
        due = self._clock() + seconds
        if key in self._ready or key in self._again or self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        self._timer_number += 1
        heapq.heappush(self._timers, (due, self._timer_number, key))
        self._changed.set()

    def retry(self, key: K) -> None:
        """Have the key looked at again after a failure, later each time in a row."""
        backoff = self._backoffs.setdefault(key, Backoff(_FIRST_RETRY, _LONGEST_RETRY))
        self.add_after(key, backoff.pause())

    def succeeded(self, key: K) -> None:
        """Begin with short pauses again when the key fails the next time."""
        self._backoffs.pop(key, None)

    def pop(self) -> K | None:
        """Return a key to look at, or None if there is none now; `done` has to follow."""
        self._advance()
        if not self._ready:
            return None
        key = next(iter(self._ready))
        del self._ready[key]
        self._working.add(key)
        return key

    async def get(self) -> K | None:
        """Wait for a key to look at; `done` has to follow. None says that the queue is closed."""
        while not self._closed:
            if (key := self.pop()) is not None:
                return key
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._until_next()):
                    await self._changed.wait()
        return None

    def close(self) -> None:
        """Hand out no more keys: whoever waits for one is told so."""
        self._closed = True
        self._changed.set()

    def done(self, key: K) -> None:
        """Give a key back."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _advance(self) -> None:
        """Put the keys whose time has come in line."""
        now = self._clock()
        while self._timers and self._timers[0][0] <= now:
            due, _, key = heapq.heappop(self._timers)
            if self._due.get(key) == due:
                self.add(key)

    def _until_next(self) -> float | None:
        return max(0.0, self._timers[0][0] - self._clock()) if self._timers else None
