"""One connection to a peer: writes a request, parses the answer, tells its pool when it is free again."""

import asyncio
import re
from typing import TYPE_CHECKING

import httptools

from seldon_core.transport.exchange import (
    BadAnswerError,
    CutOffError,
    Exchange,
    ExchangeError,
    OverloadError,
    Response,
    StreamReceiver,
)
from seldon_core.transport.heads import END, PLAIN_BYTES
from seldon_core.transport.limits import UNCOUNTED_BODY

if TYPE_CHECKING:
    from seldon_core.transport.http_client import Pool

# Above this size a request is handed to the kernel in two pieces instead of being copied into one.
JOIN_UP_TO = 64 * 1024
# Answers that say that they are no longer than this are never handed on in pieces.
STREAM_FROM = JOIN_UP_TO
# How long an idle connection is kept: without a word from the peer, and at most.
IDLE_SECONDS = 1.0
LONGEST_IDLE_SECONDS = 60.0
# The part of the time announced by the peer that is used: its end must not be met with a request under way.
IDLE_SHARE = 0.8

_KEEP_ALIVE_TIMEOUT = re.compile(rb"(?:\A|[,\s])timeout=(\d{1,9})", re.IGNORECASE)


class ClientConnection(asyncio.Protocol):
    """A connection of a pool. The methods called `on_...` are called by the parser.

    Attributes:
        served: number of exchanges that it has carried to their end.
        idle_seconds: how long it may wait for the next one.
        retires_at: the time, on the loop's clock, after which it is closed at the end of an exchange.
        idle_until: the time, on the loop's clock, after which it is not used again.
    """

    __slots__ = (
        "_body",
        "_complete",
        "_declared",
        "_exchange",
        "_head_fed",
        "_headers",
        "_keep_alive",
        "_large",
        "_parser",
        "_passed",
        "_pool",
        "_read_paused",
        "_reserved",
        "_response",
        "_stream",
        "_transport",
        "idle_seconds",
        "idle_until",
        "retires_at",
        "served",
    )

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport = None  # type: ignore[assignment] # until it is connected
        self._exchange: Exchange | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._response: Response | None = None  # once its head is complete
        self._body: bytes | bytearray = b""
        self._complete = False
        self._keep_alive = False
        self._declared = False  # whether the declared length was looked at
        self._large = False  # whether the piece that is being parsed could hold a head above the limit
        self._head_fed = 0  # bytes of the pieces that a head in several pieces has taken so far
        self._reserved = 0
        self._stream: StreamReceiver | None = None  # who takes the pieces of the answer that has begun
        self._passed = 0  # bytes of the body that it was given
        self._read_paused = False
        self.served = 0
        self.idle_seconds = IDLE_SECONDS
        self.idle_until = 0.0
        self.retires_at = float("inf")

    def send(self, exchange: Exchange) -> None:
        """Carry `exchange`; the connection must be free.

        Raises:
            RuntimeError: the connection has broken in this turn of the loop; nothing was sent.
        """
        self._exchange = exchange
        exchange.connection = self
        try:
            if len(exchange.body) <= JOIN_UP_TO:
                self._transport.write(exchange.head + exchange.body)
            else:
                self._transport.writelines((exchange.head, exchange.body))
            if exchange.upload is not None and exchange.upload.kept:
                self._transport.writelines(exchange.upload.kept)
                exchange.upload.carried()
        except RuntimeError:
            self._exchange = exchange.connection = None
            raise

    def close(self) -> None:
        """Close a connection that is free."""
        self._transport.close()

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    # An exchange in pieces calls these.

    def write(self, data: bytes) -> None:
        """Send further bytes of the request."""
        self._transport.write(data)

    def pause_reading(self) -> None:
        """Take no more of the answer for now."""
        if not self._read_paused:
            self._read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on taking it."""
        if self._read_paused:
            self._read_paused = False
            self._transport.resume_reading()

    # The transport calls these.

    def pause_writing(self) -> None:
        if self._exchange is not None and self._exchange.upload is not None:
            self._exchange.upload.pause()

    def resume_writing(self) -> None:
        if self._exchange is not None and self._exchange.upload is not None:
            self._exchange.upload.resume()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.forget(self)
        self._pool.connections.discard(self)
        exchange = self._exchange
        if exchange is None:
            return
        heard = bool(self._head_fed) or self._response is not None
        whole = exchange.upload is None or exchange.upload.kept is not None
        if not heard and self.served and exchange.repeatable and whole:
            self._exchange = None
            self._pool.repeat(exchange)
        else:
            when = "in the middle of" if heard else "before"
            self._fail(CutOffError(f"the connection ended {when} the answer{f': {exc}' if exc else ''}"))

    def eof_received(self) -> None:
        self._pool.forget(self)
        # A body without a declared length ends with the connection. The transport closes by itself.
        if self._exchange is not None and self._response is not None and not _has_length(self._response):
            self._finish(keep=False)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self._pool.forget(self)
            self._transport.abort()  # nobody asked
            return
        if self._response is None and not self._head_fed and len(data) <= PLAIN_BYTES:
            text, end, body = data.partition(END)
            if end:
                heads = self._pool.heads
                head = heads.known.get(text) or heads.read(text)
                if head is not None and head.length == len(body):
                    self._answered(exchange, Response(head.status, head.headers, body, head))
                    return
        self._large = len(data) > self._pool.limits.head_bytes
        try:
            self._parser.feed_data(data)
            if self._stream is not None:
                self._pass_on(self._stream)
            if self._complete:
                self._finish(keep=self._keep_alive)
            else:
                self._watch(len(data))
        except httptools.HttpParserUpgrade:
            self._fail(BadAnswerError("the answer switches to another protocol"))
        except httptools.HttpParserError as error:
            if self._complete:
                self._finish(keep=False)  # the answer is whole, what came behind it is not ours
            elif isinstance(error.__context__, ExchangeError):
                self._fail(error.__context__)
            else:
                self._fail(BadAnswerError(f"the answer is not valid HTTP/1.1: {error}"))
        except ExchangeError as error:
            self._fail(error)

    # The parser calls these.

    def on_message_begin(self) -> None:
        if self._complete:
            raise BadAnswerError("more than one answer to a request")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value.rstrip()))

    def on_headers_complete(self) -> None:
        headers, limits = self._headers, self._pool.limits
        self._headers = []  # trailers land here and are dropped
        if len(headers) > limits.headers:
            raise BadAnswerError(f"the answer has more than {limits.headers} headers")
        if self._large or self._head_fed:
            self._check_head(sum(len(name) + len(value) + 4 for name, value in headers))
        status = self._parser.get_status_code()
        if status >= 200:
            self._response = Response(status, tuple(headers))
        elif status == 101:
            raise BadAnswerError("the answer switches to another protocol")

    def on_body(self, body: bytes) -> None:
        if not self._body:
            self._body = body
        else:
            if type(self._body) is bytes:
                self._body = bytearray(self._body)
            self._body += body
        if len(self._body) + self._passed > self._pool.limits.body_bytes:
            raise self._too_large()

    def on_message_complete(self) -> None:
        response = self._response
        if response is None:
            return  # an interim answer
        if self._body and self._stream is None:
            if len(self._body) > UNCOUNTED_BODY:
                self._reserve(len(self._body))
            response.body = bytes(self._body)
        self._complete = True
        self._keep_alive = self._parser.should_keep_alive()

    # What happens seldom.

    def _watch(self, received: int) -> None:
        """Check what has arrived of an answer that is not complete yet."""
        response = self._response
        if response is None:
            self._head_fed += received
            self._check_head(self._head_fed)
            return
        if len(self._headers) > self._pool.limits.headers:
            raise BadAnswerError(f"the answer has more than {self._pool.limits.headers} trailers")
        if self._stream is not None:
            return
        expected = len(self._body)
        if not self._declared:
            self._declared = True
            length = response.length
            expected = max(expected, length or 0)
            if expected > self._pool.limits.body_bytes:
                raise self._too_large()
            assert self._exchange is not None
            stream = self._exchange.stream
            if stream is not None and (length is None or length > STREAM_FROM):
                self._stream = stream
                response.body = bytes(self._body)
                self._passed = len(self._body)
                self._body = b""
                stream.begun(response)
                return
        self._reserve(expected)

    def _pass_on(self, stream: StreamReceiver) -> None:
        """Give the receiver what has arrived of the body."""
        if self._body:
            piece = bytes(self._body)
            self._passed += len(piece)
            self._body = b""
            if self._exchange is not None and self._exchange.receiver is not None:
                stream.piece(piece)

    def _check_head(self, size: int) -> None:
        limit = self._pool.limits.head_bytes
        if size > limit:
            raise BadAnswerError(f"the head of the answer is larger than {limit} bytes")

    def _too_large(self) -> BadAnswerError:
        return BadAnswerError(f"the answer is larger than {self._pool.limits.body_bytes} bytes")

    def _reserve(self, size: int) -> None:
        more = size - self._reserved
        if more <= 0:
            return
        if not self._pool.budget.take(more):
            raise OverloadError("too many bytes of requests and answers are in memory")
        self._reserved += more

    # The end of an exchange.

    def _answered(self, exchange: Exchange, response: Response) -> None:
        """The answer is here, whole, small, and no reason to close the connection."""
        if exchange.receiver is None or exchange.upload is not None or len(exchange.body) > JOIN_UP_TO:
            self._response = response
            self._complete = True
            self._finish(keep=True)
            return
        self._exchange = exchange.connection = None
        if not self.served:
            self.idle_seconds = _idle_seconds(response)
        self.served += 1
        pool = self._pool
        pool.failures = 0
        pool.release(self)
        receiver = pool.settle(exchange)
        assert receiver is not None
        receiver.answered(response)

    def _finish(self, *, keep: bool) -> None:
        exchange, response = self._exchange, self._response
        assert exchange is not None
        assert response is not None
        stream = self._stream
        if stream is not None:
            self._pass_on(stream)  # what came together with bytes that are no answer
        elif not self._complete:
            response.body = bytes(self._body)  # ended by the connection
        if self._pool.failures:
            self._pool.failures = 0
        response.reserved, self._reserved = self._reserved, 0
        self._exchange = exchange.connection = self._response = self._stream = None
        self._body = b""
        self._passed = 0
        self._complete = self._declared = False
        self._head_fed = 0
        if self._is_sending(exchange) or exchange.receiver is None:
            # Answered before the request was taken, whose rest nobody wants any more; or cancelled at the last moment.
            self._pool.forget(self)
            self._transport.abort()
        elif keep:
            self.resume_reading()
            if not self.served:
                self.idle_seconds = _idle_seconds(response)
            self.served += 1
            self._pool.release(self)
        else:
            self._pool.forget(self)
            self._transport.close()
        receiver = self._pool.settle(exchange)
        if receiver is not None:
            if stream is None:
                receiver.answered(response)
            else:
                stream.ended()
        else:
            self._pool.budget.give_back(response.reserved)

    def _is_sending(self, exchange: Exchange) -> bool:
        """Whether a part of the request has not left."""
        upload = exchange.upload
        if upload is None and len(exchange.body) <= JOIN_UP_TO:
            return False
        return (upload is not None and not upload.complete) or self._transport.get_write_buffer_size() > 0

    def _fail(self, error: ExchangeError) -> None:
        exchange = self._exchange
        assert exchange is not None
        self._exchange = exchange.connection = self._stream = None
        self._pool.budget.give_back(self._reserved)
        self._reserved = 0
        self._pool.forget(self)
        self._transport.abort()
        if self._pool.balancer is not None and exchange.receiver is not None:
            self._pool.balancer.failed(self._pool, error)
        receiver = self._pool.settle(exchange)
        if receiver is not None:
            receiver.failed(error)


def _has_length(response: Response) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in response.headers)


def _idle_seconds(response: Response) -> float:
    announced = _KEEP_ALIVE_TIMEOUT.search(response.header(b"keep-alive") or b"")
    if announced is None:
        return IDLE_SECONDS
    return min(int(announced[1]) * IDLE_SHARE, LONGEST_IDLE_SECONDS)
