"""The command as a process: start, loading, failing, signals, metrics."""

import contextlib
import json
import os
import signal
import socket
import threading
from http.client import HTTPResponse
from pathlib import Path

import pytest

from .serving import DEADLINE, GATED, asking, get, process, running, until

ND = {"data": {"ndarray": [[1, 2]]}}

IDENTITY = """
class MyModel:
    def predict(self, X, names):
        return X
"""


def test_a_class_is_served_and_stops_when_asked(tmp_path: Path) -> None:
    with running(tmp_path, IDENTITY) as service:
        assert get(service.http + "/predict", ND)[0] == 200
        assert get(service.http + "/api/v1.0/metadata") == (
            200,
            '{"custom":{},"inputs":[],"name":"","outputs":[],"platform":"","versions":[""]}\n',
        )
        assert service.stop() == 0
    assert "SIGTERM: finishing the requests in flight" in service.log()


def test_parameters_reach_the_constructor(tmp_path: Path) -> None:
    source = """
class MyModel:
    def __init__(self, factor, offset=0.0):
        self.factor, self.offset = factor, offset
    def predict(self, X, names):
        return X * self.factor + self.offset
"""
    parameters = json.dumps(
        [{"name": "factor", "value": "3", "type": "INT"}, {"name": "offset", "value": "0.5", "type": "FLOAT"}]
    )
    with running(tmp_path, source, PREDICTIVE_UNIT_PARAMETERS=parameters) as service:
        assert json.loads(get(service.http + "/predict", ND)[1])["data"]["ndarray"] == [[3.5, 6.5]]


THREADS = """
import threading
import threads_seen
threads_seen.add("import")

class MyModel:
    def __init__(self):
        threads_seen.add("init")
    def load(self):
        threads_seen.add("load")
    def init_metadata(self):
        threads_seen.add("init_metadata")
        return {}
    def tags(self):
        threads_seen.add("tags")
        return {}
    def metrics(self):
        threads_seen.add("metrics")
        return []
    def predict(self, X, names):
        threads_seen.add("predict")
        return threads_seen.seen
"""
THREADS_SEEN = """
import threading
seen = {}
def add(name):
    seen[name] = threading.current_thread() is threading.main_thread()
"""


def test_everything_of_the_model_runs_on_the_main_thread(tmp_path: Path) -> None:
    (tmp_path / "threads_seen.py").write_text(THREADS_SEEN)
    with running(tmp_path, THREADS) as service:
        get(service.http + "/predict", ND)
        seen = json.loads(get(service.http + "/predict", ND)[1])["jsonData"]
    steps = ("import", "init", "load", "init_metadata", "tags", "metrics", "predict")
    assert seen == dict.fromkeys(steps, True)


def test_the_port_is_open_while_the_model_loads(tmp_path: Path) -> None:
    with running(tmp_path, GATED, ready=False) as service:
        status, body = get(service.http + "/predict", ND)
        assert status == 503
        assert json.loads(body)["status"]["info"] == "loading: the model is not ready yet"
        assert get(service.http + "/ready")[0] == 503
        assert get(service.http + "/live")[0] == 200
        (tmp_path / "predict").touch()
        (tmp_path / "load").touch()
        until(lambda: get(service.http + "/ready")[0] == 200)
        assert get(service.http + "/predict", ND)[0] == 200


def test_asked_to_stop_it_finishes_what_it_is_doing(tmp_path: Path) -> None:
    (tmp_path / "load").touch()
    with running(tmp_path, GATED) as service:
        with asking(service, tmp_path, 3) as answers:
            service.child.send_signal(signal.SIGTERM)
            service.wait_for_line("SIGTERM: finishing the requests in flight")
            (tmp_path / "predict").touch()
        assert service.wait() == 0
    assert answers == [200, 200, 200]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_model_that_is_still_loading_does_not_hold_up_the_end(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path, GATED, ready=False) as service:
        service.child.send_signal(number)
        assert service.wait() == 0


def test_asked_twice_it_stops_at_once(tmp_path: Path) -> None:
    (tmp_path / "load").touch()
    with running(tmp_path, GATED) as service:
        caller = threading.Thread(target=_ignore_errors, args=(service.http,))
        caller.start()
        until((tmp_path / "predicting").exists)
        service.child.send_signal(signal.SIGTERM)
        service.wait_for_line("SIGTERM")
        service.child.send_signal(signal.SIGTERM)
        assert service.wait() == 128 + signal.SIGTERM
        caller.join()


def _ignore_errors(url: str) -> None:
    with contextlib.suppress(OSError):
        get(url + "/predict", ND)


FORKS = """
import os, signal, time

class MyModel:
    def predict(self, X, names):
        child = os.fork()
        if child == 0:
            time.sleep(600)
            os._exit(0)
        os.kill(child, signal.SIGTERM)
        return {"ended_by": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}
"""


def test_a_signal_to_a_process_that_the_model_forked_is_not_for_us(tmp_path: Path) -> None:
    with running(tmp_path, FORKS) as service:
        assert json.loads(get(service.http + "/predict", ND)[1])["jsonData"] == {"ended_by": -signal.SIGTERM}
        assert get(service.http + "/ready")[0] == 200
        assert service.stop() == 0
    assert service.log().count("SIGTERM: finishing") == 1


COROUTINES = """
import asyncio

class MyModel:
    async def load(self):
        await asyncio.sleep(0)
        self.loaded = True
    async def init_metadata(self):
        return {"name": "coroutine"}
    async def predict(self, X, names):
        return {"loaded": self.loaded}
"""


def test_coroutines_load_and_serve(tmp_path: Path) -> None:
    with running(tmp_path, COROUTINES) as service:
        assert json.loads(get(service.http + "/predict", ND)[1])["jsonData"] == {"loaded": True}
        assert json.loads(get(service.http + "/metadata")[1])["name"] == "coroutine"


METRICS = """
from seldon_core.metrics import create_counter, create_gauge, create_timer
from seldon_core.user_model import SeldonComponent

class MyModel(SeldonComponent):
    def predict(self, X, names, meta=None):
        return X
    def metrics(self):
        gauge = {**create_gauge("mygauge", 100), "tags": {"mytag": "x"}}
        return [create_counter("mycounter", 1), gauge, create_timer("mytimer", 20.2)]
"""


def test_metrics_have_a_port_of_their_own(tmp_path: Path) -> None:
    environment = {"PREDICTIVE_UNIT_METRICS_ENDPOINT": "/prometheus", "PREDICTIVE_UNIT_ID": "classifier"}
    with running(tmp_path, METRICS, **environment) as service:
        assert service.metrics.endswith("/prometheus")
        assert "mycounter" not in get(service.metrics)[1]
        for _ in range(2):
            get(service.http + "/predict", ND)
        status, text = get(service.metrics)
        assert status == 200
        assert get(service.metrics + "/x")[0] == 404
        assert get(service.http + "/prometheus")[0] == 404
        pid = service.child.pid
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    [counter] = [key for key in lines if key.startswith("mycounter_total{")]
    [gauge] = [key for key in lines if key.startswith("mygauge{")]
    assert (lines[counter], lines[gauge]) == ("2.0", "100.0")
    assert f'worker_id="{pid}"' in counter
    assert 'model_name="classifier"' in counter
    assert 'mytag="x"' in gauge
    assert any(key.startswith("mytimer_bucket{") for key in lines)
    assert lines['seldon_microservice_requests_seconds_count{method="predict",code="200"}'] == "2.0"
    assert "process_resident_memory_bytes" in lines


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        pytest.param(["--keepalive", "1"], {}, id="option"),
        pytest.param([], {"GUNICORN_KEEPALIVE": "1"}, id="variable"),
        pytest.param(["--keepalive", "1", "--workers", "2"], {}, id="workers"),
    ],
)
def test_a_kept_connection_is_closed_once_it_is_idle_for_too_long(
    tmp_path: Path, arguments: list[str], environment: dict[str, str]
) -> None:
    with running(tmp_path, IDENTITY, *arguments, **environment) as service:
        port = int(service.http.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
            for _ in range(2):
                connection.sendall(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n")
                answer = HTTPResponse(connection)
                answer.begin()
                assert (answer.read(), answer.will_close) == (b"ok", False), "it is kept"
            assert connection.recv(1) == b""
        assert get(service.http + "/predict", ND)[0] == 200, "others are served"


def test_metadata_that_is_wrong_does_not_keep_a_model_from_serving(tmp_path: Path) -> None:
    source = IDENTITY + "    def init_metadata(self):\n        return {'versions': 'v1'}\n"
    with running(tmp_path, source) as service:
        status, body = get(service.http + "/metadata")
        reason = json.loads(body)["status"]
        assert (status, reason["reason"]) == (500, "MICROSERVICE_BAD_METADATA")
        assert reason["info"] == "Model metadata unavailable"
        assert get(service.http + "/predict", ND)[0] == 200
    assert "the metadata of MyModel is not valid: versions: 'v1': must be a list of texts" in service.log()


def test_metadata_of_the_environment_wins(tmp_path: Path) -> None:
    environment = {"MODEL_METADATA": "name: env", "PREDICTIVE_UNIT_IMAGE": "a/b:1.0"}
    with running(tmp_path, IDENTITY, **environment) as service:
        metadata = json.loads(get(service.http + "/metadata")[1])
    assert (metadata["name"], metadata["versions"]) == ("env", ["1.0"])


def failing(directory: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, output and termination message of a start that fails."""
    with process(directory, *arguments, **environment) as service:
        code = service.wait()
    return code, service.log(), (directory / "termination-log").read_text()


LOAD_FAILS = """
class MyModel:
    def load(self):
        self.read()
    def read(self):
        {error}
"""


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        pytest.param("self.oops", "AttributeError: 'MyModel' object has no attribute 'oops'", id="AttributeError"),
        pytest.param("raise NotImplementedError('x')", "NotImplementedError: x", id="NotImplementedError"),
        pytest.param("raise SystemExit(0)", "SystemExit: 0", id="SystemExit"),
        pytest.param(
            "open('model.bin')", "FileNotFoundError: [Errno 2] No such file or directory: 'model.bin'", id="file"
        ),
    ],
)
def test_a_load_that_fails_ends_the_process_with_the_cause(tmp_path: Path, error: str, cause: str) -> None:
    (tmp_path / "MyModel.py").write_text(LOAD_FAILS.format(error=error))
    code, output, message = failing(tmp_path, "MyModel")
    assert (code, message) == (1, f"MyModel.load() failed: {cause} (MyModel.py, line 6)")
    assert f"seldon-core-microservice: error: {message}" in output
    assert 'MyModel.py", line 4, in load' in output, "the log has the traceback of the model"
    assert "loading.py" not in output


@pytest.mark.parametrize(
    ("source", "arguments", "code", "text"),
    [
        pytest.param(None, ["MyModel"], 2, "MyModel: no module named 'MyModel' in ", id="no-module"),
        pytest.param(None, ["pkg.MyModel"], 2, "pkg.MyModel: no module named 'pkg' in ", id="no-package"),
        pytest.param("", ["MyModel.py"], 2, "MyModel.py: is a file name; name the class: MyModel", id="file-name"),
        pytest.param(
            "class Other:\n    pass", ["MyModel"], 2,
            "MyModel: the module MyModel has no class MyModel; it has Other: name one as MyModel.Other", id="no-class",
        ),
        pytest.param(
            "import not_there", ["MyModel"], 1,
            "importing MyModel failed: ModuleNotFoundError: No module named 'not_there' (MyModel.py, line 1); "
            "install what provides not_there (requirements.txt)", id="no-dependency",
        ),
        pytest.param("1/0", ["MyModel"], 1,
                     "importing MyModel failed: ZeroDivisionError: division by zero (MyModel.py, line 1)", id="import"),
        pytest.param("def (", ["MyModel"], 1, "importing MyModel failed: SyntaxError: ", id="syntax"),
        pytest.param(
            "class MyModel:\n    def __init__(self):\n        raise ValueError('no')", ["MyModel"], 1,
            "MyModel() failed: ValueError: no (MyModel.py, line 3)", id="constructor",
        ),
        pytest.param(
            "class MyModel:\n    def __init__(self, path): pass", ["MyModel"], 2,
            "MyModel(path): missing a required argument: 'path' (parameters given: none)", id="missing-parameter",
        ),
        pytest.param(
            "class MyModel:\n    def __init__(self): pass",
            ["MyModel", "--parameters", '[{"name":"foo","value":"1","type":"INT"}]'], 2,
            "MyModel(): got an unexpected keyword argument 'foo' (parameters given: foo)", id="unknown-parameter",
        ),
        pytest.param(
            "class MyModel:\n    def predict(self): pass", ["MyModel"], 2,
            "MyModel.predict(): the wrapper calls predict(X, names, meta=None); make it accept that", id="signature",
        ),
        pytest.param(IDENTITY, ["MyModel", "--parameters", '[{"name":"a","value":"abc","type":"FLOAT"}]'], 2,
                     "--parameters: Bad model parameter: a with value abc can't be parsed as a FLOAT", id="parameter"),
        pytest.param(IDENTITY, ["MyModel", "REST"], 2, "Unknown args: REST", id="unknown-argument"),
    ],
)  # fmt: skip
def test_a_start_that_fails_says_why(
    tmp_path: Path, source: str | None, arguments: list[str], code: int, text: str
) -> None:
    if source is not None:
        (tmp_path / "MyModel.py").write_text(source)
    exit_code, output, message = failing(tmp_path, *arguments)
    assert message.startswith(text)
    assert f"seldon-core-microservice: error: {text}" in output
    assert exit_code == code
    if code == 2:
        assert "Traceback" not in output


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with running(tmp_path, IDENTITY) as service:
        port = service.http.rpartition(":")[2]
        other = tmp_path / "other"
        other.mkdir()
        (other / "MyModel.py").write_text(IDENTITY)
        code, output, message = failing(other, "MyModel", "--http-port", port)
    assert code == 1
    assert message == f"the HTTP port {port} cannot be opened: Address already in use; free it or choose another"
    assert "Traceback" not in output


def test_a_class_in_a_package_may_be_named(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.py").write_text(IDENTITY)
    with process(tmp_path, "pkg.models.MyModel", "--service-type", "MODEL", "--persistence", "0") as service:
        service.wait_for_line("MyModel is ready")
        assert service.stop() == 0


def test_outside_of_kubernetes_no_file_is_left_behind(tmp_path: Path) -> None:
    with process(tmp_path, "MyModel", TERMINATION_MESSAGE_PATH=str(tmp_path / "absent")) as service:
        assert service.wait() == 2
    assert not (tmp_path / "absent").exists()


def test_help_names_the_variables(tmp_path: Path) -> None:
    with process(tmp_path, "--help") as service:
        assert service.wait() == 0
    for name in ("PREDICTIVE_UNIT_HTTP_SERVICE_PORT", "MODEL_METADATA", "--parameters"):
        assert name in service.log()


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    """The start of every pod pays for every import."""
    source = """
import sys
class MyModel:
    def predict(self, X, names):
        heavy = {"aiohttp", "kubernetes", "flask", "pandas", "sklearn", "google.protobuf", "grpc", "cryptography"}
        return {"imported": sorted(heavy & set(sys.modules))}
"""
    with running(tmp_path, source) as service:
        assert json.loads(get(service.http + "/predict", ND)[1])["jsonData"] == {"imported": []}
    assert os.getpid() != service.child.pid
