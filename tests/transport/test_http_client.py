"""The HTTP client against peers that behave, and against those that do not."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from seldon_core.transport import client_connection
from seldon_core.transport.http_client import (
    BadAnswerError,
    CutOffError,
    Exchange,
    ExchangeError,
    OverloadError,
    Pool,
    Response,
    UnreachableError,
)
from seldon_core.transport.limits import Budget, Limits
from tests.http_peers import Peer, answering, http_answer, settled, until

MakePool = Callable[..., Pool]
GET = b"GET / HTTP/1.1\r\n\r\n"


@pytest.fixture
async def make_pool() -> AsyncIterator[MakePool]:
    """Make pools, and close them with the test."""
    pools: list[Pool] = []

    def make_pool(port: int, host: str = "127.0.0.1", **settings: Any) -> Pool:
        pools.append(Pool(host, port, **settings))
        return pools[-1]

    yield make_pool
    for pool in pools:
        pool.close()
    await settled()


class Outcome:
    """Waits for the end of an exchange."""

    def __init__(self) -> None:
        self.future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    def answered(self, response: Response) -> None:
        self.future.set_result(response)

    def failed(self, error: ExchangeError) -> None:
        self.future.set_exception(error)


async def ask(pool: Pool, head: bytes = GET, body: bytes = b"", *, repeatable: bool = True) -> Response:
    outcome = Outcome()
    pool.request(head, body, outcome, repeatable=repeatable)
    return await asyncio.wait_for(outcome.future, 20)


def once(send: bytes, *, then: str = "close") -> Peer:
    """A peer that answers one request with these bytes, and then ends the connection."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read_request(reader)
        writer.write(send)
        await writer.drain()
        if then == "reset":
            writer.transport.abort()

    peer = Peer(script)
    return peer


# Answers.


@pytest.mark.parametrize(
    ("sent", "status", "body"),
    [
        pytest.param(http_answer(b"hello"), 200, b"hello", id="length"),
        pytest.param(
            b"HTTP/1.1 201 C\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: r\r\n\r\n",
            201,
            b"abc",
            id="chunks",
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nto the end", 200, b"to the end", id="to the end"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nold", 200, b"old", id="HTTP/1.0"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", id="no body"),
        pytest.param(http_answer(b"", "404 Not Found"), 404, b"", id="error"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + http_answer(b"x"), 200, b"x", id="interim answers"),
    ],
)
async def test_an_answer_is_understood(make_pool: MakePool, sent: bytes, status: int, body: bytes) -> None:
    async with once(sent).running() as peer:
        response = await ask(make_pool(peer.port))
    assert (response.status, response.body) == (status, body)


async def test_headers_are_kept_in_order_with_lower_case_names(make_pool: MakePool) -> None:
    async with answering(http_answer(b"", "200 OK", "B: 1", "a: 2", "B: 3")).running() as peer:
        response = await ask(make_pool(peer.port))
    assert response.headers == ((b"content-length", b"0"), (b"b", b"1"), (b"a", b"2"), (b"b", b"3"))
    assert (response.header(b"b"), response.header(b"c")) == (b"1", None)


@pytest.mark.parametrize("size", [0, 65_536, 65_537, 5_000_000])
async def test_bodies_of_any_size_go_both_ways(make_pool: MakePool, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, received = await peer.read_request(reader)
            writer.write(http_answer(received))

    async with Peer(echo).running() as peer:
        pool = make_pool(peer.port)
        for _ in range(2):
            response = await ask(pool, b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % size, body)
            assert response.body == body
            assert pool.budget.used == response.reserved == (size if size > 16_384 else 0)
            pool.budget.give_back(response.reserved)
        assert peer.connections == 1


# Connections.


async def test_a_connection_is_used_again(make_pool: MakePool) -> None:
    async with answering(http_answer(b"x")).running() as peer:
        pool = make_pool(peer.port)
        for _ in range(5):
            await ask(pool)
        assert peer.connections == 1


async def test_the_connection_used_last_is_used_first(make_pool: MakePool) -> None:
    async with answering(http_answer(b"x")).running() as peer:
        pool = make_pool(peer.port)
        await asyncio.gather(*(ask(pool) for _ in range(3)))
        assert len(pool._idle) == 3
        last = pool._idle[-1]
        for _ in range(3):
            await ask(pool)
            assert pool._idle[-1] is last


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(http_answer(b"x", "200 OK", "Connection: close"), id="close"),
        pytest.param(b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx", id="HTTP/1.0"),
        pytest.param(http_answer(b"x") + http_answer(b"y"), id="one answer too many"),
        pytest.param(http_answer(b"x") + b"garbage", id="garbage behind the answer"),
    ],
)
async def test_a_connection_that_cannot_be_trusted_is_not_used_again(make_pool: MakePool, sent: bytes) -> None:
    async with answering(sent).running() as peer:
        pool = make_pool(peer.port)
        for count in (1, 2):
            assert (await ask(pool)).body == b"x"
            assert peer.connections == count
        assert not pool._idle


async def test_a_connection_that_speaks_unasked_is_not_used_again(make_pool: MakePool) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read_request(reader)
        writer.write(http_answer(b"x"))
        await unasked.wait()
        writer.write(http_answer(b"y"))
        await reader.read()

    unasked = asyncio.Event()
    async with Peer(script).running() as peer:
        pool = make_pool(peer.port)
        assert (await ask(pool)).body == b"x"
        unasked.set()
        await until(lambda: not pool._idle)
        assert (await ask(pool)).body == b"x"
        assert peer.connections == 2


@pytest.mark.parametrize(
    ("announced", "seconds"),
    [
        ([], 1.0),
        (["Keep-Alive: timeout=75"], 60.0),
        (["Keep-Alive: timeout=600"], 60.0),
        (["Keep-Alive: max=5, timeout=2"], 1.6),
        (["Keep-Alive: timeout=0"], 0.0),
        (["Keep-Alive: max=5"], 1.0),
        (["Keep-Alive: timeout=soon"], 1.0),
    ],
)
async def test_an_idle_connection_is_kept_as_long_as_the_peer_allows(
    make_pool: MakePool, announced: list[str], seconds: float
) -> None:
    async with answering(http_answer(b"", "200 OK", *announced)).running() as peer:
        pool = make_pool(peer.port)
        await ask(pool)
        assert [connection.idle_seconds for connection in pool._idle] == [pytest.approx(seconds)]
        pool.close()


async def test_an_idle_connection_is_closed_in_time(make_pool: MakePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_connection, "IDLE_SECONDS", 0.0)
    async with answering(http_answer(b"x")).running() as peer:
        pool = make_pool(peer.port)
        await ask(pool)
        await until(lambda: not peer.open)
        assert not pool._idle


async def test_a_connection_whose_time_is_over_is_not_used(make_pool: MakePool) -> None:
    async with answering(http_answer(b"x")).running() as peer:
        pool = make_pool(peer.port)
        await ask(pool)
        pool._idle[0].idle_until = 0.0
        await ask(pool)
        assert peer.connections == 2


async def test_a_closed_pool_keeps_no_connection(make_pool: MakePool) -> None:
    async with answering(http_answer(b"x")).running() as peer:
        pool = make_pool(peer.port)
        await ask(pool)
        outcome = Outcome()
        pool.request(GET, b"", outcome)
        pool.close()
        assert (await outcome.future).body == b"x"
        await until(lambda: not peer.open)
        with pytest.raises(OverloadError):
            await ask(pool)


# Failures.


@pytest.mark.parametrize(
    ("sent", "then", "error", "message"),
    [
        pytest.param(b"", "close", CutOffError, "before the answer", id="closed before the answer"),
        pytest.param(b"", "reset", CutOffError, "before the answer", id="reset before the answer"),
        pytest.param(b"HTTP/1.1 200 OK\r\nx", "close", CutOffError, "in the middle of", id="closed within the head"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab",
            "close", CutOffError, "in the middle of", id="wrong length",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", "reset", CutOffError, None, id="reset within the body"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
            "close", CutOffError, "in the", id="cut chunk",
        ),
        pytest.param(b"220 mail.example ESMTP\r\n", "close", BadAnswerError, "not valid HTTP", id="another protocol"),
        pytest.param(b"HTTP/1.1 OK\r\n\r\n", "close", BadAnswerError, "not valid HTTP", id="no status"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
            "close", BadAnswerError, "not valid HTTP", id="two lengths",
        ),
        pytest.param(
            b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
            "close", BadAnswerError, "switches to another protocol", id="upgrade",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 101 + b"\r\n", "close", BadAnswerError, "more than 100 headers",
            id="headers",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000 + b"\r\n\r\n", "close", BadAnswerError,
            "head of the answer is larger than 65536 bytes", id="head",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1_000_000,
            "close", BadAnswerError, None, id="headers without an end",
        ),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000_000, "close", BadAnswerError, "head of the answer",
            id="interim answers without an end",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 1_000_000, "close",
            BadAnswerError, "more than 100 trailers", id="trailers without an end",
        ),
        pytest.param(http_answer(b"v" * 101), "close", BadAnswerError, "larger than 100 bytes", id="body"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n", "close", BadAnswerError, "larger than 100 bytes",
            id="declared body",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"8\r\nvvvvvvvv\r\n" * 20, "close",
            BadAnswerError, "larger than 100 bytes", id="chunks",
        ),
    ],
)  # fmt: skip
async def test_what_is_no_complete_answer_is_an_error(
    make_pool: MakePool, sent: bytes, then: str, error: type[ExchangeError], message: str | None
) -> None:
    async with once(sent, then=then).running() as peer:
        pool = make_pool(peer.port, limits=Limits(body_bytes=100))
        with pytest.raises(error, match=message):
            await ask(pool)
        assert peer.connections == 1
        assert (pool.in_flight, pool.budget.used, pool._idle) == (0, 0, [])


async def test_nobody_listens(make_pool: MakePool, free_port: int) -> None:
    pool = make_pool(free_port)
    with pytest.raises(UnreachableError, match=f"cannot connect to 127.0.0.1:{free_port}: connection refused"):
        await ask(pool)
    assert pool.in_flight == 0


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 64 + ".invalid", "nul\0l"])
async def test_a_name_that_nobody_has(make_pool: MakePool, host: str) -> None:
    pool = make_pool(80, host=host)
    with pytest.raises(UnreachableError, match=f"cannot connect to {re.escape(host)}:80: "):
        await ask(pool)
    assert pool.in_flight == 0


@pytest.fixture
def full_backlog() -> object:
    """The port of a listener that takes no more connections."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = []
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            fillers.append(filler)
        yield port
        for filler in fillers:
            filler.close()


async def test_nobody_accepts(make_pool: MakePool, full_backlog: int) -> None:
    pool = make_pool(full_backlog, connect_seconds=0.05)
    with pytest.raises(UnreachableError, match=r"within 0\.05 s"):
        await ask(pool)


async def test_connecting_can_be_cancelled(make_pool: MakePool, full_backlog: int) -> None:
    pool = make_pool(full_backlog)
    outcome = Outcome()
    exchange = pool.request(GET, b"", outcome)
    pool.cancel(exchange)
    pool.cancel(exchange)
    assert pool.in_flight == 0
    await until(lambda: not pool._opening)
    assert not outcome.future.done()


async def test_a_request_can_be_cancelled_and_the_peer_sees_it(make_pool: MakePool) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read_request(reader)
        await reader.read()

    async with Peer(silent).running() as peer:
        pool = make_pool(peer.port)
        outcome = Outcome()
        exchange = pool.request(GET, b"", outcome)
        await until(lambda: bool(peer.heads))
        pool.cancel(exchange)
        await until(lambda: not peer.open)
        assert pool.in_flight == 0
        assert not outcome.future.done()


# A reused connection that has died meanwhile.


def dying(*, at_request: int, connections: int = 1) -> Peer:
    """A peer whose first connections end, without a word, upon the given request on them."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mortal = peer.connections <= connections
        number = 0
        while True:
            await peer.read_request(reader)
            number += 1
            if mortal and number == at_request:
                return
            writer.write(http_answer(b"alive"))

    peer = Peer(script)
    return peer


async def test_a_request_is_repeated_when_a_reused_connection_ends_without_a_word(make_pool: MakePool) -> None:
    async with dying(at_request=2).running() as peer:
        pool = make_pool(peer.port)
        assert (await ask(pool)).body == b"alive"
        assert (await ask(pool, b"POST /2 HTTP/1.1\r\ncontent-length: 1\r\n\r\n", b"x")).body == b"alive"
        assert peer.connections == 2
        assert peer.bodies == [b"", b"x", b"x"]
        assert pool.in_flight == 0


async def test_it_is_repeated_on_a_new_connection_not_on_another_old_one(make_pool: MakePool) -> None:
    async with dying(at_request=2, connections=3).running() as peer:
        pool = make_pool(peer.port)
        await asyncio.gather(*(ask(pool) for _ in range(3)))
        assert peer.connections == 3
        assert (await ask(pool)).body == b"alive"
        assert peer.connections == 4


async def test_it_is_repeated_once(make_pool: MakePool) -> None:
    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read_request(reader)

    async with dying(at_request=2).running() as peer:
        pool = make_pool(peer.port)
        await ask(pool)
        peer.script = end
        with pytest.raises(CutOffError):
            await ask(pool)
        assert peer.connections == 2


@pytest.mark.parametrize(("at_request", "repeatable"), [(1, True), (2, False)])
async def test_a_new_connection_or_a_request_that_must_not_be_seen_twice_fails(
    make_pool: MakePool, at_request: int, repeatable: bool
) -> None:
    async with dying(at_request=at_request).running() as peer:
        pool = make_pool(peer.port)
        if at_request == 2:
            await ask(pool)
        with pytest.raises(CutOffError):
            await ask(pool, repeatable=repeatable)
        assert peer.connections == 1


async def test_a_request_is_not_repeated_after_part_of_its_answer(make_pool: MakePool) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read_request(reader)
        writer.write(http_answer(b"x"))
        await peer.read_request(reader)
        writer.write(b"HTTP/1.1 200")
        await writer.drain()

    async with Peer(script).running() as peer:
        pool = make_pool(peer.port)
        await ask(pool)
        with pytest.raises(CutOffError, match="in the middle of"):
            await ask(pool)
        assert peer.connections == 1


class Broken:
    """A transport that has broken without having said so yet."""

    def write(self, _: bytes) -> None:
        raise RuntimeError("the handler is closed")

    writelines = write


@pytest.mark.parametrize("repeatable", [True, False])
async def test_a_connection_that_breaks_just_now_is_passed_over(make_pool: MakePool, repeatable: bool) -> None:
    async with answering(http_answer(b"x")).running() as peer:
        pool = make_pool(peer.port)
        await asyncio.gather(ask(pool), ask(pool))
        for connection in pool._idle[1:]:
            transport, connection._transport = connection._transport, Broken()
        assert (await ask(pool, repeatable=repeatable)).body == b"x"
        assert peer.connections == 2
        connection._transport = transport
        transport.close()


# Limits.


async def test_a_pool_takes_so_many_requests_and_no_more(make_pool: MakePool) -> None:
    release = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await peer.read_request(reader)
            await release.wait()
            writer.write(http_answer(b"x"))

    async with Peer(slow).running() as peer:
        pool = make_pool(peer.port, max_in_flight=3)
        asked = [asyncio.ensure_future(ask(pool)) for _ in range(3)]
        await until(lambda: len(peer.heads) == 3)
        with pytest.raises(OverloadError, match=r"3 requests to 127\.0\.0\.1"):
            await ask(pool)
        release.set()
        assert [response.body for response in await asyncio.gather(*asked)] == [b"x"] * 3
        assert (await ask(pool)).body == b"x"


async def test_large_answers_share_a_budget(make_pool: MakePool) -> None:
    async with answering(http_answer(bytes(60_000))).running() as peer:
        pool = make_pool(peer.port, budget=Budget(100_000))
        response = await ask(pool)
        assert response.reserved == 60_000
        with pytest.raises(OverloadError, match="too many bytes"):
            await ask(pool)
        pool.budget.give_back(response.reserved)
        assert len((await ask(pool)).body) == 60_000


async def test_a_connection_is_closed_when_it_was_answered_before_it_was_asked(make_pool: MakePool) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()
        writer.write(http_answer(b"no", "413 Content Too Large"))
        await answered.wait()
        writer.transport.resume_reading()
        await reader.read()

    answered = asyncio.Event()
    async with Peer(script).running() as peer:
        pool = make_pool(peer.port)
        body = bytes(30_000_000)
        response = await ask(pool, b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body), body)
        assert response.status == 413
        answered.set()
        await until(lambda: not peer.open)
        assert not pool._idle


def test_an_exchange_starts_without_a_connection() -> None:
    exchange = Exchange(b"", b"", None, False)  # type: ignore[arg-type]
    assert (exchange.connection, exchange.opening) == (None, None)
