"""The process that makes the user's object once and forks a worker whenever it is told to.

It has no threads and no event loop of its own, so that a fork copies nothing that is in the middle of something; what
it has imported and constructed the workers share until they write to it.
"""

import contextlib
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from seldon_core.microservice import channel
from seldon_core.microservice.channel import Channel
from seldon_core.microservice.errors import StartupError
from seldon_core.microservice.loading import construct, import_class
from seldon_core.microservice.service import SIGNALS
from seldon_core.microservice.settings import Settings
from seldon_core.microservice.worker_process import serve_as_worker
from seldon_core.telemetry.shared import SharedMemory

__all__ = ["describe_end", "fork_off", "run_forker"]

# What a worker is made of: the class, and the object where it is made before the fork.
Made = tuple[type, object | None]


def fork_off(work: Callable[[], int]) -> int:
    """Run `work` in a new process, whose exit code is what it returns; the number of the process."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = work()
    except BaseException:  # noqa: BLE001 - nothing of the parent's must run in the child
        traceback.print_exc()
    finally:
        _end(code)


def _end(code: int) -> NoReturn:
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def run_forker(settings: Settings, supervisor: Channel, memory: SharedMemory, service: int) -> int:
    """Make the object, then fork workers until the supervisor goes away.

    Args:
        settings: of the service.
        supervisor: says when a worker is to be started.
        memory: where workers count.
        service: number of the process that stands for all of them.
    """
    for number in SIGNALS:  # the supervisor says when it is over
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    with contextlib.suppress(BrokenPipeError):  # the supervisor has gone
        return _fork(settings, supervisor, memory, service)
    return 1


def _fork(settings: Settings, supervisor: Channel, memory: SharedMemory, service: int) -> int:
    woken = _catch_ends()
    try:
        made = _make(settings)
    except StartupError as error:
        supervisor.send(channel.FAILED, str(error), error.exit_code)
        return 1
    supervisor.send(channel.CONSTRUCTED, callable(getattr(made[0], "custom_service", None)))
    places: dict[int, int] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(supervisor, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if woken in ready:
                woken.recv(4096)
                _report_ends(supervisor, places)
            if supervisor in ready:
                message = supervisor.receive()
                if message is None:
                    return 0
                _, (place,), sock = message
                assert sock is not None
                with sock:
                    work = partial(_work, settings, made, Channel(sock), supervisor, memory, place, service)
                    pid = fork_off(work)
                places[pid] = place
                supervisor.send(channel.STARTED, place, pid)


def _make(settings: Settings) -> Made:
    user_class = import_class(settings.class_name, Path.cwd())
    return user_class, None if settings.construct_in_worker else construct(user_class, settings.parameters)


def _catch_ends() -> socket.socket:
    """A socket that can be read from when a child has ended."""
    receiver, sender = socket.socketpair()
    receiver.setblocking(False)
    sender.setblocking(False)
    signal.set_wakeup_fd(sender.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return receiver


def _report_ends(supervisor: Channel, places: dict[int, int]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        if pid in places:  # a model may have children of its own
            supervisor.send(channel.ENDED, places.pop(pid), pid, os.waitstatus_to_exitcode(status))


def _work(
    settings: Settings, made: Made, own: Channel, supervisor: Channel, memory: SharedMemory, place: int, service: int
) -> int:
    """In the new process: be a worker."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    supervisor.close()
    user_class, user_object = made
    return serve_as_worker(settings, user_class, user_object, own, memory, place, service)


def describe_end(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    name: Any = -code
    with contextlib.suppress(ValueError):
        name = signal.Signals(-code).name
    hint = " (out of memory?)" if code == -signal.SIGKILL else ""
    return f"was killed by {name}{hint}"
