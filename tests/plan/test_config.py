import pytest

from seldon_core.plan import Config, ConfigError

IMAGE = {"EXECUTOR_CONTAINER_IMAGE_AND_VERSION": "engine:1"}


def test_only_the_image_has_no_default() -> None:
    assert Config.from_env(IMAGE) == Config(engine_image="engine:1")
    with pytest.raises(ConfigError) as raised:
        Config.from_env({})
    assert raised.value.problems == [
        "EXECUTOR_CONTAINER_IMAGE_AND_VERSION: '': must name an image",
    ]


def test_a_related_image_wins() -> None:
    assert Config.from_env({**IMAGE, "RELATED_IMAGE_EXECUTOR": "other:2"}).engine_image == "other:2"
    assert Config.from_env({"RELATED_IMAGE_EXECUTOR": "other:2"}).engine_image == "other:2"
    assert Config.from_env({**IMAGE, "RELATED_IMAGE_EXECUTOR": ""}).engine_image == "engine:1"


@pytest.mark.parametrize(
    ("variable", "value", "field", "expected"),
    [
        ("EXECUTOR_CONTAINER_IMAGE_PULL_POLICY", "Always", "engine_pull_policy", "Always"),
        ("EXECUTOR_SERVER_PORT", "9001", "engine_http_port", 9001),
        ("EXECUTOR_SERVER_GRPC_PORT", "9002", "engine_grpc_port", 9002),
        ("EXECUTOR_SERVER_METRICS_PORT", "9003", "engine_metrics_port", 9003),
        ("EXECUTOR_SERVER_METRICS_PORT_NAME", "prom", "engine_metrics_port_name", "prom"),
        ("EXECUTOR_PROMETHEUS_PATH", "/metrics", "prometheus_path", "/metrics"),
        ("EXECUTOR_CONTAINER_USER", "1000", "engine_user", 1000),
        ("EXECUTOR_CONTAINER_USER", "", "engine_user", None),
        ("EXECUTOR_DEFAULT_CPU_REQUEST", "0.5", "engine_cpu_request", "0.5"),
        ("EXECUTOR_DEFAULT_CPU_LIMIT", "2", "engine_cpu_limit", "2"),
        ("EXECUTOR_DEFAULT_MEMORY_REQUEST", "1Gi", "engine_memory_request", "1Gi"),
        ("EXECUTOR_DEFAULT_MEMORY_LIMIT", "2Gi", "engine_memory_limit", "2Gi"),
        ("EXECUTOR_FULL_HEALTH_CHECKS", "True", "full_health_checks", True),
        ("DEFAULT_USER_ID", "5555", "user_id", 5555),
        ("DEFAULT_USER_ID", "", "user_id", None),
        ("PREDICTIVE_UNIT_HTTP_SERVICE_PORT", " 9700 ", "http_port", 9700),
        ("PREDICTIVE_UNIT_GRPC_SERVICE_PORT", "9800", "grpc_port", 9800),
        ("PREDICTIVE_UNIT_METRICS_SERVICE_PORT", "6100", "metrics_port", 6100),
        ("PREDICTIVE_UNIT_METRICS_PORT_NAME", "prom", "metrics_port_name", "prom"),
        ("PREDICTIVE_UNIT_STARTUP_SECONDS", "1800", "startup_seconds", 1800),
        ("DEPLOYMENT_NAME_AS_PREFIX", "true", "name_as_prefix", True),
        ("CONTROLLER_ID", "blue", "controller_id", "blue"),
        ("SELDON_CLUSTER_DOMAIN", "example.org", "cluster_domain", "example.org"),
    ],
)
def test_a_variable_is_read(variable: str, value: str, field: str, expected: object) -> None:
    assert getattr(Config.from_env({**IMAGE, variable: value}), field) == expected


@pytest.mark.parametrize(
    ("variable", "value", "rule"),
    [
        ("EXECUTOR_CONTAINER_IMAGE_AND_VERSION", "a b", "must name an image"),
        ("EXECUTOR_CONTAINER_IMAGE_PULL_POLICY", "always", "must be one of Always, IfNotPresent, Never"),
        ("EXECUTOR_SERVER_PORT", "http", "must be a number from 1 to 65535"),
        ("EXECUTOR_SERVER_GRPC_PORT", "65536", "must be a number from 1 to 65535"),
        ("EXECUTOR_SERVER_GRPC_PORT", "8000", "is the port of EXECUTOR_SERVER_PORT already; choose another"),
        ("EXECUTOR_SERVER_METRICS_PORT_NAME", "http", "must be a port name other than http and grpc"),
        ("EXECUTOR_PROMETHEUS_PATH", "metrics", "must be a path that begins with /"),
        ("EXECUTOR_DEFAULT_CPU_LIMIT", "half", "must be a quantity such as 500m or 512Mi"),
        ("EXECUTOR_FULL_HEALTH_CHECKS", "foo", "must be true or false"),
        ("DEFAULT_USER_ID", "0", "must not be root"),
        ("DEFAULT_USER_ID", "seldon", "must be a number from 1 to 2147483647"),
        ("PREDICTIVE_UNIT_METRICS_PORT_NAME", "a-name-too-long-by-far", "must be a port name"),
        ("PREDICTIVE_UNIT_STARTUP_SECONDS", "0", "must be a number from 1 to 86400"),
        ("CONTROLLER_ID", "-", "must be a label value"),
        ("SELDON_CLUSTER_DOMAIN", "Cluster_Local", "must be a DNS domain"),
    ],
)
def test_a_bad_variable_is_named_with_its_value_and_rule(variable: str, value: str, rule: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Config.from_env({**IMAGE, variable: value})
    (problem,) = raised.value.problems
    assert problem.startswith(f"{variable}: '{value}': {rule}")


def test_all_bad_variables_are_reported_at_once() -> None:
    bad = {
        "EXECUTOR_SERVER_PORT": "x",
        "DEFAULT_USER_ID": "x",
        "EXECUTOR_SERVER_METRICS_PORT": "5001",
        "CONTROLLER_ID": "x",
    }
    with pytest.raises(ConfigError) as raised:
        Config.from_env(bad)
    assert [problem.split(":")[0] for problem in raised.value.problems] == [
        "EXECUTOR_CONTAINER_IMAGE_AND_VERSION",
        "EXECUTOR_SERVER_PORT",
        "DEFAULT_USER_ID",
        "EXECUTOR_SERVER_METRICS_PORT",
    ]
    assert str(raised.value).count("\n") == 3
