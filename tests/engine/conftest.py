"""The engine runs on uvloop, so its tests do."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from seldon_core.engine.config import read_predictor
from seldon_core.engine.flags import parse_flags
from seldon_core.engine.service import Service
from tests.http_peers import connect, free_port, pytest_asyncio_loop_factories, settled

__all__ = ["connect", "free_port", "pytest_asyncio_loop_factories"]

REQUIRED = ["--sdep", "my-model", "--namespace", "ns", "--predictor", "main"]
RunEngine = Callable[..., AbstractAsyncContextManager[Service]]


def node(name: str, port: int, kind: str | None = "MODEL", *children: dict, **more: Any) -> dict[str, Any]:
    """A node of a graph that is served on this machine."""
    endpoint = {"type": "REST", "service_host": "127.0.0.1", "service_port": port, "httpPort": port}
    return {"name": name, "type": kind, "endpoint": endpoint, "children": list(children), **more}


@pytest.fixture
def run_engine() -> RunEngine:
    """Run an engine on free ports, as long as the context lasts."""

    @contextlib.asynccontextmanager
    async def run_engine(
        graph: dict[str, Any], *flags: str, environ: dict[str, str] | None = None, **predictor: Any
    ) -> AsyncIterator[Service]:
        raw = {"name": "main", "graph": graph, "labels": {"version": "v7"}, **predictor}
        argv = [*REQUIRED, "--http_port=0", "--metrics_port=0", "--graceful_timeout=0", *flags]
        parsed = parse_flags(argv, environ or {})
        service = Service(parsed, read_predictor(raw, {}, parsed.protocol))
        await service.start()
        try:
            yield service
        finally:
            await service.stop()
            await settled()

    return run_engine
