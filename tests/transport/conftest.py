"""The transports run on uvloop, so their tests do."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from seldon_core.transport.http_server import Handler, HTTPServer, RenderError, plain_text_error
from seldon_core.transport.limits import Budget, Limits
from tests.http_peers import connect, free_port, pytest_asyncio_loop_factories, settled

__all__ = ["connect", "free_port", "pytest_asyncio_loop_factories"]

Serve = Callable[..., AbstractAsyncContextManager[tuple[HTTPServer, int]]]


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
            await settled()

    return serve
