"""What the commands in hack/ say: progress of long steps, errors with a remedy, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PROGRESS_INTERVAL = 5.0
TAIL_LINES = 25


class Failure(Exception):  # noqa: N818  (it names what the user sees)
    """Something the user can understand and act upon; its text says what happened and what to do."""


class TimedOut(Failure):
    """What was waited for did not come about in time."""


def say(text: str) -> None:
    """Print one line of progress on standard error: standard output is for results, such as paths."""
    print(text, file=sys.stderr, flush=True)


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a log, indented, or a note that it is empty."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        text = ""
    kept = text.splitlines()[-lines:]
    return "\n".join(f"    {line}" for line in kept) or "    (no output)"


def run_step(
    title: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    remedy: str = "",
) -> None:
    """Run a long command with its output in a log, and say every few seconds that it still runs.

    Arguments:
        title: what is being done, in the words of the progress lines.
        command: the program and its arguments.
        log: where its output goes; overwritten.
        cwd: the folder to run in.
        env: variables added to the environment.
        remedy: what to do if it fails, for the error.

    Raises:
        Failure: the command cannot be started or fails; with the end of its output.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    say(f"{title} ...")
    started = time.monotonic()
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise Failure(f"{title}: cannot run {command[0]}: {error.strerror}; {remedy or 'install it'}") from None
        code = _wait(process, title, started, log)
    if code != 0:
        advice = f"; {remedy}" if remedy else ""
        raise Failure(f"{title} failed with exit code {code}{advice}\n{tail(log)}\n    (all of it: {log})")
    say(f"{title}: done in {time.monotonic() - started:.0f} s")


def _wait(process: subprocess.Popen[bytes], title: str, started: float, log: Path) -> int:
    try:
        while True:
            try:
                return process.wait(timeout=PROGRESS_INTERVAL)
            except subprocess.TimeoutExpired:
                say(f"{title}: {time.monotonic() - started:.0f} s, {_last_line(log)}")
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _last_line(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 400))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip()[:100] if lines else "running"


def capture(command: Sequence[str | Path], *, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a short command and return its output.

    Arguments:
        command: the program and its arguments.
        stdin: what it reads.
        env: its whole environment, where it is not this process's.

    Raises:
        Failure: it cannot be started or fails.
    """
    try:
        done = subprocess.run(command, input=stdin, env=env, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Failure(f"cannot run {command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        detail = (done.stderr or done.stdout).strip()
        raise Failure(f"{' '.join(map(str, command))} failed with exit code {done.returncode}: {detail}")
    return done.stdout


def wait_until(what: str, condition: Callable[[], bool], *, timeout: float, interval: float = 0.1) -> None:
    """Wait for a condition, saying now and then what is being waited for.

    Raises:
        TimedOut: it did not hold within the timeout (seconds).
    """
    started = said = time.monotonic()
    while not condition():
        now = time.monotonic()
        if now - started > timeout:
            raise TimedOut(f"{what}: not so within {timeout:.0f} s")
        if now - said >= PROGRESS_INTERVAL:
            say(f"waiting: {what} ({now - started:.0f} s)")
            said = now
        time.sleep(interval)


def run_main(main: Callable[[Sequence[str]], int]) -> None:
    """Run a command's main function and exit: failures become one clear message, Ctrl-C exits with 130."""
    try:
        code = main(sys.argv[1:])
    except Failure as failure:
        say(f"error: {failure}")
        code = 1
    except KeyboardInterrupt:
        say("interrupted")
        code = 130
    sys.exit(code)
