"""The threads that run the user's code, fed by the event loop; one, unless more are asked for.

The first is the main thread of the process: the class is imported, constructed, loaded and called there, as libraries
that bind their objects to a thread expect, and the event loop lives on a thread of its own.
"""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

__all__ = ["Worker"]

log = logging.getLogger(__name__)

Job = Callable[[], Any]
Done = Callable[[Any], None]


class Worker:
    """Runs jobs in the order in which they were submitted, as many at a time as there are threads.

    Attributes:
        threads: how many there are.
    """

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads
        self._process = os.getpid()
        self._queue: SimpleQueue[tuple[Job, Done, asyncio.AbstractEventLoop] | None] = SimpleQueue()

    def submit(self, job: Job, done: Done) -> None:
        """Have `job` run; its result is then given to `done` on the event loop. To be called from the loop.

        Args:
            job: must not raise.
            done: called with what the job returned.
        """
        self._queue.put((job, done, asyncio.get_running_loop()))

    def leave_if_forked(self, error: BaseException | None) -> None:
        """End this process if it is one that the model has forked, and that has left the model's code.

        It has no event loop, and the connections are its parent's.

        Args:
            error: how it has left, None: by returning.
        """
        if os.getpid() == self._process:
            return
        code = 0 if error is None else 1
        if isinstance(error, SystemExit):
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            log.error("a process that the model has forked failed", exc_info=error)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code & 0xFF)

    def stop(self) -> None:
        """Let `run` return once the jobs submitted so far are done; callable from any thread."""
        for _ in range(self.threads):
            self._queue.put(None)

    def run(self) -> None:
        """Run jobs on this thread, and the others there are to be, until `stop`."""
        others = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            for number in range(2, self.threads + 1)
        ]
        for other in others:
            other.start()
        self._work()
        for other in others:
            other.join()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            job, done, loop = item
            loop.call_soon_threadsafe(done, job())
            del item, job, done  # nothing is kept alive while there is nothing to do
