"""However TCP cuts a stream into pieces, the outcome is the same."""

import asyncio
import itertools
import re
from collections.abc import Iterable, Iterator
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seldon_core.transport import heads
from seldon_core.transport.client_connection import ClientConnection
from seldon_core.transport.http_client import Exchange, ExchangeError, Pool, Response
from seldon_core.transport.http_server import HTTPServer, Reply, Request
from seldon_core.transport.server_connection import LARGE_PIECE, ServerConnection


class MemoryTransport(asyncio.Transport):
    """Takes what is written, and remembers what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.ended = True

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self.ended = True

    abort = close

    def pause_reading(self) -> None:
        raise AssertionError("every request is answered at once, so there is no reason to pause")

    def get_write_buffer_size(self) -> int:
        return 0


def echo(request: Request, reply: Reply) -> None:
    summary = f"{request.method} {request.path} {request.query!r} {request.headers} ".encode()
    reply.send(200, (), summary + request.body)


def served(pieces: Iterable[bytes]) -> tuple[bytes, bool]:
    """Everything that a server writes when it is given these pieces."""

    async def serve() -> tuple[bytes, bool]:
        connection = ServerConnection(HTTPServer(echo))
        transport = MemoryTransport()
        connection.connection_made(transport)
        for piece in pieces:
            connection.data_received(piece)
        connection.connection_lost(None)
        return transport.written, transport.ended

    return asyncio.run(serve())


REQUESTS = {
    "pipeline": (
        b"POST /a%20b?c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
        b"POST /d HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;e=f\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nT: r\r\n\r\n"
        b"GET /g HTTP/1.1\r\nConnection: close\r\n\r\n"
    ),
    "upgrades": (
        b"POST /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi"
        b"GET /b HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        b"GET /c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    ),
    "refusal": b"GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
}

ANSWERS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Type: t\r\nContent-Length: 5\r\n\r\nhello",
    "chunks": b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nT: r\r\n\r\n",
    "interim": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "no body": b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
    "to the end": b"HTTP/1.0 200 OK\r\nContent-Type: t\r\n\r\nhello",
}


class Outcome:
    """What an exchange came to."""

    def __init__(self) -> None:
        self.result: object = None

    def answered(self, response: Response) -> None:
        self.result = (response.status, response.headers, response.body)

    def failed(self, error: ExchangeError) -> None:
        self.result = error


def answered(pieces: Iterator[bytes]) -> object:
    """What a client makes of an answer in these pieces."""

    async def ask() -> object:
        pool = Pool("127.0.0.1", 1)
        connection = ClientConnection(pool)
        connection.connection_made(MemoryTransport())
        outcome = Outcome()
        pool.in_flight += 1
        connection.send(Exchange(b"", b"", outcome, False))
        for piece in pieces:
            connection.data_received(piece)
        if outcome.result is None:
            connection.eof_received()
        pool.close()
        return outcome.result

    return asyncio.run(ask())


def halves(whole: bytes) -> Iterator[list[bytes]]:
    for cut in range(1, len(whole)):
        yield [whole[:cut], whole[cut:]]


def single_bytes(whole: bytes) -> list[bytes]:
    return [whole[index : index + 1] for index in range(len(whole))]


@given(st.lists(st.sampled_from([1, 2, LARGE_PIECE - 1, LARGE_PIECE, 3 * LARGE_PIECE]), min_size=1, max_size=12))
def test_a_body_is_its_pieces_in_their_order_whatever_their_sizes(sizes: list[int]) -> None:
    body = bytes(index % 251 for index in range(sum(sizes)))
    ends = list(itertools.accumulate(sizes))
    pieces = [body[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    head = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body)
    written, _ = served([head, *pieces])
    assert written.endswith(b" " + body)


@pytest.mark.parametrize("whole", REQUESTS.values(), ids=REQUESTS)
def test_requests_may_be_cut_anywhere(whole: bytes) -> None:
    expected = served([whole])
    assert len(re.findall(rb"HTTP/1.1 \d", expected[0])) == whole.count(b"HTTP/1.")
    for pieces in [*halves(whole), single_bytes(whole)]:
        assert served(pieces) == expected


@pytest.mark.parametrize("whole", ANSWERS.values(), ids=ANSWERS)
def test_answers_may_be_cut_anywhere(whole: bytes) -> None:
    expected = answered([whole])
    assert isinstance(expected, tuple)
    for pieces in [*halves(whole), single_bytes(whole)]:
        assert answered(pieces) == expected


OFTEN = [
    b"POST /a%20b?c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /a%20b?c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nworld",
    b"POST /a HTTP/1.1\r\nContent-Length: 8\r\n\r\n\r\n\r\n\r\n\r\n",
    b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nworld\r\n0\r\n\r\n",
    b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET /b HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    b"POST /b HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
    b"\r\n\r\n",
]


@given(st.lists(st.sampled_from(OFTEN), max_size=12), st.lists(st.integers(0, 700), max_size=4))
def test_plain_heads_mean_what_they_mean_to_the_parser(messages: list[bytes], cuts: list[int]) -> None:
    """Whether requests come in pieces of one request each, or cut anywhere."""
    whole = b"".join(messages)
    places = [0, *sorted({*cuts, *(sum(map(len, messages[:count])) for count in range(1, len(messages)))}), len(whole)]
    pieces = [whole[start:end] for start, end in itertools.pairwise(places) if start < end]
    with patch.object(heads.RequestHeads, "read", lambda _, __: None):
        expected = served(pieces)
    assert served(pieces) == expected


# Lines as they should be, and any others.
NAMES = st.sampled_from([b"Host", b"X-A", b"x-a", b"Content-Length", b"Connection", b"Transfer-Encoding", b"X A", b""])
VALUES = st.sampled_from([b"x", b"0", b"2", b"02", b"+2", b"keep-alive", b"close", b"chunked", b""]) | st.binary(
    max_size=4
)
LINES = st.tuples(NAMES, st.sampled_from([b":", b": ", b" : ", b":\t"]), VALUES, st.sampled_from([b"", b" ", b"\t"]))
STARTS = [
    b"GET /a HTTP/1.1",
    b"POST /a%20b?c HTTP/1.1",
    b"GET /a HTTP/1.0",
    b"GET http://x/a HTTP/1.1",
    b"GET /\x80#",
    b"x",
]


@given(st.sampled_from(STARTS), st.lists(LINES.map(b"".join), max_size=4), st.sampled_from([b"", b"hi", b"\r\n\r\n"]))
def test_any_head_means_what_it_means_to_the_parser(start: bytes, lines: list[bytes], body: bytes) -> None:
    whole = b"\r\n".join([start, *lines, b"", body])
    with patch.object(heads.RequestHeads, "read", lambda _, __: None):
        expected = served([whole, whole])
    assert served([whole, whole]) == expected


STATUSES = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 204 No",
    b"HTTP/1.1 200",
    b"HTTP/1.0 200 OK",
    b"HTTP/1.1 103 x",
    b"HTTP/1.1 x",
]


@given(st.sampled_from(STATUSES), st.lists(LINES.map(b"".join), max_size=4), st.sampled_from([b"", b"hi", b"\r\n\r\n"]))
def test_so_does_any_head_of_an_answer(start: bytes, lines: list[bytes], body: bytes) -> None:
    whole = b"\r\n".join([start, *lines, b"", body])
    with patch.object(heads.ResponseHeads, "read", lambda _, __: None):
        expected = answered(iter([whole]))
    found = answered(iter([whole]))
    assert found == expected or (isinstance(found, ExchangeError) and str(found) == str(expected))


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=5))
def test_no_bytes_upset_the_server(pieces: list[bytes]) -> None:
    """Anything is either answered or waits for more: never an error of ours."""
    written, _ = served(pieces)
    assert b"internal error" not in written


@given(st.lists(st.binary(min_size=1, max_size=60) | st.sampled_from(list(ANSWERS.values())), min_size=1, max_size=5))
def test_no_bytes_upset_the_client(pieces: list[bytes]) -> None:
    result = answered(pieces)
    assert result is None or isinstance(result, tuple | ExchangeError)
