"""Whatever a component or a caller does wrong: an answer that says so, nothing left behind, nobody else disturbed."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from seldon_core.engine.service import Service
from tests.engine.conftest import node
from tests.engine.graphs import PREDICTIONS, Behaviour, ask, component, info, n, place, post, says
from tests.engine.test_rest import CALLED, codes, request
from tests.http_peers import PATIENCE, Peer, RawClient, RawResponse, http_answer, until

X = {"strData": "x"}
GOOD = {"strData": "good"}
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def nothing_left(engine: Service) -> AsyncIterator[None]:
    """After what happens inside, the engine holds nothing more than before: no tasks, sockets, bytes, requests."""
    tasks = len(asyncio.all_tasks())
    yield
    server, pools = engine._server, engine._pools.values()
    await until(lambda: not server.connections)
    await until(lambda: all(connection in pool._idle for pool in pools for connection in pool.connections))
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
    assert [pool.in_flight for pool in pools] == [0] * len(pools)
    assert engine._budget.used == 0
    assert len(engine._orchestrator.deadlines) == 0


# Components.


@dataclass(frozen=True)
class Fault:
    """What a component does, and what the caller is told."""

    script: Script | None
    status: int
    text: str


def sends(data: bytes, *, reset: bool = False) -> Script:
    """Reads a request, answers with these bytes, and closes or resets the connection."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        if reset:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()

    return script


async def hangs(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(-1)


async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends a head without an end, a byte at a time."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nx: ")
    with contextlib.suppress(ConnectionError):
        while not reader.at_eof():
            writer.write(b"y")
            await asyncio.wait([asyncio.ensure_future(reader.read(1))], timeout=0.01)


TIMEOUT = "Client.Timeout exceeded while awaiting headers"
FAULTS = {
    "refuses": Fault(None, 500, "connection refused"),
    "hangs": Fault(hangs, 500, TIMEOUT),
    "drips": Fault(drips, 500, TIMEOUT),
    "closes": Fault(sends(b""), 500, "ended before the answer"),
    "resets": Fault(sends(b"", reset=True), 500, "ended before the answer"),
    "resets in the body": Fault(
        sends(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", reset=True), 500, "the connection ended"
    ),
    "too short": Fault(sends(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"), 500, "in the middle of the answer"),
    "garbage": Fault(sends(b"\x16\x03\x01\x02\x00\r\n\r\n"), 500, "not valid HTTP/1.1"),
    "length and chunks": Fault(
        sends(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        500,
        "not valid HTTP/1.1",
    ),
    "endless head": Fault(sends(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000), 500, "head of the answer is larger than"),
    "404": Fault(sends(http_answer(b"no such thing", "404 Not Found")), 404, "no such thing"),
    "503": Fault(sends(http_answer(b"busy", "503 Unavailable", "retry-after: 9")), 503, "busy"),
}

SHAPES = {
    "alone": n("bad"),
    "last of a chain": n("a", "MODEL", n("bad")),
    "first of a chain": n("bad", "MODEL", n("a")),
    "in a fan-out": n("c", "COMBINER", n("a"), n("bad"), n("slow")),
}


@contextlib.asynccontextmanager
async def around(fault: Fault, free_port: int) -> AsyncIterator[dict[str, Any]]:
    """The components of a graph, one of which has the fault; one never answers."""
    good: Behaviour = says(GOOD)
    async with contextlib.AsyncExitStack() as stack:
        peers = {name: await stack.enter_async_context(component(good).running()) for name in "ac"}
        peers["slow"] = await stack.enter_async_context(Peer(hangs).running())
        if fault.script is None:
            peers["bad"] = Peer(hangs)
            peers["bad"].port = free_port
        else:
            peers["bad"] = await stack.enter_async_context(Peer(fault.script).running())
        yield peers


@pytest.mark.parametrize("graph", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_faulty_component(run_engine, free_port: int, graph: dict[str, Any], fault: Fault) -> None:
    async with (
        around(fault, free_port) as peers,
        run_engine(place(graph, peers), annotations={"seldon.io/rest-timeout": "1000"}) as engine,
    ):
        async with nothing_left(engine):
            response = await ask(engine, post(PREDICTIONS, X))
            assert response.status == fault.status
            if response.status == 500 and fault.text == TIMEOUT and graph["name"] == "c":
                assert response.headers["seldon-failed-node"] in ("bad", "slow")
            else:
                assert response.headers["seldon-failed-node"] == "bad"
            assert fault.text in (info(response) if fault.status == 500 else response.body.decode())
            assert response.headers.get("retry-after") == ("9" if fault.status == 503 else None)
        assert not peers["slow"].open  # its call was cancelled
        assert await codes(engine) == {str(fault.status): 1}
        called = await codes(engine, CALLED)
        assert called.get(str(fault.status), 0) >= 1
        assert sum(called.values()) == (3 if graph["name"] == "c" else 2 if graph["children"] else 1) - (
            1 if graph["name"] == "bad" and graph["children"] else 0
        )


async def test_others_do_not_suffer_from_a_faulty_component(run_engine, connect) -> None:
    """Requests that the component answers are answered, while others hang, break off and are given up."""
    waiting: list[asyncio.StreamWriter] = []

    async def moody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, body = await peer.read_request(reader)
            if body == b"hang":
                waiting.append(writer)
                await reader.read(-1)
                return
            if body == b"reset":
                writer.transport.abort()
                return
            writer.write(http_answer(body))

    async with Peer(moody).running() as peer, run_engine(node("m", peer.port)) as engine, nothing_left(engine):
        hanging = [await connect(engine.http_port) for _ in range(5)]
        for client in hanging:
            await client.send(request(b"hang"))
        await until(lambda: len(waiting) == 5)
        client = await connect(engine.http_port)
        for _ in range(20):
            assert (await client.ask(request(b"good"))).body == b"good"
            assert (await client.ask(request(b"reset"))).status == 500
        for number, caller in enumerate(hanging):
            caller.close()
            await until(lambda number=number: peer.open <= 5 - number)
        client.close()


async def test_a_reused_connection_that_ends_under_a_request_is_replaced_once(run_engine) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read_request(reader)
        writer.write(http_answer(b"%d" % peer.connections))
        await peer.read_request(reader)
        writer.transport.abort()

    async with Peer(script).running() as peer, run_engine(node("m", peer.port)) as engine, nothing_left(engine):
        for number in (1, 2, 3):
            assert (await ask(engine, request())).body == b"%d" % number


# Callers.

MALFORMED = {
    "length and chunks": (b"POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd", 400),
    "bare CR": (b"GET /live HTTP/1.1\r\nA: b\rC: d\r\n\r\n", 400),
    "bare LF": (b"GET /live HTTP/1.1\nA: b\n\n", 400),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "bad chunk": (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400),
    "many headers": (b"GET /live HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n", 431),
    "large head": (b"GET /live HTTP/1.1\r\na: " + b"b" * 70_000 + b"\r\n\r\n", 431),
    "large target": (b"GET /" + b"b" * 70_000 + b" HTTP/1.1\r\n\r\n", 431),
}


@pytest.mark.parametrize(("sent", "status"), MALFORMED.values(), ids=MALFORMED)
async def test_malformed_requests_are_refused_and_the_connection_closed(
    run_engine, connect, sent: bytes, status: int
) -> None:
    async with run_engine(node("m", 1)) as engine, nothing_left(engine):
        client = await connect(engine.http_port)
        response: RawResponse = await client.ask(sent)
        assert (response.status, response.headers["connection"]) == (status, "close")
        assert response.headers["content-type"] == "application/json"
        assert info(response)
        assert await client.rest() == b""
        client.close()


@pytest.mark.parametrize("graph", [n("m"), n("a", "MODEL", n("b"))], ids=["one node", "chain"])
@pytest.mark.parametrize(
    "part",
    [
        b"POST /api/v1.0/predictions HTT",
        post(PREDICTIONS, X)[:-3],
        post(PREDICTIONS, bytes(100_000))[:-3],
        b"POST /api/v1.0/predictions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=["head", "small body", "large body", "chunk"],
)
async def test_a_caller_that_goes_away_in_the_middle_of_a_request(
    run_engine, connect, graph: dict[str, Any], part: bytes
) -> None:
    async with component(says(GOOD)).running() as peer:
        peers = dict.fromkeys("mab", peer)
        async with run_engine(place(graph, peers)) as engine, nothing_left(engine):
            client = await connect(engine.http_port)
            await client.send(part)
            (connection,) = engine._server.connections
            await until(lambda: not connection._fresh)
            client.close()
            await until(lambda: not engine._server.connections and not peer.heads[1:])


@pytest.fixture
def many_files() -> Iterator[None]:
    """Allow this process as many open files as a thousand connections, at both of their ends, need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
async def test_a_thousand_idle_connections_cost_nobody_anything(run_engine, connect) -> None:
    async with component(says(GOOD)).running() as peer, run_engine(node("m", peer.port)) as engine:
        async with nothing_left(engine):
            idle = [await connect(engine.http_port) for _ in range(1000)]
            await until(lambda: len(engine._server.connections) == 1000)
            for _ in range(10):
                assert (await ask(engine, request())).status == 200
            for client in idle[::100]:
                assert (await client.ask(request())).status == 200
            for client in idle:
                client.close()
        assert await codes(engine) == {"200": 20}


async def test_slow_readers_and_writers_hold_up_only_themselves(run_engine, connect) -> None:
    size = 20_000_000

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, body = await peer.read_request(reader)
            writer.write(http_answer(bytes(size) if body == b"large" else body))

    async with Peer(script).running() as peer, run_engine(node("m", peer.port)) as engine, nothing_left(engine):
        readers = [await connect(engine.http_port) for _ in range(5)]
        for client in readers:
            client.writer.transport.pause_reading()
            await client.send(request(b"large"))
        writers = [await connect(engine.http_port) for _ in range(5)]
        whole = request(b"slowly written")
        for index in range(len(whole)):
            for client in writers:
                await client.send(whole[index : index + 1])
            if index % 20 == 0:
                assert (await ask(engine, request(b"quick"))).body == b"quick"
        assert [(await client.response()).body for client in writers] == [b"slowly written"] * 5
        for client in readers:
            client.writer.transport.resume_reading()
            assert len((await client.response()).body) == size
        for client in readers + writers:
            client.close()


async def test_requests_sent_ahead_are_answered_in_order_whatever_becomes_of_each(run_engine, connect) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, body = await peer.read_request(reader)
            if body == b"reset":
                return
            writer.write(http_answer(body))

    async with Peer(script).running() as peer, run_engine(node("m", peer.port)) as engine, nothing_left(engine):
        client: RawClient = await connect(engine.http_port)
        bodies = [b"1", b"reset", b"2", b"3" * 100_000, b"reset", b"4"]
        sending = asyncio.ensure_future(client.send(b"".join(map(request, bodies))))
        for body in bodies:
            response = await client.response()
            assert (response.status, response.body == body) == ((500, False) if body == b"reset" else (200, True))
        await asyncio.wait_for(sending, PATIENCE)
        client.close()
