"""Pauses between attempts that grow with every failure and differ between processes."""

import random


class Backoff:
    """Exponential pauses with jitter.

    Args:
        first: seconds of the first pause.
        limit: seconds that no pause exceeds.
        factor: what each pause is longer than the one before.
    """

    def __init__(self, first: float = 0.25, limit: float = 30.0, factor: float = 2.0) -> None:
        self._first = first
        self._limit = limit
        self._factor = factor
        self._next = first

    def reset(self) -> None:
        """Begin with the first pause again, after a success."""
        self._next = self._first

    def pause(self, at_least: float = 0.0) -> float:
        """Return the seconds to wait now, between half and all of the current step, and lengthen the next.

        Args:
            at_least: what the server asked for (Retry-After); it may exceed the limit.
        """
        step, self._next = self._next, min(self._limit, self._next * self._factor)
        return max(at_least, step * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, keeps no secret
