"""The running webhook: listeners, certificates, and an orderly end."""

import asyncio
import contextlib
import gc
import logging
import signal
import ssl
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web

from seldon_core.api.installation import Installation
from seldon_core.kube.client import Client
from webhook import admission
from webhook.app import Readiness, admission_app, status_app
from webhook.metrics import Metrics
from webhook.surroundings import ClusterTypes, Neighbours, Rules
from webhook.tls import server_context
from webhook.trust import Place, Trust

# API servers keep idle connections for 90 s; whoever closes first decides whether a request is lost.
KEEP_ALIVE = 120.0
# After a signal: how long new connections are still served, and how long requests under way may take.
LINGER = 3.0
DRAIN = 10.0

_log = logging.getLogger(__name__)


class CannotListen(Exception):  # noqa: N818 - says what cannot be done
    """A port cannot be opened; the message says which and why."""


@dataclass(frozen=True)
class Settings:
    """What the webhook is told at its start.

    Attributes:
        place: where it is installed.
        port: the port for the API server, with TLS.
        metrics_port: the port for probes and Prometheus, without.
        defaulting_graph: whether defaults are stored inside the predictors too.
        installation: what the operator decides and the rules depend on.
        watch_namespace: the only namespace whose SeldonDeployments it is asked about, or None.
    """

    place: Place
    port: int
    metrics_port: int
    defaulting_graph: bool
    installation: Installation
    watch_namespace: str | None = None


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then end in order.

    Raises:
        CannotListen: a port cannot be opened.
        ConfigurationError: there is no way to reach the API server.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    metrics = Metrics()
    context = server_context()
    async with Client() as client:
        trust = Trust(client, settings.place, context, metrics)
        readiness = Readiness(lambda: trust.problem)
        types, neighbours = ClusterTypes(client), Neighbours(client, settings.watch_namespace)
        find = Rules(settings.installation, types, neighbours).find
        webhooks: dict[str, admission.Decide] = {
            "/mutate": partial(admission.mutate, graph=settings.defaulting_graph, find=find),
            "/validate": partial(admission.check, find=find),
        }
        async with (
            listening(status_app(readiness, metrics), settings.metrics_port, None),
            listening(admission_app(webhooks, readiness, metrics), settings.port, context),
        ):
            spare_the_collector()
            await _serve_until(stop, readiness, trust.keep(), types.keep(), neighbours.reflector.run())
    _log.info("stopped")


def spare_the_collector() -> None:
    """Let the garbage collector look at reviews only, and rarely: nearly all of one is freed without it.

    Otherwise a large review is interrupted by it several times, and now and then for the walk through everything that
    was loaded at the start: a fifth of the time, and most of the slowest hundredth.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


async def _serve_until(stop: asyncio.Event, readiness: Readiness, *keepers: Coroutine[Any, Any, None]) -> None:
    """Keep everything up to date until told to stop; go on serving a little then, for those not told yet."""
    keeping = [asyncio.create_task(keeper) for keeper in keepers]
    stopping = asyncio.create_task(stop.wait(), name="signal")
    try:
        done, _ = await asyncio.wait({*keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task  # a keeper never ends but by a fault, which is to end the process
        _log.info("stopping: no longer ready, serving on for %s s", LINGER)
        readiness.draining = True
        await asyncio.sleep(LINGER)
    finally:
        for each in (*keeping, stopping):
            each.cancel()
        await asyncio.gather(*keeping, stopping, return_exceptions=True)


@contextlib.asynccontextmanager
async def listening(app: web.Application, port: int, context: ssl.SSLContext | None) -> AsyncIterator[None]:
    """Serve `app` on all addresses, as a context manager; at its end, requests under way may finish.

    Args:
        app: what answers.
        port: the port.
        context: for TLS, or None without.

    Raises:
        CannotListen: the port cannot be opened.
    """
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=KEEP_ALIVE, shutdown_timeout=DRAIN)
    await runner.setup()
    try:
        site = web.TCPSite(runner, None, port, ssl_context=context, reuse_address=True)
        try:
            await site.start()
        except OSError as error:
            raise CannotListen(f"port {port}: {error.strerror or error}") from error
        _log.info("listening on port %s%s", port, " with TLS" if context else "")
        yield
    finally:
        await runner.cleanup()
