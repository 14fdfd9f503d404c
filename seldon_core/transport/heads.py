"""Heads of messages that were parsed before: peers send the same ones again and again, and equal bytes mean the same.

A head is remembered only with a body that came with it in one piece, of a declared length and small; whatever is
special about a message (chunks, upgrades, closing, large bodies) goes through the parser every time.
"""

from typing import Any, TypeVar

MAX_HEADS = 256
MAX_HEAD_BYTES = 4096
END = b"\r\n\r\n"

_SPECIAL = frozenset({b"expect", b"te", b"trailer", b"transfer-encoding", b"upgrade"})

Headers = tuple[tuple[bytes, bytes], ...]
Known = TypeVar("Known", "KnownRequest", "KnownResponse")


class KnownRequest:
    """What the parser made of the head of a request.

    Attributes:
        method, target, path, query, headers, http10: as those of a `Request`.
        length: of the body.
        names: those of the headers.
        memo: what a handler made of it, which is the same for every request with this head.
    """

    __slots__ = ("headers", "http10", "length", "memo", "method", "names", "path", "query", "target")

    def __init__(
        self, method: str, target: bytes, path: str, query: bytes, headers: Headers, http10: bool, length: int
    ) -> None:
        self.method = method
        self.target = target
        self.path = path
        self.query = query
        self.headers = headers
        self.http10 = http10
        self.length = length
        self.names = frozenset(name for name, _ in headers)
        self.memo: Any = None


class KnownResponse:
    """What the parser made of the head of an answer.

    Attributes:
        status, headers: as those of a `Response`.
        length: of the body.
        memo: what a receiver made of it, which is the same for every answer with this head.
    """

    __slots__ = ("headers", "length", "memo", "status")

    def __init__(self, status: int, headers: Headers, length: int) -> None:
        self.status = status
        self.headers = headers
        self.length = length
        self.memo: Any = None


def remember(heads: dict[bytes, Known], head: bytes, known: Known) -> None:
    """Keep what a head means, unless it is special or larger than is worth it.

    Args:
        heads: those that a server or a client has seen lately; they are forgotten when they become too many.
        head: the bytes, with the empty line.
        known: what they mean.
    """
    if len(head) > MAX_HEAD_BYTES or not _SPECIAL.isdisjoint(name for name, _ in known.headers):
        return
    if len(heads) >= MAX_HEADS:
        heads.clear()
    heads[head] = known
