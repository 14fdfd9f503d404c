"""Answers that leave and bodies that arrive piece by piece, over real sockets."""

import asyncio
import logging

import pytest

from seldon_core.transport.http_server import HTTPServer, Reply, Request
from seldon_core.transport.limits import Limits
from tests.http_peers import PATIENCE, RawClient, until

GET = b"GET / HTTP/1.1\r\n\r\n"
EVENTS = ((b"content-type", b"text/event-stream"),)


class Kept:
    """A handler that keeps requests and replies for the test."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.replies: list[Reply] = []

    def __call__(self, request: Request, reply: Reply) -> None:
        self.requests.append(request)
        self.replies.append(reply)

    async def reply(self, number: int = 0) -> Reply:
        await until(lambda: len(self.replies) > number)
        return self.replies[number]


class Collector:
    """Takes the body of a request, and answers when it is complete."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.events: list[object] = []
        self.request: Request | None = None
        self.reply: Reply | None = None

    def __call__(self, request: Request, reply: Reply) -> None:
        self.request, self.reply = request, reply
        if request.upload is None:
            self.pieces.append(request.body)
            self.ended()
        else:
            request.upload.receiver = self

    def piece(self, data: bytes) -> None:
        self.pieces.append(data)

    def ended(self) -> None:
        self.events.append("ended")
        assert self.reply is not None
        self.reply.send(200, (), b"%d" % len(self.body))

    def broken(self, status: int, reason: str) -> None:
        self.events.append((status, reason))
        assert self.reply is not None
        self.reply.send(status, (), reason.encode())

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


def always(_: Request) -> bool:
    return True


async def head(client: RawClient) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return await client.reader.readuntil(b"\r\n\r\n")


async def exactly(client: RawClient, expected: bytes) -> None:
    async with asyncio.timeout(PATIENCE):
        assert await client.reader.readexactly(len(expected)) == expected


# Answers.


async def test_pieces_reach_the_caller_as_they_are_written(serve, connect) -> None:
    kept = Kept()
    async with serve(kept) as (_, port):
        client = await connect(port)
        await client.send(GET)
        reply = await kept.reply()
        reply.begin(200, EVENTS)
        reply.write(b"data: 1\n\n")
        received = await head(client)
        assert b"content-type: text/event-stream\r\n" in received
        assert b"transfer-encoding: chunked\r\n" in received
        await exactly(client, b"9\r\ndata: 1\n\n\r\n")
        reply.write(b"")  # an empty piece would end the body
        reply.write(b"data: 2\n\n")
        await exactly(client, b"9\r\ndata: 2\n\n\r\n")
        reply.end()
        await exactly(client, b"0\r\n\r\n")
        await client.send(GET)  # the connection goes on
        (await kept.reply(1)).send(200, (), b"next")
        assert (await client.response()).body == b"next"


@pytest.mark.parametrize(
    ("line", "status", "length", "framing", "body", "kept_alive"),
    [
        pytest.param("GET / HTTP/1.1", 200, 4, b"content-length: 4", b"four", True, id="with a length"),
        pytest.param("GET / HTTP/1.1", 200, 0, b"content-length: 0", b"", True, id="empty"),
        pytest.param("GET / HTTP/1.0", 200, None, b"connection: close", b"four", False, id="HTTP/1.0, to the end"),
        pytest.param(
            "GET / HTTP/1.0\r\nConnection: keep-alive", 200, 4, b"connection: keep-alive", b"four", True,
            id="HTTP/1.0 with a length",
        ),
        pytest.param("HEAD / HTTP/1.1", 200, 4, b"content-length: 4", b"", True, id="HEAD with a length"),
        pytest.param("HEAD / HTTP/1.1", 200, None, b"transfer-encoding: chunked", b"", True, id="HEAD"),
        pytest.param("GET / HTTP/1.1", 204, None, b"", b"", True, id="no content"),
    ],
)  # fmt: skip
async def test_an_answer_in_pieces_is_framed_as_http_says(
    serve, connect, line: str, status: int, length: int | None, framing: bytes, body: bytes, kept_alive: bool
) -> None:
    def handler(request: Request, reply: Reply) -> None:
        reply.begin(status, (), length)
        if length != 0:
            reply.write(b"fo")
            reply.write(b"ur")
        reply.end()

    async with serve(handler) as (_, port):
        client = await connect(port)
        for _ in range(2 if kept_alive else 1):
            await client.send(f"{line}\r\n\r\n".encode())
            assert framing in await head(client)
            if kept_alive:
                await exactly(client, body)
            else:
                assert await client.rest() == body


@pytest.mark.parametrize(
    ("version", "length", "ended", "received"),
    [
        pytest.param("1.1", None, False, b"4\r\npart\r\n", id="chunks"),
        pytest.param("1.1", 100, False, b"part", id="length"),
        pytest.param("1.1", 100, True, b"part", id="ended before its length"),
        pytest.param("1.0", 100, False, b"part", id="HTTP/1.0 with a length"),
        pytest.param("1.0", None, False, ConnectionResetError, id="HTTP/1.0"),
    ],
)
async def test_a_body_that_is_not_complete_does_not_look_complete(
    serve, connect, version: str, length: int | None, ended: bool, received: bytes | type[Exception]
) -> None:
    kept = Kept()
    async with serve(kept) as (server, port):
        client = await connect(port)
        await client.send(f"GET / HTTP/{version}\r\n\r\nGET /never HTTP/1.1\r\n\r\n".encode())
        reply = await kept.reply()
        reply.begin(200, (), length)
        reply.write(b"part")
        await head(client)
        reply.end() if ended else reply.cut_off()
        if isinstance(received, bytes):
            assert await client.reader.read() == received
        else:
            with pytest.raises(received):
                await client.reader.read()
        await until(lambda: not server.connections)
        assert len(kept.replies) == 1
        with pytest.raises(RuntimeError, match="no answer was begun, or it has ended"):
            reply.write(b"more")


async def test_more_than_was_announced_is_an_error(serve, connect) -> None:
    kept = Kept()
    async with serve(kept) as (_, port):
        client = await connect(port)
        await client.send(GET)
        reply = await kept.reply()
        with pytest.raises(RuntimeError, match="no answer was begun"):
            reply.write(b"early")
        reply.begin(200, (), 4)
        with pytest.raises(RuntimeError, match="answered before"):
            reply.begin(200, (), 4)
        with pytest.raises(RuntimeError, match="answered before"):
            reply.send(200, (), b"")
        reply.write(b"fo")
        with pytest.raises(ValueError, match="1 bytes longer than was announced"):
            reply.write(b"urr")
        reply.write(b"ur")
        reply.end()
        await head(client)
        await exactly(client, b"four")


async def test_a_slow_caller_is_felt(serve, connect) -> None:
    kept = Kept()
    piece = bytes(100_000)
    async with serve(kept) as (_, port):
        client = await connect(port)
        client.writer.transport.pause_reading()
        await client.send(GET)
        reply = await kept.reply()
        resumed = asyncio.Event()
        reply.resumed = resumed.set
        reply.begin(200, ())
        written = 0
        while not reply.paused:
            reply.write(piece)
            written += 1
            await asyncio.sleep(0)
            assert written < 1000
        assert not resumed.is_set()
        client.writer.transport.resume_reading()
        reading = asyncio.ensure_future(client.rest())
        await asyncio.wait_for(resumed.wait(), PATIENCE)
        assert not reply.paused
        reply.end()
        client.writer.write_eof()
        assert (await reading).count(b"186a0\r\n") == written


@pytest.mark.parametrize("when", ["at once", "while it is slow"])
async def test_a_handler_is_told_in_the_middle_that_its_caller_went_away(serve, connect, when: str) -> None:
    kept = Kept()
    async with serve(kept) as (server, port):
        client = await connect(port)
        if when == "while it is slow":
            client.writer.transport.pause_reading()
        await client.send(GET)
        reply = await kept.reply()
        gone = asyncio.Event()
        reply.disconnected = gone.set
        reply.begin(200, ())
        reply.write(bytes(10_000_000) if when == "while it is slow" else b"x")
        client.close()
        await asyncio.wait_for(gone.wait(), PATIENCE)
        for step in (reply.end, reply.cut_off):
            reply.write(b"into the void")
            step()
        assert reply.gone
        assert not reply.paused
        assert not server.connections
        assert server.budget.used == 0


async def test_a_caller_that_does_not_take_its_pieces_is_cut_off(serve, connect) -> None:
    kept = Kept()
    async with serve(kept, limits=Limits(body_seconds=0.2)) as (server, port):
        client = await connect(port)
        client.writer.transport.pause_reading()
        await client.send(GET)
        reply = await kept.reply()
        reply.begin(200, ())
        reply.write(bytes(50_000_000))
        await until(lambda: not server.connections)
        assert reply.gone


async def test_a_handler_that_fails_in_the_middle_is_cut_off(serve, connect, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Request, reply: Reply) -> None:
        reply.begin(200, ())
        reply.write(b"x")
        raise ZeroDivisionError

    with caplog.at_level(logging.ERROR):
        async with serve(fail) as (_, port):
            client = await connect(port)
            await client.send(GET)
            await head(client)
            assert await client.rest() == b"1\r\nx\r\n"
    assert "the handler of GET / failed" in caplog.text


async def test_draining_waits_for_answers_in_pieces(serve, connect) -> None:
    kept = Kept()
    async with serve(kept, limits=Limits(drain_idle_seconds=0.05)) as (server, port):
        client = await connect(port)
        await client.send(GET)
        reply = await kept.reply()
        reply.begin(200, ())
        draining = asyncio.ensure_future(server.drain(20))
        await until(lambda: server.draining)
        reply.write(b"last")
        reply.end()
        await head(client)
        assert await client.rest() == b"4\r\nlast\r\n0\r\n\r\n"
        assert await draining == 0


# Bodies.


def start_upload(server: HTTPServer) -> None:
    server.early = always


@pytest.mark.parametrize("chunked", [True, False], ids=["chunks", "length"])
async def test_a_body_is_handed_over_as_it_arrives(serve, connect, chunked: bool) -> None:
    taken = Collector()
    size = 200_000
    async with serve(taken) as (server, port):
        start_upload(server)
        client = await connect(port)
        framing = b"transfer-encoding: chunked" if chunked else b"content-length: %d" % (4 + size)
        await client.send(b"POST /a HTTP/1.1\r\n%b\r\n\r\n" % framing + (b"4\r\nfour\r\n" if chunked else b"four"))
        await until(lambda: taken.body == b"four")
        assert taken.request is not None
        assert taken.request.upload is not None
        assert taken.request.upload.length == (None if chunked else 4 + size)
        rest = b"x" * size
        await client.send(b"%x\r\n%b\r\n0\r\nTrailer: x\r\n\r\n" % (size, rest) if chunked else rest)
        assert (await client.response()).body == b"%d" % (4 + size)
        assert taken.body == b"four" + rest
        assert (await client.ask(b"POST /b HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc")).body == b"%d" % (7 + size)
        assert taken.request.upload is None
        assert server.budget.used == 0


async def test_small_bodies_are_handed_over_complete(serve, connect) -> None:
    taken = Collector()
    async with serve(taken) as (server, port):
        start_upload(server)
        client = await connect(port)
        await client.send(b"POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\nfo")
        await until(lambda: any(connection._request for connection in server.connections))
        assert (await client.ask(b"ur")).body == b"4"
        assert taken.request is not None
        assert taken.request.upload is None


async def test_a_body_asked_for_first_is_handed_over_as_it_arrives(serve, connect) -> None:
    taken = Collector()
    async with serve(taken) as (server, port):
        start_upload(server)
        client = await connect(port)
        await client.send(b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n")
        assert await head(client) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await client.ask(b"1\r\nx\r\n0\r\n\r\n")).body == b"1"


async def test_requests_behind_a_body_are_answered_in_order(serve, connect) -> None:
    taken = Collector()
    async with serve(taken) as (server, port):
        start_upload(server)
        client = await connect(port)
        begins = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n"
        await client.send(begins)
        await until(lambda: taken.body == b"a")
        whole = b"POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\n"
        await client.send(b"1\r\nb\r\n0\r\n\r\n" + whole + b"c" + begins)
        for size in (2, 3):
            assert (await client.response()).body == b"%d" % size
        await until(lambda: taken.body == b"abca")
        assert (await client.ask(b"0\r\n\r\n")).body == b"4"


async def test_a_handler_can_hold_a_body_up(serve, connect) -> None:
    taken = Collector()
    size = 30_000_000
    async with serve(taken) as (server, port):
        start_upload(server)
        client = await connect(port)
        await client.send(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % size)
        await until(lambda: taken.request is not None)
        assert taken.request is not None
        upload = taken.request.upload
        assert upload is not None
        upload.pause()
        sending = asyncio.ensure_future(client.send(bytes(size)))
        (connection,) = server.connections
        assert not connection._transport.is_reading()
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(taken.body) < size
        upload.resume()
        assert (await client.response()).body == b"%d" % size
        await sending
        upload.pause()  # it is over, nothing happens
        assert connection._transport.is_reading()


@pytest.mark.parametrize(
    ("rest", "limits", "status", "reason"),
    [
        pytest.param(b"zzz\r\n", Limits(), 400, "not a valid HTTP/1.1 request", id="no chunk"),
        pytest.param(b"65\r\n" + b"v" * 101, Limits(body_bytes=100), 413, "larger than 100 bytes", id="too large"),
        pytest.param(b"", Limits(body_seconds=0.1), 408, "no piece of the body for 0.1 seconds", id="too slow"),
        pytest.param(b"0\r\n" + b"a: b\r\n" * 200, Limits(), 431, "more than 100 trailers", id="trailers"),
    ],
)
async def test_a_handler_is_told_that_the_rest_will_not_come(
    serve, connect, rest: bytes, limits: Limits, status: int, reason: str
) -> None:
    taken = Collector()
    async with serve(taken, limits=limits) as (server, port):
        start_upload(server)
        client = await connect(port)
        await client.send(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        await until(lambda: taken.body == b"a")
        await client.send(rest)
        response = await client.response()
        assert (response.status, response.headers["connection"]) == (status, "close")
        assert reason in response.body.decode()
        assert await client.rest() == b""
        assert [event[0] for event in taken.events] == [status]


async def test_an_answer_before_the_end_of_the_body_reaches_a_caller_that_goes_on_sending(serve, connect) -> None:
    def refuse(request: Request, reply: Reply) -> None:
        reply.send(403, (), b"no")

    async with serve(refuse) as (server, port):
        start_upload(server)
        client = await connect(port)
        size = 3_000_000
        await client.send(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % size)
        await client.send(bytes(size))
        response = await client.response()
        assert (response.status, response.headers["connection"]) == (403, "close")
        assert await client.rest() == b""
        await until(lambda: not server.connections)


async def test_a_caller_that_goes_away_in_the_middle_of_its_body(serve, connect) -> None:
    taken = Collector()
    async with serve(taken) as (server, port):
        start_upload(server)
        client = await connect(port)
        await client.send(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
        await until(lambda: taken.body == b"a")
        assert taken.reply is not None
        gone = asyncio.Event()
        taken.reply.disconnected = gone.set
        client.close()
        await asyncio.wait_for(gone.wait(), PATIENCE)
        assert not taken.events
        assert not server.connections


async def test_a_handler_that_fails_on_a_piece_is_answered_for(
    serve, connect, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Collector):
        def piece(self, data: bytes) -> None:
            raise ZeroDivisionError

    with caplog.at_level(logging.ERROR):
        async with serve(Failing()) as (server, port):
            start_upload(server)
            client = await connect(port)
            await client.send(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
            assert (await client.response()).status == 500
    assert "the handler failed on the body of a request" in caplog.text
