"""The HTTP server, given any bytes: however they are cut, the outcome is the same, and never an error of ours."""

import asyncio
import itertools
import re
from unittest.mock import patch

from seldon_core.transport import heads
from seldon_core.transport.http_server import HTTPServer, Reply, Request
from seldon_core.transport.server_connection import ServerConnection
from tests.transport.test_splits import OFTEN, REQUESTS, MemoryTransport

SEEDS = [bytes([1, 3, 40, 200]) + whole for whole in (*REQUESTS.values(), *OFTEN, b"".join(OFTEN))]


class Transport(MemoryTransport):
    """Goes on delivering while reading is paused: more than a real one does."""

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Echo:
    """Answers with what it was given, taking bodies whole or as they arrive."""

    def __init__(self, request: Request, reply: Reply) -> None:
        self._reply = reply
        self._summary = f"{request.method} {request.path} {request.query!r} {request.headers} ".encode()
        if request.upload is None:
            self.piece(request.body)
            self.ended()
        else:
            request.upload.receiver = self

    def piece(self, data: bytes) -> None:
        self._summary += data

    def ended(self) -> None:
        self._reply.send(200, (), self._summary)

    def broken(self, status: int, _: str) -> None:
        self._reply.send(status, (), b"")


def outcome(pieces: list[bytes], early: bool) -> bytes:
    """What the server writes, without what depends on the cuts: go-aheads, and the words of a refusal."""

    async def serve() -> bytes:
        server = HTTPServer(Echo, early=lambda _: early)
        connection, transport = ServerConnection(server), Transport()
        connection.connection_made(transport)
        for piece in pieces:
            connection.data_received(piece)
        connection.connection_lost(None)
        assert server.budget.used == 0
        assert not server.connections
        return transport.written

    written = asyncio.run(serve())
    assert b"internal error" not in written, "the server failed"
    return re.split(rb"HTTP/1\.1 [45]", written.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b""))[0]


def check(data: bytes) -> None:
    """Serve what follows the first bytes, which say where to cut and how to take bodies."""
    early, *places = data[:4].ljust(4, b"\0")
    whole = data[4:]
    cuts = [0, *sorted({min(place * 3, len(whole)) for place in places}), len(whole)]
    pieces = [whole[start:end] for start, end in itertools.pairwise(cuts) if start < end]
    if b"internal error" in whole:
        return  # it would be echoed
    taken = outcome(pieces, bool(early & 1))
    assert outcome([whole] if whole else [], False) == taken
    with patch.object(heads, "MAX_HEAD_BYTES", 0):
        assert outcome(pieces, False) == taken
