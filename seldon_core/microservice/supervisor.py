"""Workers behind one port: who gets which connection, who is replaced, and what all of them have counted.

The supervisor accepts connections and hands each to the worker that has the fewest, so that all of them get as much
work. It never runs the user's code: a forker makes the object and forks the workers. A worker that dies is replaced;
one that has answered enough requests is replaced first and then gives its connections back, between two requests, so
that no request is lost.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections import deque
from dataclasses import dataclass
from time import monotonic
from typing import Any

import uvloop

from seldon_core.microservice import channel, custom_service
from seldon_core.microservice.application import Application, render_error
from seldon_core.microservice.channel import Channel
from seldon_core.microservice.errors import StartupError
from seldon_core.microservice.forker import describe_end, fork_off, run_forker
from seldon_core.microservice.service import SIGNALS, Scrapes, listen
from seldon_core.microservice.settings import Settings
from seldon_core.microservice.shared_metrics import render
from seldon_core.microservice.worker import Worker
from seldon_core.telemetry.metrics import Registry
from seldon_core.telemetry.process import render_process_metrics
from seldon_core.telemetry.shared import SharedMemory
from seldon_core.transport.http_server import HTTPServer

__all__ = ["supervise"]

MAX_DEATHS = 3
DEATH_WINDOW_SECONDS = 60.0

log = logging.getLogger(__name__)


def supervise(settings: Settings) -> None:
    """Serve with workers until the process is asked to stop.

    Raises:
        StartupError: the model cannot be served, or workers died again and again.
    """
    # Signals wait until there is somebody to hear them.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    with listen(settings.http_port, "HTTP") as http, listen(settings.metrics_port, "metrics") as metrics:
        # As many places again, for the workers that take the place of others before those have ended.
        memory = SharedMemory(2 * settings.workers)
        mine, other = Channel.pair()
        service = os.getpid()

        def forker() -> int:
            mine.close()
            http.close()
            metrics.close()
            return run_forker(settings, other, memory, service)

        pid = fork_off(forker)
        other.close()
        log.info(
            "loading %s in %d worker%s; REST on port %d, metrics on port %d%s",
            settings.class_name, settings.workers, "s" * (settings.workers > 1), http.getsockname()[1],
            metrics.getsockname()[1], settings.metrics_path,
        )  # fmt: skip
        supervisor = _Supervisor(settings, mine, memory)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(supervisor.run(http, metrics))
        finally:
            supervisor.kill()
            mine.close()
            os.waitpid(pid, 0)


@dataclass(slots=True, eq=False)
class _Member:
    """A worker as the supervisor sees it."""

    place: int
    channel: Channel
    pid: int = 0
    ready: bool = False
    retiring: bool = False
    open: int = 0
    given: int = 0


class _Supervisor:
    def __init__(self, settings: Settings, forker: Channel, memory: SharedMemory) -> None:
        self._settings = settings
        self._forker = forker
        self._memory = memory
        self._members: dict[int, _Member] = {}
        self._postponed = 0  # workers that there was no place for
        self._deaths: deque[float] = deque(maxlen=MAX_DEATHS)
        self._began = monotonic()
        self._serving = False  # all were ready once
        self._stopping = False
        self._failure: StartupError | None = None
        self._ended = asyncio.Event()
        self._beside: Any = None
        self._tasks: set[asyncio.Task[None]] = set()
        # Answers as long as nobody else can.
        requests = Registry().histogram("requests", "", ("method", "code"))
        self._application = Application(Worker(), requests, lambda _: None)
        self._own = HTTPServer(self._application.handle, render_error=render_error)
        self._own.retiring = True

    async def run(self, http: socket.socket, metrics: socket.socket) -> None:
        """Serve until the end.

        Raises:
            StartupError: it came to a bad one.
        """
        loop = asyncio.get_running_loop()
        scrapes = Scrapes(
            self._metrics, self._settings.metrics_path,
            log_them=self._settings.access_log and self._settings.log_scrapes,
        )  # fmt: skip
        metrics_server = HTTPServer(scrapes)
        await metrics_server.listen(metrics)
        self._forker.sock.setblocking(False)
        loop.add_reader(self._forker.fileno(), self._forker_says)
        http.setblocking(False)
        loop.add_reader(http.fileno(), self._accept, http)
        for number in SIGNALS:
            loop.add_signal_handler(number, self._signalled, number, http)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        await self._ended.wait()
        loop.remove_reader(http.fileno())
        loop.remove_reader(self._forker.fileno())
        await metrics_server.drain(0)
        await self._own.drain(0)
        if self._failure is not None:
            raise self._failure

    def kill(self) -> None:
        """End all that is left, at once."""
        for member in self._members.values():
            if member.pid:
                _kill(member.pid)
        if self._beside is not None:
            self._beside.kill()

    def _metrics(self) -> bytes:
        pids = [os.getpid(), *(member.pid for member in self._members.values() if member.pid)]
        return (render(self._memory) + render_process_metrics(pids=pids)).encode()

    def _fail(self, text: str, code: int = 1) -> None:
        if self._failure is None:
            self._failure = StartupError(text)
            self._failure.exit_code = code
        self._ended.set()

    # Connections.

    def _accept(self, http: socket.socket) -> None:
        for _ in range(64):
            try:
                sock, _ = http.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:  # too many open files, say: the next time, then
                log.error("a connection could not be accepted: %s", error)
                return
            self._place(sock)

    def _place(self, sock: socket.socket) -> None:
        """Hand a connection to the worker that has the fewest."""
        sock.setblocking(False)
        ready = [member for member in self._members.values() if member.ready]
        for member in sorted(ready, key=lambda member: (member.open, member.given)) if self._serving else ():
            try:
                member.channel.send(channel.CONNECTION, attached=sock)
            except OSError:  # it does not keep up, or has just died
                continue
            member.open += 1
            member.given += 1
            sock.close()
            return
        task = asyncio.get_running_loop().create_task(self._answer_here(sock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_here(self, sock: socket.socket) -> None:
        try:
            await self._own.adopt(sock)
        except OSError as error:
            log.debug("a connection ended before it was served: %s", error)

    # Workers.

    def _start(self) -> None:
        """Have the forker start a worker in a free place, as soon as there is one."""
        place = next((place for place in range(self._memory.places) if place not in self._members), None)
        if place is None:  # too many that were replaced have not ended yet
            self._postponed += 1
            return
        mine, other = Channel.pair()
        self._members[place] = _Member(place, mine)
        self._forker.sock.setblocking(True)  # it reads at once, and starts few workers
        self._forker.send(channel.START, place, attached=other.sock)
        self._forker.sock.setblocking(False)
        other.close()
        mine.sock.setblocking(False)
        asyncio.get_running_loop().add_reader(mine.fileno(), self._worker_says, self._members[place])

    def _forker_says(self) -> None:
        while True:
            try:
                message = self._forker.receive()
            except BlockingIOError:
                return None
            if message is None:
                return self._fail("the process that makes the workers has ended; see its log")
            word, details, _ = message
            if word == channel.FAILED:
                return self._fail(*details)
            if word == channel.CONSTRUCTED:
                if details[0]:
                    self._beside = custom_service.start(self._settings.class_name, self._settings.parameters)
                for _ in range(self._settings.workers):
                    self._start()
            elif word == channel.STARTED:
                self._members[details[0]].pid = details[1]
            elif word == channel.ENDED:
                self._worker_ended(*details)

    def _worker_says(self, member: _Member) -> None:
        while True:
            try:
                message = member.channel.receive()
            except BlockingIOError:
                return
            if message is None:
                asyncio.get_running_loop().remove_reader(member.channel.fileno())
                member.ready = False
                return
            word, details, sock = message
            if word == channel.READY:
                self._worker_ready(member)
            elif word == channel.FAILED:
                self._fail(*details)
            elif word == channel.CLOSED:
                member.open -= 1
            elif word == channel.REPLACE and not member.retiring and not self._stopping:
                member.retiring = True
                log.info("worker %d has answered its share of requests: starting another", member.pid)
                self._start()
            elif word == channel.CONNECTION and sock is not None:
                self._place(sock)

    def _worker_ready(self, member: _Member) -> None:
        member.ready = True
        log.info("worker %d is ready", member.pid)
        if not self._serving and sum(other.ready for other in self._members.values()) == self._settings.workers:
            self._serving = True
            log.info("%s is ready after %.2f s", self._settings.class_name, monotonic() - self._began)
        for other in self._members.values():  # one that waits for this
            if other.retiring and other.ready and other is not member:
                other.ready = False
                other.channel.send(channel.RETIRE)
                return

    def _worker_ended(self, place: int, pid: int, code: int) -> None:
        self._worker_says(self._members[place])  # what it has said before
        member = self._members.pop(place)
        asyncio.get_running_loop().remove_reader(member.channel.fileno())
        member.channel.close()
        self._memory.vacate(place)
        if self._stopping:
            if not self._members:
                self._ended.set()
            return
        if self._postponed:
            self._postponed -= 1
            self._start()
        if member.retiring and code == 0:
            return
        how = f"worker {pid} {describe_end(code)}"
        log.error("%s", how)
        self._deaths.append(monotonic())
        if len(self._deaths) == MAX_DEATHS and self._deaths[-1] - self._deaths[0] < DEATH_WINDOW_SECONDS:
            self._fail(f"{MAX_DEATHS} workers died within {DEATH_WINDOW_SECONDS:.0f} s, the last one: {how}")
        elif not member.retiring:  # otherwise its successor is on its way already
            self._start()

    # The end.

    def _signalled(self, number: signal.Signals, http: socket.socket) -> None:
        if self._stopping:  # asked a second time: at once, then
            self.kill()
            os._exit(128 + number)
        log.info("%s: finishing the requests in flight", signal.Signals(number).name)
        self._stopping = True
        if not self._serving:  # nothing was served yet, and nobody can stop the code that loads
            self._ended.set()
            return
        asyncio.get_running_loop().remove_reader(http.fileno())
        for member in self._members.values():
            try:
                member.channel.send(channel.STOP)
            except OSError:
                log.debug("worker %d has just ended", member.pid)


def _kill(pid: int) -> None:
    """End a worker, unless it has ended by itself, which may not be known here yet."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
