"""The command line: every flag in every form, and every mistake named."""

import pytest

from seldon_core.engine.flags import FLAGS, UsageError, parse_flags, usage

REQUIRED = ["--sdep", "s", "--namespace", "n", "--predictor", "p"]


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["-sdep", "s", "-namespace", "n", "-predictor", "p"], id="one dash"),
        pytest.param(["--sdep", "s", "--namespace", "n", "--predictor", "p"], id="two dashes"),
        pytest.param(["-sdep=s", "--namespace=n", "-predictor=p"], id="equals"),
        pytest.param([*REQUIRED, "--sdep", "other", "-sdep=s"], id="the last one wins"),
    ],
)
def test_flags_come_in_all_forms(argv: list[str]) -> None:
    flags = parse_flags(argv, {})
    assert (flags.sdep, flags.namespace, flags.predictor) == ("s", "n", "p")


def test_what_is_not_given_has_a_default() -> None:
    flags = parse_flags(REQUIRED, {})
    assert (flags.http_port, flags.grpc_port, flags.metrics_port) == (8080, 5000, 5002)
    assert (flags.protocol, flags.transport, flags.server_type, flags.file) == ("seldon", "rest", "rpc", "")
    assert (flags.prometheus_path, flags.full_health_checks, flags.log_level) == ("/metrics", False, "INFO")
    assert (flags.graceful_timeout, flags.shutdown_delay) == (15.0, 0.0)


def test_the_controllers_arguments_are_understood() -> None:
    words = (
        "--sdep s --namespace n --predictor p --http_port 8000 --grpc_port 5001 --metrics_port 5002 --protocol seldon "
        "--transport rest --prometheus_path /prometheus --server_type rpc --graceful_timeout 4s "
        "--full_health_checks=false"
    )
    flags = parse_flags(words.split(), {})
    assert (flags.http_port, flags.prometheus_path, flags.graceful_timeout) == (8000, "/prometheus", 4.0)


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--full_health_checks"], True),
        (["--full_health_checks=true"], True),
        (["--full_health_checks=T"], True),
        (["--full_health_checks=false"], False),
        (["--full_health_checks=0"], False),
    ],
)
def test_a_switch_needs_no_value(words: list[str], value: bool) -> None:
    assert parse_flags([*words, *REQUIRED], {}).full_health_checks is value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("15s", 15), ("500ms", 0.5), ("1m30s", 90), ("1.5h", 5400), (".5s", 0.5), ("100us", 0.0001)],
)
def test_times_have_units(text: str, seconds: float) -> None:
    assert parse_flags([*REQUIRED, f"--shutdown_delay={text}"], {}).shutdown_delay == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("argv", "environ", "level"),
    [
        ([], {"SELDON_LOG_LEVEL": "ERROR"}, "ERROR"),
        ([], {"SELDON_LOG_LEVEL": "warn"}, "WARNING"),
        ([], {"SELDON_DEBUG": "true"}, "DEBUG"),
        ([], {"SELDON_DEBUG": "false"}, "INFO"),
        (["--log_level", "debug"], {"SELDON_LOG_LEVEL": "ERROR"}, "DEBUG"),
    ],
)
def test_the_log_level_may_come_from_the_environment(argv: list[str], environ: dict[str, str], level: str) -> None:
    assert parse_flags([*REQUIRED, *argv], environ).log_level == level


NOT_A_PORT = "must be a port number from 0 to 65535, 0 for any that is free"
NOT_A_TIME = "must be a time with a unit, such as 15s, 500ms or 1m30s"


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["--sdep="], "--sdep: must be given"),
        (["--http_port", "http"], f"--http_port: 'http': {NOT_A_PORT}"),
        (["--http_port", "65536"], f"--http_port: '65536': {NOT_A_PORT}"),
        (["--http_port", "-1"], f"--http_port: '-1': {NOT_A_PORT}"),
        (["--protocol", "v3"], "--protocol: 'v3': is not served by this version; use seldon or tensorflow or v2 "
         "or kfserving"),
        (["--transport", "grpc"], "--transport: 'grpc': is not served by this version; use rest"),
        (["--server_type", "kafka"], "--server_type: 'kafka': is not served by this version; use rpc"),
        (["--prometheus_path", "x"], "--prometheus_path: 'x': must be a path that begins with /"),
        (["--full_health_checks=maybe"], "--full_health_checks: 'maybe': must be true or false"),
        (["--graceful_timeout", "15"], f"--graceful_timeout: '15': {NOT_A_TIME}"),
        (["--graceful_timeout", "s15"], f"--graceful_timeout: 's15': {NOT_A_TIME}"),
        (["--log_level", "LOUD"], "--log_level: 'LOUD': must be one of DEBUG, INFO, WARNING, ERROR, FATAL"),
        (["--what"], "--what: there is no such flag; see --help"),
        (["--http_port"], "--http_port: needs a value"),
        (["extra"], "'extra' is not a flag; see --help"),
        (["--"], "'--' is not a flag; see --help"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(argv: list[str], problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_flags([*REQUIRED, *argv], {})
    assert caught.value.problems == [problem]


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        parse_flags(["--http_port", "x", "--what"], {})
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "--what", "--sdep", "--namespace", "--predictor", "--http_port",
    ]  # fmt: skip


def test_help_names_every_flag() -> None:
    for name in FLAGS:
        assert f"--{name} " in usage()


@pytest.mark.parametrize(
    "words",
    [
        "--log_work_buffer_size 10000 --log_write_timeout_ms 2000 --logger_workers 10",
        "--hostname h --config c --debug --kafka_workers 4 --kafka_auto_commit",
        "--kafka_broker= --kafka_full_graph=false --log_kafka_topic=",
    ],
)
def test_flags_of_the_reference_that_ask_for_nothing_are_accepted(words: str) -> None:
    parse_flags([*REQUIRED, *words.split()], {})


@pytest.mark.parametrize(
    ("words", "environ", "said"),
    [
        ("--kafka_broker b", {}, "--kafka_broker: 'b': Kafka is not served by this version; leave the flag out"),
        ("--kafka_full_graph", {}, "--kafka_full_graph: 'true': Kafka is not served by this version"),
        ("--log_kafka_topic t", {}, "logging of payloads is not served by this version"),
        ("--logger_workers x", {}, "--logger_workers: 'x': must be a whole number"),
        ("--workers 0", {}, "--workers: '0': must be a number of processes from 1 to 64"),
        ("", {"SELDON_ENGINE_WORKERS": "many"}, "SELDON_ENGINE_WORKERS: 'many': must be a number of processes"),
        ("", {"SELDON_ACCESS_LOG": "maybe"}, "SELDON_ACCESS_LOG: 'maybe': must be true or false"),
        ("", {"SELDON_ENABLE_ROUTING_INJECTION": "x"}, "SELDON_ENABLE_ROUTING_INJECTION: 'x': must be true or false"),
        ("", {"SELDON_CERT_MOUNT_PATH": "/certs"}, "SELDON_CERT_MOUNT_PATH: '/certs': TLS is not served"),
        ("", {"CORS_ALLOWED_ORIGINS": "a\r\nb"}, "CORS_ALLOWED_ORIGINS: 'a\\r\\nb': must be the value of a header"),
    ],
)
def test_what_is_not_served_is_refused_by_name(words: str, environ: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_flags([*REQUIRED, *words.split()], environ)
    assert len(refused.value.problems) == 1
    assert said in refused.value.problems[0]


def test_the_environment_gives_defaults_that_flags_override() -> None:
    environ = {"SELDON_ENGINE_WORKERS": "3", "SELDON_ACCESS_LOG": "true", "SELDON_ENABLE_ROUTING_INJECTION": "false"}
    flags = parse_flags(REQUIRED, environ)
    assert (flags.workers, flags.access_log, flags.routing_injection) == (3, True, False)
    flags = parse_flags([*REQUIRED, "--workers=2", "--access_log=false"], environ)
    assert (flags.workers, flags.access_log) == (2, False)
    assert (parse_flags(REQUIRED, {}).workers, parse_flags(REQUIRED, {}).access_log) == (1, False)
