"""The operator's configuration, read once from environment variables under the reference implementation's names."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from seldon_core import __version__
from seldon_core.api.defaults import PortSettings

DEFAULT_ENGINE_IMAGE = f"docker.io/seldonio/seldon-core-engine:{__version__}"


class ConfigError(ValueError):
    """Environment variables that cannot be used.

    Attributes:
        problems: One line for each of them: name, value, rule.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Config:
    """What all SeldonDeployments of an installation have in common.

    Attributes:
        engine_image: Image of the engine container.
        engine_pull_policy: Its pull policy.
        engine_http_port: Port of the engine's REST API, and of the predictor Services.
        engine_grpc_port: Port of its gRPC API, and of the predictor Services.
        engine_metrics_port: Port of its metrics.
        engine_metrics_port_name: Name of that port, by which monitors find it.
        prometheus_path: Path of the metrics of engine and components.
        engine_user: User id of the engine container; None leaves it to the image.
        engine_cpu_request: CPU request where the predictor sets no engine resources.
        engine_cpu_limit: CPU limit, likewise.
        engine_memory_request: Memory request, likewise.
        engine_memory_limit: Memory limit, likewise.
        full_health_checks: Whether the engine's readiness asks the components over their protocol.
        user_id: User id of pods whose manifest has no security context; None gives such pods no security context.
        http_port: First HTTP port of graph nodes.
        grpc_port: First gRPC port of graph nodes.
        metrics_port: First metrics port of graph nodes.
        metrics_port_name: Name of the metrics port of graph nodes.
        startup_seconds: How long a user's container may take until it listens.
        name_as_prefix: Whether shortened Deployment names begin with the SeldonDeployment's name.
        controller_id: The `seldon.io/controller-id` that this operator is responsible for.
        cluster_domain: The DNS domain of the cluster.
        keda_enabled: Whether KEDA is there to act on ScaledObjects.
        gateway_enabled: Whether requests are routed through Gateway API.
        istio_enabled: Whether they are routed through Istio.
        ambassador_enabled: Whether they are routed through Ambassador.
    """

    engine_image: str = DEFAULT_ENGINE_IMAGE
    engine_pull_policy: str = "IfNotPresent"
    engine_http_port: int = 8000
    engine_grpc_port: int = 5001
    engine_metrics_port: int = 5002
    engine_metrics_port_name: str = "metrics"
    prometheus_path: str = "/prometheus"
    engine_user: int | None = 8888
    engine_cpu_request: str = "100m"
    engine_cpu_limit: str = "500m"
    engine_memory_request: str = "128Mi"
    engine_memory_limit: str = "512Mi"
    full_health_checks: bool = False
    user_id: int | None = 8888
    http_port: int = 9000
    grpc_port: int = 9500
    metrics_port: int = 6000
    metrics_port_name: str = "metrics"
    startup_seconds: int = 300
    name_as_prefix: bool = False
    controller_id: str = ""
    cluster_domain: str = "cluster.local"
    keda_enabled: bool = False
    gateway_enabled: bool = False
    istio_enabled: bool = False
    ambassador_enabled: bool = False

    @property
    def ports(self) -> PortSettings:
        """How the ports of graph nodes are chosen: never one that the engine beside them listens on."""
        return PortSettings(
            http=self.http_port,
            grpc=self.grpc_port,
            metrics=self.metrics_port,
            metrics_name=self.metrics_port_name,
            cluster_domain=self.cluster_domain,
            reserved=frozenset((self.engine_http_port, self.engine_grpc_port, self.engine_metrics_port)),
        )

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Config":
        """Read the configuration.

        Args:
            environ: The environment variables; what is not set has its default, except the engine's image.

        Raises:
            ConfigError: One or more variables cannot be used; it names all of them.
        """
        problems: list[str] = []
        values: dict[str, Any] = {}
        for field in fields(cls):
            variable, read = _VARIABLES[field.name]
            raw = environ.get(variable)
            if field.name == "engine_image":  # the one without a default
                raw = environ.get("RELATED_IMAGE_EXECUTOR") or raw or ""
            if raw is None:
                continue
            try:
                values[field.name] = read(raw.strip())
            except ValueError as error:
                problems.append(f"{variable}: {raw!r}: {error}")
        config = cls(**values)
        problems += config._port_collisions()
        if problems:
            raise ConfigError(problems)
        return config

    def _port_collisions(self) -> list[str]:
        taken: dict[int, str] = {}
        problems = []
        for name in ("engine_http_port", "engine_grpc_port", "engine_metrics_port"):
            variable, port = _VARIABLES[name][0], getattr(self, name)
            if port in taken:
                problems.append(f"{variable}: '{port}': is the port of {taken[port]} already; choose another")
            taken.setdefault(port, variable)
        return problems


def _image(value: str) -> str:
    if not value or any(character.isspace() for character in value):
        raise ValueError("must name the image of the engine")
    return value


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return read


def _matching(pattern: str, rule: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(rule)
        return value

    return read


def _number(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", value) or not low <= int(value) <= high:
            raise ValueError(f"must be a number from {low} to {high}")
        return int(value)

    return read


def _user(value: str) -> int | None:
    if not value:
        return None
    if value == "0":
        raise ValueError("must not be root; leave it empty to run images as the user that they name")
    return _number(1, 2**31 - 1)(value)


def _flag(value: str) -> bool:
    known = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False, "": False}
    if value.lower() not in known:
        raise ValueError("must be true or false")
    return known[value.lower()]


_port = _number(1, 65535)
_port_name = _matching(
    r"(?!(http|grpc)$)(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*",
    "must be a port name other than http and grpc: at most 15 lower-case letters, digits and single dashes",
)
_quantity = _matching(
    r"[0-9]+(\.[0-9]*)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?", "must be a quantity such as 500m or 512Mi"
)
_path = _matching(r"/[^\s?#]*", "must be a path that begins with /")
_domain = _matching(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", "must be a DNS domain")
_controller_id = _matching(
    r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?", "must be a label value: at most 63 letters, digits, . _ -"
)

# Field -> the variable that it is read from, and how.
_VARIABLES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "engine_image": ("EXECUTOR_CONTAINER_IMAGE_AND_VERSION", _image),
    "engine_pull_policy": (
        "EXECUTOR_CONTAINER_IMAGE_PULL_POLICY",
        _one_of("Always", "IfNotPresent", "Never"),
    ),
    "engine_http_port": ("EXECUTOR_SERVER_PORT", _port),
    "engine_grpc_port": ("EXECUTOR_SERVER_GRPC_PORT", _port),
    "engine_metrics_port": ("EXECUTOR_SERVER_METRICS_PORT", _port),
    "engine_metrics_port_name": ("EXECUTOR_SERVER_METRICS_PORT_NAME", _port_name),
    "prometheus_path": ("EXECUTOR_PROMETHEUS_PATH", _path),
    "engine_user": ("EXECUTOR_CONTAINER_USER", _user),
    "engine_cpu_request": ("EXECUTOR_DEFAULT_CPU_REQUEST", _quantity),
    "engine_cpu_limit": ("EXECUTOR_DEFAULT_CPU_LIMIT", _quantity),
    "engine_memory_request": ("EXECUTOR_DEFAULT_MEMORY_REQUEST", _quantity),
    "engine_memory_limit": ("EXECUTOR_DEFAULT_MEMORY_LIMIT", _quantity),
    "full_health_checks": ("EXECUTOR_FULL_HEALTH_CHECKS", _flag),
    "user_id": ("DEFAULT_USER_ID", _user),
    "http_port": ("PREDICTIVE_UNIT_HTTP_SERVICE_PORT", _port),
    "grpc_port": ("PREDICTIVE_UNIT_GRPC_SERVICE_PORT", _port),
    "metrics_port": ("PREDICTIVE_UNIT_METRICS_SERVICE_PORT", _port),
    "metrics_port_name": ("PREDICTIVE_UNIT_METRICS_PORT_NAME", _port_name),
    "startup_seconds": ("PREDICTIVE_UNIT_STARTUP_SECONDS", _number(1, 86400)),
    "name_as_prefix": ("DEPLOYMENT_NAME_AS_PREFIX", _flag),
    "controller_id": ("CONTROLLER_ID", _controller_id),
    "cluster_domain": ("SELDON_CLUSTER_DOMAIN", _domain),
    "keda_enabled": ("KEDA_ENABLED", _flag),
    "gateway_enabled": ("GATEWAY_API_ENABLED", _flag),
    "istio_enabled": ("ISTIO_ENABLED", _flag),
    "ambassador_enabled": ("AMBASSADOR_ENABLED", _flag),
}
