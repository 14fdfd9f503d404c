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

from seldon_core.transport.heads import END, PLAIN_BYTES, RequestHead, RequestLine
from seldon_core.transport.limits import UNCOUNTED_BODY
from seldon_core.transport.messages import STATUS_LINES, Reply, Request, Upload
from seldon_core.transport.server_answers import JOIN_UP_TO
from seldon_core.transport.server_handover import Handover

if TYPE_CHECKING:
    from seldon_core.transport.http_server import HTTPServer

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# Bodies up to this size are never handed over before they are complete.
UPLOAD_FROM = JOIN_UP_TO
# Pieces of a body below this size are joined as they arrive: each by itself would take more memory than its bytes.
LARGE_PIECE = 1024

_SLOW_BODY = "no piece of the body for {:g} seconds"

log = logging.getLogger(__name__)


class _Refusal(Exception):  # noqa: N818 - an answer, not an error of ours
    """A request that the connection itself answers, after which it is closed."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class ServerConnection(Handover):
    """One connection of a caller. The methods called `on_...` are called by the parser."""

    __slots__ = (
        "_fresh",
        "_handing_over",
        "_head_fed",
        "_headers",
        "_large",
        "_lingering",
        "_parser",
        "_pieces",
        "_queue",
        "_read_paused",
        "_request",
        "_size",
        "_target",
        "_upload",
        "_watched",
    )

    def __init__(self, server: "HTTPServer") -> None:
        super().__init__()
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        # The message that is arriving.
        self._fresh = True  # no byte of one has arrived
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._request: Request | None = None  # once its head is complete
        self._pieces: list[bytes | bytearray] = []  # of its body
        self._size = 0  # theirs together
        self._head_fed = 0  # bytes of the pieces that a head in several pieces has taken so far
        self._large = False  # whether the piece that is being parsed could hold a head above the limit
        self._watched = False  # whether the declared length and Expect were looked at
        self._upload: Upload | None = None  # of the current request, while it is arriving
        # Those that have arrived, and the one that is being answered.
        self._queue: deque[Request | _Refusal] = deque()
        self._current: Request | None = None
        self._reply: Reply | None = None
        self._handing_over = False
        self._lingering = False
        # Flow control and time.
        self._read_paused = False
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
        self._current = self._request = self._upload = None
        reply, self._reply = self._reply, None
        self._server.closed(self)
        if (loan := self._loan()) is not None:
            loan.cut_off()
        if reply is not None:
            reply.abandon()

    def data_received(self, data: bytes) -> None:
        if self._last:
            return
        if self._fresh and self._reply is None and not self.write_paused and len(data) <= PLAIN_BYTES:
            text, end, body = data.partition(END)
            if end:
                heads = self._server.heads
                head = heads.known.get(text) or heads.read(text)
                if head is not None and head.length == len(body):
                    self._handle(Request(head, body))
                    return
        self._large = len(data) > self._server.limits.head_bytes
        upgraded_at = 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            upgraded_at = upgrade.args[0]
        except httptools.HttpParserError as error:
            self._broken(error)
        if upgraded_at:  # not while an exception is handled, which would pass for the cause of another
            self._ignore_upgrade(data, upgraded_at)
        if self._upload is not None:
            self._pass_on(self._upload)
        if self._queue and self._reply is None:
            self._hand_over()
        if not self._fresh and not self._last:
            self._watch(len(data))
        if (
            self._reply is not None
            and not self._read_paused
            and (self._queue or not self._fresh)
            and self._upload is None
        ):
            # The caller is ahead of us. Otherwise reading goes on, which is how its going away is noticed.
            self._read_paused = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self.write_paused = True
        self._unwritten = self._transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        self.write_paused = False
        self._waited = 0.0
        self._server.budget.give_back(self._held)
        self._held = 0
        if self._reply is not None and self._reply.resumed is not None:
            self._reply.resumed()
        self._hand_over()

    # The parser calls these.

    def on_message_begin(self) -> None:
        self._fresh = False

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
        line = RequestLine(parser.get_method().decode(), self._target, http10=version == "1.0")
        self._request = Request(RequestHead(line, tuple(headers)), keep_alive=False)
        self._target = b""
        self._headers = []  # trailers land here and are dropped
        self._head_fed = 0

    def on_body(self, body: bytes) -> None:
        upload = self._upload
        if upload is not None and not upload.arrived:
            upload.pieces.append(body)
            upload.size += len(body)
            if upload.size > self._server.limits.body_bytes:
                raise self._too_large()
            return
        pieces = self._pieces
        if not pieces or len(body) >= LARGE_PIECE:
            pieces.append(body)
        elif type(pieces[-1]) is bytearray:
            pieces[-1] += body
        else:
            pieces.append(bytearray(body))
        self._size += len(body)
        if self._size > self._server.limits.body_bytes:
            raise self._too_large()

    def on_message_complete(self) -> None:
        request = self._request
        assert request is not None
        if self._pieces:
            if self._size > UNCOUNTED_BODY:
                self._reserve(request, self._size)
            request.body = b"".join(self._pieces)
            self._pieces.clear()
            self._size = 0
        if self._headers:
            self._headers = []
        if self._parser.should_keep_alive() and request.method != "CONNECT":
            request.keep_alive = True
        else:
            self._last = True
        self._request = None
        self._fresh = True
        self._watched = False
        if request.upload is None:
            self._queue.append(request)
        else:
            request.upload.arrived = True

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
        cause = error.__context__
        if isinstance(cause, _Refusal):
            self._stop(cause)
        elif isinstance(error, httptools.HttpParserCallbackError):
            log.error("the HTTP server failed on a request", exc_info=cause or error)
            self._stop(_Refusal(500, "internal error"))
        else:
            self._stop(_Refusal(400, f"not a valid HTTP/1.1 request: {error}"))

    def _stop(self, refusal: _Refusal) -> None:
        """Look at nothing that arrives from now on, and say why."""
        self._last = True
        if self._request is not None and self._request.upload is not None:
            self._request.upload.refusal = (refusal.status, refusal.reason)
        else:
            self._queue.append(refusal)

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
            if request.upload is not None:
                return
            expected = 0
            if not self._watched:
                expected = int(request.header(b"content-length") or 0)
                if expected > limits.body_bytes:
                    raise self._too_large()
                if self._reply is None:
                    self._watched = True
                    self._send_continue(request)
                    if self._is_early(request, expected):
                        self._start_upload(request, expected)
                        return
            self._reserve(request, max(expected, self._size))
        except _Refusal as refusal:
            self._stop(refusal)
            if self._upload is not None:
                self._pass_on(self._upload)
            self._hand_over()

    def _send_continue(self, request: Request) -> None:
        expect = request.header(b"expect")
        if expect is not None and expect.lower() == b"100-continue" and not request.http10:
            self._put(CONTINUE)

    def _reserve(self, request: Request, size: int) -> None:
        more = size - request.reserved
        if more <= 0:
            return
        if not self._server.budget.take(more):
            raise _Refusal(503, "too many bytes of requests and answers are in memory; try again later")
        request.reserved += more

    def _too_large(self) -> _Refusal:
        return _Refusal(413, f"the body is larger than {self._server.limits.body_bytes} bytes")

    # Bodies that are handed over as they arrive.

    def _is_early(self, request: Request, expected: int) -> bool:
        chunked = not expected
        return (chunked or expected > UPLOAD_FROM) and not self._queue and self._server.early(request)

    def _start_upload(self, request: Request, expected: int) -> None:
        upload = request.upload = self._upload = Upload(self, expected or None)
        if self._pieces:
            upload.pieces.append(b"".join(self._pieces))
            upload.size = self._size
            self._pieces.clear()
            self._size = 0
        self._server.budget.give_back(request.reserved)
        request.reserved = 0
        self._queue.append(request)
        self._hand_over()
        if self._upload is upload:
            self._pass_on(upload)

    def _pass_on(self, upload: Upload) -> None:
        """Give the handler what has arrived of the body."""
        pieces, upload.pieces = upload.pieces, []
        if upload.arrived:
            self._upload = None
            self._resume_reading()
        receiver, reply = upload.receiver, self._reply
        if receiver is None:
            return  # nobody wants it
        try:
            if pieces:
                receiver.piece(pieces[0] if len(pieces) == 1 else b"".join(pieces))
            if reply is not self._reply:
                return  # answered
            if upload.refusal is not None:
                self._upload = None
                receiver.broken(*upload.refusal)
            elif upload.arrived:
                receiver.ended()
        except Exception:  # whatever a handler does, its caller gets an answer
            log.exception("the handler failed on the body of a request")
            self._answer_for_handler(reply)

    def pause_upload(self) -> None:
        """Read no more of the body that is arriving for now."""
        if self._upload is not None and not self._read_paused:
            self._read_paused = True
            self._transport.pause_reading()

    def resume_upload(self) -> None:
        """Go on reading it."""
        if self._upload is not None:
            self._resume_reading()

    def _resume_reading(self) -> None:
        if self._read_paused:
            self._read_paused = False
            self._waited = 0.0
            self._transport.resume_reading()

    # Requests go out to the handler, answers come in.

    def _hand_over(self) -> None:
        """Give the waiting requests to the handler, one after the other, as far as they are answered."""
        if self._handing_over:
            return
        self._handing_over = True
        while self._queue and self._reply is None and not self.write_paused:
            request = self._queue.popleft()
            if isinstance(request, _Refusal):
                self._refuse(request)
                break
            self._handle(request)
        self._handing_over = False
        if self._read_paused and self._reply is None and not self.write_paused:
            self._resume_reading()
            if self._request is not None and not self._last:
                self._watch(0)

    def _handle(self, request: Request) -> None:
        self._current = request
        reply = self._reply = Reply(self)
        try:
            self._server.handler(request, reply)
        except Exception:  # whatever a handler does, its caller gets an answer
            log.exception("the handler of %s %s failed", request.method, request.path)
            self._answer_for_handler(reply)

    def _answer_for_handler(self, reply: Reply | None) -> None:
        """Answer a request whose handler failed, as far as it is not answered."""
        if reply is None or self._reply is not reply:
            return
        if reply.begun:
            reply.cut_off()
        else:
            reply.send(500, *self._server.render_error(500, "internal error"))

    def _more_waiting(self) -> bool:
        return bool(self._queue)

    def _answered(self, request: Request, keep_alive: bool) -> None:
        if request.reserved:
            self._server.budget.give_back(request.reserved)
        self._current = self._reply = None
        self._waited = 0.0
        if keep_alive:
            if self._queue or self._read_paused:
                self._hand_over()
            elif self._server.taker is not None:
                self.offer()
            elif self._server.borrower is not None:
                self._maybe_lend(self._server.borrower)
        elif self._request is request:
            self._linger()  # answered before all of it had arrived
        else:
            self._last = True
            self._transport.close()

    def _stop_reading(self) -> None:
        self._last = True
        self._request = self._upload = None

    def _refuse(self, refusal: _Refusal) -> None:
        """Answer what no handler gets to see."""
        headers, body = self._server.render_error(refusal.status, refusal.reason)
        lines = [STATUS_LINES[refusal.status], *(b"%b: %b\r\n" % header for header in headers)]
        if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
            lines.append(b"retry-after: 1\r\n")
        lines.append(b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body))
        self._put(*lines, body)
        if self._request is not None:
            self._server.budget.give_back(self._request.reserved)
        self._linger()

    def _linger(self) -> None:
        """Read and drop what the caller still sends, so that the answer is not lost in a reset."""
        self._last = self._lingering = True
        self._waited = 0.0
        self._request = self._upload = None
        self._pieces.clear()
        self._size = 0
        self._resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _is_at_rest(self) -> bool:
        """Whether it is between two requests, and nothing is on its way in or out."""
        if self._reply is not None or self._queue or not self._fresh or self._last or self._loan() is not None:
            return False
        return not (self._read_paused or self.write_paused or self._transport.get_write_buffer_size())

    # Time.

    def tick(self, seconds: float) -> None:
        """Called by the server's sweep: `seconds` have passed, more or less."""
        limits = self._server.limits
        if self._server.taker is not None:
            self.offer()
        self._waited += seconds
        if (loan := self._loan()) is not None:
            self._tick_lent(loan)
            return
        if self.write_paused:
            unwritten = self._transport.get_write_buffer_size()
            if unwritten < self._unwritten:
                self._unwritten, self._waited = unwritten, 0.0
            elif self._waited > limits.body_seconds:
                self.abort()
        elif self._lingering:
            if self._waited > limits.linger_seconds:
                self.abort()
        elif self._reply is not None:
            # How long an answer may take is the handler's decision.
            if self._upload is not None and not self._read_paused and self._waited > limits.body_seconds:
                self._stop(_Refusal(408, _SLOW_BODY.format(limits.body_seconds)))
                self._pass_on(self._upload)
        else:
            self._tick_unanswered()

    def _tick_unanswered(self) -> None:
        limits = self._server.limits
        if self._request is not None:
            if self._waited > limits.body_seconds:
                self._refuse(_Refusal(408, _SLOW_BODY.format(limits.body_seconds)))
        elif not self._fresh:
            if self._waited > limits.head_seconds:
                self._refuse(_Refusal(408, f"no complete head within {limits.head_seconds:g} seconds"))
        elif self._waited > (limits.drain_idle_seconds if self._server.draining else limits.idle_seconds):
            self._transport.close()

    def abort(self) -> None:
        """Close without waiting for what is not written yet."""
        self._transport.abort()
