"""Health and metrics of the controller over plain HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Problem = Callable[[], str | None]


class CannotListen(Exception):  # noqa: N818 - says what cannot be done
    """A port cannot be opened; the message says which and why."""


@asynccontextmanager
async def serving(port: int, *, alive: Problem, ready: Problem, registry: CollectorRegistry) -> AsyncIterator[int]:
    """Serve /healthz, /readyz and /metrics while the block runs.

    Args:
        port: The port; 0 takes any free one.
        alive: Returns why the process should be restarted, or None.
        ready: Returns why it is not ready, or None.
        registry: What /metrics shows.

    Yields:
        The port that it listens on.

    Raises:
        CannotListen: The port cannot be opened.
    """

    def health(problem: Problem) -> Callable[[web.Request], object]:
        async def answer(_: web.Request) -> web.Response:
            found = problem()
            return web.Response(text="ok\n") if found is None else web.Response(status=503, text=f"{found}\n")

        return answer

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", health(alive))  # type: ignore[arg-type]
    app.router.add_get("/readyz", health(ready))  # type: ignore[arg-type]
    app.router.add_get("/metrics", scrape)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, port=port)
        try:
            await site.start()
        except OSError as error:
            raise CannotListen(f"cannot listen on port {port}: {error.strerror or error}") from error
        # A free port is chosen for each address family; that of IPv4, if there is one, is the one told.
        yield min(runner.addresses, key=len)[1]
    finally:
        await runner.cleanup()
