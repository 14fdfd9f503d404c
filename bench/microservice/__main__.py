"""Measures the wrapper beside MLServer, KServe's SDK and the upstream wrapper, and prints tables."""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from bench.engine.load import Run, drive
from bench.engine.programs import MissingProgramError, find_programs
from bench.microservice import messages
from bench.microservice.messages import SMALL, Message
from bench.microservice.peers import PEERS, make_peers
from bench.microservice.servers import OURS, PROTOCOLS, Server

CONNECTIONS = (1, 32)
# About 1 MB each: 54,000 numbers of 18 or so characters, and 131,072 of 8 bytes.
LARGE_ROWS, LARGE_COLUMNS, BINARY_NUMBERS = 540, 100, 131_072
PACKAGES = {OURS: "", "mlserver": "mlserver", "kserve": "kserve", "upstream": "seldon-core"}


class WrongError(Exception):
    """An answer is not what it must be."""


@dataclass
class Results:
    """What came out for one server.

    Attributes:
        start_seconds: until it was ready.
        memory: in bytes, before the large messages.
        runs: by the message's name and the number of connections.
        refusals: why a message was not measured, by its name.
    """

    start_seconds: float = 0.0
    memory: int = 0
    runs: dict[tuple[str, int], Run] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)


def main() -> int:
    """Run the benchmark; 0 when every request to the wrapper was answered rightly."""
    parser = argparse.ArgumentParser(prog="python -m bench.microservice", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement (default 5)")
    seconds = parser.parse_args().seconds
    if not seconds > 0:
        parser.error("--seconds must be above 0")
    absent = make_peers()
    present = [OURS, *(name for name in PEERS if name not in absent)]
    try:
        wrk = find_programs()["wrk"]
        small, large = _messages()
        results = {name: _measure(wrk, name, small, large, seconds) for name in present}
    except (MissingProgramError, WrongError) as error:
        sys.stderr.write(f"bench.microservice: {error}\n")
        return 1
    _print(results, small, large, _alone(large[0], seconds))
    for name, cause in absent.items():
        sys.stdout.write(f"absent: {name}: {cause}\n")
    return 0


def _messages() -> tuple[list[Message], list[Message]]:
    numbers = random.Random(1)
    rows = [[numbers.random() for _ in range(LARGE_COLUMNS)] for _ in range(LARGE_ROWS)]
    return (
        [messages.seldon("seldon JSON", SMALL), messages.v2("V2 JSON", SMALL)],
        [
            messages.seldon("seldon JSON, 1 MB", rows),
            messages.v2_binary("V2 binary, 1 MB", [numbers.random() for _ in range(BINARY_NUMBERS)]),
        ],
    )


def _measure(wrk: str, name: str, small: Sequence[Message], large: Sequence[Message], seconds: float) -> Results:
    """Measure one server, while no other runs.

    Raises:
        WrongError: the wrapper answers wrongly, or any server fails under load.
    """
    results = Results()
    with tempfile.TemporaryDirectory() as folder, Server(name, Path(folder)) as server:
        results.start_seconds = server.start_seconds
        for message in (*small, *large):
            if message is large[0]:
                results.memory = server.resident_bytes()
            if message.protocol not in PROTOCOLS[name]:
                continue
            if refusal := _refusal(server, message):
                if name == OURS:
                    raise WrongError(f"{name}: {message.name}: {refusal}")
                results.refusals[message.name] = refusal
                continue
            for connections in CONNECTIONS if message in small else CONNECTIONS[:1]:
                results.runs[message.name, connections] = _run(wrk, Path(folder), server, message, connections, seconds)
    return results


def _refusal(server: Server, message: Message) -> str:
    """Why a server does not take part; "" when it answers rightly."""
    status, headers, body = server.ask(message.path, message.headers, message.body)
    if status != 200:
        return f"answers {status}"
    try:
        right = message.is_answered_by(headers, body)
    except (ValueError, LookupError, TypeError) as error:
        return f"answers something else: {error!r}"
    return "" if right else "answers other numbers"


def _run(wrk: str, directory: Path, server: Server, message: Message, connections: int, seconds: float) -> Run:
    (directory / "body").write_bytes(message.body)
    headers = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in message.headers.items())
    script = f'wrk.method = "POST"\n{headers}wrk.body = io.open("{directory}/body", "rb"):read("*a")\n'
    drive(wrk, directory, server, connections, min(1.0, seconds), message.path, script)  # caches are warm
    run = drive(wrk, directory, server, connections, seconds, message.path, script)
    if run.errors:
        raise WrongError(f"{server.name}: {message.name} at {connections} connections: {run.errors}")
    return run


def _alone(message: Message, seconds: float) -> float:
    """CPU microseconds of what cannot be saved: decode the JSON, make an array, encode the result."""
    decode, encode = msgspec.json.decode, msgspec.json.encode
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        before = time.process_time()
        array = np.array(decode(message.body)["data"]["ndarray"])
        encode({"data": {"names": [], "ndarray": (array * 2).tolist()}})
        times.append(time.process_time() - before)
    return sum(times) / len(times) * 1e6


def _print(results: dict[str, Results], small: Sequence[Message], large: Sequence[Message], alone: float) -> None:
    sys.stdout.write("{:<14}{:<10}{:>16}{:>13}\n".format("server", "version", "ready after s", "memory MB"))
    for name, result in results.items():
        version = PEERS[name].versions()[PACKAGES[name]] if name in PEERS else "this"
        sys.stdout.write(f"{name:<14}{version:<10}{result.start_seconds:>16.2f}{result.memory / 1e6:>13.1f}\n")
    columns = ("message", "connections", "server", "requests/s", "CPU us/request", "ours :", "p99 ms")
    sys.stdout.write("\n{:<20}{:>11}  {:<14}{:>11}{:>16}{:>8}{:>10}\n".format(*columns))
    for message in (*small, *large):
        for connections in CONNECTIONS:
            _print_rows(results, message.name, connections)
        for name, result in results.items():
            if message.name in result.refusals:
                sys.stdout.write(f"{message.name:<20}{'':>11}  {name:<14} {result.refusals[message.name]}\n")
    cost = results[OURS].runs[large[0].name, 1].cpu_microseconds
    sys.stdout.write(
        f"\n{large[0].name}: JSON decode, array and encode alone: {alone:.0f} us of CPU; "
        f"the wrapper takes {cost / alone:.2f} times that\n"
    )


def _print_rows(results: dict[str, Results], message: str, connections: int) -> None:
    runs = {name: run for name, result in results.items() if (run := result.runs.get((message, connections)))}
    for name, run in runs.items():
        rate, cost, p99 = run.requests / run.seconds, run.cpu_microseconds, run.p99_seconds * 1000
        ratio = runs[OURS].cpu_microseconds / cost if OURS in runs else float("nan")
        sys.stdout.write(
            f"{message:<20}{connections:>11}  {name:<14}{rate:>11,.0f}{cost:>16.1f}{ratio:>8.2f}{p99:>10.2f}\n"
        )


if __name__ == "__main__":
    sys.exit(main())
