"""Measures the engine beside nginx, and prints a table."""

import argparse
import contextlib
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.engine.load import HEADERS, PATH, REQUEST_BODY, SCRIPTS, Run, drive
from bench.engine.programs import ANSWER, Engine, Graph, MissingProgramError, Nginx, Proxy, find_programs, node
from bench.engine.slow import Slow, median_seconds

ROWS = (
    ("small", 1),
    ("small", 32),
    ("small", 256),
    (f"{HEADERS} headers", 32),
    ("own id each", 32),
    ("1 MB ndarray", 4),
    ("1 MB tensor", 4),
)
EXACT = 1000
# Of the components whose time a graph's is compared with.
DELAYS = (0.005, 0.01, 0.015, 0.02)


class WrongError(Exception):
    """A number that the benchmark rests on is not what it must be."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What every measurement needs: programs, a place for files, and the length of a run in seconds."""

    wrk: str
    nginx: str
    directory: Path
    seconds: float


def main() -> int:
    """Run the benchmark; 0 when every request was answered and counted."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement (default 5)")
    parser.add_argument("--other", metavar="PATH", help="another orchestrator that takes the same flags, to compare")
    given = parser.parse_args()
    if not given.seconds > 0:
        parser.error("--seconds must be above 0")
    try:
        programs = find_programs()
        with tempfile.TemporaryDirectory() as directory:
            bench = Bench(programs["wrk"], programs["nginx"], Path(directory), given.seconds)
            with Nginx(bench.nginx, bench.directory / "backend", "backend", answer=ANSWER) as backend:
                _pass_through(bench, backend.port, given.other)
                _graphs(bench, backend.port)
                _waits(bench, backend.port)
                _memory(bench, backend.port)
    except (MissingProgramError, WrongError) as error:
        sys.stderr.write(f"bench.engine: {error}\n")
        return 1
    return 0


def _pass_through(bench: Bench, port: int, other: str | None) -> None:
    """A graph of one component, beside nginx and beside another orchestrator."""
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(Engine(node(port)))
        pooled = Nginx(bench.nginx, bench.directory / "pooled", "nginx, pooled", upstream=port)
        stock = Nginx(bench.nginx, bench.directory / "stock", "nginx, stock", upstream=port, pooled=False)
        proxies: list[Proxy] = [engine, stack.enter_context(pooled), stack.enter_context(stock)]
        if other is not None:
            proxies.append(stack.enter_context(Engine(node(port), "other", other)))
        _count_exactly(engine)
        columns = ("load", "connections", "proxy", "requests/s", "CPU us/request", "engine :", "p99 ms")
        sys.stdout.write("{:<14}{:>11}  {:<14}{:>11}{:>16}{:>10}{:>9}\n".format(*columns))
        for load, connections in ROWS:
            runs = {proxy.name: _one_run(bench, proxy, connections, load) for proxy in proxies}
            for name, run in runs.items():
                ratio = runs[engine.name].cpu_microseconds / run.cpu_microseconds if run.cpu_microseconds else 0.0
                sys.stdout.write(
                    f"{load:<14}{connections:>11}  {name:<14}{run.requests / run.seconds:>11,.0f}"
                    f"{run.cpu_microseconds:>16.1f}{ratio:>10.2f}{run.p99_seconds * 1000:>9.2f}\n"
                )
            sys.stdout.flush()


def _graphs(bench: Bench, port: int) -> None:
    """What further hops cost: chains, and a combiner with several children."""
    combiner = node(port, "e", "COMBINER", *(node(port, name) for name in "abcd"))
    graphs = [("chain of 2", 2, _chain(port, "ab")), ("chain of 3", 3, _chain(port, "abc"))]
    graphs += [("chain of 6", 6, _chain(port, "abcdef")), ("combiner of 4", 5, combiner)]
    for name, calls, graph in graphs:
        with Engine(graph) as engine:
            run = _one_run(bench, engine, 32, "small")
        cost = run.cpu_microseconds
        sys.stdout.write(
            f"{name:<14}{32:>11}  {engine.name:<14}{run.requests / run.seconds:>11,.0f}{cost:>16.1f}"
            f"   {cost / calls:.1f} us for each of {calls} calls\n"
        )
        sys.stdout.flush()


def _waits(bench: Bench, port: int) -> None:
    """What a fan-out and a chain take of a caller's time, beside what their components take."""
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(Slow(seconds)) for seconds in DELAYS]
        fan_out = node(port, "e", "COMBINER", *(node(child.port, f"c{at}") for at, child in enumerate(children)))
        chain: Graph | None = None
        for at, child in enumerate(children):
            chain = node(child.port, f"c{at}", "MODEL", *([chain] if chain else []))
        assert chain is not None
        requests = max(5, round(10 * bench.seconds))
        alone = [median_seconds(child.port, PATH, requests) * 1000 for child in children]
        for name, graph, least in (("combiner of 4", fan_out, max(alone)), ("chain of 4", chain, sum(alone))):
            engine = stack.enter_context(Engine(graph))
            took = median_seconds(engine.port, PATH, requests) * 1000
            what = "its slowest child" if graph is fan_out else "its nodes, one after the other,"
            sys.stdout.write(f"{name}: {took:.2f} ms for a caller; {what} {least:.2f} ms ({took - least:+.2f} ms)\n")
    sys.stdout.flush()


def _chain(port: int, names: str) -> Graph:
    return node(port, names[0], "MODEL", *([_chain(port, names[1:])] if names[1:] else []))


def _memory(bench: Bench, port: int) -> None:
    """What the engine holds, as it serves; a short run stands for a long one where measurements are short."""
    unit = 10_000 if bench.seconds > 1 else 1_000
    held = {}
    with Engine(node(port)) as engine:
        for count in (2, 10, 12):
            while engine.served() < count * unit:
                drive(bench.wrk, bench.directory, engine, 32, 1)
            held[count] = engine.resident_bytes() / 1e6
    sys.stdout.write(
        f"memory: {held[10]:.1f} MB resident after {10 * unit:,} requests at 32 connections, "
        f"{held[12] - held[2]:+.2f} MB from {2 * unit:,} to {12 * unit:,}\n"
    )


def _one_run(bench: Bench, proxy: Proxy, connections: int, load: str) -> Run:
    script = SCRIPTS[load]
    # Connections are open and caches warm.
    drive(bench.wrk, bench.directory, proxy, connections, min(1.0, bench.seconds), script=script)
    before = proxy.served() if isinstance(proxy, Engine) else 0
    run = drive(bench.wrk, bench.directory, proxy, connections, bench.seconds, script=script)
    if run.errors:
        raise WrongError(f"{proxy.name} at {connections} connections: {run.errors}")
    if isinstance(proxy, Engine) and proxy.name == "engine":
        counted = proxy.served() - before
        # When the time is over, wrk leaves with a request under way on each connection; so did the run before.
        if not run.requests <= counted <= run.requests + 2 * connections:
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
