"""One request and the place for its answer, as handlers of the HTTP server see them."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Protocol

from seldon_core.transport.heads import RequestHead

Headers = Sequence[tuple[bytes, bytes]]

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
# Stands for the status of an answer that was never sent, as proxies write it into their logs.
CALLER_GONE = 499
# These answers have no body, whatever a handler says.
BODYLESS = frozenset({*range(100, 200), 204, 304})


class Request:
    """One request, complete unless it has an upload.

    Attributes:
        method: upper-case, as sent.
        path: percent-decoded, without the query.
        headers: in the order sent; the names are lower-case.
        body: after removal of the chunked framing; empty when there is an upload.
        head: what came over the wire; shared with other requests that have the same one.
        upload: where the body comes from, when the handler is called before all of it has arrived.
    """

    __slots__ = ("body", "head", "headers", "keep_alive", "method", "path", "reserved", "upload")

    def __init__(self, head: RequestHead, body: bytes = b"", *, keep_alive: bool = True) -> None:
        self.head = head
        self.method = head.line.method
        self.path = head.line.path
        self.headers = head.headers
        self.body = body
        self.keep_alive = keep_alive
        self.reserved = 0
        self.upload: Upload | None = None

    @property
    def target(self) -> bytes:
        """Path and query, as sent."""
        return self.head.line.target

    @property
    def query(self) -> bytes:
        """What follows the question mark, as sent."""
        return self.head.line.query

    @property
    def http10(self) -> bool:
        """Whether it is HTTP/1.0."""
        return self.head.line.http10

    def header(self, name: bytes) -> bytes | None:
        """Value of the first header called `name` (given in lower case), None when there is none."""
        head = self.head
        if head.fields is not None and head.headers is self.headers:
            return head.fields.get(name)
        for key, value in self.headers:
            if key == name:
                return value
        return None


class Block:
    """Headers that many answers have in common, rendered once.

    Attributes:
        headers: as they were given.
        lines: as they go over the wire.
    """

    __slots__ = ("headers", "lines")

    def __init__(self, *headers: tuple[bytes, bytes]) -> None:
        """Render them.

        Raises:
            ValueError: a header holds a line break.
        """
        self.headers = headers
        self.lines = _rendered(headers)


def _rendered(headers: Headers) -> bytes:
    """Headers as they go over the wire.

    Raises:
        ValueError: one of them holds a line break.
    """
    lines = b""
    for header in headers:
        line = b"%b: %b\r\n" % header
        if line.find(b"\r") != len(line) - 2 or line.find(b"\n") != len(line) - 1:
            raise ValueError("a header of the answer holds a line break")
        lines += line
    return lines


NO_HEADERS = Block()


class UploadReceiver(Protocol):
    """Who takes the body of a request piece by piece: any number of pieces, then one of the other two, once.

    Nothing more comes after the request was answered, or after its caller went away.
    """

    def piece(self, data: bytes) -> None:
        """The next piece of the body, without the chunked framing."""

    def ended(self) -> None:
        """The body is complete."""

    def broken(self, status: int, reason: str) -> None:
        """The rest will not come, or is beyond the limits; the request is to be answered with `status`."""


class Uploading(Protocol):
    """What an upload needs of the connection that it comes over."""

    def pause_upload(self) -> None:
        """Read no more of it for now."""

    def resume_upload(self) -> None:
        """Go on reading."""


class Upload:
    """The body of a request on its way in; to be used from the thread of the event loop only.

    Attributes:
        length: its length in bytes, None when the caller does not know it yet.
        receiver: takes the body; the handler sets it before it returns, unless it answers at once.
    """

    __slots__ = ("_connection", "arrived", "length", "pieces", "receiver", "refusal", "size")

    def __init__(self, connection: Uploading, length: int | None) -> None:
        self._connection = connection
        self.length = length
        self.receiver: UploadReceiver | None = None
        # The connection's own: what has arrived and was not passed on, and whether that is the end.
        self.pieces: list[bytes] = []
        self.size = 0
        self.arrived = False
        self.refusal: tuple[int, str] | None = None

    def pause(self) -> None:
        """Take no more pieces for now; the caller gets to feel it."""
        self._connection.pause_upload()

    def resume(self) -> None:
        """Take pieces again."""
        self._connection.resume_upload()


class Answering(Protocol):
    """What a reply needs of the connection that its request came over.

    Attributes:
        write_paused: whether the caller takes what is written more slowly than it comes.
    """

    write_paused: bool

    def answer(self, status: int, lines: bytes, body: bytes) -> None:
        """Write the answer to the current request; `lines` are its headers."""

    def begin(self, status: int, lines: bytes, length: int | None) -> None:
        """Write the head of an answer whose body follows in pieces."""

    def piece(self, data: bytes) -> None:
        """Write a piece of the body."""

    def end(self) -> None:
        """The answer that was begun is complete."""

    def cut_off(self) -> None:
        """The answer that was begun will never be complete."""


class Reply:
    """Where the answer to one request goes; to be used from the thread of the event loop only.

    An answer is sent whole, with `send`, or in pieces: `begin`, any number of `write`, and `end` or `cut_off`. Each
    piece is on its way when the event loop gets its next turn. Whoever produces pieces faster than the caller takes
    them must stop while `paused`, and go on when `resumed` is called. When the caller has gone away, all of these
    do nothing.

    Attributes:
        disconnected: called when the caller goes away before the answer was complete; set it to be told.
        resumed: called when the answer is no longer `paused`; set it to be told.
        further: headers that the answer gets beside those that it is sent with.
        gone: whether the caller has gone away.
        begun: whether an answer in pieces was begun.
    """

    __slots__ = (
        "_connection",
        "_head",
        "_observers",
        "_written",
        "begun",
        "disconnected",
        "further",
        "gone",
        "resumed",
    )

    def __init__(self, connection: Answering) -> None:
        self._connection: Answering | None = connection
        self.disconnected: Callable[[], None] | None = None
        self.resumed: Callable[[], None] | None = None
        self.further = NO_HEADERS
        self.gone = False
        self.begun = False
        # Of the answer, for those who are told of its end.
        self._observers: list[Observer] | None = None
        self._head: tuple[int, Headers] = (CALLER_GONE, ())
        self._written = 0

    def observe(self, observer: "Observer") -> None:
        """Be told, once, when the answer has ended; its status is `CALLER_GONE` where none was sent."""
        if self._observers is None:
            self._observers = []
        self._observers.append(observer)

    def send(self, status: int, headers: Headers, body: bytes, common: Block = NO_HEADERS) -> None:
        """Send a whole answer.

        Args:
            status: the status code.
            headers: all headers but those of the connection and the framing (`connection`, `keep-alive`,
                `content-length`, `transfer-encoding`), which are the server's business.
            body: the body; it is left out where HTTP says so (HEAD, 204, 304).
            common: further headers, which other answers have, too.

        Raises:
            RuntimeError: an answer was sent or begun before.
            ValueError: a header holds a line break.
        """
        connection = self._connection
        if connection is None or self.begun:
            if self.gone:
                return
            raise RuntimeError("the request was answered before")
        connection.answer(status, b"%b%b%b" % (common.lines, _rendered(headers), self.further.lines), body)
        self._connection = None
        if self._observers is not None:
            self._head = status, (*common.headers, *headers, *self.further.headers)
            self._written = len(body)
            self._over()

    def begin(self, status: int, headers: Headers, length: int | None = None, common: Block = NO_HEADERS) -> None:
        """Send the head of an answer whose body follows in pieces.

        Args:
            status: the status code.
            headers: as for `send`.
            length: of the body in bytes, None when it is not known yet.
            common: as for `send`.

        Raises:
            RuntimeError: an answer was sent or begun before.
            ValueError: a header holds a line break.
        """
        connection = self._connection
        if connection is None or self.begun:
            if self.gone:
                return
            raise RuntimeError("the request was answered before")
        connection.begin(status, b"%b%b%b" % (common.lines, _rendered(headers), self.further.lines), length)
        self.begun = True
        self._head = status, (*common.headers, *headers, *self.further.headers)

    def write(self, piece: bytes) -> None:
        """Send a piece of the body.

        Raises:
            RuntimeError: no answer was begun, or it has ended.
            ValueError: the body becomes longer than was announced.
        """
        if (connection := self._begun()) is not None:
            connection.piece(piece)
            self._written += len(piece)

    def end(self) -> None:
        """The body is complete. A body shorter than announced is cut off instead.

        Raises:
            RuntimeError: no answer was begun, or it has ended.
        """
        if (connection := self._begun()) is not None:
            self._connection = None
            connection.end()
            self._over()

    def cut_off(self) -> None:
        """Give up in the middle of the body; the caller sees that it is not complete.

        Raises:
            RuntimeError: no answer was begun, or it has ended.
        """
        if (connection := self._begun()) is not None:
            self._connection = None
            connection.cut_off()
            self._over()

    @property
    def paused(self) -> bool:
        """Whether the caller takes the answer more slowly than it is written."""
        return self._connection is not None and self._connection.write_paused

    def _begun(self) -> Answering | None:
        if self.gone:
            return None
        if self._connection is None or not self.begun:
            raise RuntimeError("no answer was begun, or it has ended")
        return self._connection

    def abandon(self) -> None:
        """The caller went away; called by the connection."""
        self.gone = True
        self._connection = None
        if self.disconnected is not None:
            self.disconnected()
        self._over()

    def _over(self) -> None:
        observers, self._observers = self._observers, None
        for observer in observers or ():
            observer(*self._head, self._written)


Handler = Callable[[Request, Reply], None]
# Told of an answer's status, headers and length in bytes.
Observer = Callable[[int, Headers, int], None]
