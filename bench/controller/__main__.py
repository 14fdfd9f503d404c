"""Measures how the controller copes with many SeldonDeployments created at once, and prints a table."""

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass

from bench.controller import floor, world
from bench.controller.world import BenchmarkError, Usage
from hack.console import Failure
from seldon_core.kube.client import Client

COUNTS = (100, 1000)
# The reference implementation's operator, on two cores of this kind: seconds per SeldonDeployment of three objects.
REFERENCE = 0.11
TIMES_FASTER = 5
BASE_BYTES, BYTES_EACH = 60_000_000, 60_000


@dataclass(frozen=True)
class Run:
    """What came out of one number of SeldonDeployments.

    Attributes:
        count: How many there were.
        floor: Seconds in which a client that decides nothing writes the same objects.
        created: Seconds until the last of them was created.
        built: Seconds until all their children existed, from the first request that created one.
        available: Seconds from when all pods served until all were available.
        idle: What the controller had used before.
        done: What it had used when all were available.
        servers: Seconds of CPU that API server and etcd have used meanwhile.
        steady: What it had used after a while in which nothing happened.
        seconds: How long that was.
    """

    count: int
    floor: float
    created: float
    built: float
    available: float
    idle: Usage
    done: Usage
    servers: float
    steady: Usage
    seconds: float

    @property
    def limit(self) -> int:
        """How much memory it may have."""
        return BASE_BYTES + BYTES_EACH * self.count

    def misses(self) -> list[str]:
        """Return which of the limits do not hold."""
        found = []
        if self.built > REFERENCE * self.count / TIMES_FASTER:
            found.append(f"slower than {TIMES_FASTER} times the reference")
        if self.steady.resident > self.limit:
            found.append(f"more than {self.limit / 1e6:.0f} MB")
        if self.steady.mutating != self.done.mutating:
            found.append(f"{self.steady.mutating - self.done.mutating} mutating requests while nothing happened")
        return found


def main() -> int:
    """Run the benchmark; 0 when everything was built and, if asked for, the limits held."""
    parser = argparse.ArgumentParser(prog="python -m bench.controller", description=__doc__)
    parser.add_argument("--counts", default=",".join(map(str, COUNTS)), help="SeldonDeployments (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the steady while (default 60)")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a limit does not hold")
    given = parser.parse_args()
    counts = [int(word) for word in given.counts.split(",") if word.isdecimal() and int(word) > 0]
    if not counts or not given.seconds > 0:
        parser.error("--counts takes numbers above 0, --seconds a number above 0")
    columns = (
        "sdeps",
        "floor s",
        "created s",
        "built s",
        ": floor",
        "available s",
        "calls each",
        "CPU ms each",
        "servers ms",
        "RSS MB",
        "KB each",
        "writes",
    )
    sys.stdout.write(" ".join(f"{column:>11}" for column in columns) + "\n")
    missed = False
    try:
        for count in counts:
            run = asyncio.run(measure(count, given.seconds))
            sys.stdout.write(report(run))
            sys.stdout.flush()
            missed = missed or bool(run.misses())
    except (BenchmarkError, Failure, TimeoutError) as error:
        sys.stderr.write(f"bench.controller: {error or 'it took too long'}\n")
        return 1
    return 1 if missed and given.check else 0


async def measure(count: int, seconds: float) -> Run:
    """Create so many SeldonDeployments before a new API server and a new controller."""
    least = await floor.measure(count)
    with world.control_plane() as plane, world.controller(plane) as controller:
        async with Client(str(plane.kubeconfig)) as client, world.Watcher(client).running() as watcher:
            present = len(watcher)
            idle = controller.usage()
            before = sum(map(world.cpu, plane.pids))
            begun = time.monotonic()
            await world.at_once([client.create(world.manifest(number)) for number in range(count)])
            created = time.monotonic() - begun
            await watcher.children(present + world.CHILDREN_EACH * count)
            built = time.monotonic() - begun
            begun = time.monotonic()
            await watcher.serve()
            await watcher.available(count)
            available = time.monotonic() - begun
            await asyncio.sleep(min(seconds, 5.0))  # for the last answers to arrive
            done = controller.usage()
            servers = sum(map(world.cpu, plane.pids)) - before
            await asyncio.sleep(seconds)
            return Run(count, least, created, built, available, idle, done, servers, controller.usage(), seconds)


def report(run: Run) -> str:
    """Return the line of the table, and what does not hold below it."""
    calls = sum(run.done.requests.values()) - sum(run.idle.requests.values())
    values = (
        f"{run.count}",
        f"{run.floor:.2f}",
        f"{run.created:.2f}",
        f"{run.built:.2f}",
        f"{run.built / run.floor:.2f}",
        f"{run.available:.2f}",
        f"{calls / run.count:.1f}",
        f"{(run.done.cpu - run.idle.cpu) / run.count * 1000:.1f}",
        f"{run.servers / run.count * 1000:.1f}",
        f"{run.steady.resident / 1e6:.1f}",
        f"{(run.steady.resident - run.idle.resident) / run.count / 1000:.1f}",
        f"{run.steady.mutating - run.done.mutating}",
    )
    return " ".join(f"{value:>11}" for value in values) + "\n" + "".join(f"  {miss}\n" for miss in run.misses())


if __name__ == "__main__":
    sys.exit(main())
