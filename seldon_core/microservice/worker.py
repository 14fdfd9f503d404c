"""The one thread that runs the user's code, fed by the event loop.

It is the main thread of the process: the class is imported, constructed, loaded and called there, as libraries that
bind their objects to a thread expect, and the event loop lives on a thread of its own.
"""

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

__all__ = ["Worker"]

Job = Callable[[], Any]
Done = Callable[[Any], None]


class Worker:
    """Runs jobs one at a time, in the order in which they were submitted."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[tuple[Job, Done, asyncio.AbstractEventLoop] | None] = SimpleQueue()

    def submit(self, job: Job, done: Done) -> None:
        """Have `job` run; its result is then given to `done` on the event loop. To be called from the loop.

        Args:
            job: must not raise.
            done: called with what the job returned.
        """
        self._queue.put((job, done, asyncio.get_running_loop()))

    def stop(self) -> None:
        """Let `run` return once the jobs submitted so far are done; callable from any thread."""
        self._queue.put(None)

    def run(self) -> None:
        """Run jobs on this thread until `stop`."""
        while (item := self._queue.get()) is not None:
            job, done, loop = item
            loop.call_soon_threadsafe(done, job())
