"""The programs that are measured and the one behind them, started and stopped as processes of their own."""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

ANSWER = '{"data":{"names":["t:0","t:1"],"ndarray":[[0.9,0.1]]},"meta":{"requestPath":{"m":"model:1"}}}\n'
START_SECONDS = 20.0
# Debian keeps nginx where a user's PATH does not look.
EXTRA_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


class MissingProgramError(Exception):
    """A program that the benchmark needs is not installed."""


def find_programs() -> dict[str, str]:
    """Where nginx and wrk are.

    Raises:
        MissingProgramError: at least one of them is not there.
    """
    path = f"{os.environ.get('PATH', os.defpath)}:{EXTRA_PATH}"
    found = {name: shutil.which(name, path=path) for name in ("nginx", "wrk")}
    missing = [name for name, place in found.items() if place is None]
    if missing:
        raise MissingProgramError(f"{' and '.join(missing)} not found; install with: apt-get install nginx-light wrk")
    return {name: place for name, place in found.items() if place is not None}


class Proxy(Protocol):
    """A contestant.

    Attributes:
        name: in the table.
        port: that it listens on.
    """

    name: str
    port: int

    def cpu_seconds(self) -> float:
        """User and system time of all its processes so far."""


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of these processes so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and all that it has started, and they."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


class Nginx:
    """An nginx with one worker: a backend that gives a constant answer, or a proxy in front of another port."""

    def __init__(
        self, program: str, directory: Path, name: str, *, answer: str = "", upstream: int = 0, pooled: bool = True
    ) -> None:
        self.name = name
        self._program = program
        self._pooled = pooled
        self._directory = directory
        self._answer = answer
        self._upstream = upstream
        self.port = 0

    def __enter__(self) -> Self:
        """Start it, and wait until it listens."""
        self._directory.mkdir()
        self.port = free_port()
        (self._directory / "nginx.conf").write_text(self._configuration())
        place = str(self._directory)
        command = [self._program, "-p", place, "-c", "nginx.conf", "-e", "stderr"]
        self._process = subprocess.Popen(command)
        _wait_for_port(self.port, self._process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        _stop(self._process)

    def cpu_seconds(self) -> float:
        """User and system time of the master and its worker so far."""
        return cpu_seconds(family(self._process.pid))

    def _configuration(self) -> str:
        content = f"default_type application/json; return 200 '{self._answer}';"
        upstream = ""
        if self._upstream:
            pool = "keepalive 512;" if self._pooled else ""
            upstream = f"upstream backend {{ server 127.0.0.1:{self._upstream}; {pool} }}"
            reuse = 'proxy_http_version 1.1; proxy_set_header Connection "";' if self._pooled else ""
            content = f"proxy_pass http://backend; {reuse}"
        scratch = "".join(
            f"{kind}_temp_path {self._directory}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return f"""
            worker_processes 1; daemon off; pid {self._directory}/pid; error_log stderr crit;
            events {{ worker_connections 4096; }}
            http {{
                access_log off; client_max_body_size 0; client_body_buffer_size 2m;
                keepalive_requests 1000000000; {scratch} {upstream}
                server {{ listen 127.0.0.1:{self.port} backlog=1024; location / {{ {content} }} }}
            }}
        """


Graph = dict[str, Any]


def node(component: int, name: str = "m", kind: str = "MODEL", *children: Graph) -> Graph:
    """A node of a graph, served by the component on a port of this machine."""
    endpoint = {"type": "REST", "service_host": "127.0.0.1", "service_port": component, "httpPort": component}
    return {"name": name, "type": kind, "endpoint": endpoint, "children": list(children)}


class Engine:
    """An orchestrator in front of a graph: the engine as it is shipped, or another program with the same flags."""

    def __init__(self, graph: Graph, name: str = "engine", program: str | None = None) -> None:
        self.name = name
        self._program = program
        self._predictor = base64.b64encode(json.dumps({"name": "main", "graph": graph}).encode()).decode()
        self.port = 0
        self._metrics_port = 0

    def __enter__(self) -> Self:
        """Start it, and wait until it says that it serves."""
        flags = ["--sdep=bench", "--namespace=bench", "--predictor=main"]
        if self._program is not None:
            return self._start_other(self._program, flags)
        flags += ["--http_port=0", "--metrics_port=0"]
        code = "from seldon_core.cli import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, "engine", *flags],
            env={**os.environ, "ENGINE_PREDICTOR": self._predictor},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        ports = re.search(r"serving on port (\d+), metrics on port (\d+)", line)
        if ports is None:
            raise RuntimeError(f"the engine did not start: {line}{self._process.stderr.read()}")
        self.port, self._metrics_port = int(ports[1]), int(ports[2])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        _stop(self._process)

    def cpu_seconds(self) -> float:
        """User and system time so far, of all its processes."""
        return cpu_seconds(family(self._process.pid))

    def _start_other(self, program: str, flags: list[str]) -> Self:
        self.port = self._metrics_port = free_port()
        self._process = subprocess.Popen(
            [program, *flags, f"--http_port={self.port}", f"--grpc_port={free_port()}", "--prometheus_path=/metrics"],
            env={**os.environ, "ENGINE_PREDICTOR": self._predictor},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        _wait_for_port(self.port, self._process)
        return self

    def resident_bytes(self) -> int:
        """Memory that it holds now."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def served(self) -> int:
        """How many predictions it has counted so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics") as response:
            text = response.read().decode()
        counts = re.findall(r"^seldon_api_executor_server_requests_seconds_count\{.*\} (.*)$", text, re.MULTILINE)
        return int(sum(map(float, counts)))


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_for_port(port: int, process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise RuntimeError(f"{process.args!r} does not listen on port {port}")


def _stop(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stderr is not None:
        process.stderr.close()
