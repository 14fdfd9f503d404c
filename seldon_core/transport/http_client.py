"""HTTP/1.1 towards one peer: a pool of kept-alive connections, one request at a time on each."""

import asyncio
import os
from typing import Protocol

from seldon_core.transport.client_connection import ClientConnection
from seldon_core.transport.exchange import (
    BadAnswerError,
    CutOffError,
    Exchange,
    ExchangeError,
    OverloadError,
    Receiver,
    Response,
    Sender,
    StreamReceiver,
    UnreachableError,
    Upload,
)
from seldon_core.transport.heads import ResponseHeads
from seldon_core.transport.limits import Budget, Limits

__all__ = [
    "BadAnswerError",
    "CutOffError",
    "Exchange",
    "ExchangeError",
    "OverloadError",
    "Pool",
    "Receiver",
    "Response",
    "Sender",
    "StreamReceiver",
    "UnreachableError",
]

CONNECT_SECONDS = 10.0
SWEEP_SECONDS = 0.5


class Failover(Protocol):
    """What a pool tells whoever chooses among several."""

    def failed(self, pool: "Pool", error: ExchangeError) -> None:
        """The peer could not be reached, or has not answered as it should."""

    def take_over(self, pool: "Pool", exchange: Exchange) -> bool:
        """Send elsewhere what could not be sent; False when that is not possible."""


class Pool:
    """The connections to one peer.

    The connection that was used last is used first, so that those which a quiet hour does not need run out of
    time and are closed. An idle connection is kept for a second, or as long as the peer's `Keep-Alive` allows.

    Attributes:
        host, port: the peer.
        limits: sizes of an answer.
        budget: bytes of bodies in memory; share one between servers and clients of a process.
        in_flight: number of exchanges that are not settled.
        connections: those that are open.
        heads: what is remembered of the heads of answers.
        failures: number of failures since the last answer, where a balancer keeps count.
        aside_until: the time, on the loop's clock, until which a balancer leaves this peer alone.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        limits: Limits | None = None,
        budget: Budget | None = None,
        max_in_flight: int = 1024,
        connect_seconds: float = CONNECT_SECONDS,
        connection_seconds: float = float("inf"),
        balancer: "Failover | None" = None,
    ) -> None:
        """Make a pool, inside the event loop that it is to run on.

        Args:
            host, port: the peer.
            limits: sizes of an answer.
            budget: bytes of bodies in memory.
            max_in_flight: how many exchanges may be under way.
            connect_seconds: how long opening a connection may take.
            connection_seconds: how long a connection is used.
            balancer: is told of failures, and may send elsewhere what could not be sent here.
        """
        self.host = host
        self.port = port
        self.limits = limits or Limits()
        self.budget = budget or Budget()
        self.in_flight = 0
        self.heads = ResponseHeads(self.limits)
        self.connections: set[ClientConnection] = set()
        self._max_in_flight = max_in_flight
        self._connect_seconds = connect_seconds
        self._connection_seconds = connection_seconds
        self.balancer = balancer
        self.failures = 0
        self.aside_until = 0.0
        self._loop = asyncio.get_running_loop()
        self._idle: list[ClientConnection] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    def request(
        self,
        head: bytes,
        body: bytes,
        receiver: Receiver,
        repeatable: bool = True,
        stream: StreamReceiver | None = None,
    ) -> Exchange:
        """Send a request.

        Args:
            head: the request line and the headers, with the empty line.
            body: the body; the head must declare its length.
            receiver: is told the outcome, never before this method has returned.
            repeatable: send it once more, on a new connection, when a reused connection ends before any byte
                of the answer. The peer may then have seen it twice.
            stream: the receiver, when it takes the answer in pieces.

        Returns:
            The exchange, for `cancel`.

        Raises:
            OverloadError: as many exchanges as the pool allows are in flight.
        """
        if self.in_flight >= self._max_in_flight:
            raise self._overload()
        self.in_flight += 1
        exchange = Exchange(head, body, receiver, repeatable, stream, self)
        self._start(exchange)
        return exchange

    def upload(
        self,
        head: bytes,
        receiver: StreamReceiver,
        sender: Sender,
        *,
        chunked: bool,
        repeatable: bool = True,
    ) -> Exchange:
        """Send a request whose body follows in pieces, which are written to the exchange's `upload`.

        Args:
            head: the request line and the headers, with the empty line.
            receiver: is told the outcome and takes the answer in pieces.
            sender: is told when the peer is slower than the pieces come.
            chunked: whether the head says `transfer-encoding: chunked` rather than a length.
            repeatable: as for `request`; so much of the body as has been written is kept for that, up to a limit.

        Raises:
            OverloadError: as many exchanges as the pool allows are in flight.
        """
        if self.in_flight >= self._max_in_flight:
            raise self._overload()
        self.in_flight += 1
        exchange = Exchange(head, b"", receiver, repeatable, receiver, self)
        exchange.upload = Upload(exchange, sender, chunked=chunked)
        self._start(exchange)
        return exchange

    def _overload(self) -> OverloadError:
        return OverloadError(f"{self.in_flight} requests to {self.host}:{self.port} are in flight")

    def _start(self, exchange: Exchange) -> None:
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.idle_until >= self._loop.time():
                try:
                    connection.send(exchange)
                except RuntimeError:
                    continue
                return
            connection.close()
        self._open(exchange)

    def cancel(self, exchange: Exchange) -> None:
        """End an exchange at once, by closing its connection; its receiver hears nothing more."""
        if self.settle(exchange) is None:
            return
        if exchange.connection is not None:
            exchange.connection.abort()
        elif exchange.opening is not None:
            exchange.opening.cancel()

    def adopt(self, exchange: Exchange) -> None:
        """Carry an exchange that another pool could not send."""
        self.in_flight += 1
        exchange.pool = self
        self._start(exchange)

    def close(self) -> None:
        """Close the idle connections; those in use close with the end of their exchange."""
        self._max_in_flight = 0
        if self._sweeper is not None:
            self._sweeper.cancel()
        while self._idle:
            self._idle.pop().close()

    # Connections call these.

    def settle(self, exchange: Exchange) -> Receiver | None:
        """Take the exchange's receiver, once; None when the exchange is settled already."""
        receiver = exchange.receiver
        if receiver is not None:
            exchange.receiver = None
            self.in_flight -= 1
        return receiver

    def release(self, connection: ClientConnection) -> None:
        """Keep a connection that is free again."""
        now = self._loop.time()
        if not self._max_in_flight or now >= connection.retires_at:
            connection.close()
            return
        connection.idle_until = now + connection.idle_seconds
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep)

    def forget(self, connection: ClientConnection) -> None:
        """Never use this connection again."""
        if connection in self._idle:
            self._idle.remove(connection)

    def repeat(self, exchange: Exchange) -> None:
        """Send an exchange once more, whose reused connection had ended; not on another one that is as old."""
        if exchange.receiver is not None:
            exchange.connection = None
            self._open(exchange)

    def _open(self, exchange: Exchange) -> None:
        task = exchange.opening = self._loop.create_task(self._open_and_send(exchange))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open_and_send(self, exchange: Exchange) -> None:
        peer = f"{self.host}:{self.port}"
        try:
            async with asyncio.timeout(self._connect_seconds):
                _, connection = await self._loop.create_connection(lambda: ClientConnection(self), self.host, self.port)
        except TimeoutError:
            error = UnreachableError(f"cannot connect to {peer} within {self._connect_seconds:g} s")
        except (OSError, ValueError) as cause:  # a ValueError for a name that no resolver can be asked for
            code = cause.errno if isinstance(cause, OSError) else None
            # The resolver's errors have negative numbers, and words of their own.
            why = os.strerror(code).lower() if code and code > 0 else str(cause)
            error = UnreachableError(f"cannot connect to {peer}: {why}")
        else:
            exchange.opening = None
            connection.retires_at = self._loop.time() + self._connection_seconds
            try:
                connection.send(exchange)
            except RuntimeError:
                error = UnreachableError(f"cannot connect to {peer}: the connection was closed at once")
            else:
                self.connections.add(connection)
                return
        if self.balancer is not None:
            self.balancer.failed(self, error)
            if exchange.receiver is not None and self.balancer.take_over(self, exchange):
                self.in_flight -= 1
                return
        receiver = self.settle(exchange)
        if receiver is not None:
            receiver.failed(error)

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in [connection for connection in self._idle if connection.idle_until < now]:
            self._idle.remove(connection)
            connection.close()
        self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep) if self._idle else None
