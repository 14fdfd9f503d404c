"""The command line: what it takes, and what it says when that is wrong."""

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seldon_core.api.validate import validate
from seldon_core.kube.logs import JSONFormatter
from webhook.check import sample
from webhook.settings import check_options, serve_options

REQUIRED = ["--namespace=n", "--mutating-configuration=m", "--validating-configuration=v"]


def run(*argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environ}
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-m", "webhook", *argv], cwd=root, env=environment, capture_output=True, text=True, timeout=60
    )


def test_flags_have_the_documented_defaults() -> None:
    settings, log_level = serve_options(REQUIRED, {})
    assert (settings.port, settings.metrics_port, settings.defaulting_graph, log_level) == (4443, 8080, True, "INFO")
    assert (settings.place.service, settings.place.secret) == ("seldon-webhook-service", "seldon-webhook-ca")
    assert settings.place.names[0] == "seldon-webhook-service.n.svc"
    assert settings.place.given is False
    assert serve_options([*REQUIRED, "--certificates=given"], {})[0].place.given is True


def test_the_environment_stands_in_for_flags_and_flags_win() -> None:
    environ = {
        "POD_NAMESPACE": "env",
        "SELDON_WEBHOOK_PORT": "1",
        "SELDON_WEBHOOK_DEFAULTING_GRAPH": "false",
        "SELDON_WEBHOOK_MUTATING_CONFIGURATION": "em",
        "SELDON_WEBHOOK_VALIDATING_CONFIGURATION": "ev",
        "SELDON_LOG_LEVEL": "DEBUG",
    }
    settings, log_level = serve_options(["--port=2"], environ)
    assert (settings.port, settings.place.namespace, settings.defaulting_graph) == (2, "env", False)
    assert (settings.place.mutating_configuration, settings.place.validating_configuration) == ("em", "ev")
    assert log_level == "DEBUG"
    assert settings.installation.engine_ports == (8000, 5001, 5002)
    assert settings.watch_namespace is None
    settings, _ = serve_options(REQUIRED, {"EXECUTOR_SERVER_PORT": "81", "WATCH_NAMESPACE": "models"})
    assert (settings.installation.engine_ports[0], settings.watch_namespace) == (81, "models")
    options = check_options([], {"POD_NAMESPACE": "env", "CONTROLLER_ID": "team"})
    assert (options.namespace, options.controller_id, options.timeout) == ("env", "team", 120.0)


@pytest.mark.parametrize(
    ("argv", "environ", "message"),
    [
        pytest.param([], {}, "--namespace is missing: give it or set POD_NAMESPACE; --mutating-", id="missing"),
        pytest.param(["--port=x"], {}, "--port: 'x': must be a port number", id="port"),
        pytest.param(["--port=65536"], {}, "must be a port number from 1 to 65535", id="large port"),
        pytest.param([], {"SELDON_WEBHOOK_PORT": "-1"}, "--port: '-1': must be a port number", id="port by variable"),
        pytest.param(["--namespace=A b"], {}, "must be the name of a Kubernetes object", id="name"),
        pytest.param(["--defaulting-graph=yes"], {}, "must be true or false", id="boolean"),
        pytest.param(["--certificates=bought"], {}, "'bought': must be own or given", id="certificates"),
        pytest.param(REQUIRED, {"EXECUTOR_SERVER_PORT": "x"}, "EXECUTOR_SERVER_PORT: 'x'", id="of the controller"),
        pytest.param(["--log-level=LOUD"], {}, "must be one of DEBUG, INFO", id="log level"),
        pytest.param(["--prot=1"], {}, "unrecognized arguments: --prot=1", id="unknown flag"),
    ],
)
def test_a_bad_option_is_named_with_its_rule(
    argv: list[str], environ: dict[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        serve_options(argv, environ)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "soon", "1e9"])
def test_a_bad_timeout_is_refused(timeout: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        check_options([f"--timeout={timeout}", "--namespace=n"], {})
    assert "must be a number of seconds" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [("--help",), ("check", "--help")], ids=["serve", "check"])
def test_help_teaches(argv: tuple[str, ...]) -> None:
    done = run(*argv)
    assert done.returncode == 0
    for word in ("POD_NAMESPACE", "SELDON_LOG_LEVEL", "xit code"):
        assert word in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("argv", [REQUIRED, ["check", "--namespace=n"]], ids=["serve", "check"])
@pytest.mark.parametrize("kubeconfig", [{}, {"KUBECONFIG": "/nonexistent/config"}], ids=["none", "missing file"])
def test_without_an_api_server_it_ends_with_a_message(argv: list[str], kubeconfig: dict[str, str]) -> None:
    done = run(*argv, **kubeconfig)
    assert done.returncode == 2
    assert "no such kubeconfig file; set KUBECONFIG" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_that_is_taken_is_named(taken_port: int, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    kubeconfig.write_text(json.dumps(config))
    done = run(*REQUIRED, f"--metrics-port={taken_port}", KUBECONFIG=str(kubeconfig))
    assert done.returncode == 2
    assert f"port {taken_port}: " in done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_check_creates_is_valid_and_undefaulted() -> None:
    obj = sample("n", "team")
    assert validate(obj) == []
    assert obj["metadata"]["labels"] == {"seldon.io/controller-id": "team"}
    assert sample("n", "")["metadata"]["labels"] == {}
    assert obj["spec"].keys() == {"predictors"}


def test_a_log_line_is_json_with_everything_that_was_passed() -> None:
    record = logging.makeLogRecord({"msg": "refused %s", "args": ("x",), "levelname": "INFO", "name": "webhook"})
    record.findings = ["a", "b"]
    line = json.loads(JSONFormatter().format(record))
    assert line["message"] == "refused x"
    assert line["findings"] == ["a", "b"]
    assert set(line) == {"time", "level", "logger", "message", "findings"}
