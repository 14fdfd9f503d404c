"""The engine as the process that a pod runs: what it says, what it loads, how it ends."""

import asyncio
import base64
import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.engine.conftest import REQUIRED, node
from tests.http_peers import Peer, answering, http_answer, until

COMMAND = [sys.executable, "-c", "import sys; from seldon_core.engine.main import run; sys.exit(run(sys.argv[1:]))"]
REQUEST = b"POST /api/v1.0/predictions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}"


def environment(graph: Any, **predictor: Any) -> dict[str, str]:
    encoded = base64.b64encode(json.dumps({"name": "main", "graph": graph, **predictor}).encode()).decode()
    return {**os.environ, "ENGINE_PREDICTOR": encoded}


def run_to_its_end(*argv: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *argv], env=env, capture_output=True, text=True, timeout=60, check=False)


class Engine:
    """A running engine."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port

    async def end(self) -> tuple[int, str]:
        """The exit code, and what was logged until then."""
        _, log = await asyncio.wait_for(self.process.communicate(), 60)
        assert self.process.returncode is not None
        return self.process.returncode, log.decode()


@contextlib.asynccontextmanager
async def running(graph: Any, *flags: str, **predictor: Any) -> AsyncIterator[Engine]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *REQUIRED, "--http_port=0", "--metrics_port=0", *flags,
        env=environment(graph, **predictor), stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            line = (await process.stderr.readline()).decode()
        started = re.search(r"serving on port (\d+), metrics on port (\d+)", line)
        assert started, line
        yield Engine(process, int(started[1]))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.parametrize(
    ("argv", "graph", "said"),
    [
        pytest.param(
            [], None, ["--sdep: must be given", "--namespace: must be given", "--predictor: must"], id="nothing"
        ),
        pytest.param([*REQUIRED, "--what"], None, ["--what: there is no such flag"], id="unknown flag"),
        pytest.param(REQUIRED, node("r", 1, "SWITCH"), ['graph.type: "SWITCH": is no type of node'], id="graph"),
        pytest.param([*REQUIRED, "--file=absent.yaml"], None, ["no such file"], id="file"),
    ],
)
def test_what_cannot_be_used_is_said_in_words(argv: list[str], graph: Any, said: list[str]) -> None:
    result = run_to_its_end(*argv, env=environment(graph) if graph else None)
    assert result.returncode == 2
    lines = result.stderr.splitlines()
    assert len(lines) == len(said)
    for line, text in zip(lines, said, strict=True):
        assert line.startswith("seldon-core engine: ")
        assert text in line


@pytest.mark.parametrize("value", [None, "", ":;,", "e30=", "W10=", base64.b64encode(b"[" * 50_000).decode()])
def test_no_environment_ends_in_a_traceback(value: str | None) -> None:
    env = {key: text for key, text in os.environ.items() if key != "ENGINE_PREDICTOR"}
    result = run_to_its_end(*REQUIRED, env=env if value is None else {**env, "ENGINE_PREDICTOR": value})
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("seldon-core engine: ")


def test_help_is_printed() -> None:
    result = run_to_its_end("--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: seldon-core engine --sdep NAME")


async def test_a_port_that_is_taken_is_named() -> None:
    async with running(node("m", 1)) as engine:
        result = await asyncio.to_thread(
            run_to_its_end, *REQUIRED, f"--http_port={engine.port}", env=environment(node("m", 1))
        )
    assert result.returncode == 1
    assert f"cannot listen on port {engine.port}" in result.stderr
    assert "Traceback" not in result.stderr


def test_only_what_is_needed_is_loaded() -> None:
    code = "import sys, seldon_core.engine.main; print(*sorted(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    # Each module costs a third of a millisecond: with these the engine is ready in a quarter of a second.
    assert len(result.stdout.split()) < 280
    loaded = {name.split(".")[0] for name in result.stdout.split()}
    heavy = {"aiohttp", "click", "cryptography", "google", "grpc", "jsonschema", "kubernetes", "numpy", "opentelemetry",
             "prometheus_client", "requests", "rich", "yaml"}  # fmt: skip
    assert not loaded & heavy
    ours = {name for name in result.stdout.split() if name.startswith("seldon_core.")}
    assert not {name for name in ours if name.split(".")[1] in ("kube", "plan", "microservice", "cli")}


async def test_a_predictor_may_come_from_a_file(tmp_path: Path, connect) -> None:
    async with answering(http_answer(b"from a file")).running() as peer:
        path = tmp_path / "sdep.yaml"
        path.write_text(json.dumps({"spec": {"predictors": [{"name": "main", "graph": node("m", peer.port)}]}}))
        async with running(None, f"--file={path}") as engine:
            client = await connect(engine.port)
            assert (await client.ask(REQUEST)).body == b"from a file"


# The end.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_engine_ends_at_once(number: signal.Signals) -> None:
    async with running(node("m", 1)) as engine:
        engine.process.send_signal(number)
        code, log = await engine.end()
        assert code == 0
        assert "Traceback" not in log


async def test_no_request_in_flight_is_lost_when_the_engine_is_told_to_stop(connect) -> None:
    """Callers that keep sending on the connections they have are answered until they are told to close."""
    release = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await peer.read_request(reader)
            if len(peer.heads) > 200:
                await release.wait()
            writer.write(http_answer(b"done"))

    answered: list[int] = []

    async def call(port: int) -> str:
        client = await connect(port)
        while True:
            response = await client.ask(REQUEST)
            answered.append(response.status)
            if response.headers.get("connection") == "close":
                assert await client.rest() == b""
                return "told to close"

    peer = Peer(slow)
    async with peer.running(), running(node("m", peer.port)) as engine:
        calls = [asyncio.ensure_future(call(engine.port)) for _ in range(8)]
        await until(lambda: len(peer.heads) == 208)  # each of them has a request in flight
        engine.process.terminate()
        assert engine.process.stderr is not None
        assert b"stopping" in await engine.process.stderr.readline()
        release.set()
        assert await asyncio.gather(*calls) == ["told to close"] * 8
        code, _ = await engine.end()
    assert code == 0
    assert answered == [200] * 208
    assert len(peer.heads) == 208


def most_resident_bytes(pid: int) -> int:
    """The most memory that a process has held at any time."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


def pages_provided(pid: int) -> int:
    """How often the kernel had to provide and clear a page for a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


async def test_a_gigabyte_goes_in_and_out_and_takes_no_memory(connect) -> None:
    size, piece = 1 << 30, bytes(1 << 20)
    received = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
            while received < length:
                received += len(await reader.read(min(1 << 20, length - received)))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % length)
            for _ in range(length // len(piece)):
                writer.write(piece)
                await writer.drain()

    async def send(length: int) -> None:
        nonlocal received
        received = 0
        client = await connect(engine.port)
        await client.send(b"POST /api/v1.0/predictions HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % length)
        for _ in range(length // len(piece)):
            await client.send(piece)
        await client.reader.readuntil(b"\r\n\r\n")
        left = length
        while left:
            left -= len(await client.reader.read(1 << 20))
        assert received == length
        client.close()

    annotations = {"seldon.io/rest-max-body-size": str(size)}
    async with Peer(script).running() as peer, running(node("m", peer.port), annotations=annotations) as engine:
        await send(32 << 20)
        held, provided = most_resident_bytes(engine.process.pid), pages_provided(engine.process.pid)
        await send(size)
        assert most_resident_bytes(engine.process.pid) - held < 8 << 20
        # Each piece lies where one before it lay.
        assert pages_provided(engine.process.pid) - provided < size // resource.getpagesize() // 10
        engine.process.terminate()
        assert (await engine.end())[0] == 0


async def test_the_engine_serves_through_its_shutdown_delay(connect) -> None:
    async with (
        answering(http_answer(b"still here")).running() as peer,
        running(node("m", peer.port), "--shutdown_delay=1h") as engine,
    ):
        engine.process.terminate()
        assert engine.process.stderr is not None
        assert b"serving for another 3600 s" in await engine.process.stderr.readline()
        client = await connect(engine.port)
        assert (await client.ask(b"GET /ready HTTP/1.1\r\n\r\n")).status == 503
        client = await connect(engine.port)
        assert (await client.ask(REQUEST)).body == b"still here"
        assert engine.process.returncode is None


async def test_what_takes_too_long_is_cut_off_and_said(connect) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read_request(reader)
        await reader.read()

    peer = Peer(hang)
    async with peer.running(), running(node("m", peer.port), "--graceful_timeout=100ms") as engine:
        client = await connect(engine.port)
        await client.send(REQUEST)
        await until(lambda: bool(peer.heads))
        engine.process.terminate()
        code, log = await engine.end()
        assert code == 1
        assert "cut off 1 connections after the graceful timeout of 0.1 s" in log
        assert await client.rest() == b""


# Several processes.


async def scraped(connect, port: int) -> dict[str, float]:
    client = await connect(port)
    text = (await client.ask(b"GET /metrics HTTP/1.1\r\n\r\n")).body.decode()
    return {
        sample.labels.get("code", sample.name): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in ("seldon_api_executor_server_requests_seconds_count", "process_open_fds")
    }


def children(process: asyncio.subprocess.Process) -> set[int]:
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return {int(pid) for pid in path.read_text().split()}


async def test_workers_share_the_ports_and_show_what_all_have_counted(connect) -> None:
    async with (
        answering(http_answer(b"{}")).running() as peer,
        running(node("m", peer.port), "--workers=3") as engine,
    ):
        await until(lambda: len(children(engine.process)) == 3)
        clients = [await connect(engine.port) for _ in range(24)]
        for client in clients * 5:
            assert (await client.ask(REQUEST)).status == 200
        for _ in range(10):  # whoever is asked
            assert (await scraped(connect, engine.port))["200"] == 120
        engine.process.terminate()
        code, log = await engine.end()
        assert code == 0
        assert log.count("stopping") == 3


async def test_a_worker_that_dies_is_replaced_and_what_it_counted_is_kept(connect) -> None:
    async with (
        answering(http_answer(b"{}")).running() as peer,
        running(node("m", peer.port), "--workers=2") as engine,
    ):
        await until(lambda: len(children(engine.process)) == 2)
        before = children(engine.process)
        for _ in range(20):
            client = await connect(engine.port)
            assert (await client.ask(REQUEST)).status == 200
        victim = before.pop()
        os.kill(victim, signal.SIGKILL)
        await until(lambda: len(children(engine.process) - before) == 1 and victim not in children(engine.process))
        for _ in range(10):
            client = await connect(engine.port)
            assert (await client.ask(REQUEST)).status == 200
        assert (await scraped(connect, engine.port))["200"] == 30
        engine.process.terminate()
        code, log = await engine.end()
        assert code == 0
        assert f"(process {victim}) died with -9" in log


async def test_workers_that_die_again_and_again_end_the_engine() -> None:
    async with running(node("m", 1), "--workers=2") as engine:
        killed: set[int] = set()
        while len(killed) < 3:
            await until(lambda: bool(children(engine.process) - killed))
            victim = min(children(engine.process) - killed)
            killed.add(victim)
            os.kill(victim, signal.SIGKILL)
        code, log = await engine.end()
        assert code == 1
        assert "3 workers died within 60 s: giving up" in log


async def test_workers_end_with_their_parent() -> None:
    async with running(node("m", 1), "--workers=2") as engine:
        await until(lambda: len(children(engine.process)) == 2)
        workers = children(engine.process)
        engine.process.kill()
        await engine.end()  # standard error ends when the last of them has ended
        await until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in workers))


async def test_workers_cannot_share_a_port_that_is_taken() -> None:
    async with running(node("m", 1)) as engine:
        result = await asyncio.to_thread(
            run_to_its_end, *REQUIRED, f"--http_port={engine.port}", "--workers=2", env=environment(node("m", 1))
        )
    assert (result.returncode, "Traceback" in result.stderr) == (1, False)
    assert f"cannot listen on port {engine.port}" in result.stderr
