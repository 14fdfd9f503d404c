"""Several processes that serve one predictor on the same ports: the parent forks them, replaces them and ends them."""

import logging
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable
from time import monotonic

import uvloop

from seldon_core.engine.config import Predictor
from seldon_core.engine.flags import Flags
from seldon_core.engine.service import Place, serve
from seldon_core.telemetry.shared import SharedMemory, SharedNumbers
from seldon_core.transport.http_server import listening_socket

# A worker that dies is replaced, unless so many have died within so many seconds: then something is wrong with all.
MAX_DEATHS = 3
DEATH_WINDOW_SECONDS = 60.0
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)

log = logging.getLogger(__name__)


def serve_in_workers(flags: Flags, predictor: Predictor) -> int:
    """Serve a predictor with several processes until SIGTERM or SIGINT.

    Args:
        flags: the command line, with the number of workers.
        predictor: what is served.

    Returns:
        The exit code: 0, or 1 when requests had to be cut off or workers died again and again.

    Raises:
        OSError: a port cannot be listened on.
    """
    with listening_socket(None, flags.http_port) as http, listening_socket(None, flags.metrics_port) as metrics:
        memory = SharedMemory(flags.workers)
        alive, held = os.pipe()  # nobody writes to it: it ends when the parent does
        # From here on signals wait until they are asked for, so that none is lost between a look and a fork.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)

        def start(place: int) -> int:
            pid = os.fork()
            if pid:
                return pid
            code = 1
            try:
                os.close(held)
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                numbers = SharedNumbers(memory, place)
                code = uvloop.run(serve(flags, predictor, Place(http, metrics, numbers, alive)))
            except BaseException:  # noqa: BLE001 - nothing of the parent's must run in the child
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)

        try:
            return _supervise({start(place): place for place in range(flags.workers)}, start)
        finally:
            os.close(held)
            os.close(alive)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _supervise(workers: dict[int, int], start: Callable[[int], int]) -> int:
    """Wait until all workers have ended; replace those that die."""
    deaths: deque[float] = deque(maxlen=MAX_DEATHS)
    stopping, worst = False, 0
    while workers:
        number = signal.sigwait(_HANDLED)
        if number != signal.SIGCHLD:
            stopping = True
            _tell(workers)
            continue
        for pid, code in _ended():
            place = workers.pop(pid)
            if stopping:
                worst = max(worst, 1 if code else 0)
                continue
            log.error("worker %d (process %d) died with %s", place, pid, code)
            deaths.append(monotonic())
            if len(deaths) == MAX_DEATHS and deaths[-1] - deaths[0] < DEATH_WINDOW_SECONDS:
                log.error("%d workers died within %g s: giving up", MAX_DEATHS, DEATH_WINDOW_SECONDS)
                stopping, worst = True, 1
                _tell(workers)
            else:
                workers[start(place)] = place
    return worst


def _tell(workers: dict[int, int]) -> None:
    for pid in workers:
        os.kill(pid, signal.SIGTERM)


def _ended() -> list[tuple[int, int]]:
    """The children that have ended since the last time, with their exit codes (negative: the signal)."""
    found: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not pid:
            return found
        found.append((pid, os.waitstatus_to_exitcode(status)))
