"""One connection of a caller to the HTTP server.

It works on one request at a time. Requests that a client sends ahead wait parsed, and reading pauses meanwhile, so
the memory behind a connection is bounded by its limits. Everything that happens once per request is kept short;
everything rare (limits that are near, timeouts, refusals) is left to slower paths.
"""

import asyncio
import logging
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING

import httptools

from seldon_core.transport.limits import UNCOUNTED_BODY
from seldon_core.transport.messages import BODYLESS, STATUS_LINES, Headers, Reply, Request

if TYPE_CHECKING:
    from seldon_core.transport.http_server import HTTPServer

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# Above this size an answer is handed to the kernel in two pieces instead of being copied into one.
JOIN_UP_TO = 64 * 1024

log = logging.getLogger(__name__)


class _Refusal(Exception):  # noqa: N818 - an answer, not an error of ours
    """A request that the connection itself answers, after which it is closed."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class ServerConnection(asyncio.Protocol):
    """One connection of a caller. The methods called `on_...` are called by the parser."""

    __slots__ = (
        "_body",
        "_current",
        "_greeted",
        "_handing_over",
        "_head_fed",
        "_headers",
        "_held",
        "_large",
        "_last",
        "_lingering",
        "_parser",
        "_queue",
        "_read_paused",
        "_reply",
        "_request",
        "_server",
        "_target",
        "_transport",
        "_unwritten",
        "_waited",
        "_watched",
        "_write_paused",
    )

    def __init__(self, server: "HTTPServer") -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        # The message that is arriving.
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._request: Request | None = None  # once its head is complete
        self._body: bytes | bytearray = b""
        self._head_fed = 0  # bytes of the pieces that a head in several pieces has taken so far
        self._large = False  # whether the piece that is being parsed could hold a head above the limit
        self._watched = False  # whether the declared length and Expect were looked at
        # Those that have arrived, and the one that is being answered.
        self._queue: deque[Request | _Refusal] = deque()
        self._current: Request | None = None
        self._reply: Reply | None = None
        self._handing_over = False
        self._last = False  # nothing that arrives from now on counts
        self._lingering = False
        self._greeted = False  # whether the keep-alive time was announced
        # Flow control and time.
        self._read_paused = False
        self._write_paused = False
        self._held = 0  # bytes of an answer that a slow reader keeps in memory
        self._unwritten = 0
        self._waited = 0.0

    # The transport calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._last = True
        budget = self._server.budget
        for request in (self._current, self._request, *self._queue):
            if isinstance(request, Request):
                budget.give_back(request.reserved)
        budget.give_back(self._held)
        self._queue.clear()
        self._current = self._request = None
        reply, self._reply = self._reply, None
        self._server.closed(self)
        if reply is not None:
            reply.abandon()

    def data_received(self, data: bytes) -> None:
        if self._last:
            return
        self._large = len(data) > self._server.limits.head_bytes
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data, upgrade.args[0])
        except httptools.HttpParserError as error:
            self._broken(error)
        if self._queue and self._reply is None:
            self._hand_over()
        if (self._target or self._request is not None) and not self._last:
            self._watch(len(data))
        if (
            self._reply is not None
            and not self._read_paused
            and (self._queue or self._target or self._request is not None)
        ):
            # The caller is ahead of us. Otherwise reading goes on, which is how its going away is noticed.
            self._read_paused = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._write_paused = True
        self._unwritten = self._transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        self._write_paused = False
        self._waited = 0.0
        self._server.budget.give_back(self._held)
        self._held = 0
        self._hand_over()

    # The parser calls these.

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value.rstrip()))

    def on_headers_complete(self) -> None:
        parser = self._parser
        headers, limits = self._headers, self._server.limits
        if len(headers) > limits.headers:
            raise _Refusal(431, f"more than {limits.headers} headers")
        if self._large or self._head_fed:
            size = len(self._target) + sum(len(name) + len(value) + 4 for name, value in headers)
            if size > limits.head_bytes:
                raise _Refusal(431, f"the head of the request is larger than {limits.head_bytes} bytes")
        version = parser.get_http_version()
        if version != "1.1" and version != "1.0":
            raise _Refusal(505, f"HTTP/{version} is not served here, HTTP/1.1 is")
        self._request = Request(parser.get_method().decode(), self._target, headers, version == "1.0")
        self._target = b""
        self._headers = []  # trailers land here and are dropped
        self._head_fed = 0

    def on_body(self, body: bytes) -> None:
        if not self._body:
            self._body = body
        else:
            if type(self._body) is bytes:
                self._body = bytearray(self._body)
            self._body += body
        if len(self._body) > self._server.limits.body_bytes:
            raise self._too_large()

    def on_message_complete(self) -> None:
        request = self._request
        assert request is not None
        if self._body:
            if len(self._body) > UNCOUNTED_BODY:
                self._reserve(request, len(self._body))
            request.body = bytes(self._body)
            self._body = b""
        if self._headers:
            self._headers = []
        if self._parser.should_keep_alive() and request.method != "CONNECT":
            request.keep_alive = True
        else:
            self._last = True
        self._request = None
        self._watched = False
        self._queue.append(request)

    # What happens seldom.

    def _ignore_upgrade(self, data: bytes, offset: int) -> None:
        """Read a request that asks for another protocol as the HTTP/1.1 request that it also is.

        The parser takes such a request to end with its head, so another one is given the head again, without
        `Upgrade`, and then what came behind it.

        Args:
            data: the piece that was being parsed.
            offset: where in it the head ended.
        """
        rest = memoryview(data)
        while True:
            request = self._queue.pop()
            assert isinstance(request, Request)
            if request.method == "CONNECT":
                self._queue.append(request)
                return
            lines = [b"%b: %b\r\n" % header for header in request.headers if header[0] != b"upgrade"]
            start = b"%b %b HTTP/1.%d\r\n" % (request.method.encode(), request.target, not request.http10)
            self._parser = httptools.HttpRequestParser(self)
            self._last = False
            rest = rest[offset:]
            try:
                self._parser.feed_data(b"".join([start, *lines, b"\r\n"]))
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as another:
                offset = another.args[0]
            except httptools.HttpParserError as error:
                self._broken(error)
                return
            else:
                return

    def _broken(self, error: httptools.HttpParserError) -> None:
        """Queue the answer to something that is no HTTP, or more of it than the limits allow."""
        if self._last:
            return  # bytes behind the last request of the connection
        self._last = True
        cause = error.__context__
        if isinstance(cause, _Refusal):
            self._queue.append(cause)
        elif isinstance(error, httptools.HttpParserCallbackError):
            log.error("the HTTP server failed on a request", exc_info=cause or error)
            self._queue.append(_Refusal(500, "internal error"))
        else:
            self._queue.append(_Refusal(400, f"not a valid HTTP/1.1 request: {error}"))

    def _watch(self, received: int) -> None:
        """Check what has arrived of a message that is not complete yet."""
        limits = self._server.limits
        request = self._request
        try:
            if request is None:
                if not self._head_fed:
                    self._head_fed = 1  # the first piece may begin with the end of another message
                    self._waited = 0.0
                    return
                self._head_fed += received
                if self._head_fed > limits.head_bytes:
                    raise _Refusal(431, f"the head of the request is larger than {limits.head_bytes} bytes")
                return
            self._waited = 0.0
            if len(self._headers) > limits.headers:
                raise _Refusal(431, f"more than {limits.headers} trailers")
            expected = 0
            if not self._watched:
                expected = int(request.header(b"content-length") or 0)
                if expected > limits.body_bytes:
                    raise self._too_large()
            self._reserve(request, max(expected, len(self._body)))
            if not self._watched and self._reply is None:
                self._watched = True
                self._send_continue(request)
        except _Refusal as refusal:
            self._last = True
            self._queue.append(refusal)
            self._hand_over()

    def _send_continue(self, request: Request) -> None:
        expect = request.header(b"expect")
        if expect is not None and expect.lower() == b"100-continue" and not request.http10:
            self._transport.write(CONTINUE)

    def _reserve(self, request: Request, size: int) -> None:
        more = size - request.reserved
        if more <= 0:
            return
        if not self._server.budget.take(more):
            raise _Refusal(503, "too many bytes of requests and answers are in memory; try again later")
        request.reserved += more

    def _too_large(self) -> _Refusal:
        return _Refusal(413, f"the body is larger than {self._server.limits.body_bytes} bytes")

    # Requests go out to the handler, answers come in.

    def _hand_over(self) -> None:
        """Give the waiting requests to the handler, one after the other, as far as they are answered."""
        if self._handing_over:
            return
        self._handing_over = True
        while self._queue and self._reply is None and not self._write_paused:
            request = self._queue.popleft()
            if isinstance(request, _Refusal):
                self._refuse(request)
                break
            self._current = request
            reply = self._reply = Reply(self)
            try:
                self._server.handler(request, reply)
            except Exception:  # whatever a handler does, its caller gets an answer
                log.exception("the handler of %s %s failed", request.method, request.path)
                if self._reply is reply:
                    reply.send(500, *self._server.render_error(500, "internal error"))
        self._handing_over = False
        if self._read_paused and self._reply is None and not self._write_paused:
            self._read_paused = False
            self._transport.resume_reading()
            if self._request is not None and not self._last:
                self._watch(0)

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Write the answer to the current request; called by its reply."""
        request = self._current
        assert request is not None
        keep_alive = request.keep_alive and (not self._server.retiring or bool(self._queue))
        lines = [STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
        lines += [b"%b: %b\r\n" % header for header in headers]
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
            raise ValueError("a header of the answer holds a line break")
        if not keep_alive:
            head += b"connection: close\r\n"
        elif not self._greeted:
            self._greeted = True
            head += b"connection: keep-alive\r\nkeep-alive: timeout=%d\r\n" % self._server.limits.idle_seconds
        elif request.http10:
            head += b"connection: keep-alive\r\n"
        self._write(head, status, body, head_only=request.method == "HEAD")
        if request.reserved:
            self._server.budget.give_back(request.reserved)
        self._current = self._reply = None
        self._waited = 0.0
        if not keep_alive:
            self._last = True
            self._transport.close()
        elif self._queue or self._read_paused:
            self._hand_over()

    def _write(self, head: bytes, status: int, body: bytes, *, head_only: bool) -> None:
        if status in BODYLESS:
            self._transport.write(head + b"\r\n")
            return
        head += b"content-length: %d\r\n\r\n" % len(body)
        if head_only:
            self._transport.write(head)
        elif len(body) <= JOIN_UP_TO:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))
        if self._write_paused and not self._held:
            self._held = len(body)
            self._server.budget.used += len(body)  # it is in memory whether or not there is room for it

    def _refuse(self, refusal: _Refusal) -> None:
        """Answer, then read and drop what the caller still sends, so that the answer is not lost in a reset."""
        self._last = self._lingering = True
        self._waited = 0.0
        headers, body = self._server.render_error(refusal.status, refusal.reason)
        lines = [STATUS_LINES[refusal.status], *(b"%b: %b\r\n" % header for header in headers)]
        if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
            lines.append(b"retry-after: 1\r\n")
        lines.append(b"connection: close\r\n")
        self._write(b"".join(lines), refusal.status, body, head_only=False)
        if self._request is not None:
            self._server.budget.give_back(self._request.reserved)
            self._request = None
            self._body = b""
        if self._transport.can_write_eof():
            self._transport.write_eof()

    # Time.

    def tick(self, seconds: float) -> None:
        """Called by the server's sweep: `seconds` have passed, more or less."""
        limits = self._server.limits
        self._waited += seconds
        if self._write_paused:
            unwritten = self._transport.get_write_buffer_size()
            if unwritten < self._unwritten:
                self._unwritten, self._waited = unwritten, 0.0
            elif self._waited > limits.body_seconds:
                self.abort()
        elif self._lingering:
            if self._waited > limits.linger_seconds:
                self.abort()
        elif self._reply is not None:
            pass  # how long an answer may take is the handler's decision
        elif self._request is not None:
            if self._waited > limits.body_seconds:
                self._refuse(_Refusal(408, f"no piece of the body for {limits.body_seconds:g} seconds"))
        elif self._target:
            if self._waited > limits.head_seconds:
                self._refuse(_Refusal(408, f"no complete head within {limits.head_seconds:g} seconds"))
        elif self._waited > (limits.drain_idle_seconds if self._server.draining else limits.idle_seconds):
            self._transport.close()

    def abort(self) -> None:
        """Close without waiting for what is not written yet."""
        self._transport.abort()
