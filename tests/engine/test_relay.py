"""A graph of one component hands requests and answers on as they come, over real sockets."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from seldon_core.engine.service import Service
from tests.engine.conftest import node
from tests.engine.graphs import PREDICTIONS, component, info, says
from tests.engine.test_rest import CALLED, codes, request
from tests.http_peers import PATIENCE, Peer, RawClient, http_answer, until

EVENTS = "content-type: text/event-stream\r\ntransfer-encoding: chunked"
CHUNKED_POST = f"POST {PREDICTIONS} HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n\r\n".encode()
LARGE = 1_000_000


class Stepwise:
    """A component that answers with one part after the other, each when the test says so."""

    def __init__(self, status: str = "200 OK", headers: str = EVENTS) -> None:
        self.head = f"HTTP/1.1 {status}\r\n{headers}\r\n\r\n".encode()
        self.parts: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.peer = Peer(self.script)

    async def script(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await self.peer.read_request(reader)
            writer.write(self.head)
            gone = asyncio.ensure_future(reader.read(1))
            while True:
                part = asyncio.ensure_future(self.parts.get())
                await asyncio.wait((part, gone), return_when=asyncio.FIRST_COMPLETED)
                if gone.done() or (sent := part.result()) is None:
                    part.cancel()
                    gone.cancel()
                    return
                writer.write(sent)


async def receive(client: RawClient, expected: bytes) -> None:
    async with asyncio.timeout(PATIENCE):
        assert await client.reader.readexactly(len(expected)) == expected


async def receive_head(client: RawClient) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return await client.reader.readuntil(b"\r\n\r\n")


async def streaming(
    engine: Service, connect: Callable[[int], Awaitable[RawClient]], component: Stepwise
) -> tuple[RawClient, bytes]:
    """A caller that has got the first event."""
    client = await connect(engine.http_port)
    await client.send(request())
    component.parts.put_nowait(b"3\r\none\r\n")
    head = await receive_head(client)
    await receive(client, b"3\r\none\r\n")
    return client, head


# Answers.


async def test_an_event_reaches_the_caller_before_the_next_one_is_produced(run_engine, connect) -> None:
    stepwise = Stepwise()
    async with stepwise.peer.running() as peer, run_engine(node("m", peer.port)) as engine:
        client, head = await streaming(engine, connect, stepwise)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\ncontent-type: text/event-stream\r\n" in head
        assert b"\r\ntransfer-encoding: chunked\r\n" in head
        assert await codes(engine) == {}
        stepwise.parts.put_nowait(b"3\r\ntwo\r\n0\r\n\r\n")
        await receive(client, b"3\r\ntwo\r\n0\r\n\r\n")
        assert await codes(engine) == await codes(engine, CALLED) == {"200": 1}
        await client.send(request())  # the connection goes on
        await receive_head(client)


async def test_a_failure_in_pieces_is_relayed_with_the_nodes_name(run_engine, connect) -> None:
    stepwise = Stepwise("429 Slow Down", "retry-after: 3\r\ntransfer-encoding: chunked")
    async with stepwise.peer.running() as peer, run_engine(node("m", peer.port)) as engine:
        client, head = await streaming(engine, connect, stepwise)
        assert head.startswith(b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 3\r\n")
        assert b"\r\nseldon-failed-node: m\r\n" in head
        stepwise.parts.put_nowait(b"0\r\n\r\n")
        await receive(client, b"0\r\n\r\n")
        assert await codes(engine) == await codes(engine, CALLED) == {"429": 1}


@pytest.mark.parametrize("part", [None, b"no chunk\r\n"], ids=["ends", "is no HTTP"])
async def test_an_answer_that_breaks_off_is_cut_off(run_engine, connect, part: bytes | None) -> None:
    stepwise = Stepwise()
    async with stepwise.peer.running() as peer, run_engine(node("m", peer.port)) as engine:
        client, _ = await streaming(engine, connect, stepwise)
        stepwise.parts.put_nowait(part)
        assert await client.rest() == b""
        assert await codes(engine) == await codes(engine, CALLED) == {"500": 1}


async def test_the_deadline_includes_the_last_piece(run_engine, connect) -> None:
    stepwise = Stepwise()
    annotations = {"seldon.io/rest-timeout": "300"}
    async with stepwise.peer.running() as peer, run_engine(node("m", peer.port), annotations=annotations) as engine:
        client, _ = await streaming(engine, connect, stepwise)
        assert await client.rest() == b""
        await until(lambda: not peer.open)
        assert await codes(engine) == await codes(engine, CALLED) == {"500": 1}


async def test_a_component_sees_that_the_caller_went_away(run_engine, connect) -> None:
    stepwise = Stepwise()
    async with stepwise.peer.running() as peer, run_engine(node("m", peer.port)) as engine:
        client, _ = await streaming(engine, connect, stepwise)
        client.close()
        await until(lambda: not peer.open)
        assert await codes(engine) == await codes(engine, CALLED) == {"499": 1}


async def test_a_component_is_held_up_by_a_slow_caller(run_engine, connect) -> None:
    size = 50_000_000
    async with component(says(bytes(size))).running() as peer, run_engine(node("m", peer.port)) as engine:
        client = await connect(engine.http_port)
        client.writer.transport.pause_reading()
        await client.send(request())
        (pool,) = engine._pools.values()
        await until(lambda: any(c._read_paused for c in pool.connections))
        assert engine._budget.used == 0
        client.writer.transport.resume_reading()
        assert len((await client.response()).body) == size
        assert await codes(engine) == {"200": 1}


async def test_a_graph_that_looks_inside_takes_answers_whole(run_engine, connect) -> None:
    first, second = Stepwise(headers="content-type: application/json\r\ntransfer-encoding: chunked"), Stepwise()
    async with (
        first.peer.running() as a,
        second.peer.running() as b,
        run_engine(node("a", a.port, "MODEL", node("b", b.port))) as engine,
    ):
        client = await connect(engine.http_port)
        await client.send(request())
        first.parts.put_nowait(b'5\r\n{"str\r\n')
        first.parts.put_nowait(b'b\r\nData": "x"}\r\n0\r\n\r\n')
        await until(lambda: bool(b.bodies))
        assert b.bodies == [b'{"strData": "x"}']
        second.parts.put_nowait(b'10\r\n{"strData": "y"}\r\n0\r\n\r\n')
        response = await client.response()
        assert b'"strData":' in response.body
        assert "content-length" in response.headers


# Requests.


def reading(*answers: bytes) -> tuple[Peer, list[bytes]]:
    """A component that reads chunked requests, and what it has read so far."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting = list(answers)
        while True:
            await reader.readuntil(b"\r\n\r\n")
            while size := int(await reader.readline(), 16):
                read.append((await reader.readexactly(size + 2))[:-2])
            await reader.readline()
            writer.write(waiting.pop(0))

    read: list[bytes] = []
    return Peer(script), read


async def test_a_piece_of_a_request_reaches_the_component_before_the_next_one_is_sent(run_engine, connect) -> None:
    peer, read = reading(*[http_answer(b"done")] * 2)
    async with peer.running(), run_engine(node("m", peer.port)) as engine:
        client = await connect(engine.http_port)
        for _ in range(2):
            read.clear()
            await client.send(CHUNKED_POST + b"3\r\none\r\n")
            await until(lambda: read == [b"one"])
            await client.send(b"3\r\ntwo\r\n0\r\n\r\n")
            assert (await client.response()).body == b"done"
            assert read == [b"one", b"two"]
        assert await codes(engine) == await codes(engine, CALLED) == {"200": 2}
        assert peer.connections == 1


@pytest.mark.parametrize(
    ("rest", "status", "text"),
    [
        (b"zz\r\n", 400, "not a valid HTTP/1.1 request"),
        (b"%x\r\n" % LARGE + bytes(LARGE), 413, "the body is larger than 1000 bytes"),
    ],
)
async def test_a_request_that_breaks_a_rule_half_way_is_refused(
    run_engine, connect, rest: bytes, status: int, text: str
) -> None:
    peer, read = reading()
    annotations = {"seldon.io/rest-max-body-size": "1000"}
    async with peer.running(), run_engine(node("m", peer.port), annotations=annotations) as engine:
        client = await connect(engine.http_port)
        await client.send(CHUNKED_POST + b"3\r\none\r\n")
        await until(lambda: read == [b"one"])
        await client.send(rest)
        response = await client.response()
        assert response.status == status
        assert text in info(response)
        assert await client.rest() == b""
        await until(lambda: not peer.open)
        assert (await codes(engine), await codes(engine, CALLED)) == ({str(status): 1}, {"499": 1})


async def test_a_declared_body_beyond_the_limit_is_refused_unseen(run_engine, connect) -> None:
    annotations = {"seldon.io/rest-max-body-size": "1000"}
    async with run_engine(node("m", 1), annotations=annotations) as engine:
        response = await (await connect(engine.http_port)).ask(request(bytes(1001)))
        assert (response.status, info(response)) == (413, "the body is larger than 1000 bytes")


async def test_a_component_sees_that_the_caller_went_away_in_the_middle_of_its_request(run_engine, connect) -> None:
    peer, read = reading()
    async with peer.running(), run_engine(node("m", peer.port)) as engine:
        client = await connect(engine.http_port)
        await client.send(CHUNKED_POST + b"3\r\none\r\n")
        await until(lambda: read == [b"one"])
        client.close()
        await until(lambda: not peer.open)
        assert await codes(engine) == await codes(engine, CALLED) == {"499": 1}


async def test_a_component_may_answer_before_it_has_read_everything(run_engine, connect) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(http_answer(b"no", "403 Forbidden"))
        await reader.read()

    async with Peer(script).running() as peer, run_engine(node("m", peer.port)) as engine:
        client = await connect(engine.http_port)
        await client.send(CHUNKED_POST + b"3\r\none\r\n")
        response = await client.response()
        assert (response.status, response.body, response.headers["connection"]) == (403, b"no", "close")
        assert await client.rest() == b""
        await until(lambda: not peer.open)
        assert await codes(engine) == await codes(engine, CALLED) == {"403": 1}


async def test_nobody_listens_for_a_large_request(run_engine, connect, free_port: int) -> None:
    async with run_engine(node("m", free_port)) as engine:
        client = await connect(engine.http_port)
        await client.send(request(bytes(3_000_000)))
        response = await client.response()
        assert response.status == 500
        assert "cannot connect to" in info(response)
        assert await client.rest() == b""
        assert await codes(engine) == await codes(engine, CALLED) == {"500": 1}


async def test_a_component_holds_a_fast_caller_up(run_engine, connect) -> None:
    size = 50_000_000

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()
        await go_on.wait()
        writer.transport.resume_reading()
        await peer.read_request(reader)
        writer.write(http_answer(b"ok"))
        await reader.read()

    go_on = asyncio.Event()
    async with Peer(script).running() as peer, run_engine(node("m", peer.port)) as engine:
        client = await connect(engine.http_port)
        sending = asyncio.ensure_future(client.send(request(bytes(size))))
        await until(lambda: any(c._read_paused for c in engine._server.connections))
        assert not sending.done()
        assert engine._budget.used == 0
        go_on.set()
        assert (await client.response()).body == b"ok"
        await sending
        assert len(peer.bodies[0]) == size
