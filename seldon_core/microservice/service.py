"""The event loop of the wrapper and its two ports, on a thread of their own.

The main thread belongs to the user's code. Signals wake the event loop directly, so that a process that is asked to
stop turns unready at once, whatever the model is doing.
"""

import asyncio
import concurrent.futures
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from seldon_core.microservice.application import Application, render_error
from seldon_core.microservice.errors import StartupError
from seldon_core.microservice.flows import ErrorHandler
from seldon_core.microservice.routes import Model
from seldon_core.microservice.worker import Worker
from seldon_core.telemetry.metrics import CONTENT_TYPE
from seldon_core.transport.http_server import Handler, HTTPServer, Reply, Request, listening_socket
from seldon_core.transport.limits import Limits

__all__ = ["DRAIN_SECONDS", "SIGNALS", "Scrapes", "Service", "listen"]

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
# How long requests in flight may still take is the business of who sent the signal: kubelet kills at its deadline.
DRAIN_SECONDS = 24 * 3600.0


class Scrapes:
    """Answers on the metrics port.

    Args:
        render: gives the metrics.
        path: where they are.
        log_them: whether each request for them is logged.
    """

    def __init__(self, render: Callable[[], bytes], path: str, *, log_them: bool = False) -> None:
        self._render = render
        self._path = path
        self._log_them = log_them

    def __call__(self, request: Request, reply: Reply) -> None:
        """Answer one request."""
        found = request.path == self._path and request.method in ("GET", "HEAD")
        if self._log_them:
            log.info("%s %d", request.path, 200 if found else 404)
        if found:
            reply.send(200, ((b"content-type", CONTENT_TYPE),), self._render())
        else:
            reply.send(404, *render_error(404, f"{request.path[:200]}: metrics are at {self._path}"))


class Service:
    """Opens the ports, answers on them, and closes them in an orderly way.

    Args:
        application: answers on the HTTP port.
        worker: is stopped once the last request was answered.
        limits: of the HTTP port.
    """

    def __init__(self, application: Application, worker: Worker, limits: Limits) -> None:
        self._application = application
        self._worker = worker
        self._limits = limits
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened: concurrent.futures.Future[tuple[int, int]] = concurrent.futures.Future()
        self._stop: asyncio.Event | None = None
        self._draining: asyncio.Task[None] | None = None
        self._wakeup: tuple[socket.socket, socket.socket] | None = None

    def open(self, http_port: int, metrics_port: int, scrapes: Handler) -> tuple[int, int]:
        """Listen, from now on, on a new thread. To be called from the main thread.

        Args:
            http_port, metrics_port: to listen on; 0 picks a free one.
            scrapes: answers on the metrics port.

        Returns:
            The ports that are listened on.

        Raises:
            StartupError: one of them cannot be listened on.
        """
        self._wakeup = _catch_signals()
        self._thread = threading.Thread(
            target=self._run, args=(http_port, metrics_port, scrapes), name="event-loop", daemon=True
        )
        self._thread.start()
        return self._opened.result()

    def serve(self, model: Model, handle_error: ErrorHandler | None) -> None:
        """The model is loaded: answer requests from now on."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._application.serve, model, handle_error)

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the event loop and wait for its result."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def close(self) -> None:
        """Stop at once, without draining, and wait for the thread."""
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self.join()

    def join(self) -> None:
        """Wait until the event loop has ended."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, http_port: int, metrics_port: int, scrapes: Handler) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._main(http_port, metrics_port, scrapes))
        except BaseException as error:
            if not self._opened.done():
                self._opened.set_exception(error)
                return
            log.critical("the event loop failed", exc_info=error)
            _end(1)

    async def _main(self, http_port: int, metrics_port: int, scrapes: Handler) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        metrics = HTTPServer(scrapes)
        http = HTTPServer(self._application.handle, limits=self._limits, render_error=render_error)
        self._application.borrow_from(http)
        http_socket = listen(http_port, "HTTP")
        ports = await http.listen(http_socket), await metrics.listen(listen(metrics_port, "metrics"))
        assert self._wakeup is not None
        receiver = self._wakeup[0]
        self._loop.add_reader(receiver, self._signalled, receiver, http)
        self._opened.set_result(ports)
        await self._stop.wait()
        await metrics.drain(0)
        await http.drain(0)

    def _signalled(self, receiver: socket.socket, http: HTTPServer) -> None:
        for number in receiver.recv(64):
            if number not in SIGNALS:
                continue
            if self._draining is not None:  # asked a second time: at once, then
                _end(128 + number)
            log.info("%s: finishing the requests in flight", signal.Signals(number).name)
            assert self._loop is not None
            self._draining = self._loop.create_task(self._drain(http))

    async def _drain(self, http: HTTPServer) -> None:
        self._application.draining = True
        await http.drain(DRAIN_SECONDS)
        if self._application.loading:  # nothing was served yet, and nobody can stop the code that loads
            _end(0)
        self._worker.stop()
        assert self._stop is not None
        self._stop.set()


def listen(port: int, name: str) -> socket.socket:
    """Open a port.

    Args:
        port: 0 picks a free one.
        name: what it is for.

    Raises:
        StartupError: it cannot be opened.
    """
    try:
        return listening_socket(None, port)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StartupError(f"the {name} port {port} cannot be opened: {reason}; free it or choose another") from None


def _catch_signals() -> tuple[socket.socket, socket.socket]:
    """Have the numbers of signals written to a socket, by the handler in C, even while the main thread is busy."""
    receiver, sender = socket.socketpair()
    receiver.setblocking(False)
    sender.setblocking(False)
    signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    for number in SIGNALS:
        signal.signal(number, _handled_elsewhere)
    os.register_at_fork(before=_hold_signals, after_in_parent=_let_signals_through, after_in_child=_release_signals)
    return receiver, sender


def _handled_elsewhere(*_: object) -> None:
    """A handler has to be set for the wakeup socket to be written to."""


def _hold_signals() -> None:
    """Before a fork: none may arrive in the new process while it still has the handlers of this one."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def _let_signals_through() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def _release_signals() -> None:
    """A process that a model forks is not the service: a signal to it must not reach its parent's event loop."""
    signal.set_wakeup_fd(-1)
    for number in SIGNALS:
        if signal.getsignal(number) is _handled_elsewhere:
            signal.signal(number, signal.SIG_DFL)
    _let_signals_through()


def _end(code: int) -> None:
    """End the process whatever its main thread is doing."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
