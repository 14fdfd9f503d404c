"""One request and the place for its answer, as handlers of the HTTP server see them."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Protocol
from urllib.parse import unquote

Headers = Sequence[tuple[bytes, bytes]]

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
# These answers have no body, whatever a handler says.
BODYLESS = frozenset({*range(100, 200), 204, 304})


class Request:
    """One complete request.

    Attributes:
        method: upper-case, as sent.
        target: path and query, as sent.
        path: percent-decoded, without the query.
        query: what follows the question mark, as sent.
        headers: in the order sent; the names are lower-case.
        body: after removal of the chunked framing.
    """

    __slots__ = ("body", "headers", "http10", "keep_alive", "method", "path", "query", "reserved", "target")

    def __init__(self, method: str, target: bytes, headers: list[tuple[bytes, bytes]], http10: bool) -> None:
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

    def header(self, name: bytes) -> bytes | None:
        """Value of the first header called `name` (given in lower case), None when there is none."""
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


class Answering(Protocol):
    """What a reply needs of the connection that its request came over."""

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Write the answer to the current request."""


class Reply:
    """Where the answer to one request goes; to be used from the thread of the event loop only.

    Attributes:
        disconnected: called when the caller goes away before the answer was sent; set it to be told.
        gone: whether that has happened.
    """

    __slots__ = ("_connection", "disconnected", "gone")

    def __init__(self, connection: Answering) -> None:
        self._connection: Answering | None = connection
        self.disconnected: Callable[[], None] | None = None
        self.gone = False

    def send(self, status: int, headers: Headers, body: bytes) -> None:
        """Send the answer; nothing happens when the caller has gone away.

        Args:
            status: the status code.
            headers: all headers but those of the connection and the framing (`connection`, `keep-alive`,
                `content-length`, `transfer-encoding`), which are the server's business.
            body: the body; it is left out where HTTP says so (HEAD, 204, 304).

        Raises:
            RuntimeError: an answer was sent before.
            ValueError: a header holds a line break.
        """
        connection = self._connection
        if connection is None:
            if self.gone:
                return
            raise RuntimeError("the request was answered before")
        connection.answer(status, headers, body)
        self._connection = None

    def abandon(self) -> None:
        """The caller went away; called by the connection."""
        self.gone = True
        self._connection = None
        if self.disconnected is not None:
            self.disconnected()


Handler = Callable[[Request, Reply], None]
