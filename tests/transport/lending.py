"""Lend the connections of a server to a thread of a test, which answers as the event loop would."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from seldon_core.transport.http_server import Block, HTTPServer, Reply, Request
from seldon_core.transport.limits import Limits
from seldon_core.transport.loan import Loan
from tests.http_peers import PATIENCE, RawClient, until
from tests.transport.conftest import Serve

Connect = Callable[[int], Awaitable[RawClient]]

PLAIN = b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi"


def named(number: int, *lines: bytes) -> bytes:
    return b"\r\n".join([b"POST /%d HTTP/1.1" % number, b"content-length: 3", *lines, b"", b"%03d" % number])


# What a caller may send, by what it does to the connection.
REQUESTS = {
    "plain": named(1),
    "of its own": named(2, b"x-request-id: 17"),
    "head": b"HEAD /3 HTTP/1.1\r\nhost: a\r\n\r\n",
    "chunked": b"POST /4 HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "patient": named(5, b"expect: 100-continue"),
    "large": b"POST /6 HTTP/1.1\r\ncontent-length: 40000\r\n\r\n" + b"x" * 40_000,
    "in the loop": b"POST /loop HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi",
    "later": b"POST /later HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi",
    "vast answer": b"POST /vast HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi",
    "two": named(7) + named(8),
    "last": named(9, b"connection: close"),
    "old": b"GET /10 HTTP/1.0\r\n\r\n",
    "wrong": b"PO ST /11 HTTP/1.1\r\n\r\n",
}
STATUS = b"HTTP/1.1 200"
HEADERS = Block((b"x-by", b"us"))
# More than any socket holds, some of what it holds, and little of that.
SIZES = {"/vaster": 32_000_000, "/vast": 5_000_000, "/page": 60_000}


def answer_of(request: Request) -> bytes:
    if request.path in SIZES:
        return b"v" * SIZES[request.path]
    return b"%s %s %d %s" % (request.method.encode(), request.path.encode(), len(request.body), request.body[:9])


def handler(request: Request, reply: Reply) -> None:
    """Answers at once, or later."""
    answer = partial(reply.send, 200, ((b"x-by", b"us"),), answer_of(request))
    if request.path == "/later":
        asyncio.get_running_loop().call_soon(answer)
    else:
        answer()


class Borrower:
    """Answers on a thread of its own, as the event loop would.

    Attributes:
        alone: how many requests were answered here.
        free: whether it takes connections.
        gate: set it to have each request wait for it.
        waiting: whether one does.
    """

    def __init__(self, server: HTTPServer) -> None:
        self.alone = 0
        self.free = True
        self.gate: threading.Event | None = None
        self.waiting = threading.Event()
        self._server = server
        self._threads: list[threading.Thread] = []
        server.borrower = self

    def is_free(self) -> bool:
        return self.free

    def borrow(self, loan: Loan) -> None:
        thread = threading.Thread(target=self._answer, args=(loan, asyncio.get_running_loop()))
        self._threads.append(thread)
        thread.start()

    def _answer(self, loan: Loan, loop: asyncio.AbstractEventLoop) -> None:
        while (request := loan.receive()) is not None:
            if self.gate is not None:
                self.waiting.set()
                self.gate.wait()
            if request.path == "/loop":
                break
            if request.path == "/later":
                loop.call_soon_threadsafe(self._give_back, loan, True)
                return
            self.alone += 1
            loan.send(200, HEADERS, answer_of(request))
        loop.call_soon_threadsafe(self._give_back, loan, False)

    def _give_back(self, loan: Loan, answering: bool) -> None:
        request, reply = loan.request, loan.reply
        loan.give_back(answering=answering)
        if answering:
            assert request is not None
            reply.send(200, ((b"x-by", b"us"),), answer_of(request))

    def join(self) -> None:
        for thread in self._threads:
            thread.join()


async def lent(server: HTTPServer, client: RawClient) -> Loan:
    """Have the connection of a client lent."""
    assert (await client.ask(PLAIN)).status == 200
    await until(lambda: server.loan is not None)
    assert server.loan is not None
    return server.loan


@contextlib.asynccontextmanager
async def lending(
    serve: Serve, connect: Connect, *, limits: Limits | None = None
) -> AsyncIterator[tuple[HTTPServer, Borrower, RawClient]]:
    """A server, its borrower, and a client whose connection is lent."""
    async with serve(handler, limits=limits) as (server, port):
        borrower = Borrower(server)
        client = await connect(port)
        await lent(server, client)
        yield server, borrower, client
    borrower.join()


async def answers(client: RawClient, count: int) -> bytes:
    """What comes in until so many answers have begun."""
    received = b""
    async with asyncio.timeout(PATIENCE):
        while received.count(STATUS) < count:
            piece = await client.reader.read(1 << 20)
            assert piece, received
            received += piece
    return received
