"""What a Helm values file says about an installation: what it serves, and what the controller plans with."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from seldon_core import __version__
from seldon_core.api import constants as c
from seldon_core.api.installation import Installation
from seldon_core.api.objects import as_map

from .documents import Unusable

_CHART = "seldon-core-operator"
_SERVERS = "predictor_servers"
_EXAMPLE = "MY_SERVER: {protocols: {seldon: {image: example.com/my-server, defaultImageVersion: 1.0}}}"


def installation(files: Iterable[str]) -> Installation:
    """Return the installation that Helm would make of values files.

    Args:
        files: Paths of values files of the operator's chart or of the chart around it; later ones win.

    Raises:
        Unusable: A file cannot be read, is no YAML, or holds other values than the chart takes.
    """
    servers: dict[str, frozenset[str]] = dict(c.PREPACKAGED_SERVERS)
    for file in files:
        values = _read(file)
        for values_of_chart, where in ((values, _SERVERS), (values.get(_CHART), f"{_CHART}.{_SERVERS}")):
            _merge(servers, as_map(values_of_chart).get(_SERVERS), f"{file}: {where}")
    return Installation(servers=servers)


def _read(file: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(Path(file).read_bytes())
    except OSError as error:
        raise Unusable(f"{file}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise Unusable(f"{file}: is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict | None):
        raise Unusable(f"{file}: holds no values; write them as lines of key: value")
    return values or {}


def _merge(servers: dict[str, frozenset[str]], given: Any, where: str) -> None:
    """Change the servers as Helm merges maps: what is null goes, what is new comes to what is there."""
    for implementation, server in _mapping(given, where).items():
        if server is None:
            servers.pop(implementation, None)
            continue
        place = f"{where}.{implementation}"
        protocols = _mapping(_mapping(server, place).get("protocols"), f"{place}.protocols")
        kept = servers.get(implementation, frozenset()) - protocols.keys()
        servers[implementation] = kept | {
            protocol for protocol, entry in protocols.items() if _has_image(entry, f"{place}.protocols.{protocol}")
        }


def _has_image(entry: Any, where: str) -> bool:
    image = _mapping(entry, where).get("image")
    if entry is not None and not (isinstance(image, str) and image):
        raise Unusable(f"{where}.image: must be the name of an image, as in {_EXAMPLE}")
    return entry is not None


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict | None):
        raise Unusable(f"{where}: must be a mapping, as in {_EXAMPLE}")
    return value or {}


def environment(files: Iterable[str]) -> dict[str, str]:
    """Return the environment variables that the chart would give the controller for values files.

    Args:
        files: As for `installation`.

    Raises:
        Unusable: A file cannot be read, or is no YAML.
    """
    variables: dict[str, str] = {}
    for file in files:
        values = _read(file)
        for part in (values, as_map(values.get(_CHART))):
            for path, variable in _VARIABLES.items():
                found, value = _at(part, path)
                if found:
                    variables[variable] = _text(value)
            variables |= _engine_image(as_map(as_map(part.get("executor")).get("image")))
    return variables


def _at(values: Mapping[str, Any], path: str) -> tuple[bool, Any]:
    value: Any = values
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return False, None
        value = value[key]
    return True, value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return json.dumps(value)
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _engine_image(image: Mapping[str, Any]) -> dict[str, str]:
    if image.keys().isdisjoint(("registry", "repository", "tag", "digest")):
        return {}
    own = "seldonio/seldon-core-engine"
    repository = image.get("repository") or own
    registry, tag, digest = image.get("registry", "docker.io"), image.get("tag") or __version__, image.get("digest")
    if repository == "seldonio/seldon-core-executor" and not digest:  # the reference implementation's gives way to ours
        repository, tag = own, __version__
    name = f"{f'{registry}/' if registry else ''}{repository}:{tag}{f'@{digest}' if digest else ''}"
    return {"EXECUTOR_CONTAINER_IMAGE_AND_VERSION": name}


# Value of the chart -> the controller's variable.
_VARIABLES = {
    "clusterDomain": "SELDON_CLUSTER_DOMAIN",
    "controllerId": "CONTROLLER_ID",
    "defaultUserID": "DEFAULT_USER_ID",
    "manager.deploymentNameAsPrefix": "DEPLOYMENT_NAME_AS_PREFIX",
    "executor.image.pullPolicy": "EXECUTOR_CONTAINER_IMAGE_PULL_POLICY",
    "executor.user": "EXECUTOR_CONTAINER_USER",
    "executor.port": "EXECUTOR_SERVER_PORT",
    "executor.grpcPort": "EXECUTOR_SERVER_GRPC_PORT",
    "executor.metricsPort": "EXECUTOR_SERVER_METRICS_PORT",
    "executor.metricsPortName": "EXECUTOR_SERVER_METRICS_PORT_NAME",
    "executor.prometheus.path": "EXECUTOR_PROMETHEUS_PATH",
    "executor.fullHealthChecks": "EXECUTOR_FULL_HEALTH_CHECKS",
    "executor.resources.cpuRequest": "EXECUTOR_DEFAULT_CPU_REQUEST",
    "executor.resources.cpuLimit": "EXECUTOR_DEFAULT_CPU_LIMIT",
    "executor.resources.memoryRequest": "EXECUTOR_DEFAULT_MEMORY_REQUEST",
    "executor.resources.memoryLimit": "EXECUTOR_DEFAULT_MEMORY_LIMIT",
    "executor.serviceAccount.name": "EXECUTOR_CONTAINER_SERVICE_ACCOUNT_NAME",
    "executor.requestLogger.defaultEndpoint": "EXECUTOR_REQUEST_LOGGER_DEFAULT_ENDPOINT",
    "executor.requestLogger.workQueueSize": "EXECUTOR_REQUEST_LOGGER_WORK_QUEUE_SIZE",
    "executor.requestLogger.writeTimeoutMs": "EXECUTOR_REQUEST_LOGGER_WRITE_TIMEOUT_MS",
    "predictiveUnit.httpPort": "PREDICTIVE_UNIT_HTTP_SERVICE_PORT",
    "predictiveUnit.grpcPort": "PREDICTIVE_UNIT_GRPC_SERVICE_PORT",
    "predictiveUnit.metricsPort": "PREDICTIVE_UNIT_METRICS_SERVICE_PORT",
    "predictiveUnit.metricsPortName": "PREDICTIVE_UNIT_METRICS_PORT_NAME",
    "predictiveUnit.startupSeconds": "PREDICTIVE_UNIT_STARTUP_SECONDS",
    "predictiveUnit.serverStartupSeconds": "PREPACKAGED_SERVER_STARTUP_SECONDS",
    "predictiveUnit.defaultEnvSecretRefName": "PREDICTIVE_UNIT_DEFAULT_ENV_SECRET_REF_NAME",
    "predictor_servers": "PREDICTOR_SERVERS",
    "storageInitializer.image": "STORAGE_INITIALIZER_IMAGE",
    "storageInitializer.cpuRequest": "STORAGE_INITIALIZER_CPU_REQUEST",
    "storageInitializer.cpuLimit": "STORAGE_INITIALIZER_CPU_LIMIT",
    "storageInitializer.memoryRequest": "STORAGE_INITIALIZER_MEMORY_REQUEST",
    "storageInitializer.memoryLimit": "STORAGE_INITIALIZER_MEMORY_LIMIT",
    "explainer.image": "EXPLAINER_IMAGE",
    "explainer.image_v2": "EXPLAINER_IMAGE_V2",
    "rollout.onUpgrade": "ROLLOUT_ON_UPGRADE",
    "rollout.concurrency": "ROLLOUT_CONCURRENCY",
    "gatewayApi.enabled": "GATEWAY_API_ENABLED",
    "gatewayApi.gateways": "GATEWAY_API_GATEWAYS",
    "gatewayApi.grpcGateways": "GATEWAY_API_GRPC_GATEWAYS",
    "istio.enabled": "ISTIO_ENABLED",
    "istio.gateway": "ISTIO_GATEWAY",
    "istio.tlsMode": "ISTIO_TLS_MODE",
    "ambassador.enabled": "AMBASSADOR_ENABLED",
    "ambassador.version": "AMBASSADOR_VERSION",
    "ambassador.singleNamespace": "AMBASSADOR_SINGLE_NAMESPACE",
    "keda.enabled": "KEDA_ENABLED",
}
