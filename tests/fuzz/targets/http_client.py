"""The HTTP client, given any bytes for an answer: however they are cut into pieces, the outcome is the same."""

import asyncio
import itertools
from unittest.mock import patch

from seldon_core.transport import heads
from seldon_core.transport.client_connection import ClientConnection
from seldon_core.transport.exchange import Exchange, ExchangeError, Response
from seldon_core.transport.http_client import Pool
from tests.transport.test_splits import ANSWERS, MemoryTransport

SEEDS = [bytes([1, 3, 40, 90]) + whole for whole in (*ANSWERS.values(), b"".join(ANSWERS.values()))]


class Outcome:
    """What an exchange came to, taken whole or in pieces."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: object = None
        self.body = b""
        self.ends = 0
        self.error: ExchangeError | None = None

    def answered(self, response: Response) -> None:
        self.begun(response)
        self.ends += 1

    def begun(self, response: Response) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.body

    def piece(self, data: bytes) -> None:
        self.body += data

    def ended(self) -> None:
        self.ends += 1

    def failed(self, error: ExchangeError) -> None:
        self.error = error
        self.ends += 1


def outcome(pieces: list[bytes], *, stream: bool) -> object:
    """What the client makes of an answer, which is asked for twice on one connection, and then broken off."""

    async def ask() -> object:
        pool, found = Pool("127.0.0.1", 1), []
        connection = ClientConnection(pool)
        connection.connection_made(MemoryTransport())
        for _ in range(2):
            if found and connection not in pool._idle:
                break
            pool._idle.clear()
            told = Outcome()
            pool.in_flight += 1
            connection.send(Exchange(b"", b"", told, False, told if stream else None))
            for piece in pieces:
                if connection._exchange is None:
                    break
                connection.data_received(piece)
            if connection._exchange is not None:
                connection.eof_received()
            if connection._exchange is not None:
                connection.connection_lost(None)
            assert told.ends == 1
            assert pool.in_flight == 0
            failed = told.error is not None
            found.append("failed" if failed else (told.status, told.headers, told.body))
        pool.close()
        return found[:1]

    return asyncio.run(ask())


def check(data: bytes) -> None:
    """Answer with what follows the first bytes, which say where to cut and how the answer is taken."""
    stream, *places = data[:4].ljust(4, b"\0")
    whole = data[4:]
    cuts = [0, *sorted({min(place * 3, len(whole)) for place in places}), len(whole)]
    pieces = [whole[start:end] for start, end in itertools.pairwise(cuts) if start < end]
    taken = outcome(pieces, stream=bool(stream & 1))
    assert outcome(pieces, stream=not stream & 1) == taken
    with patch.object(heads, "MAX_HEAD_BYTES", 0):
        assert outcome(pieces, stream=False) == taken
