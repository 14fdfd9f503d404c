"""An HTTP/1.1 server: httptools parses, a synchronous callback handles, the answer may come later."""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from seldon_core.transport.heads import RequestHeads
from seldon_core.transport.limits import Budget, Limits
from seldon_core.transport.loan import Loan
from seldon_core.transport.messages import Block, Handler, Headers, Reply, Request, Upload, UploadReceiver
from seldon_core.transport.server_connection import ServerConnection
from seldon_core.transport.server_handover import Borrower, Handover

__all__ = [
    "Block",
    "HTTPServer",
    "Handler",
    "Headers",
    "RenderError",
    "Reply",
    "Request",
    "Upload",
    "UploadReceiver",
    "listening_socket",
    "plain_text_error",
]

RenderError = Callable[[int, str], tuple[Headers, bytes]]


def plain_text_error(status: int, reason: str) -> tuple[Headers, bytes]:
    """Headers and body of an error that the server itself answers."""
    return ((b"content-type", b"text/plain; charset=utf-8"),), reason.encode() + b"\n"


class HTTPServer:
    """Listens, keeps the connections, and ends them in an orderly way.

    Attributes:
        retiring: set it to answer `Connection: close` from now on while still accepting connections.
        budget: bytes of bodies in memory; share one between servers and clients of a process.
        heads: what is remembered of the heads of requests.
        forgotten: called whenever a connection has ended.
        taker: gets the sockets of connections that are given away, see `give_away`.
        borrower: set it to have a connection lent out, after some answers on that one alone; one at a time.
        loan: what is lent now.
        lent_heads: what is remembered of the heads of requests on lent connections.
        asking: the connection on which the last answer went out.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        limits: Limits | None = None,
        budget: Budget | None = None,
        render_error: RenderError = plain_text_error,
        early: Callable[[Request], bool] = lambda _: False,
    ) -> None:
        """Make a server; `start` opens it.

        Args:
            handler: called once for each request, on the event loop. It answers through the reply, at once or later.
            limits: sizes and times.
            budget: bytes of bodies in memory.
            render_error: gives the form of the errors that never reach the handler (400, 408, 413, 431, ...).
            early: says of a request, when its head is here and its body large or of unknown length, whether the
                handler is to be called at once and takes the body from `request.upload`.
        """
        self.handler = handler
        self.limits = limits or Limits()
        self.budget = budget or Budget()
        self.render_error = render_error
        self.early = early
        self.heads = RequestHeads(self.limits)
        self.retiring = False
        self.draining = False
        self.connections: set[ServerConnection] = set()
        self.forgotten: Callable[[], None] | None = None
        self.taker: Callable[[socket.socket], None] | None = None
        self.borrower: Borrower | None = None
        self.loan: Loan | None = None
        self.lent_heads = RequestHeads(self.limits)
        self.asking: Handover | None = None
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._drained: asyncio.Event = asyncio.Event()

    async def start(self, host: str | None, port: int) -> int:
        """Listen on `host` (None: every address, IPv6 and IPv4) and `port` (0: any free one).

        Returns:
            The port that is listened on.

        Raises:
            OSError: the address cannot be listened on.
        """
        return await self.listen(listening_socket(host, port))

    async def listen(self, sock: socket.socket) -> int:
        """Accept connections on a socket that listens already, and may do so in several processes.

        Returns:
            The port that is listened on.
        """
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: ServerConnection(self), sock=sock, backlog=1024)
        self._sweep()
        return int(sock.getsockname()[1])

    async def adopt(self, sock: socket.socket) -> None:
        """Serve a connection that was accepted elsewhere.

        Raises:
            OSError: it has ended already.
        """
        if self._sweeper is None:
            self._sweep()
        await asyncio.get_running_loop().connect_accepted_socket(lambda: ServerConnection(self), sock)

    def give_away(self, taker: Callable[[socket.socket], None]) -> None:
        """Let others go on with the connections: each is given to `taker` as soon as it is between two requests."""
        self.taker = taker
        self.recall()
        for connection in tuple(self.connections):
            connection.offer()

    async def drain(self, grace: float) -> int:
        """Stop accepting, let every request in flight be answered, close each connection after its answer.

        Args:
            grace: seconds after which what is left is cut off.

        Returns:
            The number of connections that had to be cut off.
        """
        self.retiring = self.draining = True
        self.recall()
        if self._listener is not None:
            self._listener.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweep()
        if self.connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), grace)
        cut = len(self.connections)
        for connection in tuple(self.connections):
            connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
        return cut

    def recall(self) -> None:
        """Have the connection that is lent returned."""
        if self.loan is not None:
            self.loan.recall()

    def closed(self, connection: ServerConnection) -> None:
        """Forget a connection; called by it."""
        self.connections.discard(connection)
        if self.asking is connection:
            self.asking = None
        if self.forgotten is not None:
            self.forgotten()
        if self.draining and not self.connections:
            self._drained.set()

    def _sweep(self) -> None:
        """Look at the clock of every connection now and then: much cheaper than a timer for each request."""
        limits = self.limits
        shortest = min(limits.idle_seconds, limits.head_seconds, limits.body_seconds, limits.linger_seconds)
        if self.draining:
            shortest = min(shortest, limits.drain_idle_seconds)
        interval = min(1.0, shortest / 4)
        for connection in tuple(self.connections):
            connection.tick(interval)
        self._sweeper = asyncio.get_running_loop().call_later(interval, self._sweep)


def listening_socket(host: str | None, port: int) -> socket.socket:
    """A socket that listens; arguments and errors are those of `HTTPServer.start`."""
    if host is not None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):  # the kernel knows IPv6 but it is switched off
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
    return socket.create_server(("", port), backlog=1024)
