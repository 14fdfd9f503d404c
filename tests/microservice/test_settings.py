"""Command line and environment of the wrapper."""

import json
from typing import Any

import pytest

from seldon_core.microservice.errors import UsageError
from seldon_core.microservice.parameters import read_parameters
from seldon_core.microservice.settings import Settings


def test_the_defaults() -> None:
    settings = Settings.read(["MyModel"], {})
    assert (settings.class_name, settings.parameters) == ("MyModel", {})
    assert (settings.http_port, settings.metrics_port, settings.metrics_path) == (9000, 6000, "/metrics")
    assert (settings.log_level, settings.metrics_in_response) == ("INFO", True)


ENVIRONMENT = {
    "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": "9001",
    "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": "6001",
    "PREDICTIVE_UNIT_METRICS_ENDPOINT": "/prometheus",
    "PREDICTIVE_UNIT_PARAMETERS": '[{"name":"a","value":"1","type":"INT"}]',
    "PREDICTIVE_UNIT_GRPC_SERVICE_PORT": "9500",
    "SELDON_LOG_LEVEL": "debug",
    "INCLUDE_METRICS_IN_CLIENT_RESPONSE": "False",
    "PREDICTOR_LABELS": '{"version":"v1"}',
}


def test_the_environment_of_a_pod() -> None:
    settings = Settings.read(["pkg.mod.Model"], ENVIRONMENT)
    assert (settings.http_port, settings.metrics_port, settings.metrics_path) == (9001, 6001, "/prometheus")
    assert settings.parameters == {"a": 1}
    assert (settings.log_level, settings.metrics_in_response) == ("DEBUG", False)
    assert settings.identity.predictor_version == "v1"


def test_an_argument_wins_over_its_variable() -> None:
    arguments = ["M", "--http-port", "1", "--metrics-port=2", "--log-level", "error", "--parameters", "[]"]
    settings = Settings.read(arguments, ENVIRONMENT)
    assert (settings.http_port, settings.metrics_port, settings.log_level) == (1, 2, "ERROR")
    assert settings.parameters == {}


@pytest.mark.parametrize(
    "arguments",
    [
        ["M", "--service-type", "MODEL", "--persistence", "0"],
        ["M", "--service-type", "TRANSFORMER", "--persistence"],
    ],
)
def test_what_existing_start_scripts_pass_is_accepted(arguments: list[str]) -> None:
    assert Settings.read(arguments, {}).class_name == "M"


@pytest.mark.parametrize(
    ("arguments", "environment", "problems"),
    [
        pytest.param([], {}, ["the following arguments are required: NAME"], id="no-name"),
        pytest.param(["M", "REST"], {}, ["Unknown args: REST; see --help for those that there are"], id="unknown"),
        pytest.param(
            ["M", "--http-port", "x", "--log-level", "LOUD"],
            {"PREDICTIVE_UNIT_METRICS_SERVICE_PORT": "70000", "PREDICTIVE_UNIT_PARAMETERS": "{"},
            [
                "PREDICTIVE_UNIT_PARAMETERS: '{': is not JSON: Expecting property name enclosed in double quotes: "
                "line 1 column 2 (char 1)",
                "--http-port: 'x': must be a port, a number from 0 to 65535",
                "PREDICTIVE_UNIT_METRICS_SERVICE_PORT: '70000': must be a port, a number from 0 to 65535",
                "--log-level: 'LOUD': must be one of DEBUG, INFO, WARNING, ERROR",
            ],
            id="all-at-once",
        ),
        pytest.param(
            ["M", "--metrics-port", "9000"],
            {},
            ["--metrics-port: 9000: is the HTTP port already; take another"],
            id="same-port",
        ),
        pytest.param(
            ["M", "--parameters", json.dumps([{"name": "a", "value": "x", "type": "INT"}, {"name": "b"}])],
            {},
            [
                "--parameters: Bad model parameter: a with value x can't be parsed as a INT",
                "--parameters: [1]: {'name': 'b'}: must be an object with name, value and type",
            ],
            id="parameters",
        ),
    ],
)
def test_mistakes_are_told_all_at_once(arguments: list[str], environment: Any, problems: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        Settings.read(arguments, environment)
    assert caught.value.problems == problems


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("INT", "3", 3),
        ("INT", 3.0, 3),
        ("FLOAT", "0.5", 0.5),
        ("DOUBLE", "1e3", 1000.0),
        ("STRING", "x", "x"),
        *[("BOOL", text, True) for text in ("y", "Yes", "t", "TRUE", "on", "1", True)],
        *[("BOOL", text, False) for text in ("n", "No", "f", "false", "OFF", "0", False)],
    ],
)
def test_parameters_have_types(kind: str, value: Any, expected: Any) -> None:
    assert read_parameters([{"name": "a", "value": value, "type": kind}]) == ({"a": expected}, [])


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ({}, "{}: must be a list of {name, value, type}"),
        ([1], "[0]: 1: must be an object with name, value and type"),
        ([{"name": "a", "value": 1, "type": "FOO"}],
         "Bad model parameter type: FOO valid are INT, FLOAT, DOUBLE, STRING, BOOL"),
        ([{"name": "a", "value": "abc", "type": "FLOAT"}],
         "Bad model parameter: a with value abc can't be parsed as a FLOAT"),
        ([{"name": "a", "value": "maybe", "type": "BOOL"}],
         "Bad model parameter: a with value maybe can't be parsed as a BOOL"),
        ([{"name": "a", "value": 1.5, "type": "INT"}],
         "Bad model parameter: a with value 1.5 can't be parsed as a INT"),
        ([{"name": "a", "value": "1", "type": "INT"}] * 2, "[1]: a: is given twice; keep one"),
    ],
)  # fmt: skip
def test_bad_parameters(declared: Any, problem: str) -> None:
    assert read_parameters(declared)[1] == [problem]
