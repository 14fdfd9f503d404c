"""One request and the place for its answer, as handlers of the HTTP server see them."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Protocol
from urllib.parse import unquote

from seldon_core.transport.heads import KnownRequest

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
        target: path and query, as sent.
        path: percent-decoded, without the query.
        query: what follows the question mark, as sent.
        headers: in the order sent; the names are lower-case.
        body: after removal of the chunked framing; empty when there is an upload.
        known: what is kept of the head for the next request that has the same one; None when nothing is.
        upload: where the body comes from, when the handler is called before all of it has arrived.
    """

    __slots__ = (
        "body",
        "headers",
        "http10",
        "keep_alive",
        "known",
        "method",
        "path",
        "query",
        "reserved",
        "target",
        "upload",
    )

    def __init__(self, method: str, target: bytes, headers: tuple[tuple[bytes, bytes], ...], http10: bool) -> None:
        self.target = target
        if not target.startswith(b"/"):
            target = _origin_form(target)
        path, _, self.query = target.partition(b"?")
        self.path = path.decode("latin-1")
        if "%" in self.path:
            self.path = unquote(self.path)
        self.method = method
        self.headers = headers
        self.http10 = http10
        self.keep_alive = False
        self.body = b""
        self.reserved = 0
        self.known: KnownRequest | None = None
        self.upload: Upload | None = None

    @classmethod
    def again(cls, known: KnownRequest, body: bytes) -> "Request":
        """A request whose head was seen before."""
        request = cls.__new__(cls)
        request.method = known.method
        request.target = known.target
        request.path = known.path
        request.query = known.query
        request.headers = known.headers
        request.http10 = known.http10
        request.keep_alive = True
        request.body = body
        request.reserved = 0
        request.known = known
        request.upload = None
        return request

    def header(self, name: bytes) -> bytes | None:
        """Value of the first header called `name` (given in lower case), None when there is none."""
        known = self.known
        if known is not None and name not in known.names and known.headers is self.headers:
            return None
        for key, value in self.headers:
            if key == name:
                return value
        return None


def _origin_form(target: bytes) -> bytes:
    """The path and query of a target in absolute form (`http://host/path`), which clients send to proxies."""
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return target
    _, slash, path = rest.partition(b"/")
    return slash + path or b"/"


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

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Write the answer to the current request."""

    def begin(self, status: int, headers: Headers, length: int | None) -> None:
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
        self.further: Headers = ()
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

    def send(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer.

        Args:
            status: the status code.
            headers: all headers but those of the connection and the framing (`connection`, `keep-alive`,
                `content-length`, `transfer-encoding`), which are the server's business.
            body: the body; it is left out where HTTP says so (HEAD, 204, 304).

        Raises:
            RuntimeError: an answer was sent or begun before.
            ValueError: a header holds a line break.
        """
        connection = self._connection
        if connection is None or self.begun:
            if self.gone:
                return
            raise RuntimeError("the request was answered before")
        if self.further:
            headers = (*headers, *self.further)
        connection.answer(status, headers, body)
        self._connection = None
        if self._observers is not None:
            self._head, self._written = (status, headers), len(body)
            self._over()

    def begin(self, status: int, headers: Headers, length: int | None = None) -> None:
        """Send the head of an answer whose body follows in pieces.

        Args:
            status: the status code.
            headers: as for `send`.
            length: of the body in bytes, None when it is not known yet.

        Raises:
            RuntimeError: an answer was sent or begun before.
            ValueError: a header holds a line break.
        """
        connection = self._connection
        if connection is None or self.begun:
            if self.gone:
                return
            raise RuntimeError("the request was answered before")
        if self.further:
            headers = (*headers, *self.further)
        connection.begin(status, headers, length)
        self.begun = True
        self._head = status, headers

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
