"""Plain heads, taken apart without the parser: most are, and most of their lines have been seen before.

A head is plain when its message is of a declared length and small, and nothing in it changes how the message or the
connection is to be read. Anything else (chunks, upgrades, closing, unusual characters) is left to the parser, which
decides what is valid; what is plain means the same here and there.
"""

import abc
import re
from typing import Any, Generic, TypeVar
from urllib.parse import unquote

from seldon_core.transport.limits import UNCOUNTED_BODY, Limits

END = b"\r\n\r\n"
MAX_HEADS = 256
MAX_LINES = 512
MAX_HEAD_BYTES = 4096
# The largest message with a plain head.
PLAIN_BYTES = MAX_HEAD_BYTES + len(END) + UNCOUNTED_BODY

Header = tuple[bytes, bytes]
T = TypeVar("T")

# Subsets of what https://www.rfc-editor.org/rfc/rfc9112 allows, in printable ASCII.
_REQUEST_LINE = re.compile(rb"""(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (/[!"$-~]*) HTTP/1\.1""")
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2}) [ -~]*")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_IN_VALUES = bytes([*b"\t", *range(0x20, 0x7F)])
# They decide how a message or a connection is read; only some values of two of them are plain.
_DELICATE = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# Answers with these statuses have no body, whatever their heads say.
_BODYLESS = frozenset({204, 304})


class _NotPlainError(Exception):
    """The parser is to look at it."""


class RequestLine:
    """What the first line of a request says.

    Attributes:
        method: upper-case, as sent.
        target: path and query, as sent; without scheme and host.
        path: percent-decoded, without the query.
        query: what follows the question mark, as sent.
        http10: whether the request is HTTP/1.0.
    """

    __slots__ = ("http10", "method", "path", "query", "target")

    def __init__(self, method: str, target: bytes, *, http10: bool = False) -> None:
        self.method = method
        self.target = target if target.startswith(b"/") else _origin_form(target)
        path, _, self.query = self.target.partition(b"?")
        self.path = path.decode("latin-1")
        if "%" in self.path:
            self.path = unquote(self.path)
        self.http10 = http10


def _origin_form(target: bytes) -> bytes:
    """The path and query of a target in absolute form (`http://host/path`), which clients send to proxies."""
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return target
    _, slash, path = rest.partition(b"/")
    return slash + path or b"/"


class RequestHead:
    """What the head of a request says.

    Attributes:
        line: its first line.
        headers: in the order sent; the names are lower-case.
        fields: name -> value of the headers, no two of which have the same name; None where the head is not plain.
        length: of the body, where the head is plain.
        memo: what a handler made of it, which is the same for every request with this head.
    """

    __slots__ = ("fields", "headers", "length", "line", "memo")

    def __init__(
        self,
        line: RequestLine,
        headers: tuple[Header, ...] = (),
        fields: dict[bytes, bytes] | None = None,
        length: int = 0,
    ) -> None:
        self.line = line
        self.headers = headers
        self.fields = fields
        self.length = length
        self.memo: Any = None


class ResponseHead:
    """What the plain head of an answer says.

    Attributes:
        status: the status code.
        headers: in the order sent; the names are lower-case.
        fields: name -> value of the headers, no two of which have the same name.
        length: of the body.
        memo: what a receiver made of it, which is the same for every answer with this head.
    """

    __slots__ = ("fields", "headers", "length", "memo", "status")

    def __init__(self, status: int, headers: tuple[Header, ...], fields: dict[bytes, bytes], length: int) -> None:
        self.status = status
        self.headers = headers
        self.fields = fields
        self.length = length
        self.memo: Any = None


class Heads(abc.ABC, Generic[T]):
    """Reads plain heads, and remembers those that came again lately, and the lines of all.

    Attributes:
        known: head -> what it says; ask here first.
    """

    def __init__(self, limits: Limits) -> None:
        self.known: dict[bytes, T] = {}
        self._lines: dict[bytes, Header] = {}
        self._names: dict[bytes, bytes] = {}
        self._learned = False  # whether the head that is read has a line that was not known
        self._max_headers = limits.headers
        self._max_bytes = min(limits.head_bytes, MAX_HEAD_BYTES)
        self._max_length = min(limits.body_bytes, UNCOUNTED_BODY)

    def read(self, head: bytes) -> T | None:
        """Take a head apart that is not known.

        Args:
            head: all of it but the two line ends behind it.

        Returns:
            What it says; None when it is not plain.
        """
        if len(head) > self._max_bytes:
            return None
        lines = head.split(b"\r\n")
        start = lines.pop(0)
        self._learned = False
        known, learn = self._lines.get, self._learn
        try:
            headers = [known(line) or learn(line) for line in lines]
            fields = dict(headers)
            if len(fields) != len(headers) or len(headers) > self._max_headers:
                return None
            found = self._made(start, tuple(headers), fields)
        except _NotPlainError:
            return None
        if not self._learned:  # one with a line of its own is hardly ever seen again
            _keep(self.known, head, found, MAX_HEADS)
        return found

    def _learn(self, line: bytes) -> Header:
        name, _, value = line.partition(b":")
        value = value.strip(b" \t")
        lower = self._names.get(name)
        if lower is None:
            if not _NAME.fullmatch(name):
                raise _NotPlainError
            lower = name.lower()
            _keep(self._names, name, lower, MAX_LINES)
        if not value or value.translate(None, _IN_VALUES) or (lower in _DELICATE and not self._is_plain(lower, value)):
            raise _NotPlainError
        self._learned = True
        header = lower, value
        _keep(self._lines, line, header, MAX_LINES)
        return header

    def _is_plain(self, name: bytes, value: bytes) -> bool:
        if name == b"connection":
            return value.lower() == b"keep-alive"
        return name == b"content-length" and len(value) < 19 and value.isdigit() and int(value) <= self._max_length

    @abc.abstractmethod
    def _made(self, start: bytes, headers: tuple[Header, ...], fields: dict[bytes, bytes]) -> T:
        """What a first line and headers say."""


class RequestHeads(Heads[RequestHead]):
    """Those of requests."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._starts: dict[bytes, RequestLine] = {}

    def _made(self, start: bytes, headers: tuple[Header, ...], fields: dict[bytes, bytes]) -> RequestHead:
        line = self._starts.get(start)
        if line is None:
            parts = _REQUEST_LINE.fullmatch(start)
            if parts is None:
                raise _NotPlainError
            line = RequestLine(parts[1].decode(), parts[2])
            self._learned = True
            _keep(self._starts, start, line, MAX_HEADS)
        return RequestHead(line, headers, fields, int(fields.get(b"content-length", 0)))


class ResponseHeads(Heads[ResponseHead]):
    """Those of answers."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self._statuses: dict[bytes, int] = {}

    def _made(self, start: bytes, headers: tuple[Header, ...], fields: dict[bytes, bytes]) -> ResponseHead:
        status = self._statuses.get(start)
        if status is None:
            parts = _STATUS_LINE.fullmatch(start)
            if parts is None or int(parts[1]) in _BODYLESS:
                raise _NotPlainError
            status = int(parts[1])
            _keep(self._statuses, start, status, MAX_HEADS)
        length = fields.get(b"content-length")
        if length is None:
            raise _NotPlainError
        return ResponseHead(status, headers, fields, int(length))


def _keep(memory: dict[bytes, Any], key: bytes, value: object, most: int) -> None:
    """Remember something; all of it is forgotten when it becomes too much."""
    if len(memory) >= most:
        memory.clear()
    memory[key] = value
