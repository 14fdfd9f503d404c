"""How a connection of the HTTP server writes answers: whole, or in pieces as they are produced."""

import abc
import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from seldon_core.transport.messages import BODYLESS, STATUS_LINES, Reply, Request

if TYPE_CHECKING:
    from seldon_core.transport.http_server import HTTPServer

# Above this size an answer is handed to the kernel in two pieces instead of being copied into one.
JOIN_UP_TO = 64 * 1024
_NO_LINGER = struct.pack("ii", 1, 0)


class Outflow:
    """An answer that is sent in pieces.

    Attributes:
        keep_alive: whether the connection serves another request after it.
        chunked: whether the pieces are framed.
        left: how many of the announced bytes are to come, None when no length was announced.
        silent: whether there is no body on the wire, whatever the handler writes.
    """

    __slots__ = ("chunked", "keep_alive", "left", "silent")

    def __init__(self, keep_alive: bool, chunked: bool, left: int | None, silent: bool) -> None:
        self.keep_alive = keep_alive
        self.chunked = chunked
        self.left = left
        self.silent = silent


def frame(request: Request, status: int, lines: bytes, body: bytes) -> tuple[bytes, ...]:
    """A whole answer as it goes over the wire.

    Args:
        request: that is answered.
        status: the status code.
        lines: the headers but for the length.
        body: the body.

    Returns:
        One piece, or the head and a large body.
    """
    start = STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
    if status in BODYLESS:
        return (b"%b%b\r\n" % (start, lines),)
    if request.method == "HEAD":
        return (b"%b%bcontent-length: %d\r\n\r\n" % (start, lines, len(body)),)
    if len(body) > JOIN_UP_TO:
        return b"%b%bcontent-length: %d\r\n\r\n" % (start, lines, len(body)), body
    return (b"%b%bcontent-length: %d\r\n\r\n%b" % (start, lines, len(body), body),)


class Answers(asyncio.Protocol, abc.ABC):
    """The writing half of a connection.

    Attributes:
        write_paused: whether the caller takes what is written more slowly than it comes.
    """

    __slots__ = (
        "_current",
        "_greeted",
        "_held",
        "_outflow",
        "_reply",
        "_server",
        "_transport",
        "_unwritten",
        "_waited",
        "write_paused",
    )

    _server: "HTTPServer"
    _transport: asyncio.Transport
    _current: Request | None
    _reply: Reply | None
    _waited: float

    def __init__(self) -> None:
        self._outflow: Outflow | None = None
        self._greeted = False  # whether the keep-alive time was announced
        self.write_paused = False
        self._held = 0  # bytes of an answer that a slow reader keeps in memory
        self._unwritten = 0

    # Replies call these.

    def answer(self, status: int, lines: bytes, body: bytes) -> None:
        """Write the answer to the current request."""
        request = self._current
        assert request is not None
        keep_alive = request.keep_alive and (not self._server.retiring or self._more_waiting())
        if not keep_alive or not self._greeted or request.head.line.http10:
            lines += self._about_connection(request, keep_alive)
        pieces = frame(request, status, lines, body)
        self._put(*pieces)
        if self.write_paused:
            self._hold(len(pieces[-1]))
        self._answered(request, keep_alive)

    def begin(self, status: int, lines: bytes, length: int | None) -> None:
        """Write the head of an answer whose body follows in pieces."""
        request = self._current
        assert request is not None
        silent = status in BODYLESS
        ends_with_connection = not silent and length is None and request.http10
        keep_alive = (
            request.keep_alive and not ends_with_connection and (not self._server.retiring or self._more_waiting())
        )
        head = (STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status) + lines
        head += self._about_connection(request, keep_alive)
        chunked = not silent and length is None and not request.http10
        if chunked:
            head += b"transfer-encoding: chunked\r\n"
        elif length is not None and not silent:
            head += b"content-length: %d\r\n" % length
        self._outflow = Outflow(keep_alive, chunked, length, silent or request.method == "HEAD")
        self._put(head + b"\r\n")

    def piece(self, data: bytes) -> None:
        """Write a piece of the body of the answer that was begun."""
        outflow = self._outflow
        assert outflow is not None
        if not data or outflow.silent:
            return
        if outflow.left is not None:
            if len(data) > outflow.left:
                raise ValueError(f"the body is {len(data) - outflow.left} bytes longer than was announced")
            outflow.left -= len(data)
        if outflow.chunked:
            self._put(b"%x\r\n" % len(data), data, b"\r\n")
        else:
            self._put(data)

    def end(self) -> None:
        """The answer that was begun is complete."""
        outflow, request = self._outflow, self._current
        assert outflow is not None
        assert request is not None
        if outflow.left and not outflow.silent:
            self.cut_off()
            return
        if outflow.chunked and not outflow.silent:
            self._put(b"0\r\n\r\n")
        self._outflow = None
        self._answered(request, outflow.keep_alive)

    def cut_off(self) -> None:
        """Close the connection in the middle of the answer, after what has been written of it."""
        outflow = self._outflow
        assert outflow is not None
        self._outflow = self._reply = None
        self._stop_reading()
        if outflow.chunked or outflow.left is not None:
            self._transport.close()
        else:
            # The end of the connection alone would look like the end of the answer: reset it.
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self._transport.abort()

    # What they are made of.

    def _hold(self, size: int) -> None:
        """Count what a slow reader leaves in memory, whether or not there is room for it."""
        if not self._held:
            self._held = size
            self._server.budget.used += size

    def _about_connection(self, request: Request, keep_alive: bool) -> bytes:
        """The lines of headers that say what becomes of the connection."""
        if not keep_alive:
            return b"connection: close\r\n"
        if not self._greeted:
            self._greeted = True
            return b"connection: keep-alive\r\nkeep-alive: timeout=%d\r\n" % self._server.limits.idle_seconds
        return b"connection: keep-alive\r\n" if request.http10 else b""

    def _put(self, first: bytes, *rest: bytes) -> None:
        try:
            if rest:
                self._transport.writelines((first, *rest))
            else:
                self._transport.write(first)
        except RuntimeError:
            pass  # the connection has broken in this turn of the loop, which is about to say so

    # The reading half provides these.

    @abc.abstractmethod
    def _more_waiting(self) -> bool:
        """Whether the caller has sent further requests."""

    @abc.abstractmethod
    def _answered(self, request: Request, keep_alive: bool) -> None:
        """The answer to `request` was written."""

    @abc.abstractmethod
    def _stop_reading(self) -> None:
        """Nothing that arrives from now on counts."""
