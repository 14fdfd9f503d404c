"""What one peer may cost: sizes, waiting times, and a budget for the bytes that all of them have buffered."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB

# Bodies up to this size are not counted: the number of requests in flight bounds them well enough.
UNCOUNTED_BODY = 16 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds; the same class serves both directions of HTTP.

    Attributes:
        head_bytes: request or status line plus all headers.
        headers: number of headers.
        body_bytes: one body, after removal of the chunked framing.
        idle_seconds: a kept-alive connection without a request.
        head_seconds: from the first byte of a head to its last.
        body_seconds: between two pieces of a body, and between two pieces of an answer taken by a slow reader.
        linger_seconds: how long bytes are still read and dropped after a request was refused half-way.
        drain_idle_seconds: how long a draining server still waits for the next request of an idle connection.
    """

    head_bytes: int = 64 * KIB
    headers: int = 100
    body_bytes: int = 256 * MIB
    idle_seconds: float = 75.0
    head_seconds: float = 20.0
    body_seconds: float = 60.0
    linger_seconds: float = 3.0
    drain_idle_seconds: float = 0.5


class Budget:
    """Bytes of bodies that may be in memory at once, shared by all connections of a process.

    One body larger than the whole budget is let in when nothing else is counted, so that the budget
    never forbids what the body limit allows.
    """

    __slots__ = ("capacity", "used")

    def __init__(self, capacity: int = 128 * MIB) -> None:
        self.capacity = capacity
        self.used = 0

    def take(self, amount: int) -> bool:
        """Reserve `amount` bytes; False when there is no room for them."""
        if self.used and self.used + amount > self.capacity:
            return False
        self.used += amount
        return True

    def give_back(self, amount: int) -> None:
        """Return what `take` reserved."""
        self.used -= amount
