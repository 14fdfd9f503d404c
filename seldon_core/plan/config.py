"""The operator's configuration, read once from environment variables under the reference implementation's names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from seldon_core import __version__
from seldon_core.api import constants as c
from seldon_core.api.defaults import PortSettings
from seldon_core.api.installation import Installation

from . import reading

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
        engine_service_account: Service account of an engine in a pod of its own.
        cert_path: Where the engine finds the certificate of a predictor with `ssl`.
        logger_endpoint: Where requests are logged to where a graph node names no URL.
        logger_queue_size: How many messages wait to be logged at most.
        logger_write_timeout_ms: How many milliseconds one waits for room in that queue.
        servers: Implementation -> protocol -> image of the prepackaged servers.
        server_startup_seconds: How long a prepackaged server may take until it is ready.
        storage_image: Image of the init container that fetches models.
        storage_cpu_request: Its CPU request.
        storage_cpu_limit: Its CPU limit.
        storage_memory_request: Its memory request.
        storage_memory_limit: Its memory limit.
        env_secret: Secret with its environment where a graph node names none; empty for none.
        explainer_image: Image of explainers that speak the seldon or the tensorflow protocol.
        explainer_image_v2: Image of those that speak V2.
        keda_enabled: Whether KEDA is there to act on ScaledObjects.
        gateway_enabled: Whether requests are routed through Gateway API.
        gateways: Namespace, name and listener (empty for all) of the Gateways that routes are attached to.
        grpc_gateways: Those that gRPC is attached to; empty where it has no listener of its own.
        istio_enabled: Whether they are routed through Istio.
        istio_gateway: The Istio gateway where a SeldonDeployment names none.
        istio_tls_mode: How Istio speaks to the pods; empty leaves it to the mesh.
        ambassador_enabled: Whether they are routed through Ambassador.
        ambassador_single_namespace: Whether there are routes without the namespace in their path as well.
        rolls_on_upgrade: Whether pods are built anew where this operator and configuration would build others.
        rolls_at_once: How many SeldonDeployments do so at the same time.
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
    engine_service_account: str = "default"
    cert_path: str = "/cert/"
    logger_endpoint: str = "http://default-broker"
    logger_queue_size: int = 10000
    logger_write_timeout_ms: int = 2000
    servers: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: reading.DEFAULT_SERVERS)
    server_startup_seconds: int = 1800
    storage_image: str = "seldonio/rclone-storage-initializer:1.18.2"
    storage_cpu_request: str = "100m"
    storage_cpu_limit: str = "1"
    storage_memory_request: str = "100Mi"
    storage_memory_limit: str = "1Gi"
    env_secret: str = ""
    explainer_image: str = "seldonio/alibiexplainer:1.18.2"
    explainer_image_v2: str = "seldonio/mlserver:1.3.5-alibi-explain"
    keda_enabled: bool = False
    gateway_enabled: bool = False
    gateways: tuple[tuple[str, str, str], ...] = ()
    grpc_gateways: tuple[tuple[str, str, str], ...] = ()
    istio_enabled: bool = False
    istio_gateway: str = "istio-system/seldon-gateway"
    istio_tls_mode: str = ""
    ambassador_enabled: bool = False
    ambassador_single_namespace: bool = False
    rolls_on_upgrade: bool = False
    rolls_at_once: int = 1

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

    @property
    def installation(self) -> Installation:
        """What of the configuration the rules for SeldonDeployments depend on."""
        return Installation(
            servers={name: frozenset(protocols) for name, protocols in self.servers.items()},
            engine_ports=(self.engine_http_port, self.engine_grpc_port, self.engine_metrics_port),
            ingress=self.gateway_enabled or self.istio_enabled or self.ambassador_enabled,
            keda=self.keda_enabled,
        )

    def server_image(self, implementation: str, protocol: str) -> str:
        """Return the image of a prepackaged server, empty where none is configured.

        Args:
            implementation: The implementation of the graph node.
            protocol: The protocol of the SeldonDeployment; `v2` and its older name are one.
        """
        images = self.servers.get(implementation, {})
        names = ("kfserving", "v2") if protocol in c.V2_PROTOCOLS else (protocol,)
        return next((images[name] for name in names if name in images), "")

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
        for entry in fields(cls):
            variable, read = _VARIABLES[entry.name]
            raw = environ.get(variable)
            if entry.name in _RELATED_IMAGES:
                raw = environ.get(_RELATED_IMAGES[entry.name]) or raw
            if entry.name == "engine_image":  # the one without a default
                raw = raw or ""
            if raw is None:
                continue
            try:
                values[entry.name] = read(raw.strip())
            except ValueError as error:
                problems.append(f"{variable}: {raw!r}: {error}")
        values["servers"] = _with_related_images(values.get("servers", reading.DEFAULT_SERVERS), environ)
        config = cls(**values)
        problems += [*config._port_collisions(), *config._ingress_problems(environ)]
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

    def _ingress_problems(self, environ: Mapping[str, str]) -> list[str]:
        problems = []
        if self.gateway_enabled and not self.gateways:
            problems.append("GATEWAY_API_GATEWAYS: '': must name a gateway where GATEWAY_API_ENABLED is true")
        version = environ.get("AMBASSADOR_VERSION", "v2").strip()
        if self.ambassador_enabled and version != "v2":
            problems.append(f"AMBASSADOR_VERSION: {version!r}: must be v2: annotations of Services are not served")
        return problems


def _with_related_images(
    servers: Mapping[str, Mapping[str, str]], environ: Mapping[str, str]
) -> Mapping[str, Mapping[str, str]]:
    """Return the images of servers, replaced by those that an installation bundle names."""
    replaced = {name: dict(images) for name, images in servers.items()}
    for variable, (implementation, protocol) in _RELATED_SERVERS.items():
        if image := environ.get(variable, "").strip():
            replaced.setdefault(implementation, {})[protocol] = image
    return replaced


_RELATED_IMAGES = {
    "engine_image": "RELATED_IMAGE_EXECUTOR",
    "storage_image": "RELATED_IMAGE_STORAGE_INITIALIZER",
    "explainer_image": "RELATED_IMAGE_EXPLAINER",
    "explainer_image_v2": "RELATED_IMAGE_EXPLAINER_V2",
}
_RELATED_SERVERS = {
    "RELATED_IMAGE_SKLEARNSERVER": ("SKLEARN_SERVER", "seldon"),
    "RELATED_IMAGE_SKLEARNSERVER_V2": ("SKLEARN_SERVER", "v2"),
    "RELATED_IMAGE_XGBOOSTSERVER": ("XGBOOST_SERVER", "seldon"),
    "RELATED_IMAGE_XGBOOSTSERVER_V2": ("XGBOOST_SERVER", "v2"),
    "RELATED_IMAGE_MLFLOWSERVER": ("MLFLOW_SERVER", "seldon"),
    "RELATED_IMAGE_MLFLOWSERVER_V2": ("MLFLOW_SERVER", "v2"),
    "RELATED_IMAGE_TFPROXY": ("TENSORFLOW_SERVER", "seldon"),
    "RELATED_IMAGE_TENSORFLOW": ("TENSORFLOW_SERVER", "tensorflow"),
}

# Field -> the variable that it is read from, and how.
_VARIABLES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "engine_image": ("EXECUTOR_CONTAINER_IMAGE_AND_VERSION", reading.image),
    "engine_pull_policy": (
        "EXECUTOR_CONTAINER_IMAGE_PULL_POLICY",
        reading.one_of("Always", "IfNotPresent", "Never"),
    ),
    "engine_http_port": ("EXECUTOR_SERVER_PORT", reading.PORT),
    "engine_grpc_port": ("EXECUTOR_SERVER_GRPC_PORT", reading.PORT),
    "engine_metrics_port": ("EXECUTOR_SERVER_METRICS_PORT", reading.PORT),
    "engine_metrics_port_name": ("EXECUTOR_SERVER_METRICS_PORT_NAME", reading.PORT_NAME),
    "prometheus_path": ("EXECUTOR_PROMETHEUS_PATH", reading.PATH),
    "engine_user": ("EXECUTOR_CONTAINER_USER", reading.user),
    "engine_cpu_request": ("EXECUTOR_DEFAULT_CPU_REQUEST", reading.QUANTITY),
    "engine_cpu_limit": ("EXECUTOR_DEFAULT_CPU_LIMIT", reading.QUANTITY),
    "engine_memory_request": ("EXECUTOR_DEFAULT_MEMORY_REQUEST", reading.QUANTITY),
    "engine_memory_limit": ("EXECUTOR_DEFAULT_MEMORY_LIMIT", reading.QUANTITY),
    "full_health_checks": ("EXECUTOR_FULL_HEALTH_CHECKS", reading.flag),
    "user_id": ("DEFAULT_USER_ID", reading.user),
    "http_port": ("PREDICTIVE_UNIT_HTTP_SERVICE_PORT", reading.PORT),
    "grpc_port": ("PREDICTIVE_UNIT_GRPC_SERVICE_PORT", reading.PORT),
    "metrics_port": ("PREDICTIVE_UNIT_METRICS_SERVICE_PORT", reading.PORT),
    "metrics_port_name": ("PREDICTIVE_UNIT_METRICS_PORT_NAME", reading.PORT_NAME),
    "startup_seconds": ("PREDICTIVE_UNIT_STARTUP_SECONDS", reading.number(1, 86400)),
    "name_as_prefix": ("DEPLOYMENT_NAME_AS_PREFIX", reading.flag),
    "controller_id": ("CONTROLLER_ID", reading.CONTROLLER_ID),
    "cluster_domain": ("SELDON_CLUSTER_DOMAIN", reading.DOMAIN),
    "engine_service_account": ("EXECUTOR_CONTAINER_SERVICE_ACCOUNT_NAME", reading.NAME),
    "cert_path": ("DEFAULT_CERT_MOUNT_PATH_NAME", reading.PATH),
    "logger_endpoint": ("EXECUTOR_REQUEST_LOGGER_DEFAULT_ENDPOINT", reading.URL),
    "logger_queue_size": ("EXECUTOR_REQUEST_LOGGER_WORK_QUEUE_SIZE", reading.number(1, 2**31 - 1)),
    "logger_write_timeout_ms": ("EXECUTOR_REQUEST_LOGGER_WRITE_TIMEOUT_MS", reading.number(0, 2**31 - 1)),
    "servers": ("PREDICTOR_SERVERS", reading.servers),
    "server_startup_seconds": ("PREPACKAGED_SERVER_STARTUP_SECONDS", reading.number(1, 86400)),
    "storage_image": ("STORAGE_INITIALIZER_IMAGE", reading.image),
    "storage_cpu_request": ("STORAGE_INITIALIZER_CPU_REQUEST", reading.QUANTITY),
    "storage_cpu_limit": ("STORAGE_INITIALIZER_CPU_LIMIT", reading.QUANTITY),
    "storage_memory_request": ("STORAGE_INITIALIZER_MEMORY_REQUEST", reading.QUANTITY),
    "storage_memory_limit": ("STORAGE_INITIALIZER_MEMORY_LIMIT", reading.QUANTITY),
    "env_secret": ("PREDICTIVE_UNIT_DEFAULT_ENV_SECRET_REF_NAME", reading.OPTIONAL_NAME),
    "explainer_image": ("EXPLAINER_IMAGE", reading.image),
    "explainer_image_v2": ("EXPLAINER_IMAGE_V2", reading.image),
    "keda_enabled": ("KEDA_ENABLED", reading.flag),
    "gateway_enabled": ("GATEWAY_API_ENABLED", reading.flag),
    "gateways": ("GATEWAY_API_GATEWAYS", reading.gateways),
    "grpc_gateways": ("GATEWAY_API_GRPC_GATEWAYS", reading.gateways),
    "istio_enabled": ("ISTIO_ENABLED", reading.flag),
    "istio_gateway": ("ISTIO_GATEWAY", reading.GATEWAY),
    "istio_tls_mode": ("ISTIO_TLS_MODE", reading.tls_mode),
    "ambassador_enabled": ("AMBASSADOR_ENABLED", reading.flag),
    "ambassador_single_namespace": ("AMBASSADOR_SINGLE_NAMESPACE", reading.flag),
    "rolls_on_upgrade": ("ROLLOUT_ON_UPGRADE", reading.choice({"keep": False, "roll": True})),
    "rolls_at_once": ("ROLLOUT_CONCURRENCY", reading.number(1, 1000)),
}
