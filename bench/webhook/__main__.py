"""Measures admission reviews beside an echo over TLS, and prints a table."""

import argparse
import contextlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.engine.programs import MissingProgramError, cpu_seconds, find_programs, free_port
from bench.webhook import reviews

CONNECTIONS = 16
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
# What a review may cost beyond the echo, in CPU microseconds, and how many milliseconds 99 of 100 may take.
LIMITS = {"small": (100.0, 10.0), "large": (500.0, 30.0)}
PATHS = {"echo": "/echo", "mutate": "/mutate", "validate": "/validate"}
# Each is measured this often, in turn; the median is shown.
ROUNDS = 3


class WrongError(Exception):
    """The benchmark cannot say anything."""


@dataclass(frozen=True)
class Contestant:
    """A program that serves."""

    pid: int
    port: int


@dataclass(frozen=True)
class Run:
    """What came out of one run: CPU microseconds of the server per request, p99 in milliseconds, requests."""

    cpu: float
    p99: float
    requests: int


def main() -> int:
    """Run the benchmark; 0 when every review was answered and the limits held, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.webhook", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement (default 5)")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a limit does not hold")
    given = parser.parse_args()
    if not given.seconds > 0:
        parser.error("--seconds must be above 0")
    try:
        wrk = find_programs()["wrk"]
        with tempfile.TemporaryDirectory() as directory, _contestants() as contestants:
            held = _measure(wrk, Path(directory), contestants, given.seconds)
    except (MissingProgramError, WrongError) as error:
        sys.stderr.write(f"bench.webhook: {error}\n")
        return 1
    return 0 if held or not given.check else 1


@contextlib.contextmanager
def _contestants() -> Iterator[dict[str, Contestant]]:
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(_contestant(name)) for name in ("echo", "webhook")}


@contextlib.contextmanager
def _contestant(name: str) -> Iterator[Contestant]:
    port = free_port()
    command = [sys.executable, "-m", "bench.webhook.contestants", name, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            if not process.stdout.readline():
                raise WrongError(f"the {name} did not start")
            yield Contestant(process.pid, port)
        finally:
            process.terminate()


def _measure(wrk: str, directory: Path, contestants: dict[str, Contestant], seconds: float) -> bool:
    columns = ("review", "bytes", "answered by", "requests/s", "CPU us/request", "over echo", "p99 ms", "limits")
    sys.stdout.write("{:<8}{:>7}  {:<12}{:>11}{:>16}{:>11}{:>9}  {}\n".format(*columns))
    held = True
    for size, body in (("small", reviews.small()), ("large", reviews.large())):
        runs: dict[str, list[Run]] = {name: [] for name in PATHS}
        for _ in range(ROUNDS):
            for name in PATHS:
                contestant = contestants["echo" if name == "echo" else "webhook"]
                runs[name].append(_run(wrk, directory, contestant, PATHS[name], body, seconds / ROUNDS))
        medians = {name: sorted(found, key=lambda run: run.cpu)[ROUNDS // 2] for name, found in runs.items()}
        for name, run in medians.items():
            over, limits = run.cpu - medians["echo"].cpu, ""
            if name != "echo":
                most, slowest = LIMITS[size]
                fits = over <= most and run.p99 <= slowest
                held = held and fits
                limits = f"{'hold' if fits else 'DO NOT HOLD'} ({most:.0f} us, {slowest:.0f} ms)"
            rate = run.requests / (seconds / ROUNDS)
            line = f"{size:<8}{len(body):>7}  {name:<12}{rate:>11,.0f}{run.cpu:>16.1f}{over:>11.1f}{run.p99:>9.2f}"
            sys.stdout.write(f"{line}  {limits}".rstrip() + "\n")
        sys.stdout.flush()
    return held


def _run(wrk: str, directory: Path, contestant: Contestant, path: str, body: bytes, seconds: float) -> Run:
    """Send as much as the connections allow, after a warm-up."""
    script = directory / "post.lua"
    (directory / "body").write_bytes(body)
    script.write_text(
        f'wrk.method = "POST"\nlocal file = io.open("{directory}/body", "rb")\nwrk.body = file:read("*a")\n'
        'file:close()\nwrk.headers["Content-Type"] = "application/json"\n'
    )
    url = f"https://127.0.0.1:{contestant.port}{path}"
    command = [wrk, "-t1", f"-c{CONNECTIONS}", "--latency", "-s", str(script), url]
    subprocess.run([*command, "-d1s"], capture_output=True, check=True)
    before = cpu_seconds([contestant.pid])
    length = f"-d{max(1, round(seconds))}s"
    output = subprocess.run([*command, length], capture_output=True, text=True, check=True).stdout
    return report(output, cpu_seconds([contestant.pid]) - before)


def report(output: str, spent: float) -> Run:
    """Read what wrk printed.

    Args:
        output: its report.
        spent: the CPU time of the server meanwhile, in seconds.

    Raises:
        WrongError: something was not answered, or not with success.
    """
    done = re.search(r"(\d+) requests in ", output)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", output)
    errors = re.findall(r"(?:Socket errors|Non-2xx or 3xx responses): .*", output)
    if done is None or p99 is None or done[1] == "0" or errors:
        raise WrongError("; ".join(errors) or f"wrk reports no answers:\n{output}")
    requests = int(done[1])
    return Run(spent / requests * 1e6, float(p99[1]) * UNITS[p99[2]] * 1000, requests)


if __name__ == "__main__":
    sys.exit(main())
