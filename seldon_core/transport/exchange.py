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

from seldon_core.transport.heads import ResponseHead


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
    """An answer, complete unless its receiver takes it in pieces.

    Attributes:
        status: the status code, never an interim one.
        headers: in the order sent; the names are lower-case.
        body: after removal of the chunked framing; what has arrived of it, where it comes in pieces.
        reserved: what the body takes of the pool's budget; whoever receives the response gives it back.
        head: the head, where it is plain; shared with other answers that have the same one.
    """

    __slots__ = ("body", "head", "headers", "reserved", "status")

    def __init__(
        self,
        status: int,
        headers: tuple[tuple[bytes, bytes], ...],
        body: bytes = b"",
        head: ResponseHead | None = None,
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.reserved = 0
        self.head = head

    def header(self, name: bytes) -> bytes | None:
        """Value of the first header called `name` (given in lower case), None when there is none."""
        if self.head is not None:
            return self.head.fields.get(name)
        for key, value in self.headers:
            if key == name:
                return value
        return None

    @property
    def length(self) -> int | None:
        """What the head says that the length of the body is; None when it does not say."""
        declared = self.header(b"content-length")
        return None if declared is None else int(declared)


class Receiver(Protocol):
    """Who is told how an exchange ended: exactly one of the two, once, on the event loop."""

    def answered(self, response: Response) -> None:
        """The complete answer is here."""

    def failed(self, error: ExchangeError) -> None:
        """There will be no answer."""


class StreamReceiver(Receiver, Protocol):
    """Who takes an answer in pieces, where it does not arrive all at once.

    After `begun` come any number of `piece`, and then `ended` or `failed`, once; an answer that is there as a whole
    is still `answered`.
    """

    def begun(self, response: Response) -> None:
        """The head of an answer is here, and perhaps the beginning of its body."""

    def piece(self, data: bytes) -> None:
        """The next piece of the body, without the chunked framing."""

    def ended(self) -> None:
        """The body is complete."""


class Sender(Protocol):
    """Who produces the body of a request in pieces."""

    def pause(self) -> None:
        """The peer does not take them as fast as they come."""

    def resume(self) -> None:
        """It has taken them."""


class Connection(Protocol):
    """What an exchange needs of the connection that carries it."""

    def abort(self) -> None:
        """Close at once."""

    def write(self, data: bytes) -> None:
        """Send further bytes of the request."""

    def pause_reading(self) -> None:
        """Take no more of the answer for now."""

    def resume_reading(self) -> None:
        """Go on taking it."""


class Canceller(Protocol):
    """What an exchange needs of the pool that sends it."""

    def cancel(self, exchange: "Exchange") -> None:
        """End it at once."""


class Exchange:
    """A request on its way.

    Attributes:
        head: the request line and the headers, with the empty line.
        body: the body, framed by a `content-length` in the head.
        receiver: who is told the outcome; None once it is settled.
        repeatable: whether it may be sent once more when a reused connection turns out to be dead.
        stream: the receiver, where it takes the answer in pieces.
        upload: the rest of the request, where it follows in pieces.
        connection: what carries it, None while there is no connection.
        opening: the task that opens a connection for it.
        pool: the pool that sends it.
        tried: the pools that could not.
    """

    __slots__ = (
        "body",
        "connection",
        "head",
        "opening",
        "pool",
        "receiver",
        "repeatable",
        "stream",
        "tried",
        "upload",
    )

    def __init__(
        self,
        head: bytes,
        body: bytes,
        receiver: Receiver,
        repeatable: bool,
        stream: StreamReceiver | None = None,
        pool: Canceller | None = None,
    ) -> None:
        self.head = head
        self.body = body
        self.receiver: Receiver | None = receiver
        self.repeatable = repeatable
        self.stream = stream
        self.upload: Upload | None = None
        self.pool = pool
        self.tried: tuple[object, ...] = ()
        self.connection: Connection | None = None
        self.opening: asyncio.Task[None] | None = None

    def pause(self) -> None:
        """Take no more of the answer for now; the peer gets to feel it."""
        if self.connection is not None:
            self.connection.pause_reading()

    def resume(self) -> None:
        """Go on taking it."""
        if self.connection is not None:
            self.connection.resume_reading()


# So many bytes of a body in pieces are kept until the answer begins, for sending them once more.
KEEP_UP_TO = 256 * 1024


class Upload:
    """The body of a request that follows in pieces.

    Attributes:
        chunked: whether the pieces are framed, because the head declares no length.
        sender: is told when it produces them too fast.
        kept: what has been written, framed, in case it must be sent once more; None when it cannot be.
        complete: whether all of it has been written.
    """

    __slots__ = ("_exchange", "_kept_bytes", "_paused", "chunked", "complete", "kept", "sender")

    def __init__(self, exchange: Exchange, sender: Sender, *, chunked: bool) -> None:
        self._exchange = exchange
        self._kept_bytes = 0
        self._paused = False
        self.chunked = chunked
        self.sender = sender
        self.kept: list[bytes] | None = []
        self.complete = False

    def write(self, piece: bytes) -> None:
        """Send a piece of the body; an empty one is none."""
        if piece:
            self._put((b"%x\r\n" % len(piece), piece, b"\r\n") if self.chunked else (piece,))

    def end(self) -> None:
        """The body is complete."""
        self.complete = True
        if self.chunked:
            self._put((b"0\r\n\r\n",))

    def _put(self, parts: tuple[bytes, ...]) -> None:
        connection = self._exchange.connection
        if self.kept is not None:
            self.kept += parts
            self._kept_bytes += sum(map(len, parts))
            if connection is not None and self._kept_bytes > KEEP_UP_TO:
                self.kept = None
        if connection is None:
            if self._kept_bytes > KEEP_UP_TO:
                self.pause()
            return
        for part in parts:
            connection.write(part)

    def carried(self) -> None:
        """A connection has taken what is kept."""
        if self._kept_bytes > KEEP_UP_TO:
            self.kept = None
        self.resume()

    def pause(self) -> None:
        """Tell the sender to wait."""
        if not self._paused:
            self._paused = True
            self.sender.pause()

    def resume(self) -> None:
        """Tell the sender to go on."""
        if self._paused:
            self._paused = False
            self.sender.resume()
