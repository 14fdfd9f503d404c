"""A connection that is lent means the same to its caller as one that is not, whatever comes over it."""

import asyncio
import contextlib
import os
import resource
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seldon_core.transport import server_handover
from seldon_core.transport.http_server import Reply, Request
from seldon_core.transport.limits import Limits
from tests.http_peers import RawClient, until
from tests.transport.lending import PLAIN, REQUESTS, SIZES, STATUS, Borrower, answers, handler, lending, lent


@pytest.fixture(autouse=True)
def lend_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_handover, "LEND_AFTER", 1)
    monkeypatch.setattr(server_handover, "LEND_AGAIN_AFTER", 0)


async def test_a_connection_that_asks_alone_is_answered_by_the_borrower(serve, connect) -> None:
    async with serve(handler) as (server, port):
        borrower = Borrower(server)
        client = await connect(port)
        for _ in range(10):
            answer = await client.ask(PLAIN)
            assert (answer.status, answer.headers["x-by"], answer.body) == (200, "us", b"POST /echo 2 hi")
        assert borrower.alone == 9  # all but the first
    borrower.join()


async def test_it_takes_a_number_of_answers_in_a_row(serve, connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_handover, "LEND_AFTER", 4)
    async with serve(handler) as (server, port):
        borrower = Borrower(server)
        clients = [await connect(port), await connect(port)]
        for _ in range(10):  # in turn: neither of them is alone
            for client in clients:
                await client.ask(PLAIN)
        assert borrower.alone == 0
        for _ in range(5):
            await clients[0].ask(PLAIN)
        assert borrower.alone == 1
    borrower.join()


async def ask_all(
    serve, connect, whole: bytes, *, lend: bool, cut: int | None = None, closes: bool = False
) -> tuple[bytes, int]:
    """All that comes back for a plain request and then `whole`, and how many were answered by the borrower."""
    async with serve(handler) as (server, port):
        borrower = Borrower(server)
        if not lend:
            server.borrower = None
        client = await connect(port)
        first = await client.ask(PLAIN)
        assert first.body == b"POST /echo 2 hi"
        if lend:
            await until(lambda: server.loan is not None)
        await client.send(whole[:cut])
        if cut is not None:
            await until(lambda: server.loan is None)  # the beginning was seen
            await client.send(whole[cut:])
        received = b""
        if not closes:
            received = await answers(client, whole.count(b"HTTP/1.1\r\n"))
            client.writer.write_eof()
        received += await client.rest()
        await until(lambda: not server.connections)
        assert server.budget.used == 0
    borrower.join()
    return received, borrower.alone


@pytest.mark.parametrize("kind", REQUESTS)
async def test_every_kind_of_request_gets_the_same_answer(serve, connect, kind: str) -> None:
    closes = kind in ("last", "old", "wrong")
    expected, _ = await ask_all(serve, connect, REQUESTS[kind], lend=False, closes=closes)
    received, _ = await ask_all(serve, connect, REQUESTS[kind], lend=True, closes=closes)
    assert received == expected
    assert received


@pytest.mark.parametrize("cut", range(1, len(PLAIN)))
async def test_a_request_in_two_pieces_gets_the_same_answer(serve, connect, cut: int) -> None:
    received, alone = await ask_all(serve, connect, PLAIN, lend=True, cut=cut)
    assert received.endswith(b"POST /echo 2 hi")
    assert alone == 0


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from([kind for kind in REQUESTS if kind not in ("last", "old", "wrong")]), st.booleans()),
        max_size=12,
    )
)
async def test_any_sequence_is_answered_in_order(serve, asked: list[tuple[str, bool]]) -> None:
    """Whether the caller waits for an answer before it goes on, or not."""

    async def ask(lend: bool) -> list[bytes]:
        received, expected = b"", 0
        async with serve(handler) as (server, port):
            borrower = Borrower(server)
            if not lend:
                server.borrower = None
            client = await RawClient.connect(port)
            for kind, wait in asked:
                await client.send(REQUESTS[kind])
                expected += 2 if kind == "two" else 1
                if wait:
                    received += await answers(client, expected - received.count(STATUS))
            received += await answers(client, expected - received.count(STATUS))
            client.writer.write_eof()
            received += await client.rest()
            client.close()
            await until(lambda: not server.connections)
        borrower.join()
        # Whether a go-ahead is sent depends on how much has arrived by then.
        return received.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"").split(b"HTTP/1.1 ")

    assert await ask(lend=True) == await ask(lend=False)


async def test_a_caller_that_has_gone_is_noticed(serve, connect) -> None:
    async with lending(serve, connect) as (server, _, client):
        client.close()
        await until(lambda: not server.connections)
        assert server.loan is None


async def test_a_caller_that_goes_while_it_is_answered_is_noticed(serve, connect) -> None:
    async with lending(serve, connect) as (server, borrower, client):
        borrower.gate = threading.Event()
        await client.send(PLAIN)
        await until(borrower.waiting.is_set)
        client.close()
        borrower.gate.set()
        await until(lambda: not server.connections)


@pytest.mark.parametrize("answering", [False, True], ids=["idle", "answering"])
async def test_a_recalled_connection_goes_on_in_the_event_loop(serve, connect, answering: bool) -> None:
    async with lending(serve, connect) as (server, borrower, client):
        server.borrower = None  # not again
        if answering:
            borrower.gate = threading.Event()
            await client.send(PLAIN)
            await until(borrower.waiting.is_set)
        server.recall()
        if borrower.gate is not None:
            await client.send(PLAIN)  # more of it does not hold the borrower up
            borrower.gate.set()
            assert (await client.response()).body == b"POST /echo 2 hi"
            assert (await client.response()).body == b"POST /echo 2 hi"
        await until(lambda: server.loan is None)
        assert (await client.ask(PLAIN)).body == b"POST /echo 2 hi"
        assert borrower.alone == int(answering)


async def test_an_idle_connection_is_closed_in_time(serve, connect) -> None:
    async with lending(serve, connect, limits=Limits(idle_seconds=0.2)) as (server, _, client):
        assert await client.rest() == b""
        await until(lambda: not server.connections)


async def test_a_connection_in_use_is_not_idle(serve, connect) -> None:
    async with serve(handler, limits=Limits(idle_seconds=5.0)) as (server, port):
        borrower = Borrower(server)
        client = await connect(port)
        loan = await lent(server, client)
        (connection,) = server.connections
        for _ in range(3):
            connection.tick(3.0)
            await client.ask(PLAIN)
        assert server.loan is loan
        connection.tick(3.0)
        connection.tick(3.0)
        await until(lambda: server.loan is not loan)
    borrower.join()


async def test_one_that_comes_back_was_in_use(serve, connect) -> None:
    async with lending(serve, connect, limits=Limits(idle_seconds=5.0)) as (server, borrower, client):
        (connection,) = server.connections
        connection.tick(4.0)
        await client.ask(PLAIN)
        borrower.free = False
        server.recall()
        await until(lambda: server.loan is None)
        connection.tick(4.0)
        assert (await client.ask(PLAIN)).status == 200


async def test_none_is_lent_before_its_answers_have_left(serve, connect) -> None:
    asked: list[str] = []

    def handle(request: Request, reply: Reply) -> None:
        handler(request, reply)
        asked.append(request.path)

    async with serve(handle) as (server, port):
        borrower = Borrower(server)
        borrower.free = False
        client = await connect(port)
        await client.ask(PLAIN)
        (connection,) = server.connections
        while not connection._transport.get_write_buffer_size():  # nothing is read
            count = len(asked)
            await client.send(PLAIN.replace(b"/echo", b"/page"))
            await until(lambda count=count: len(asked) > count)
        assert not connection.write_paused
        borrower.free = True
        pages = len(asked) - 1
        await client.send(PLAIN)
        await until(lambda: asked[-1] == "/echo")
        assert server.loan is None
        for _ in range(pages):
            assert len((await client.response()).body) == SIZES["/page"]
        assert (await client.response()).body == b"POST /echo 2 hi"
    borrower.join()


async def test_draining_takes_it_back(serve, connect) -> None:
    async with lending(serve, connect, limits=Limits(drain_idle_seconds=0.05)) as (server, borrower, client):
        borrower.gate = threading.Event()
        await client.send(PLAIN)
        await until(borrower.waiting.is_set)
        draining = asyncio.ensure_future(server.drain(20))
        await until(lambda: server.draining)
        borrower.gate.set()
        assert (await client.response()).body == b"POST /echo 2 hi"
        assert await draining == 0
        assert await client.rest() == b""


async def test_it_is_cut_off_when_the_grace_is_over(serve, connect) -> None:
    async with lending(serve, connect) as (server, borrower, client):
        borrower.gate = threading.Event()
        await client.send(REQUESTS["later"])
        await until(borrower.waiting.is_set)
        assert server.loan is not None
        reply = server.loan.reply
        assert await server.drain(0) == 1
        assert await client.rest() == b""
        borrower.gate.set()
        await until(lambda: server.loan is None)
        assert reply.gone


async def test_it_can_be_given_away(serve, connect) -> None:
    taken = []
    async with lending(serve, connect) as (server, _, client):
        server.give_away(taken.append)
        await until(lambda: server.loan is None)
        for connection in server.connections:
            connection.tick(0)
        await until(lambda: not server.connections)
        async with serve(handler) as (heir, _):
            await heir.adopt(taken[0])
            assert (await client.ask(PLAIN)).body == b"POST /echo 2 hi"


async def test_only_one_is_lent_at_a_time(serve, connect) -> None:
    async with serve(handler) as (server, port):
        borrower = Borrower(server)
        first, second = await connect(port), await connect(port)
        loan = await lent(server, first)
        for _ in range(3):
            assert (await second.ask(PLAIN)).status == 200
        assert server.loan is loan
        assert borrower.alone == 0
    borrower.join()


async def test_one_that_has_to_come_back_is_not_lent_soon(serve, connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_handover, "LEND_AGAIN_AFTER", 5)
    async with lending(serve, connect) as (_, borrower, client):
        await client.ask(REQUESTS["in the loop"])
        for _ in range(5):
            await client.ask(PLAIN)
            await client.ask(PLAIN)
        assert borrower.alone == 5


async def test_a_reader_that_is_slow_does_not_hold_the_borrower_up(serve, connect) -> None:
    """What it has not taken is counted, and the event loop's."""
    async with lending(serve, connect) as (server, borrower, client):
        server.borrower = None
        await client.send(REQUESTS["vast answer"].replace(b"/vast", b"/vaster"))
        await until(lambda: server.loan is None)
        await until(lambda: server.budget.used > 0)
        await client.send(PLAIN)
        assert len((await client.response()).body) == SIZES["/vaster"]
        assert (await client.response()).body == b"POST /echo 2 hi"
        await until(lambda: server.budget.used == 0)
        assert borrower.alone == 1


async def test_a_reader_that_takes_nothing_loses_nothing(serve, connect) -> None:
    """Answers that fill the socket to the last byte, and then one for which there is no room at all."""
    async with lending(serve, connect) as (server, borrower, client):
        count = 0
        while server.loan is not None:
            answered = borrower.alone
            await client.send(PLAIN.replace(b"/echo", b"/page"))
            count += 1
            await until(lambda answered=answered: borrower.alone > answered or server.loan is None)
        for _ in range(count):
            assert len((await client.response()).body) == SIZES["/page"]


async def test_the_time_that_it_is_not_lent_again_is_its_own(serve, connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_handover, "LEND_AGAIN_AFTER", 5)
    async with serve(handler) as (server, port):
        borrower = Borrower(server)
        client, other = await connect(port), await connect(port)
        await lent(server, client)
        await client.ask(REQUESTS["in the loop"])
        borrower.free = False
        await other.ask(PLAIN)
        borrower.free = True
        for _ in range(4):  # the answer by the event loop was the first
            await client.ask(PLAIN)
        assert server.loan is None
        await lent(server, client)
    borrower.join()


async def test_none_is_lent_that_the_borrower_has_no_time_for(serve, connect) -> None:
    async with serve(handler) as (server, port):
        borrower = Borrower(server)
        borrower.free = False
        client = await connect(port)
        for _ in range(3):
            await client.ask(PLAIN)
        assert server.loan is None
        borrower.free = True
        await lent(server, client)
    borrower.join()


async def test_none_is_lent_while_the_server_drains(serve, connect) -> None:
    """An answer that had begun before may end then, and keep its connection."""
    replies: list[Reply] = []

    def stream(request: Request, reply: Reply) -> None:
        replies.append(reply)
        reply.begin(200, ())

    async with serve(stream, limits=Limits(drain_idle_seconds=0.05)) as (server, port):
        borrower = Borrower(server)
        client = await connect(port)
        await client.send(PLAIN)
        await until(lambda: replies)
        draining = asyncio.ensure_future(server.drain(20))
        await until(lambda: server.draining)
        replies[0].end()
        assert server.loan is None
        assert await draining == 0
    borrower.join()


async def test_a_connection_is_served_while_no_files_can_be_opened(
    serve, connect, open_descriptors, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(handler) as (server, port):
        borrower = Borrower(server)
        client = await connect(port)
        before = open_descriptors()
        limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        for left in (0, 1, 2):  # a loan takes three
            fillers: list[int] = []
            resource.setrlimit(resource.RLIMIT_NOFILE, (before + 20, most))
            try:
                with contextlib.suppress(OSError):
                    while True:
                        fillers.append(os.dup(0))
                for descriptor in fillers[:left]:
                    os.close(descriptor)
                for _ in range(3):
                    assert (await client.ask(PLAIN)).status == 200
                assert server.loan is None
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
                for descriptor in fillers[left:]:
                    os.close(descriptor)
            assert open_descriptors() == before
        assert not caplog.records
        await lent(server, client)
    borrower.join()


async def test_nothing_keeps_one_that_has_ended(serve, connect) -> None:
    async with serve(handler) as (server, port):
        client = await connect(port)
        borrower = Borrower(server)
        await lent(server, client)
        client.close()
        await until(lambda: not server.connections and server.loan is None)
        assert server.asking is None
    borrower.join()


async def test_descriptors_are_closed(serve, connect, open_descriptors: Callable[[], int]) -> None:
    async with serve(handler) as (server, port):
        borrower = Borrower(server)
        client = await connect(port)
        await client.ask(PLAIN)
        for _ in range(3):
            await until(lambda: server.loan is not None)
            before = open_descriptors()
            await client.ask(REQUESTS["in the loop"])
            await until(lambda: server.loan is not None)
            assert open_descriptors() == before
    borrower.join()


@pytest.fixture
def open_descriptors() -> Callable[[], int]:
    return lambda: len(list(Path("/proc/self/fd").iterdir()))
