"""The engine's benchmark: what it needs, what it reads off wrk, and that it runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.engine import load, programs, slow
from bench.engine.programs import MissingProgramError, find_programs

WRK = """\
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.90ms    4.31ms  54.32ms   94.44%
  Latency Distribution
     50%    1.61ms
     99%   22.04ms
  58517 requests in 1.01m, 11.66MB read
"""


needs_programs = pytest.mark.skipif(
    any(shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None for name in ("nginx", "wrk")),
    reason="needs nginx and wrk (apt-get install nginx-light wrk)",
)


class StillProxy:
    name = "still"
    port = 1

    def __init__(self) -> None:
        self.spent = iter([1.0, 2.0])

    def cpu_seconds(self) -> float:
        return next(self.spent)


def run_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, output: str) -> load.Run:
    def wrk(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, stdout=output)

    monkeypatch.setattr(load.subprocess, "run", wrk)
    return load.drive("wrk", tmp_path, StillProxy(), 32, 1.0)


def test_wrks_report_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = run_of(monkeypatch, tmp_path, WRK)
    assert (run.requests, run.seconds, run.errors) == (58517, pytest.approx(60.6), "")
    assert run.cpu_microseconds == pytest.approx(1e6 / 58517)
    assert run.p99_seconds == pytest.approx(0.02204)


@pytest.mark.parametrize(
    ("output", "error"),
    [
        (f"{WRK}  Non-2xx or 3xx responses: 7\n", "Non-2xx or 3xx responses: 7"),
        (f"{WRK}  Socket errors: connect 0, read 3, write 0, timeout 0\n", "Socket errors: connect 0, read 3"),
        ("unable to connect to 127.0.0.1:1", "wrk reports no answers:\nunable to connect"),
    ],
)
def test_errors_are_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, output: str, error: str) -> None:
    assert run_of(monkeypatch, tmp_path, output).errors.startswith(error)


@pytest.mark.parametrize(
    ("present", "message"),
    [
        ((), "nginx and wrk not found; install with: apt-get install nginx-light wrk"),
        (("nginx",), "wrk not found; install with: apt-get install nginx-light wrk"),
    ],
)
def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch, present: tuple[str, ...], message: str) -> None:
    monkeypatch.setattr(programs.shutil, "which", lambda name, **_: f"/bin/{name}" if name in present else None)
    with pytest.raises(MissingProgramError, match=message):
        find_programs()


def test_a_length_that_makes_no_sense_is_refused() -> None:
    command = [sys.executable, "-m", "bench.engine", "--seconds", "0"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 2
    assert result.stderr.endswith("error: --seconds must be above 0\n")


@needs_programs
def test_the_contestants_answer_alike(tmp_path: Path) -> None:
    nginx = find_programs()["nginx"]
    with (
        programs.Nginx(nginx, tmp_path / "backend", "backend", answer=programs.ANSWER) as backend,
        programs.Nginx(nginx, tmp_path / "pooled", "pooled", upstream=backend.port) as pooled,
        programs.Nginx(nginx, tmp_path / "stock", "stock", upstream=backend.port, pooled=False) as stock,
        programs.Engine(programs.node(backend.port)) as engine,
    ):
        for proxy in (pooled, stock, engine):
            command = ["curl", "-s", "-d", load.REQUEST_BODY, f"http://127.0.0.1:{proxy.port}{load.PATH}"]
            assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == programs.ANSWER
            assert proxy.cpu_seconds() >= 0
        assert engine.served() == 1
        assert engine.resident_bytes() > 1_000_000


# An orchestrator of one node that is none: nginx, told by the flags and the variable where to listen and whom to ask.
OTHER = """#!{python}
import base64, json, os, sys
flags = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:])
assert flags.keys() == {{"sdep", "namespace", "predictor", "http_port", "grpc_port", "prometheus_path"}}
graph = json.loads(base64.b64decode(os.environ["ENGINE_PREDICTOR"]))["graph"]
kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
temporary = "".join(f"{{kind}}_temp_path {directory}/{{kind}};" for kind in kinds)
with open("{directory}/other.conf", "w") as file:
    file.write(f'''
        worker_processes 1; daemon off; pid {directory}/other.pid; error_log stderr crit; events {{{{ }}}}
        http {{{{
            access_log off; client_max_body_size 0; client_body_buffer_size 2m; keepalive_requests 1000000000;
            {{temporary}}
            server {{{{
                listen 127.0.0.1:{{flags["http_port"]}};
                location / {{{{ proxy_pass http://127.0.0.1:{{graph["endpoint"]["httpPort"]}}; }}}}
            }}}}
        }}}}
    ''')
os.execv("{nginx}", ["{nginx}", "-p", "{directory}", "-c", "other.conf", "-e", "stderr"])
"""


@needs_programs
def test_another_orchestrator_takes_part(tmp_path: Path) -> None:
    """Whatever takes the flags can be compared, however many processes it is."""
    found = find_programs()
    script = tmp_path / "other"
    script.write_text(OTHER.format(python=sys.executable, nginx=found["nginx"], directory=tmp_path))
    script.chmod(0o755)
    with (
        programs.Nginx(found["nginx"], tmp_path / "backend", "backend", answer=programs.ANSWER) as backend,
        programs.Engine(programs.node(backend.port), "other", str(script)) as other,
    ):
        run = load.drive(found["wrk"], tmp_path, other, 2, 1.0)
        assert run.errors == ""
        assert run.cpu_microseconds > 0
        assert len(programs.family(other._process.pid)) == 2


def test_slow_components_take_their_time() -> None:
    with slow.Slow(0.02) as component:
        assert slow.median_seconds(component.port, load.PATH, 3) >= 0.02
