"""One of several workers: a process that serves the connections that the supervisor hands to it."""

import asyncio
import contextlib
import logging
import os
import random
import signal
import socket
import threading
from collections.abc import Coroutine
from typing import Any

import uvloop

from seldon_core.microservice import channel
from seldon_core.microservice.application import Application, render_error
from seldon_core.microservice.assembly import Assembly
from seldon_core.microservice.channel import Channel
from seldon_core.microservice.component import Component
from seldon_core.microservice.errors import StartupError
from seldon_core.microservice.loading import construct, load
from seldon_core.microservice.service import DRAIN_SECONDS
from seldon_core.microservice.settings import Settings
from seldon_core.microservice.shared_metrics import WorkerRegistry
from seldon_core.telemetry.shared import SharedMemory, SharedNumbers
from seldon_core.transport.http_server import HTTPServer
from seldon_core.transport.limits import Limits
from seldon_core.transport.memory import settle

__all__ = ["serve_as_worker"]

log = logging.getLogger(__name__)


def serve_as_worker(
    settings: Settings,
    user_class: type,
    user_object: object | None,
    supervisor: Channel,
    memory: SharedMemory,
    place: int,
    service: int,
) -> int:
    """Load the object and serve until the supervisor says that it is enough.

    Args:
        settings: of the service.
        user_class: of the object.
        user_object: None when each worker makes one of its own.
        supervisor: hands over connections.
        memory: where this worker counts.
        place: there.
        service: number of the process that stands for all workers.

    Returns:
        The exit code.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; the supervisor gets it, too
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    random.seed()
    registry = WorkerRegistry(SharedNumbers(memory, place), os.getpid(), service)
    assembly = Assembly(settings, registry)
    connections = _Connections(settings, assembly, supervisor)
    connections.start()
    try:
        if user_object is None:
            user_object = construct(user_class, settings.parameters)
        component = Component(user_object)
        load(component, connections.run_coroutine)
        model = assembly.model(user_object, component, connections.run_coroutine)
    except StartupError as error:
        supervisor.send(channel.FAILED, str(error), error.exit_code)
        return error.exit_code
    settle()
    connections.serve(assembly.application, model)
    assembly.worker.run()
    connections.join()
    return 0


class _Connections:
    """The event loop of a worker, on a thread of its own."""

    def __init__(self, settings: Settings, assembly: Assembly, supervisor: Channel) -> None:
        self._supervisor = supervisor
        self._assembly = assembly
        self._retiring = False
        self._adopting = 0
        self._ended = asyncio.Event()
        self._loop = uvloop.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        application = assembly.application
        limits = Limits(idle_seconds=settings.keep_alive)
        self._http = HTTPServer(application.handle, limits=limits, render_error=render_error)
        self._http.forgotten = self._closed
        self._thread = threading.Thread(target=self._run, name="event-loop", daemon=True)
        if settings.max_requests:
            jitter = random.randint(0, settings.max_requests_jitter)  # noqa: S311 - no secret
            self._last = settings.max_requests + jitter
            application.answered = self._answered

    def start(self) -> None:
        self._supervisor.sock.setblocking(False)
        self._thread.start()

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the event loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def serve(self, application: Application, model: tuple[Any, ...]) -> None:
        """The model is loaded: ask for connections."""

        def ready() -> None:
            application.serve(*model)
            self._say(channel.READY)

        self._loop.call_soon_threadsafe(ready)

    def join(self) -> None:
        """Wait until the event loop has ended."""
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        self._loop.add_reader(self._supervisor.fileno(), self._told)
        await self._ended.wait()

    def _told(self) -> None:
        """Read what the supervisor says."""
        while True:
            try:
                message = self._supervisor.receive()
            except BlockingIOError:
                return
            if message is None:
                log.critical("the supervisor has gone")
                os._exit(1)
            word, _, sock = message
            if word == channel.CONNECTION and sock is not None:
                self._adopting += 1
                self._begin(self._adopt(sock))
            elif word == channel.RETIRE:
                self._retiring = True
                self._http.give_away(self._give_back)
                self._maybe_end()
            elif word == channel.STOP:
                self._begin(self._stop())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _adopt(self, sock: socket.socket) -> None:
        try:
            await self._http.adopt(sock)
        except OSError:
            self._say(channel.CLOSED)
        finally:
            self._adopting -= 1
            self._maybe_end()

    async def _stop(self) -> None:
        self._assembly.application.draining = True
        await self._http.drain(DRAIN_SECONDS)
        self._end()

    def _give_back(self, sock: socket.socket) -> None:
        with sock:
            self._say(channel.CONNECTION, attached=sock)

    def _closed(self) -> None:
        if not self._retiring:
            self._say(channel.CLOSED)
        else:
            self._loop.call_soon(self._maybe_end)

    def _maybe_end(self) -> None:
        """A worker that is replaced ends when it has nothing left to do."""
        if self._retiring and not self._adopting and not self._http.connections:
            self._end()

    def _end(self) -> None:
        self._assembly.worker.stop()
        self._ended.set()

    def _answered(self, count: int) -> None:
        if count == self._last:
            self._say(channel.REPLACE)

    def _say(self, word: str, attached: socket.socket | None = None) -> None:
        self._supervisor.sock.setblocking(True)  # the supervisor reads at once, whatever it is doing
        try:
            with contextlib.suppress(OSError):  # it has gone, which is noticed elsewhere
                self._supervisor.send(word, attached=attached)
        finally:
            self._supervisor.sock.setblocking(False)
