"""How a connection of the HTTP server goes to others: for good, as when a process is replaced, or for a while."""

import abc
from typing import Protocol

from seldon_core.transport.loan import Loan
from seldon_core.transport.messages import Reply, Request
from seldon_core.transport.server_answers import Answers

# Answers in a row on one connection, after which it is lent; and how many it takes when it was returned for a reason
# that is likely to come back.
LEND_AFTER = 16
LEND_AGAIN_AFTER = 1000


class Borrower(Protocol):
    """Whom a connection can be lent to."""

    def is_free(self) -> bool:
        """Whether it has time for one."""

    def borrow(self, loan: Loan) -> None:
        """Take it, until `give_back` is called."""


class Handover(Answers, abc.ABC):
    """The part of a connection that lets go of it, always between two requests."""

    __slots__ = ("_asked", "_last")

    def __init__(self) -> None:
        super().__init__()
        self._last = False  # nothing that arrives from now on counts
        self._asked = 0  # answers since the last one on another connection

    def offer(self) -> None:
        """Give the connection to the server's taker, if it is between two requests.

        What the caller sends from now on waits in the socket until it is read there.
        """
        taker = self._server.taker
        if taker is None or not self._is_at_rest():
            return
        self._transport.pause_reading()
        self._last = True
        duplicate = self._transport.get_extra_info("socket").dup()
        self._transport.abort()  # closes this end's number of the socket alone
        taker(duplicate)

    def _maybe_lend(self, borrower: Borrower) -> None:
        """Lend the connection, if for some time nobody else has had an answer."""
        server = self._server
        if server.asking is not self:
            server.asking, self._asked = self, min(self._asked, 0)
        self._asked += 1
        if self._asked < LEND_AFTER or server.loan is not None or server.retiring:
            return
        if not self._is_at_rest() or not borrower.is_free():
            return
        try:
            loan = Loan(self, self._transport.get_extra_info("socket"), server.lent_heads)
        except OSError:  # no more files can be opened
            return
        self._transport.pause_reading()
        server.loan = loan
        borrower.borrow(loan)

    def _loan(self) -> Loan | None:
        """The loan under which this connection is away, None while it is here."""
        loan = self._server.loan
        return loan if loan is not None and loan.connection is self else None

    def returned(self, unread: bytes, unsent: bytes, request: Request | None, reply: Reply | None) -> None:
        """Be in the hands of the event loop again; called by the loan.

        Args:
            unread: what was read and not answered.
            unsent: the end of an answer that the caller did not take at once.
            request, reply: what is being worked on, if anything is.
        """
        loan = self._server.loan
        assert loan is not None
        self._note_use(loan)
        self._server.loan = None
        self._asked = -LEND_AGAIN_AFTER if unread or request else 0
        if self._last:  # it has ended meanwhile
            if reply is not None:
                reply.abandon()
            return
        if unsent:
            self._put(unsent)
            if self.write_paused:
                self._hold(len(unsent))
        self._current, self._reply = request, reply
        self._transport.resume_reading()
        if unread:
            self.data_received(unread)

    def _note_use(self, loan: Loan) -> None:
        """See whether anything was answered while the connection was away."""
        if loan.used:
            loan.used = False
            self._waited = 0.0

    def _tick_lent(self, loan: Loan) -> None:
        """See to the time that a connection is away."""
        self._note_use(loan)
        if self._waited > self._server.limits.idle_seconds:
            loan.recall()

    @abc.abstractmethod
    def _is_at_rest(self) -> bool:
        """Whether it is between two requests, and nothing is on its way in or out."""
