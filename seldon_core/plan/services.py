"""The Services of a predictor: one for its engine, one for each container of its graph."""

from collections.abc import Mapping
from typing import Any

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
    name = predictor_service_name(sdep_name(sdep), predictor)
    selecting = predictor_service_labels(sdep, predictor)
    labels = {**base_labels(sdep), **selecting}
    ports = (config.engine_http_port, config.engine_grpc_port)
    return [*planned, _service(sdep, predictor, name, labels, selecting, ports)]


def _container_service(sdep: Object, predictor: Object, container: str, endpoint: Mapping[str, int]) -> Object:
    selecting = container_service_labels(sdep, predictor, [container])
    labels = {
        **role_labels(predictor, [container]),
        **base_labels(sdep),
        **predictor_service_labels(sdep, predictor),
        **selecting,
    }
    name = container_service_name(sdep_name(sdep), predictor["name"], container)
    return _service(sdep, predictor, name, labels, selecting, (endpoint["httpPort"], endpoint["grpcPort"]))


def _service(
    sdep: Object,
    predictor: Object,
    name: str,
    labels: Mapping[str, str],
    selecting: Mapping[str, str],
    ports: tuple[int, int],
) -> Object:
    http, grpc = ports
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": object_metadata(sdep, name, labels, as_map(predictor.get("annotations"))),
        "spec": {
            "type": "ClusterIP",
            "sessionAffinity": "None",
            "selector": dict(selecting),
            "ports": [
                {"name": kind, "port": number, "targetPort": number, "protocol": "TCP"}
                for kind, number in (("http", http), ("grpc", grpc))
            ],
        },
    }
