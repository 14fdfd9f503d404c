"""Puts the engine together, runs it, and ends it in an orderly way."""

import asyncio
import logging
import signal
import socket
import sys
from dataclasses import dataclass

from seldon_core.engine.access_log import AccessLog
from seldon_core.engine.components import Endpoint
from seldon_core.engine.config import Predictor, buffered_bytes
from seldon_core.engine.dialects import DIALECTS
from seldon_core.engine.documents import Documents
from seldon_core.engine.errors import render_error, render_error_of
from seldon_core.engine.face import Face
from seldon_core.engine.flags import Flags
from seldon_core.engine.graph import Step
from seldon_core.engine.metrics import EngineMetrics
from seldon_core.engine.orchestrator import Orchestrator
from seldon_core.engine.queries import Queries
from seldon_core.engine.readiness import AcceptsRequests, Readiness, reports_health
from seldon_core.engine.rest import ReadinessHandler, Router, engine_routes, metrics_handler
from seldon_core.engine.routes import Handlers, protocol_routes
from seldon_core.telemetry.shared import SharedNumbers
from seldon_core.transport.balancer import peer_of
from seldon_core.transport.http_server import HTTPServer
from seldon_core.transport.limits import Budget, Limits

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a process among several that serve the same predictor.

    Attributes:
        http, metrics: the sockets that all of them listen on.
        numbers: where it counts.
        parent: a file descriptor that can be read once the parent has gone.
    """

    http: socket.socket
    metrics: socket.socket
    numbers: SharedNumbers
    parent: int


class Service:
    """One engine: its servers, and its connections to the components.

    Attributes:
        http_port, metrics_port: what is listened on, once it is started.
    """

    def __init__(self, flags: Flags, predictor: Predictor, place: Place | None = None) -> None:
        """Make it, inside the event loop that it is to run on.

        Args:
            flags: the command line.
            predictor: what is served.
            place: of this process among several that share the ports.
        """
        self._flags = flags
        self._place = place
        self._budget = Budget(buffered_bytes() // flags.workers)
        numbers = None if place is None else place.numbers
        self._metrics = EngineMetrics(flags.sdep, flags.predictor, predictor.version, numbers)
        steps = [step for node in predictor.root.nodes() for step in node.own_steps() if step.function is None]
        dialect = DIALECTS[flags.protocol](shows_routing=flags.routing_injection)
        limits = Limits(body_bytes=predictor.body_bytes)
        addresses = {(step.host, step.port) for step in steps}
        self._pools = {address: peer_of(*address, limits=limits, budget=self._budget) for address in addresses}
        check = reports_health if flags.full_health_checks else AcceptsRequests()
        self._readiness = Readiness(steps, check)
        orchestrator = self._orchestrator = Orchestrator(
            predictor.root,
            {step: self._endpoint(step, predictor, dialect.path(step)) for step in steps},
            predictor.images,
            dialect=dialect,
            timeout=predictor.timeout,
            body_bytes=predictor.body_bytes,
            budget=self._budget,
            predictions=self._metrics.predictions,
            feedbacks=self._metrics.feedbacks,
        )
        show_metrics = metrics_handler(self._metrics.registry)
        path = flags.prometheus_path
        ready = ReadinessHandler(self._readiness)
        queries = Queries(flags.predictor, predictor.root, self._pools, dialect, predictor.timeout)
        face = Face(flags.sdep, flags.namespace, flags.cors_origins, flags.cors_headers, orchestrator.puids)
        documents = Documents(flags.protocol, flags.sdep, flags.namespace)
        handlers = Handlers(
            orchestrator, queries, ready, documents.page, documents.document, face, metrics=self._metrics
        )
        routes, named = protocol_routes(flags.protocol, handlers)
        plain = engine_routes(ready, show_metrics, path)
        router = Router({**routes, **plain}, named, dialect.error_body, face, plain)
        self._access_log = AccessLog(sys.stdout.fileno()) if flags.access_log else None
        handler = router if self._access_log is None else self._access_log.logged(router)
        self._server = HTTPServer(
            handler,
            limits=limits,
            budget=self._budget,
            render_error=render_error_of(dialect.error_body),
            early=lambda request: orchestrator.takes_uploads(router.find(request)),
        )
        self._metrics_server = HTTPServer(Router({path: {None: show_metrics}}), render_error=render_error)
        self.http_port = 0
        self.metrics_port = 0

    def _endpoint(self, step: Step, predictor: Predictor, path: str) -> Endpoint:
        calls = self._metrics.calls(step.node, path, predictor.images.get(step.node, ""))
        return Endpoint(step, self._pools[step.host, step.port], calls, path)

    async def start(self) -> None:
        """Open the ports.

        Raises:
            OSError: one of them cannot be listened on.
        """
        if self._place is None:
            self.http_port = await self._server.start(None, self._flags.http_port)
            self.metrics_port = await self._metrics_server.start(None, self._flags.metrics_port)
        else:
            self.http_port = await self._server.listen(self._place.http)
            self.metrics_port = await self._metrics_server.listen(self._place.metrics)
        log.info("serving on port %d, metrics on port %d", self.http_port, self.metrics_port)

    async def stop(self) -> int:
        """Go on serving for the shutdown delay, reported as not ready, then finish what is in flight.

        Returns:
            The number of connections that had to be cut off because the graceful timeout was over.
        """
        self._readiness.draining = True
        self._server.retiring = True
        log.info("stopping: not ready from now on, serving for another %g s", self._flags.shutdown_delay)
        await asyncio.sleep(self._flags.shutdown_delay)
        cut = await self._server.drain(self._flags.graceful_timeout)
        await self._metrics_server.drain(0)
        for pool in self._pools.values():
            pool.close()
        self._orchestrator.close()
        if self._access_log is not None:
            self._access_log.flush()
        return cut


async def serve(flags: Flags, predictor: Predictor, place: Place | None = None) -> int:
    """Run an engine until SIGTERM or SIGINT.

    Args:
        flags: the command line.
        predictor: what is served.
        place: of this process among several that share the ports; it also ends when its parent does.

    Returns:
        The exit code: 0, or 1 when requests in flight had to be cut off.

    Raises:
        OSError: a port cannot be listened on.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if place is not None:
        loop.add_reader(place.parent, stop.set)
    service = Service(flags, predictor, place)
    await service.start()
    await stop.wait()
    if place is not None:
        loop.remove_reader(place.parent)
    cut = await service.stop()
    if cut:
        log.warning("cut off %d connections after the graceful timeout of %g s", cut, flags.graceful_timeout)
    return 1 if cut else 0
