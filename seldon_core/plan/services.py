"""The Services of a predictor: one for its engine, one for each container of its graph."""

from collections.abc import Mapping
from typing import Any

from seldon_core.api import constants as c
from seldon_core.api.graph import walk
from seldon_core.api.names import container_service_name, predictor_service_name
from seldon_core.api.objects import as_list, as_map

from .config import Config
from .metadata import (
    base_labels,
    container_service_labels,
    graph_containers,
    object_metadata,
    predictor_service_labels,
    role_labels,
    sdep_name,
)
from .modes import EngineMode, engine_mode

Object = dict[str, Any]


def services(sdep: Object, predictor: Object, config: Config) -> list[Object]:
    """Return the Services of a predictor: those of its containers, then its own.

    Args:
        sdep: The SeldonDeployment, with its defaults.
        predictor: One of its predictors.
        config: The operator's configuration.
    """
    nodes = {node.get("name"): node for _, node in reversed(list(walk(predictor["graph"])))}
    planned = [
        _container_service(sdep, predictor, container["name"], nodes[container["name"]]["endpoint"])
        for component in as_list(predictor.get("componentSpecs"))
        for container in graph_containers(predictor, component)
    ]
    return [*planned, _predictor_service(sdep, predictor, config)]


def is_headless(sdep: Object) -> bool:
    """Tell whether predictors are reached at the addresses of their pods, without one of the Service."""
    places = (as_map(sdep["spec"].get("annotations")), as_map(sdep["metadata"].get("annotations")))
    given = next((place[key] for place in places if (key := c.ANNOTATION_HEADLESS_SERVICE) in place), "false")
    return given != "false"


def predictor_ports(sdep: Object, predictor: Object, config: Config) -> tuple[int, int]:
    """Return the HTTP and the gRPC port of the Service of a predictor: the engine's, or else those of its only node.

    Args:
        sdep: The SeldonDeployment.
        predictor: The predictor, its nodes with their endpoints.
        config: The operator's configuration.
    """
    if engine_mode(sdep, predictor) is not EngineMode.ABSENT:
        return config.engine_http_port, config.engine_grpc_port
    endpoint = predictor["graph"]["endpoint"]
    return endpoint["httpPort"], endpoint["grpcPort"]


def _predictor_service(sdep: Object, predictor: Object, config: Config) -> Object:
    name = predictor_service_name(sdep_name(sdep), predictor)
    selecting = predictor_service_labels(sdep, predictor)
    labels = {**base_labels(sdep), **selecting}
    if engine_mode(sdep, predictor) is EngineMode.ABSENT:
        labels = {**role_labels(predictor, [predictor["graph"]["name"]]), **labels}
    ports = named_ports(*predictor_ports(sdep, predictor, config))
    annotations = as_map(predictor.get("annotations"))
    return service(sdep, name, labels, annotations, selecting, ports, headless=is_headless(sdep))


def named_ports(http: int, grpc: int) -> list[Object]:
    """Return the ports of a Service that leads to the same ports of its pods."""
    return [
        {"name": kind, "port": number, "targetPort": number, "protocol": "TCP"}
        for kind, number in (("http", http), ("grpc", grpc))
    ]


def _container_service(sdep: Object, predictor: Object, container: str, endpoint: Mapping[str, int]) -> Object:
    selecting = container_service_labels(sdep, predictor, [container])
    labels = {
        **role_labels(predictor, [container]),
        **base_labels(sdep),
        **predictor_service_labels(sdep, predictor),
        **selecting,
    }
    name = container_service_name(sdep_name(sdep), predictor["name"], container)
    ports = named_ports(endpoint["httpPort"], endpoint["grpcPort"])
    return service(sdep, name, labels, as_map(predictor.get("annotations")), selecting, ports)


def service(
    sdep: Object,
    name: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    selecting: Mapping[str, str],
    ports: list[Object],
    *,
    headless: bool = False,
) -> Object:
    """Return a Service.

    Args:
        sdep: The SeldonDeployment that owns it.
        name: Its name.
        labels: Its labels.
        annotations: Its annotations.
        selecting: The labels of the pods that it leads to.
        ports: Its ports.
        headless: Whether it has no address of its own.
    """
    spec: Object = {
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "selector": dict(selecting),
        "ports": ports,
    }
    if headless:
        spec["clusterIP"] = "None"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": object_metadata(sdep, name, labels, annotations),
        "spec": spec,
    }
