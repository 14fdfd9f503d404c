"""What the process does beside answering: the class's own service, the file with its number, the access log."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from .serving import get, process, running, until

ND = {"data": {"ndarray": [[1, 2]]}}
IDENTITY = """
class MyModel:
    def predict(self, X, names):
        return X
"""
WITH_SERVICE = """
import http.server, os, pathlib

class MyModel:
    def __init__(self, greeting):
        self.greeting, self.loaded = greeting, False

    def load(self):
        self.loaded = True

    def predict(self, X, names):
        return {"pid": os.getpid()}

    def custom_service(self):
        about = f"{self.greeting} {self.loaded} {os.getpid()}".encode()

        class Says(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(about)

        server = http.server.HTTPServer(("127.0.0.1", 0), Says)
        pathlib.Path("starting").write_text(str(server.server_port))
        os.rename("starting", "port")
        server.serve_forever()
"""
GREETING = json.dumps([{"name": "greeting", "value": "hello", "type": "STRING"}])


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_custom_service_runs_in_a_process_of_its_own(tmp_path: Path, workers: str, end: signal.Signals) -> None:
    with running(tmp_path, WITH_SERVICE, "--workers", workers, "--parameters", GREETING) as service:
        until((tmp_path / "port").exists)
        url = f"http://127.0.0.1:{(tmp_path / 'port').read_text()}"
        greeting, loaded, pid = get(url)[1].split()
        assert (greeting, loaded) == ("hello", "False"), "a copy that is not loaded"
        mine = json.loads(get(service.http + "/predict", ND)[1])["jsonData"]["pid"]
        assert int(pid) not in (mine, service.child.pid)
        service.child.send_signal(end)
        until(lambda: not alive(int(pid)))
        assert service.wait() == (0 if end == signal.SIGTERM else -end)


def test_a_custom_service_that_fails_is_told_and_the_model_goes_on(tmp_path: Path) -> None:
    source = IDENTITY + "    def custom_service(self):\n        raise ValueError('no port')\n"
    with running(tmp_path, source) as service:
        service.wait_for_line("the custom_service of MyModel ended with code 1")
        assert get(service.http + "/predict", ND)[0] == 200
        assert service.stop() == 0
    assert "ValueError: no port" in service.log()
    assert 'MyModel.py", line 6, in custom_service' in service.log()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_file_with_the_number_is_there_while_it_runs(tmp_path: Path, workers: str) -> None:
    path = tmp_path / "pid"
    with running(tmp_path, IDENTITY, "--workers", workers, "--pidfile", str(path)) as service:
        assert path.read_text() == f"{service.child.pid}\n"
        os.kill(int(path.read_text()), signal.SIGTERM)
        assert service.wait() == 0
    assert not path.exists()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "MyModel.py").write_text(IDENTITY)
    with process(tmp_path, "MyModel", "--pidfile", "absent/pid") as service:
        assert service.wait() == 2
    assert "--pidfile: absent/pid: cannot be written: No such file or directory" in service.log()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({"GUNICORN_ACCESS_LOG": "true"}, {"/predict 200", "/predict 400"}),
        (
            {"GUNICORN_ACCESS_LOG": "true", "FILTER_METRICS_ACCESS_LOGS": "false"},
            {"/predict 200", "/predict 400", "/metrics 200"},
        ),
        ({"FILTER_METRICS_ACCESS_LOGS": "false"}, set()),
    ],
    ids=["requests", "scrapes-too", "nothing"],
)
def test_the_access_log(tmp_path: Path, environment: dict[str, str], shown: set[str], workers: str) -> None:
    with running(tmp_path, IDENTITY, "--workers", workers, **environment) as service:
        assert get(service.http + "/predict?secret=1", ND)[0] == 200
        assert get(service.http + "/predict", {"secret": 1})[0] == 400
        assert get(service.metrics)[0] == 200
        assert get(service.http + "/live")[0] == 200
        assert service.stop() == 0
    found = re.findall(r"INFO:  (/\S+ \d{3})(?: \d+\.\d ms)?\n", service.log())
    assert set(found) == shown
    assert "secret" not in service.log()
