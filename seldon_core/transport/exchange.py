"""One request to a peer and what becomes of it.

What can go wrong with an exchange:

    ExchangeError
        UnreachableError     no connection could be opened
        CutOffError     the connection ended before the answer was complete
        BadAnswerError       what came back is not HTTP/1.1, or is beyond the limits
        OverloadError      there is no room here for another exchange, or for its answer
"""

import asyncio
from typing import Protocol


class ExchangeError(Exception):
    """An exchange failed; the text says how, in the words that the caller may be shown."""


class UnreachableError(ExchangeError):
    """No connection could be opened."""


class CutOffError(ExchangeError):
    """The connection ended before the answer was complete."""


class BadAnswerError(ExchangeError):
    """What came back is not HTTP/1.1, or is beyond the limits."""


class OverloadError(ExchangeError):
    """There is no room here for another exchange, or for its answer."""


class Response:
    """A complete answer.

    Attributes:
        status: the status code, never an interim one.
        headers: in the order sent; the names are lower-case.
        body: after removal of the chunked framing.
        reserved: what the body takes of the pool's budget; whoever receives the response gives it back.
    """

    __slots__ = ("body", "headers", "reserved", "status")

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.reserved = 0

    def header(self, name: bytes) -> bytes | None:
        """Value of the first header called `name` (given in lower case), None when there is none."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class Receiver(Protocol):
    """Who is told how an exchange ended: exactly one of the two, once, on the event loop."""

    def answered(self, response: Response) -> None:
        """The complete answer is here."""

    def failed(self, error: ExchangeError) -> None:
        """There will be no answer."""


class Connection(Protocol):
    """What an exchange needs of the connection that carries it."""

    def abort(self) -> None:
        """Close at once."""


class Exchange:
    """A request on its way.

    Attributes:
        head: the request line and the headers, with the empty line.
        body: the body, framed by a `content-length` in the head.
        receiver: who is told the outcome; None once it is settled.
        repeatable: whether it may be sent once more when a reused connection turns out to be dead.
        connection: what carries it, None while there is no connection.
        opening: the task that opens a connection for it.
    """

    __slots__ = ("body", "connection", "head", "opening", "receiver", "repeatable")

    def __init__(self, head: bytes, body: bytes, receiver: Receiver, repeatable: bool) -> None:
        self.head = head
        self.body = body
        self.receiver: Receiver | None = receiver
        self.repeatable = repeatable
        self.connection: Connection | None = None
        self.opening: asyncio.Task[None] | None = None
