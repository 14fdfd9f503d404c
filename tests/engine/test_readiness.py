"""When a component counts as ready, asked over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest

from seldon_core.engine.readiness import AcceptsRequests

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


@asynccontextmanager
async def component(serve: Serve, port: int = 0) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    async with server:
        yield server.sockets[0].getsockname()[1]


def answering(*answers: bytes, asked: list[bytes] | None = None) -> Serve:
    """Answers in turn, the last one for ever; what is asked is noted."""
    waiting = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if line := await reader.readline():
            if asked is not None:
                asked.append(line)
            writer.write(waiting.pop(0) if len(waiting) > 1 else waiting[0])
        writer.close()

    return serve


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="a loaded wrapper"),
        pytest.param(b"HTTP/1.1 404 Not Found\r\n\r\n", id="a server without the path"),
        pytest.param(b"HTTP/1.1 500 Internal Server Error\r\n\r\n", id="a server that fails at it"),
        pytest.param(b"\x00\x00\x12\x04", id="no HTTP at all"),
        pytest.param(b"", id="a connection closed at once"),
    ],
)
async def test_what_listens_and_is_not_loading_is_ready(answer: bytes) -> None:
    async with component(answering(answer)) as port:
        assert await AcceptsRequests()("127.0.0.1", port) is None


async def test_a_component_that_loads_is_not_ready_until_it_has_loaded_and_is_asked_no_more_then() -> None:
    asked: list[bytes] = []
    loading, loaded = b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"
    check = AcceptsRequests()
    async with component(answering(loading, loading, loaded, asked=asked)) as port:
        answers = [await check("127.0.0.1", port) for _ in range(5)]
    assert answers == ["loading: /ready answers 503"] * 2 + [None] * 3
    assert asked == [b"GET /ready HTTP/1.1\r\n"] * 3


async def test_a_component_that_was_gone_is_asked_again() -> None:
    check = AcceptsRequests()
    async with component(answering(b"HTTP/1.1 200 OK\r\n\r\n")) as port:
        assert await check("127.0.0.1", port) is None
    assert await check("127.0.0.1", port) is not None
    async with component(answering(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"), port):
        assert await check("127.0.0.1", port) == "loading: /ready answers 503"


async def test_a_component_too_busy_to_answer_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seldon_core.engine.readiness.CHECK_SECONDS", 0.1)
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    async with component(serve) as port:
        assert await AcceptsRequests()("127.0.0.1", port) is None
        done.set()
