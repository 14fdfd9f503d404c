"""Ends what takes too long, with one timer for everything in flight instead of one for each request."""

import asyncio
from time import perf_counter
from typing import Protocol


class Expiring(Protocol):
    """Something that must be over by a point in time.

    Attributes:
        expires_at: that time, by `perf_counter`, which requests are timed by anyway.
    """

    expires_at: float

    def expire(self) -> None:
        """The time has come."""


class Deadlines:
    """What is in flight, and a timer set to no later than the earliest of its deadlines."""

    __slots__ = ("_at", "_in_flight", "_loop", "_timer")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._in_flight: set[Expiring] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._at = float("inf")

    def __len__(self) -> int:
        """Number of things in flight."""
        return len(self._in_flight)

    def add(self, item: Expiring) -> None:
        """Watch `item` until it is removed or expires."""
        self._in_flight.add(item)
        if item.expires_at < self._at:
            self._arm(item.expires_at)

    def remove(self, item: Expiring) -> None:
        """Watch `item` no longer; nothing happens when it is not watched."""
        # The timer stays: when it fires in vain, it is set again for what is in flight then.
        self._in_flight.discard(item)

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._at = at
        self._timer = self._loop.call_later(max(0.0, at - perf_counter()), self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._at = float("inf")
        # The loop's timers are exact to a millisecond only.
        now = perf_counter() + 0.001
        for item in [item for item in self._in_flight if item.expires_at <= now]:
            self._in_flight.discard(item)
            item.expire()
        if self._in_flight:
            self._arm(min(item.expires_at for item in self._in_flight))
