"""A connection of the HTTP server in the hands of another thread, which reads its requests and answers them itself.

That saves the way to the event loop and back, which costs more than a small request does. Only what is usual is done
here: requests with a plain head that arrive in one piece, and whole answers. With anything else the connection goes
back to the event loop, and what was read of it, too, so that it means the same as if it had never been away.
"""

import contextlib
import os
import select
import socket
from typing import TYPE_CHECKING

from seldon_core.transport.heads import END, PLAIN_BYTES, RequestHeads
from seldon_core.transport.messages import Block, Reply, Request
from seldon_core.transport.server_answers import frame

if TYPE_CHECKING:
    from seldon_core.transport.server_handover import Handover

__all__ = ["Loan"]


class Loan:
    """A connection that is away: `receive` and `send` are for the borrower's thread, the rest for the event loop.

    The borrower waits for a request with `receive`, and answers it with `send` before it waits for the next one. It
    returns the connection when there is none, or when it cannot answer one itself.

    Attributes:
        connection: which one it is.
        request: received last, None once it was answered.
        reply: to the request with which the connection is returned, if it is to be answered by the event loop.
        used: whether a request was answered since this was last set to False.
    """

    def __init__(self, connection: "Handover", sock: socket.socket, heads: RequestHeads) -> None:
        """Take it.

        Args:
            connection: it must be at rest.
            sock: its socket.
            heads: what is remembered of the heads of requests; for the borrower's thread alone.

        Raises:
            OSError: no more files can be opened.
        """
        self.connection = connection
        self.request: Request | None = None
        self.reply = Reply(connection)
        self.used = False
        self._heads = heads
        # The number of the socket itself may be another's once the connection is closed.
        self._socket: socket.socket = sock.dup()
        try:
            self._recalls, self._recaller = os.pipe()
        except OSError:
            self._socket.close()
            raise
        self._recalled = False
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)
        self._readable.register(self._recalls, select.POLLIN)
        self._unread = b""
        self._unsent = b""

    def receive(self) -> Request | None:
        """Wait for the next request; None when the connection is to be returned."""
        if self._unsent:
            return None
        self._readable.poll()
        if self._recalled:
            return None
        try:
            self._unread = data = self._socket.recv(PLAIN_BYTES)
        except OSError:
            return None  # the event loop will find out, too
        text, end, body = data.partition(END)
        if not end:
            return None
        head = self._heads.known.get(text) or self._heads.read(text)
        if head is None or head.length != len(body):
            return None
        self.request = request = Request(head, body)
        return request

    def send(self, status: int, headers: Block, body: bytes) -> None:
        """Answer the request that was received.

        Args:
            status: the status code.
            headers: those that `Reply.send` takes.
            body: the body.
        """
        assert self.request is not None
        pieces = frame(self.request, status, headers.lines, body)
        self._unread = b""
        self.request = None
        self.used = True
        try:
            sent = self._socket.send(pieces[0]) if len(pieces) == 1 else self._socket.sendmsg(pieces)
        except OSError:  # there is no room, or the caller has gone, which the event loop will find out
            sent = 0
        if sent < sum(map(len, pieces)):
            self._unsent = b"".join(pieces)[sent:]

    def recall(self) -> None:
        """Have the borrower return the connection, once it has answered what it is working on."""
        if not self._recalled:
            self._recalled = True
            os.write(self._recaller, b"!")

    def cut_off(self) -> None:
        """End the connection, whatever the borrower is doing."""
        with contextlib.suppress(OSError):  # it has ended already
            self._socket.shutdown(socket.SHUT_RDWR)
        self.recall()

    def give_back(self, *, answering: bool) -> None:
        """Return the connection, after which the loan is over.

        Args:
            answering: whether the request that was received last is to be answered through `reply`.
        """
        self._socket.close()
        os.close(self._recalls)
        os.close(self._recaller)
        if answering:
            self.connection.returned(b"", self._unsent, self.request, self.reply)
        else:
            self.connection.returned(self._unread, self._unsent, None, None)
