"""Processes that outlive the command that starts them: recorded by pid and start time, and ended by exactly these."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hack.cache import content_key
from hack.console import Failure, TimedOut, say, tail, wait_until

_STOP_TIMEOUT = 15.0
_KILL_TIMEOUT = 5.0
_PROC = Path("/proc")


@dataclass(frozen=True)
class Record:
    """A process that was started: pids are used again, but not with the same start time in the same boot.

    Arguments:
        pid: its id.
        ticks: when it started, in the kernel's clock ticks since boot.
        boot: the id of the boot.
        key: changes with its command line and configuration.
        time: when it started, in seconds since 1970.
    """

    pid: int
    ticks: int
    boot: str
    key: str
    time: float

    def runs(self) -> bool:
        """Return whether this very process still runs."""
        return self.boot == boot_id() and self.ticks == start_ticks(self.pid)


def boot_id() -> str:
    """Return the id of this boot of the machine."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it is gone or a zombie."""
    try:
        return parse_start_ticks((_PROC / str(pid) / "stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None


def parse_start_ticks(stat: str) -> int | None:
    """Return the start time in the text of /proc/<pid>/stat; None for a zombie."""
    # The second field is the program's name in brackets, and may itself hold spaces and brackets.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


class Processes:
    """The processes of the cluster, each by its name.

    Arguments:
        records: the folder of the records.
        logs: the folder of what they print.
        prefix: put before each command line, such as what enters a namespace; it must exec the rest.
    """

    def __init__(self, records: Path, logs: Path, prefix: Sequence[str] = ()) -> None:
        self._records = records
        self._logs = logs
        self._prefix = tuple(prefix)

    def log(self, name: str) -> Path:
        """Return the file of what a process prints."""
        return self._logs / f"{name}.log"

    def record(self, name: str) -> Record | None:
        """Return the record of a process, or None if there is none that can be read."""
        try:
            return Record(**json.loads((self._records / f"{name}.json").read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def names(self) -> list[str]:
        """Return the names that have a record, in the order of their start."""
        found = {path.stem: self.record(path.stem) for path in self._records.glob("*.json")}
        return sorted(found, key=lambda name: record.time if (record := found[name]) else 0.0)

    def running(self, name: str) -> bool:
        """Return whether a process runs."""
        record = self.record(name)
        return record is not None and record.runs()

    def ensure(self, name: str, command: Sequence[str | Path], *, configuration: Sequence[Path] = ()) -> None:
        """Have a process running with exactly this command line and configuration.

        One that runs so already is left alone, one that runs otherwise is replaced.

        Raises:
            Failure: it cannot be started, or the old one does not end.
        """
        key = content_key(configuration, *map(str, command))
        record = self.record(name)
        if record and record.runs():
            if record.key == key:
                return
            say(f"{name}: its configuration changed, starting it anew")
            self.stop(name)
        self._start(name, command, key)

    def stop(self, name: str) -> None:
        """End a process, gently first, and forget it; nothing happens if it does not run.

        Raises:
            Failure: it does not end.
        """
        record = self.record(name)
        if record and record.runs():
            _end(name, record)
        (self._records / f"{name}.json").unlink(missing_ok=True)

    def wait_ready(self, name: str, ready: Callable[[], bool], *, timeout: float = 90.0) -> None:
        """Wait until a process is ready.

        Raises:
            Failure: it ended, or was not ready in time; with the end of its log.
        """

        def holds() -> bool:
            if not self.running(name):
                raise Failure(f"{name} ended\n{tail(self.log(name))}\n    (all of it: {self.log(name)})")
            return ready()

        try:
            wait_until(f"{name} is ready", holds, timeout=timeout)
        except TimedOut as error:
            raise Failure(f"{error}\n{tail(self.log(name))}\n    (all of it: {self.log(name)})") from None

    def _start(self, name: str, command: Sequence[str | Path], key: str) -> None:
        self._records.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("wb") as log:
            try:
                # A session of its own: Ctrl-C at the terminal is for the command, not for the cluster.
                process = subprocess.Popen(
                    [*self._prefix, *map(str, command)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    cwd="/",
                )
            except OSError as error:
                raise Failure(f"{name}: cannot run {error.filename}: {error.strerror}") from None
        ticks = start_ticks(process.pid)
        if ticks is None:
            process.wait()
            raise Failure(f"{name} ended at once\n{tail(self.log(name))}")
        record = Record(process.pid, ticks, boot_id(), key, time.time())
        partial = self._records / f"{name}.partial"
        partial.write_text(json.dumps(asdict(record)))
        partial.rename(self._records / f"{name}.json")
        # It is meant to outlive this process, which therefore must not complain that it still runs.
        process.returncode = 0


def _end(name: str, record: Record) -> None:
    """Send SIGTERM, then SIGKILL, to the process that the descriptor holds: no other can take its id meanwhile."""
    try:
        descriptor = os.pidfd_open(record.pid)
    except ProcessLookupError:
        return
    try:
        for number, timeout in ((signal.SIGTERM, _STOP_TIMEOUT), (signal.SIGKILL, _KILL_TIMEOUT)):
            if not record.runs():
                return
            try:
                signal.pidfd_send_signal(descriptor, number)
                wait_until(f"{name} (pid {record.pid}) has ended", lambda: not record.runs(), timeout=timeout)
            except (ProcessLookupError, TimedOut):
                continue
    finally:
        os.close(descriptor)
    if record.runs():
        raise Failure(f"{name} (pid {record.pid}) does not end, even killed; look at /proc/{record.pid}/stack")
