"""The servers that are measured: the same model in this project's wrapper and in each peer, one process tree each."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.engine.programs import cpu_seconds
from bench.microservice.peers import PEERS

MODELS = Path(__file__).parent / "models"
MODEL = "TimesTwo"
START_SECONDS = 120.0
OURS = "seldon-core"
PROTOCOLS = {OURS: ("seldon", "V2"), "mlserver": ("V2",), "kserve": ("V2",), "upstream": ("seldon",)}


class Server:
    """A server of the model, in a process of its own.

    Attributes:
        name: in the table.
        port: that it listens on.
        start_seconds: from the start of the process until it was ready.
    """

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self._directory = directory / name
        self.port = 0
        self.start_seconds = 0.0

    def __enter__(self) -> Self:
        """Start it, and wait until it is ready."""
        self._directory.mkdir()
        for model in MODELS.glob("*.py"):
            shutil.copy(model, self._directory)
        self.port, *others = _free_ports(3)
        command, environment, ready = _COMMANDS[self.name](self._directory, [self.port, *others])
        with (self._directory / "log").open("wb") as log:
            began = time.perf_counter()
            self._process = subprocess.Popen(
                command, cwd=self._directory, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self._wait_until_ready(ready)
        except BaseException:
            self._stop()
            raise
        self.start_seconds = time.perf_counter() - began
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self._stop()

    def cpu_seconds(self) -> float:
        """User and system time of all its processes so far."""
        return cpu_seconds(self._processes())

    def resident_bytes(self) -> int:
        """Memory that its processes hold now, added up."""
        return sum(_resident_bytes(pid) for pid in self._processes())

    def ask(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by lower-case name, and body of the answer to a POST."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()

    def _processes(self) -> list[int]:
        found = [self._process.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        return found

    def _wait_until_ready(self, path: str) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
            try:
                connection.request("GET", path)
                if connection.getresponse().status == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            time.sleep(0.002)
        log = (self._directory / "log").read_text(errors="replace")
        raise RuntimeError(f"{self.name} did not become ready:\n{log[-2000:]}")

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            for pid in reversed(self._processes()):
                os.kill(pid, 9)
            self._process.wait()


Start = tuple[list[str | Path], dict[str, str], str]


def _ours(directory: Path, ports: list[int]) -> Start:
    environment = {**os.environ, **_seldon_ports(ports)}
    return [sys.executable, "-m", "seldon_core.microservice", MODEL], environment, "/ready"


def _upstream(directory: Path, ports: list[int]) -> Start:
    environment = PEERS["upstream"].variables() | _seldon_ports(ports)
    program = PEERS["upstream"].folder / "bin" / "seldon-core-microservice"
    return [program, MODEL], environment, "/health/ping"


def _mlserver(directory: Path, ports: list[int]) -> Start:
    # One process, as the others: with its own workers a request goes through two.
    names = ("http_port", "grpc_port", "metrics_port")
    settings = {"host": "127.0.0.1", "debug": False, "parallel_workers": 0, **dict(zip(names, ports, strict=True))}
    (directory / "settings.json").write_text(json.dumps(settings))
    model = {"name": MODEL, "implementation": f"mlserver_model.{MODEL}"}
    (directory / "model-settings.json").write_text(json.dumps(model))
    program = PEERS["mlserver"].folder / "bin" / "mlserver"
    return [program, "start", "."], PEERS["mlserver"].variables(), f"/v2/models/{MODEL}/ready"


def _kserve(directory: Path, ports: list[int]) -> Start:
    flags = [f"--http_port={ports[0]}", f"--grpc_port={ports[1]}", "--workers=1"]
    command = [PEERS["kserve"].python, "kserve_model.py", *flags]
    return command, PEERS["kserve"].variables(), f"/v2/models/{MODEL}/ready"


_COMMANDS: dict[str, Callable[[Path, list[int]], Start]] = {
    OURS: _ours, "mlserver": _mlserver, "kserve": _kserve, "upstream": _upstream
}  # fmt: skip


def _seldon_ports(ports: list[int]) -> dict[str, str]:
    kinds = ("HTTP", "METRICS", "GRPC")
    return {f"PREDICTIVE_UNIT_{kind}_SERVICE_PORT": str(port) for kind, port in zip(kinds, ports, strict=True)}


def _free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
