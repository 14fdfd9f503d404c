"""Measures the engine beside nginx, and prints a table."""

import argparse
import contextlib
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.engine.load import PATH, REQUEST_BODY, Run, drive
from bench.engine.programs import ANSWER, Engine, MissingProgramError, Nginx, Proxy, find_programs

CONNECTIONS = (1, 32, 256)
EXACT = 1000


class WrongError(Exception):
    """A number that the benchmark rests on is not what it must be."""


def main() -> int:
    """Run the benchmark; 0 when every request was answered and counted."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement (default 5)")
    seconds = parser.parse_args().seconds
    if not seconds > 0:
        parser.error("--seconds must be above 0")
    try:
        programs = find_programs()
        with tempfile.TemporaryDirectory() as directory, _proxies(programs["nginx"], Path(directory)) as proxies:
            _measure(programs["wrk"], Path(directory), proxies, seconds)
    except (MissingProgramError, WrongError) as error:
        sys.stderr.write(f"bench.engine: {error}\n")
        return 1
    return 0


@contextlib.contextmanager
def _proxies(nginx: str, directory: Path) -> Iterator[tuple[Engine, Nginx, Nginx]]:
    """The contestants, in front of one backend."""
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(Nginx(nginx, directory / "backend", "backend", answer=ANSWER))
        port = backend.port
        yield (
            stack.enter_context(Engine(port)),
            stack.enter_context(Nginx(nginx, directory / "pooled", "nginx, pooled", upstream=port)),
            stack.enter_context(Nginx(nginx, directory / "stock", "nginx, stock", upstream=port, pooled=False)),
        )


def _measure(wrk: str, directory: Path, proxies: tuple[Engine, Nginx, Nginx], seconds: float) -> None:
    engine = proxies[0]
    _count_exactly(engine)
    columns = ("connections", "proxy", "requests/s", "CPU us/request", "engine :", "p99 ms")
    sys.stdout.write("{:>11}  {:<14}{:>11}{:>16}{:>10}{:>9}\n".format(*columns))
    for connections in CONNECTIONS:
        runs = {proxy.name: _one_run(wrk, directory, proxy, connections, seconds) for proxy in proxies}
        for name, run in runs.items():
            rate, cost, p99 = run.requests / run.seconds, run.cpu_microseconds, run.p99_seconds * 1000
            ratio = runs[engine.name].cpu_microseconds / cost
            sys.stdout.write(f"{connections:>11}  {name:<14}{rate:>11,.0f}{cost:>16.1f}{ratio:>10.2f}{p99:>9.2f}\n")
        sys.stdout.flush()
    memory = engine.resident_bytes() / 1e6
    sys.stdout.write(f"engine: {memory:.1f} MB resident after {engine.served():,} requests\n")


def _one_run(wrk: str, directory: Path, proxy: Proxy, connections: int, seconds: float) -> Run:
    drive(wrk, directory, proxy, connections, min(1.0, seconds))  # connections are open and caches warm
    before = proxy.served() if isinstance(proxy, Engine) else 0
    run = drive(wrk, directory, proxy, connections, seconds)
    if run.errors:
        raise WrongError(f"{proxy.name} at {connections} connections: {run.errors}")
    if isinstance(proxy, Engine):
        counted = proxy.served() - before
        # When the time is over, wrk leaves with a request under way on each connection.
        if not run.requests <= counted <= run.requests + connections:
            raise WrongError(f"the engine counted {counted} requests, wrk saw {run.requests} answered")
    return run


def _count_exactly(engine: Engine) -> None:
    """Send a known number of requests; the engine must have counted just these."""
    head = f"POST {PATH} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
    request = f"{head}content-length: {len(REQUEST_BODY)}\r\n\r\n{REQUEST_BODY}".encode()
    before = engine.served()
    with socket.create_connection(("127.0.0.1", engine.port)) as connection, connection.makefile("rb") as answers:
        for _ in range(EXACT):
            connection.sendall(request)
            status = answers.readline()
            while answers.readline() != b"\r\n":
                pass
            body = answers.read(len(ANSWER))
            if b" 200 " not in status or body != ANSWER.encode():
                raise WrongError(f"the engine answered {status!r} {body!r}, not what the backend answers")
    if engine.served() - before != EXACT:
        raise WrongError(f"the engine counted {engine.served() - before} requests, {EXACT} were sent")


if __name__ == "__main__":
    sys.exit(main())
