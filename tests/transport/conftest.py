"""The transports run on uvloop, so their tests do."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager

import pytest
import uvloop

from seldon_core.transport.http_server import Handler, HTTPServer, RenderError, plain_text_error
from seldon_core.transport.limits import Budget, Limits
from tests.http_peers import RawClient

Serve = Callable[..., AbstractAsyncContextManager[tuple[HTTPServer, int]]]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def serve() -> Serve:
    """Run a server on a free port, as long as the context lasts."""

    @contextlib.asynccontextmanager
    async def serve(
        handler: Handler,
        *,
        limits: Limits | None = None,
        budget: Budget | None = None,
        render_error: RenderError = plain_text_error,
    ) -> AsyncIterator[tuple[HTTPServer, int]]:
        server = HTTPServer(handler, limits=limits, budget=budget, render_error=render_error)
        port = await server.start("127.0.0.1", 0)
        try:
            yield server, port
        finally:
            await server.drain(0)

    return serve


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[int], object]]:
    """Open raw connections, and close them with the test."""
    clients: list[RawClient] = []

    async def connect(port: int) -> RawClient:
        clients.append(await RawClient.connect(port))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port that nobody listens on, held so that nobody else takes it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
