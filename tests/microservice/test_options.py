"""Every option, variable and annotation that existing start scripts and manifests set: served, said or refused.

None is ignored in silence. What is served is shown by what it sets; that it works then is shown elsewhere.
"""

import argparse
from pathlib import Path
from typing import Any

import pytest

from seldon_core.microservice import main as command
from seldon_core.microservice.errors import UsageError
from seldon_core.microservice.settings import Settings, _parser

from .serving import get, running

Environment = dict[str, str]
IDENTITY = """
class MyModel:
    def predict(self, X, names):
        return X
"""

# Where it is given, and the attribute of the settings that it becomes.
SERVED: list[tuple[list[str] | Environment, str, Any]] = [
    (["--service-type", "ROUTER"], "service_type", "ROUTER"),
    (["--parameters", '[{"name":"a","value":"1","type":"INT"}]'], "parameters", {"a": 1}),
    ({"PREDICTIVE_UNIT_PARAMETERS": '[{"name":"a","value":"1","type":"INT"}]'}, "parameters", {"a": 1}),
    (["--log-level", "WARNING"], "log_level", "WARNING"),
    ({"SELDON_LOG_LEVEL": "ERROR"}, "log_level", "ERROR"),
    (["--debug"], "log_level", "DEBUG"),
    (["--debug", "False"], "log_level", "INFO"),
    ({"SELDON_DEBUG": "1"}, "log_level", "DEBUG"),
    (["--workers", "3"], "workers", 3),
    ({"GUNICORN_WORKERS": "3"}, "workers", 3),
    (["--threads", "4"], "threads", 4),
    ({"GUNICORN_THREADS": "4"}, "threads", 4),
    (["--threads", "4", "--single-threaded"], "threads", 1),
    ({"GUNICORN_THREADS": "4", "FLASK_SINGLE_THREADED": "1"}, "threads", 1),
    (["--max-requests", "100"], "max_requests", 100),
    ({"GUNICORN_MAX_REQUESTS": "100"}, "max_requests", 100),
    ({"GUNICORN_MAX_REQUESTS": "100"}, "supervised", True),
    (["--max-requests-jitter", "10"], "max_requests_jitter", 10),
    ({"GUNICORN_MAX_REQUESTS_JITTER": "10"}, "max_requests_jitter", 10),
    (["--keepalive", "5"], "keep_alive", 5),
    ({"GUNICORN_KEEPALIVE": "5"}, "keep_alive", 5),
    (["--http-port", "9001"], "http_port", 9001),
    ({"PREDICTIVE_UNIT_HTTP_SERVICE_PORT": "9001"}, "http_port", 9001),
    (["--metrics-port", "6001"], "metrics_port", 6001),
    ({"PREDICTIVE_UNIT_METRICS_SERVICE_PORT": "6001"}, "metrics_port", 6001),
    (["--pidfile", "/tmp/pid"], "pid_file", "/tmp/pid"),
    (["--access-log"], "access_log", True),
    (["--access-log", "False"], "access_log", False),
    ({"GUNICORN_ACCESS_LOG": "true"}, "access_log", True),
    ({"FILTER_METRICS_ACCESS_LOGS": "false"}, "log_scrapes", True),
    ({"SELDON_DEBUG": "true"}, "log_scrapes", True),
    ({}, "log_scrapes", False),
    (["--max-batch-size", "8"], "batch_size", 8),
    ({"SELDON_MAX_BATCH_SIZE": "8"}, "batch_size", 8),
    (["--max-batch-delay", "20"], "batch_delay", 0.02),
    ({"SELDON_MAX_BATCH_DELAY": "20"}, "batch_delay", 0.02),
    (["--check-requests"], "check_requests", True),
    ({"SELDON_CHECK_REQUESTS": "true"}, "check_requests", True),
    ({"SELDON_CONSTRUCT_IN_WORKER": "true"}, "construct_in_worker", True),
    ({"PREDICTIVE_UNIT_METRICS_ENDPOINT": "/prometheus"}, "metrics_path", "/prometheus"),
    ({"PAYLOAD_PASSTHROUGH": "true"}, "passthrough", True),
    ({"INCLUDE_METRICS_IN_CLIENT_RESPONSE": "FALSE"}, "metrics_in_response", False),
    ({"INCLUDE_METRICS_IN_CLIENT_RESPONSE": "True"}, "metrics_in_response", True),
    ({"MODEL_METADATA": "name: a"}, "metadata", "name: a"),
    ({"PREDICTIVE_UNIT_ID": "node"}, "identity.unit", "node"),
    ({"PREDICTIVE_UNIT_IMAGE": "a:1"}, "identity.image", "a:1"),
    ({"SELDON_DEPLOYMENT_ID": "iris"}, "identity.deployment", "iris"),
    ({"PREDICTOR_ID": "main"}, "identity.predictor", "main"),
    ({"PREDICTOR_LABELS": '{"version": "v2"}'}, "identity.predictor_version", "v2"),
    ({"SELDON_EXECUTOR_ENABLED": "false"}, "reward_metrics", False),
]
# What asks for something that is not there, and what the log says then.
SAID: list[tuple[list[str] | Environment, str]] = [
    (["--grpc-port", "5001"],
     "--grpc-port: '5001': this version serves no gRPC, so nothing listens there; ask on the HTTP port"),
    (["--grpc-workers", "2"],
     "--grpc-workers: '2': this version serves no gRPC; --workers is for more requests at once"),
    ({"GRPC_WORKERS": "2"}, "GRPC_WORKERS: '2': this version serves no gRPC; --workers is for more requests at once"),
    (["--grpc-threads", "2"],
     "--grpc-threads: '2': this version serves no gRPC; --threads is for more requests at once"),
    ({"GRPC_THREADS": "2"}, "GRPC_THREADS: '2': this version serves no gRPC; --threads is for more requests at once"),
    (["--tracing"], "--tracing: 'true': this version makes no traces; leave it out"),
    ({"TRACING": "1"}, "TRACING: '1': this version makes no traces; leave it out"),
    ({"JAEGER_AGENT_HOST": "jaeger", "JAEGER_AGENT_PORT": "5775"},
     "JAEGER_AGENT_HOST, JAEGER_AGENT_PORT: this version makes no traces; leave them out"),
    ({"JAEGER_CONFIG_PATH": "/etc/jaeger.yaml"}, "JAEGER_CONFIG_PATH: this version makes no traces; leave it out"),
    ({"JAEGER_EXTRA_TAGS": "path"}, "JAEGER_EXTRA_TAGS: this version makes no traces; leave it out"),
    (["--persistence"],
     "--persistence: 'true': state is not kept any more; write it to a file on a volume, or to a database"),
    (["--persistence", "1"],
     "--persistence: '1': state is not kept any more; write it to a file on a volume, or to a database"),
    ({"USE_MULTIPROCESS_PACKAGE": "true"},
     "USE_MULTIPROCESS_PACKAGE: 'true': workers need no such package here; leave it out"),
    ({"FLASK_JSON_SORT_KEYS": "false"},
     "FLASK_JSON_SORT_KEYS: 'false': answers are JSON with sorted keys, "
     "which every reader of JSON takes; leave it out"),
    ({"FLASK_JSON_AS_ASCII": "true"},
     "FLASK_JSON_AS_ASCII: 'true': answers are JSON in UTF-8, which every reader of JSON takes; leave it out"),
    ({"FLASK_JSONIFY_PRETTYPRINT_REGULAR": "t"}, "FLASK_JSONIFY_PRETTYPRINT_REGULAR: 't': answers are compact JSON, "
     "which every reader of JSON takes; leave it out"),
    *[({variable: "1"}, f"{variable}: requests are not served by Flask here; leave it out")
      for variable in ("FLASK_DEBUG", "FLASK_EXPLAIN_TEMPLATE_LOADING", "FLASK_PROPAGATE_EXCEPTIONS",
                       "FLASK_PRESERVE_CONTEXT_ON_EXCEPTION", "FLASK_SESSION_COOKIE_HTTPONLY",
                       "FLASK_SESSION_COOKIE_SECURE", "FLASK_SESSION_REFRESH_EACH_REQUEST",
                       "FLASK_TEMPLATES_AUTO_RELOAD", "FLASK_TESTING", "FLASK_TRAP_HTTP_EXCEPTIONS",
                       "FLASK_TRAP_BAD_REQUEST_ERRORS", "FLASK_USE_X_SENDFILE")],
]  # fmt: skip
# What asks for nothing but how things are anyway, and what the controller sets on every component.
NOTHING_TO_SAY: list[list[str] | Environment] = [
    ["--persistence", "0"],
    ["--tracing", "0"],
    ["--grpc-workers", "0"],
    {"GRPC_WORKERS": "0"},
    {"TRACING": "0"},
    {"PREDICTIVE_UNIT_GRPC_SERVICE_PORT": "9500", "PREDICTIVE_UNIT_SERVICE_PORT": "9000"},
    {"FLASK_JSON_SORT_KEYS": "True", "FLASK_JSON_AS_ASCII": "0", "FLASK_JSONIFY_PRETTYPRINT_REGULAR": "f"},
    {"FLASK_DEBUG": "0", "FLASK_TESTING": "false"},
    {"USE_MULTIPROCESS_PACKAGE": "false"},
]
REFUSED: list[tuple[list[str] | Environment, str]] = [
    *[([option, "x"], f"{option}: 'x': must be a number from {low} to {high}")
      for option, low, high in (
          ("--workers", 1, 256), ("--threads", 1, 1024), ("--max-requests", 0, 2**31),
          ("--max-requests-jitter", 0, 2**31), ("--keepalive", 1, 2**31), ("--grpc-workers", 0, 2**31),
          ("--grpc-threads", 0, 2**31), ("--max-batch-size", 0, 2**31), ("--max-batch-delay", 0, 60_000))],
    *[({variable: "-1"}, f"{variable}: '-1': must be a number from {low} to {high}")
      for variable, low, high in (
          ("GUNICORN_WORKERS", 1, 256), ("GUNICORN_THREADS", 1, 1024), ("GUNICORN_MAX_REQUESTS", 0, 2**31),
          ("GUNICORN_MAX_REQUESTS_JITTER", 0, 2**31), ("GUNICORN_KEEPALIVE", 1, 2**31), ("GRPC_WORKERS", 0, 2**31),
          ("GRPC_THREADS", 0, 2**31), ("SELDON_MAX_BATCH_SIZE", 0, 2**31), ("SELDON_MAX_BATCH_DELAY", 0, 60_000))],
    *[([option, "65536"], f"{option}: '65536': must be a port, a number from 0 to 65535")
      for option in ("--http-port", "--metrics-port", "--grpc-port")],
    ({"PREDICTIVE_UNIT_GRPC_SERVICE_PORT": "x"},
     "PREDICTIVE_UNIT_GRPC_SERVICE_PORT: 'x': must be a port, a number from 0 to 65535"),
    (["--log-level", "LOUD"], "--log-level: 'LOUD': must be one of DEBUG, INFO, WARNING, ERROR"),
    ({"SELDON_LOG_LEVEL": "LOUD"}, "SELDON_LOG_LEVEL: 'LOUD': must be one of DEBUG, INFO, WARNING, ERROR"),
    (["--service-type", "SAGE"], "argument --service-type: invalid choice: 'SAGE' (choose from 'MODEL', 'ROUTER', "
     "'TRANSFORMER', 'OUTPUT_TRANSFORMER', 'COMBINER', 'OUTLIER_DETECTOR')"),
    (["REST"], "Unknown args: REST; see --help for those that there are"),
    (["--work", "2"], "Unknown args: --work 2; see --help for those that there are"),
]  # fmt: skip


def read(given: list[str] | Environment, annotations: dict[str, str] | None = None) -> Settings:
    arguments, environment = (given, {}) if isinstance(given, list) else ([], given)
    return Settings.read(["MyModel", *arguments], environment, annotations)


def name_of(value: Any) -> str | None:
    if isinstance(value, list | dict):
        return " ".join(value if isinstance(value, list) else [f"{key}={text}" for key, text in value.items()])
    return None


@pytest.mark.parametrize(("given", "attribute", "value"), SERVED, ids=name_of)
def test_what_is_served(given: list[str] | Environment, attribute: str, value: Any) -> None:
    found: Any = read(given)
    assert found.unserved == ()
    for part in attribute.split("."):
        found = getattr(found, part)
    assert found == value


@pytest.mark.parametrize(("given", "text"), SAID, ids=name_of)
def test_what_is_said(given: list[str] | Environment, text: str) -> None:
    assert read(given).unserved == (text,)


@pytest.mark.parametrize("given", NOTHING_TO_SAY, ids=name_of)
def test_what_is_not_worth_a_word(given: list[str] | Environment) -> None:
    assert read(given).unserved == ()


@pytest.mark.parametrize(("given", "text"), REFUSED, ids=name_of)
def test_what_is_refused(given: list[str] | Environment, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(given)
    assert caught.value.problems == [text]


def test_no_option_is_left_out() -> None:
    options = {
        option
        for action in _parser()._actions
        if not isinstance(action, argparse._HelpAction | argparse._VersionAction)
        for option in action.option_strings
    }
    told = {part for given, *_ in (*SERVED, *SAID) if isinstance(given, list) for part in given if part[:2] == "--"}
    assert options == told


@pytest.mark.parametrize(
    ("value", "problem"),
    [("0", True), ("soon", True), ("1.5", True), ("1500", False), ("", False)],
)
def test_how_long_a_request_may_take(value: str, problem: bool) -> None:
    annotations = {"seldon.io/rest-timeout": value}
    if not problem:
        assert read([], annotations).timeout == pytest.approx(1.5 if value else 0)
        return
    with pytest.raises(UsageError) as caught:
        read([], annotations)
    assert caught.value.problems == [
        f"annotation seldon.io/rest-timeout: {value!r}: must be a number of milliseconds; write 5000 for five seconds"
    ]


def test_the_size_of_grpc_messages() -> None:
    assert read([], {"seldon.io/grpc-max-message-size": "1000"}).unserved == (
        "annotation seldon.io/grpc-max-message-size: '1000': this version serves no gRPC; "
        "a body over HTTP may hold 256 MiB",
    )


@pytest.mark.parametrize("content", ['seldon.io/rest-timeout="0"\n', None], ids=["file", "no-file"])
def test_annotations_come_from_the_pod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    path = tmp_path / "annotations"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(command, "ANNOTATIONS_FILE", path)
    assert command.main(["MyModel", "REST-API"]) == 2
    assert command.main(["MyModel", "--http-port", "x"]) == 2
    assert ("annotation seldon.io/rest-timeout: '0': must be" in capsys.readouterr().err) == (content is not None)


def test_what_is_said_is_said_once_and_keeps_nothing_from_being_served(tmp_path: Path) -> None:
    with running(tmp_path, IDENTITY, "--persistence", "1", TRACING="1", GRPC_THREADS="4") as service:
        assert get(service.http + "/predict", {"data": {"ndarray": [[1]]}})[0] == 200
        assert service.stop() == 0
    for text in ("--persistence: '1': ", "TRACING: '1': ", "GRPC_THREADS: '4': "):
        assert service.log().count(text) == 1
