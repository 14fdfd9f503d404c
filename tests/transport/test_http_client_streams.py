"""Requests that leave and answers that arrive piece by piece, against peers that the test controls."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from seldon_core.transport.http_client import CutOffError, Exchange, ExchangeError, Pool, Response
from seldon_core.transport.limits import Limits
from tests.http_peers import PATIENCE, Peer, answering, http_answer, settled, until

MakePool = Callable[..., Pool]
GET = b"GET / HTTP/1.1\r\n\r\n"
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
POST_CHUNKED = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
async def make_pool() -> AsyncIterator[MakePool]:
    """Make pools, and close them with the test."""
    pools: list[Pool] = []

    def make_pool(port: int, **settings: Any) -> Pool:
        pools.append(Pool("127.0.0.1", port, **settings))
        return pools[-1]

    yield make_pool
    for pool in pools:
        pool.close()
    await settled()


class Taker:
    """Takes an answer in pieces, and writes down what it is told; also the sender of a body in pieces."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.body = b""
        self.response: Response | None = None
        self.error: ExchangeError | None = None
        self.done = asyncio.Event()

    def answered(self, response: Response) -> None:
        self.events.append("answered")
        self.response, self.body = response, response.body
        self.done.set()

    def begun(self, response: Response) -> None:
        self.events.append("begun")
        self.response, self.body = response, response.body

    def piece(self, data: bytes) -> None:
        self.body += data

    def ended(self) -> None:
        self.events.append("ended")
        self.done.set()

    def failed(self, error: ExchangeError) -> None:
        self.events.append("failed")
        self.error = error
        self.done.set()

    def pause(self) -> None:
        self.events.append("pause")

    def resume(self) -> None:
        self.events.append("resume")

    async def over(self) -> None:
        await asyncio.wait_for(self.done.wait(), PATIENCE)


def ask(pool: Pool, taker: Taker) -> Exchange:
    return pool.request(GET, b"", taker, stream=taker)


class Steps:
    """A peer that sends the next part of its answer whenever the test says so."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = parts
        self.go = asyncio.Semaphore(0)
        self.peer = Peer(self.script)

    async def script(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.peer.read_request(reader)
        for part in self.parts:
            await self.go.acquire()
            writer.write(part)
        await reader.read()


# Answers.


async def test_pieces_arrive_as_the_peer_sends_them(make_pool: MakePool) -> None:
    steps = Steps(CHUNKED_HEAD + b"3\r\none\r\n", b"3\r\ntwo\r\n2\r\n", b"xy\r\n0\r\n\r\n")
    async with steps.peer.running() as peer:
        pool, taker = make_pool(peer.port), Taker()
        ask(pool, taker)
        for body in (b"one", b"onetwo", b"onetwoxy"):
            steps.go.release()
            await until(lambda body=body: taker.body == body)
        await taker.over()
        assert taker.events == ["begun", "ended"]
        assert taker.response is not None
        assert taker.response.header(b"content-type") == b"text/event-stream"
        assert taker.response.length is None
        assert len(pool._idle) == 1
        assert (pool.in_flight, pool.budget.used) == (0, 0)


@pytest.mark.parametrize(
    ("parts", "events", "body"),
    [
        pytest.param([http_answer(b"x")], ["answered"], b"x", id="at once"),
        pytest.param([CHUNKED_HEAD + b"1\r\nx\r\n0\r\n\r\n"], ["answered"], b"x", id="chunks at once"),
        pytest.param([http_answer(b"xy")[:-1], b"y"], ["answered"], b"xy", id="short, in two parts"),
        pytest.param([http_answer(b"xyz")[:-2], b"y", b"z"], ["answered"], b"xyz", id="short, in three parts"),
        pytest.param(
            [http_answer(bytes(70_000))[:-1], b"\0"], ["begun", "ended"], bytes(70_000), id="long, in two parts"
        ),
        pytest.param([CHUNKED_HEAD, b"0\r\n\r\n"], ["begun", "ended"], b"", id="empty"),
        pytest.param([b"HTTP/1.1 100 Continue\r\n\r\n", http_answer(b"x")], ["answered"], b"x", id="interim"),
    ],
)
async def test_only_what_comes_in_pieces_is_handed_on_in_pieces(
    make_pool: MakePool, parts: list[bytes], events: list[str], body: bytes
) -> None:
    steps = Steps(*parts)
    async with steps.peer.running() as peer:
        pool, taker = make_pool(peer.port), Taker()
        ask(pool, taker)
        for _ in parts:
            steps.go.release()
            await until(lambda: steps.go.locked())
            await until(lambda: taker.events == events[:1] or events == ["answered"])
            await settled()
        await taker.over()
        assert (taker.events, taker.body) == (events, body)
        await until(lambda: len(pool._idle) == 1)


async def test_an_answer_that_ends_with_the_connection(make_pool: MakePool) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nto the ")
        await begun.wait()
        writer.write(b"end")

    begun = asyncio.Event()
    async with Peer(script).running() as peer:
        pool, taker = make_pool(peer.port), Taker()
        ask(pool, taker)
        await until(lambda: taker.body == b"to the ")
        begun.set()
        await taker.over()
        assert (taker.events, taker.body) == (["begun", "ended"], b"to the end")
        assert not pool._idle


async def test_the_last_piece_may_come_with_bytes_that_are_no_answer(make_pool: MakePool) -> None:
    steps = Steps(CHUNKED_HEAD, b"3\r\none\r\n0\r\n\r\nnonsense\r\n")
    async with steps.peer.running() as peer:
        pool, taker = make_pool(peer.port), Taker()
        ask(pool, taker)
        steps.go.release()
        await until(lambda: taker.events == ["begun"])
        steps.go.release()
        await taker.over()
        assert (taker.events, taker.body) == (["begun", "ended"], b"one")
        assert not pool._idle


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (b"5\r\nab", "in the middle of the answer"),
        (b"zz\r\n", "not valid HTTP/1.1"),
        (b"6f\r\n" + bytes(111), "larger than 100 bytes"),
    ],
)
async def test_an_answer_that_breaks_off(make_pool: MakePool, rest: bytes, message: str) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read_request(reader)
        writer.write(CHUNKED_HEAD)
        await begun.wait()
        writer.write(rest)

    begun = asyncio.Event()
    async with Peer(script).running() as peer:
        pool, taker = make_pool(peer.port, limits=Limits(body_bytes=100)), Taker()
        ask(pool, taker)
        await until(lambda: taker.events == ["begun"])
        begun.set()
        await taker.over()
        assert taker.events == ["begun", "failed"]
        assert message in str(taker.error)
        assert (pool.in_flight, pool._idle) == (0, [])


async def test_an_answer_can_be_held_up(make_pool: MakePool) -> None:
    size = 30_000_000

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + bytes(size))
        await reader.read()

    async with Peer(script).running() as peer:
        pool, taker = make_pool(peer.port), Taker()
        exchange = ask(pool, taker)
        await until(lambda: bool(taker.events))
        exchange.pause()
        held = len(taker.body)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(taker.body) == held < size
        exchange.resume()
        await taker.over()
        assert len(taker.body) == size
        assert pool.budget.used == 0


async def test_an_answer_can_be_cancelled_in_the_middle(make_pool: MakePool) -> None:
    steps = Steps(CHUNKED_HEAD + b"3\r\none\r\n")
    async with steps.peer.running() as peer:
        pool, taker = make_pool(peer.port), Taker()
        exchange = ask(pool, taker)
        steps.go.release()
        await until(lambda: taker.body == b"one")
        pool.cancel(exchange)
        await until(lambda: not peer.open)
        assert taker.events == ["begun"]
        assert (pool.in_flight, pool._idle) == (0, [])


async def test_an_answer_can_be_cancelled_by_its_receiver(make_pool: MakePool) -> None:
    class Fickle(Taker):
        def piece(self, data: bytes) -> None:
            super().piece(data)
            pool.cancel(exchange)

    steps = Steps(CHUNKED_HEAD, b"3\r\none\r\n0\r\n\r\n")
    async with steps.peer.running() as peer:
        pool, taker = make_pool(peer.port), Fickle()
        exchange = ask(pool, taker)
        steps.go.release()
        await until(lambda: taker.events == ["begun"])
        steps.go.release()
        await until(lambda: taker.body == b"one")
        await until(lambda: not peer.open)
        assert taker.events == ["begun"]
        assert (pool.in_flight, pool._idle) == (0, [])


# Bodies.


def framed_reader(bodies: list[bytes]) -> Callable[[asyncio.StreamReader], Any]:
    """Reads requests with chunked bodies."""

    async def read(reader: asyncio.StreamReader) -> bytes:
        await reader.readuntil(b"\r\n\r\n")
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size + 2)
            body = body[:-2]
            bodies.append(body)
        await reader.readline()
        return body

    return read


async def test_a_body_leaves_in_pieces(make_pool: MakePool) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(http_answer(await read(reader)))

    bodies: list[bytes] = []
    read = framed_reader(bodies)
    async with Peer(script).running() as peer:
        pool = make_pool(peer.port)
        for count in (1, 2):
            bodies.clear()
            taker = Taker()
            exchange = pool.upload(POST_CHUNKED, taker, taker, chunked=True)
            assert exchange.upload is not None
            exchange.upload.write(b"one")  # before there is a connection, the first time
            await until(lambda: bodies == [b"one"])
            exchange.upload.write(b"")
            exchange.upload.write(b"two")
            await until(lambda: bodies == [b"one", b"onetwo"])
            exchange.upload.end()
            await taker.over()
            assert taker.body == b"onetwo"
            assert peer.connections == 1, count


async def test_a_body_with_a_length_leaves_as_it_is(make_pool: MakePool) -> None:
    async with answering(http_answer(b"ok")).running() as peer:
        pool, taker = make_pool(peer.port), Taker()
        exchange = pool.upload(b"POST / HTTP/1.1\r\ncontent-length: 6\r\n\r\n", taker, taker, chunked=False)
        assert exchange.upload is not None
        exchange.upload.write(b"one")
        exchange.upload.write(b"two")
        exchange.upload.end()
        await taker.over()
        assert peer.bodies == [b"onetwo"]


async def test_a_slow_peer_is_felt(make_pool: MakePool) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()
        await go_on.wait()
        writer.transport.resume_reading()
        await peer.read_request(reader)
        writer.write(http_answer(b"ok"))
        await reader.read()

    go_on = asyncio.Event()
    size, piece = 20_000_000, bytes(100_000)
    async with Peer(script).running() as peer:
        pool, taker = make_pool(peer.port), Taker()
        exchange = pool.upload(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % size, taker, taker, chunked=False)
        assert exchange.upload is not None
        written = 0
        while written < size:
            if taker.events[-1:] == ["pause"]:
                go_on.set()
                await until(lambda: taker.events[-1] == "resume")
            exchange.upload.write(piece)
            written += len(piece)
            await asyncio.sleep(0)
        exchange.upload.end()
        await taker.over()
        assert "pause" in taker.events
        assert len(peer.bodies[0]) == size


async def test_too_much_before_there_is_a_connection_is_felt(make_pool: MakePool) -> None:
    async with answering(http_answer(b"ok")).running() as peer:
        pool, taker = make_pool(peer.port), Taker()
        exchange = pool.upload(b"POST / HTTP/1.1\r\ncontent-length: 600000\r\n\r\n", taker, taker, chunked=False)
        assert exchange.upload is not None
        exchange.upload.write(bytes(300_000))
        assert taker.events == ["pause"]
        await until(lambda: taker.events == ["pause", "resume"])
        exchange.upload.write(bytes(300_000))
        exchange.upload.end()
        await taker.over()
        assert peer.bodies == [bytes(600_000)]


@pytest.mark.parametrize("size", [100, 300_000])
async def test_a_body_is_sent_again_as_long_as_all_of_it_is_kept(make_pool: MakePool, size: int) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read_request(reader)
        writer.write(http_answer(b"ok"))
        if peer.connections > 1:
            await peer.read_request(reader)
            writer.write(http_answer(b"ok"))
            return
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(size)

    async with Peer(script).running() as peer:
        pool, first, second = make_pool(peer.port), Taker(), Taker()
        ask(pool, first)
        await first.over()
        head = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % (size + 1)
        exchange = pool.upload(head, second, second, chunked=False)
        assert exchange.upload is not None
        exchange.upload.write(bytes(size))
        await until(lambda: peer.connections == 2 or second.done.is_set())
        if size > 256 * 1024:
            assert isinstance(second.error, CutOffError)
            return
        exchange.upload.write(b"x")
        exchange.upload.end()
        await second.over()
        assert (second.body, peer.bodies[-1]) == (b"ok", bytes(size) + b"x")


async def test_an_answer_before_the_end_of_the_body_closes_the_connection(make_pool: MakePool) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(http_answer(b"no", "403 Forbidden"))
        await reader.read()

    async with Peer(script).running() as peer:
        pool, taker = make_pool(peer.port), Taker()
        exchange = pool.upload(POST_CHUNKED, taker, taker, chunked=True)
        assert exchange.upload is not None
        exchange.upload.write(b"some")
        await taker.over()
        assert taker.events == ["answered"]
        exchange.upload.write(b"more")  # nobody takes it
        await until(lambda: not peer.open)
        assert (pool.in_flight, pool._idle) == (0, [])
