"""The engine's container: what it is told about its graph, and how it is run."""

import base64
from typing import Any

from seldon_core.api import constants as c
from seldon_core.api.objects import as_list, as_map

from .config import Config
from .env import compact_json, missing
from .listmaps import last_by_name, without_nulls
from .metadata import sdep_name
from .modes import has_logger, has_tls, is_built_in
from .probes import engine_probes
from .security import engine_context
from .shutdown import Shutdown, sleep_before_stop

Object = dict[str, Any]

_OF_COMPONENTS = ("modelUri", "serviceAccountName", "envSecretRefName", "storageInitializerImage")


def engine_container(sdep: Object, predictor: Object, config: Config, shutdown: Shutdown) -> Object:
    """Return the container of the engine that serves a predictor.

    Args:
        sdep: The SeldonDeployment, with its defaults.
        predictor: The predictor, its nodes with their endpoints.
        config: The operator's configuration.
        shutdown: When the containers of the pod stop.
    """
    container = {
        "name": c.ENGINE_CONTAINER_NAME,
        "image": config.engine_image,
        "imagePullPolicy": config.engine_pull_policy,
        "args": _arguments(sdep, predictor, config, shutdown),
        "env": _env(sdep, predictor, config),
        "ports": [
            _port("http", config.engine_http_port),
            _port("grpc", config.engine_grpc_port),
            _port(config.engine_metrics_port_name, config.engine_metrics_port),
        ],
        "resources": _resources(predictor, config),
        "securityContext": engine_context(config),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": c.PODINFO_VOLUME, "mountPath": c.PODINFO_PATH}],
        **engine_probes(config, tls=has_tls(predictor)),
    }
    if lifecycle := sleep_before_stop(shutdown.engine_sleep):
        container["lifecycle"] = lifecycle
    return container


def encoded_predictor(predictor: Object) -> str:
    """Return the predictor as the engine is given it: base64 of JSON.

    It holds the graph, the names and images of containers, the labels and the annotations, and nothing else: no
    environment and no parameters of components, which may hold secrets; nothing of where models come from; and no
    replicas or traffic, whose change must not restart pods.

    Args:
        predictor: The predictor, its nodes with their endpoints.
    """
    components = [
        {"spec": {"containers": [_name_and_image(container) for container in _containers(component)]}}
        for component in as_list(predictor.get("componentSpecs"))
    ]
    told = {
        "name": predictor["name"],
        "graph": _told_node(without_nulls(predictor["graph"])),
        "labels": as_map(predictor.get("labels")),
        "annotations": as_map(predictor.get("annotations")),
        "componentSpecs": components,
    }
    return base64.b64encode(compact_json(told).encode()).decode("ascii")


def _told_node(node: Object) -> Object:
    """Return a graph node, and those below it, without what only its component and the controller use."""
    kept = {key: value for key, value in node.items() if key not in _OF_COMPONENTS}
    if not is_built_in(node):
        kept.pop("parameters", None)
    if isinstance(node.get("children"), list):
        kept["children"] = [_told_node(child) for child in node["children"]]
    return kept


def _containers(component: Any) -> list[Object]:
    containers: list[Object] = as_list(as_map(as_map(component).get("spec")).get("containers"))
    return containers


def _name_and_image(container: Object) -> Object:
    return {key: container[key] for key in ("name", "image") if container.get(key)}


def _arguments(sdep: Object, predictor: Object, config: Config, shutdown: Shutdown) -> list[str]:
    spec = sdep["spec"]
    flags = {
        "--sdep": sdep_name(sdep),
        "--namespace": sdep["metadata"]["namespace"],
        "--predictor": predictor["name"],
        "--http_port": str(config.engine_http_port),
        "--grpc_port": str(config.engine_grpc_port),
        "--metrics_port": str(config.engine_metrics_port),
        "--protocol": spec["protocol"],
        "--transport": spec["transport"],
        "--prometheus_path": config.prometheus_path,
        "--server_type": spec["serverType"],
        "--graceful_timeout": f"{shutdown.engine_drain}s",
    }
    if has_logger(predictor):
        flags |= _logger_flags(sdep, config)
    health = f"--full_health_checks={'true' if config.full_health_checks else 'false'}"
    return [*(word for flag in flags.items() for word in flag), health]


def _logger_flags(sdep: Object, config: Config) -> dict[str, str]:
    def setting(name: str, default: int) -> str:
        places = (as_map(sdep["spec"].get("annotations")), as_map(sdep["metadata"].get("annotations")))
        return next((str(place[name]) for place in places if name in place), str(default))

    return {
        "--log_work_buffer_size": setting("seldon.io/executor-logger-queue-size", config.logger_queue_size),
        "--log_write_timeout_ms": setting("seldon.io/executor-logger-write-timeout-ms", config.logger_write_timeout_ms),
    }


def _env(sdep: Object, predictor: Object, config: Config) -> list[Object]:
    """Return the engine's environment: its predictor, the user's for it, and what annotations ask for."""
    told = [
        {"name": "ENGINE_PREDICTOR", "value": encoded_predictor(predictor)},
        {"name": "REQUEST_LOGGER_DEFAULT_ENDPOINT", "value": config.logger_endpoint},
    ]
    own = last_by_name(as_list(as_map(predictor.get("svcOrchSpec")).get("env")))
    annotations = as_map(sdep["spec"].get("annotations"))
    prefix = c.ANNOTATION_ENGINE_PREFIX
    asked = {
        key.removeprefix(prefix).replace("-", "_").upper(): value
        for key, value in sorted(annotations.items())
        if key.startswith(prefix) and key != c.ANNOTATION_SEPARATE_ENGINE
    }
    from_annotations = [{"name": name, "value": value} for name, value in asked.items()]
    return [*missing(own, told), *own, *missing([*told, *own], from_annotations)]


def _port(name: str, number: int) -> Object:
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def _resources(predictor: Object, config: Config) -> Object:
    own = as_map(as_map(predictor.get("svcOrchSpec")).get("resources"))
    if own:
        return own
    return {
        "requests": {"cpu": config.engine_cpu_request, "memory": config.engine_memory_request},
        "limits": {"cpu": config.engine_cpu_limit, "memory": config.engine_memory_limit},
    }
