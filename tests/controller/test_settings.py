import pytest

from controller.app import Settings
from controller.settings import read
from seldon_core.plan import Config, ConfigError
from seldon_core.plan.config import _VARIABLES

IMAGE = {"EXECUTOR_CONTAINER_IMAGE_AND_VERSION": "engine:1", "POD_NAME": "pod-1"}


def test_the_defaults() -> None:
    settings, config, level = read([], IMAGE)
    assert settings == Settings(None, "seldon-system", 8080, "seldon-controller", "pod-1")
    assert config == Config(engine_image="engine:1")
    assert level == "INFO"


def test_variables_are_read_and_flags_win() -> None:
    environ = {
        **IMAGE,
        "WATCH_NAMESPACE": "models",
        "POD_NAMESPACE": "operators",
        "SELDON_METRICS_PORT": "9090",
        "LEADER_ELECTION_ID": "mine",
        "SELDON_LOG_LEVEL": "DEBUG",
    }
    settings, _, level = read([], environ)
    assert settings == Settings("models", "operators", 9090, "mine", "pod-1")
    assert level == "DEBUG"
    flags = [
        "--namespace=",
        "--operator-namespace=o",
        "--metrics-port=0",
        "--leader-election-id=l",
        "--log-level=ERROR",
    ]
    settings, _, level = read(flags, environ)
    assert settings == Settings(None, "o", 0, "l", "pod-1")
    assert level == "ERROR"


def test_everything_wrong_is_listed_at_once() -> None:
    flags = ["--namespace", "A", "--operator-namespace", "-", "--metrics-port", "65536", "--log-level", "WARN"]
    with pytest.raises(ConfigError) as raised:
        read([*flags, "--leader-election-id", "a b"], {"DEFAULT_USER_ID": "x"})
    assert [problem.partition(": ")[0] for problem in raised.value.problems] == [
        "--namespace",
        "--operator-namespace",
        "--leader-election-id",
        "--metrics-port",
        "--log-level",
        "EXECUTOR_CONTAINER_IMAGE_AND_VERSION",
        "DEFAULT_USER_ID",
    ]
    assert raised.value.problems[4] == "--log-level: 'WARN': must be one of DEBUG, INFO, WARNING, ERROR"


def test_the_help_names_every_flag_and_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read(["--help"], {})
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for variable, _ in _VARIABLES.values():
        assert variable.replace("_LIMIT", "_REQUEST") in text
    assert "example:" in text


def test_an_unknown_flag_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read(["--bogus"], IMAGE)
    assert ended.value.code == 2
    assert "unrecognized arguments: --bogus" in capsys.readouterr().err
