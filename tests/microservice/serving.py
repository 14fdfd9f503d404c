"""Serve a model to a test: on the test's own event loop, or as a process of its own."""

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from seldon_core.microservice.application import Application, render_error
from seldon_core.microservice.checks import check_of
from seldon_core.microservice.component import Component
from seldon_core.microservice.custom_metrics import CustomMetrics
from seldon_core.microservice.data_plane import DataPlane
from seldon_core.microservice.error_handler import find_error_handler
from seldon_core.microservice.flows import Answer, Flow, advance, failure
from seldon_core.microservice.identity import Identity
from seldon_core.microservice.joining import Batcher
from seldon_core.microservice.metadata import describe
from seldon_core.microservice.routes import serve_model
from seldon_core.microservice.worker import Worker
from seldon_core.protocols.json_codec import dumps
from seldon_core.telemetry.metrics import Registry
from seldon_core.transport.http_server import HTTPServer
from seldon_core.transport.limits import Limits

DEADLINE = 60.0  # seconds that a machine under load may take for anything below


class M:
    """The identity model that the expectations of the tables are written for."""

    def predict(self, X: Any, names: Any, meta: Any = None) -> Any:  # noqa: N803
        return X

    def tags(self) -> dict[str, Any]:
        return {"mytag": 1}

    def metrics(self) -> list[dict[str, Any]]:
        return [{"type": "COUNTER", "key": "mycounter", "value": 1}]


# Loads, and makes predictions, when a test makes files of these names in its directory.
GATED = """
import os, time

def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.01)

class MyModel:
    def load(self):
        wait_for("load")
    def predict(self, X, names):
        open("predicting", "w").close()
        wait_for("predict")
        return X
"""

COUNTER = {"type": "COUNTER", "key": "mycounter", "value": 1}


def plane_of(user_object: object, **settings: Any) -> DataPlane:
    identity = settings.pop("identity", Identity())
    return DataPlane(Component(user_object), identity, CustomMetrics(Registry(), identity), **settings)


def finish(flow: Flow) -> Answer:
    """Run a flow without coroutines to its end, as the worker does."""
    try:
        answer = advance(flow)
    except BaseException as error:  # noqa: BLE001 - as the worker does
        answer = failure(error, "test")
    assert isinstance(answer, Answer)
    return answer


def ask(user_object: object, message: Any, operation: str = "predict", **settings: Any) -> tuple[int, Any]:
    """Status and decoded body of the answer to a message."""
    plane = plane_of(user_object, **settings)
    answer = finish(plane.health_status() if operation == "health_status" else getattr(plane, operation)(message))
    assert answer.body.endswith(b"\n")
    return answer.status, json.loads(answer.body)


@dataclass
class Served:
    """A model on the event loop of a test."""

    application: Application
    registry: Registry
    server: HTTPServer
    client: httpx.AsyncClient


@contextlib.asynccontextmanager
async def served(
    user_object: object | None,
    limits: Limits | None = None,
    *,
    unit: str = "",
    service_type: str = "MODEL",
    passthrough: bool = False,
    batch: tuple[int, float] | None = None,
    threads: int = 1,
    rest_timeout: float = 0.0,
    check_requests: bool = False,
) -> AsyncIterator[Served]:
    """Serve an object over real sockets, or nothing yet for None, as while a model loads."""
    registry = Registry()
    identity = Identity(unit=unit)
    metrics = CustomMetrics(registry, identity)
    worker = Worker(threads)
    requests = registry.histogram("requests_seconds", "Time.", ("method", "code"))
    batcher = Batcher(worker, *batch) if batch else None
    application = Application(worker, requests, metrics.count, batcher, timeout=rest_timeout)
    if user_object is not None:
        component = Component(user_object)
        declared = component.get("init_metadata")
        described = describe(declared.with_arguments()() if declared else {"name": "test"}, "", "")
        check = check_of(described["inputs"]) if check_requests else None
        plane = DataPlane(
            component, identity, metrics, service_type=service_type, batching=batch is not None, check=check
        )
        names = tuple(dict.fromkeys(name for name in (unit, described["name"], component.name) if name))
        model = serve_model(plane, Answer(200, dumps(described)), described, names, passthrough)
        application.serve(model, find_error_handler(user_object))
    server = HTTPServer(application.handle, limits=limits, render_error=render_error)
    application.borrow_from(server)
    thread = threading.Thread(target=worker.run)
    thread.start()
    port = await server.start("127.0.0.1", 0)
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=url, timeout=DEADLINE, trust_env=False) as client:
            yield Served(application, registry, server, client)
    finally:
        await server.drain(DEADLINE)
        worker.stop()
        thread.join()


@dataclass
class Process:
    """A running `seldon-core-microservice`."""

    child: subprocess.Popen[str]
    lines: "queue.Queue[str | None]"
    seen: list[str] = field(default_factory=list)
    http: str = ""
    metrics: str = ""

    def wait_for_line(self, pattern: str) -> re.Match[str]:
        """Read its log until a line matches."""
        while (line := self.lines.get(timeout=DEADLINE)) is not None:
            self.seen.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"it ended without a line like {pattern}:\n{self.log()}")

    def log(self) -> str:
        """What it has printed so far."""
        return "".join(self.seen)

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        while (line := self.lines.get(timeout=DEADLINE)) is not None:
            self.seen.append(line)
        return self.child.wait(DEADLINE)

    def stop(self) -> int:
        """Ask it to stop as kubelet does; the exit code."""
        self.child.send_signal(signal.SIGTERM)
        return self.wait()


@contextlib.contextmanager
def process(directory: Path, *arguments: str, **environment: str) -> Iterator[Process]:
    """Start the command in `directory`; whatever is left of it at the end is killed."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PREDICTIVE_UNIT_", "SELDON_"))
    }
    fixed = {
        "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": "0",
        "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": "0",
        "TERMINATION_MESSAGE_PATH": str(directory / "termination-log"),
        "PYTHONUNBUFFERED": "1",
    }
    (directory / "termination-log").touch()
    command = [sys.executable, "-c", "import sys; from seldon_core.microservice.main import main; sys.exit(main())"]
    child = subprocess.Popen(
        [*command, *arguments],
        cwd=directory,
        env=inherited | fixed | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_read, args=(child, lines))
    reader.start()
    try:
        yield Process(child, lines)
    finally:
        child.kill()
        child.wait()
        reader.join()


def _read(child: "subprocess.Popen[str]", lines: "queue.Queue[str | None]") -> None:
    assert child.stdout is not None
    with child.stdout:
        for line in child.stdout:
            lines.put(line)
    lines.put(None)


@contextlib.contextmanager
def running(directory: Path, source: str, *arguments: str, ready: bool = True, **environment: str) -> Iterator[Process]:
    """Start the command for a class MyModel with this source, and wait until its ports are open, or it is ready."""
    (directory / "MyModel.py").write_text(source)
    with process(directory, "MyModel", *arguments, **environment) as started:
        found = started.wait_for_line(r"REST on port (\d+), metrics on port (\d+)(\S*)")
        started.http = f"http://127.0.0.1:{found[1]}"
        started.metrics = f"http://127.0.0.1:{found[2]}{found[3]}"
        if ready:
            started.wait_for_line("is ready")
            until(lambda: get(started.http + "/ready")[0] == 200)
        yield started


def get(url: str, message: Any = None) -> tuple[int, str]:
    """Status and body of a GET, or of a POST of a message."""
    body = None if message is None else json.dumps(message).encode()
    call = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(call, timeout=DEADLINE) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.01)


@contextlib.contextmanager
def asking(service: Process, directory: Path, count: int) -> Iterator[list[int]]:
    """So many callers that wait for predictions of the gated model; the status of each answer is there at the end."""
    answers: list[int] = []

    def ask() -> None:
        answers.append(get(service.http + "/predict", {"data": {"ndarray": [[1, 2]]}})[0])

    callers = [threading.Thread(target=ask) for _ in range(count)]
    for caller in callers:
        caller.start()
    until((directory / "predicting").exists)
    until(lambda: in_flight(service.http) >= count)
    assert get(service.http + "/live")[0] == 200  # connections are accepted in their order, so they are by now
    yield answers
    for caller in callers:
        caller.join(DEADLINE)


def in_flight(url: str) -> int:
    """How many connections to a port of this machine are open on its side."""
    port = f":{int(url.rpartition(':')[2]):04X}"
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return sum(1 for line in lines if line[1].endswith(port) and line[3] == "01")
