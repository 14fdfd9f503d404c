"""The environment that tells a component its name, its place in the graph and the ports to listen on."""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from seldon_core.api.defaults import port_named
from seldon_core.api.objects import as_list, as_map, as_text

from .config import Config
from .listmaps import last_by_name
from .metadata import sdep_name
from .storage import MODEL_PATH

Object = dict[str, Any]


def component_env(
    sdep: Object,
    predictor: Object,
    node: Object,
    container: Object,
    config: Config,
    server: Mapping[str, str] = MappingProxyType({}),
) -> list[Object]:
    """Return the environment of the container of a graph node: the user's, then ours where the user has none.

    Args:
        sdep: The SeldonDeployment.
        predictor: The predictor.
        node: The graph node, with its endpoint.
        container: Its container, with its metrics port.
        config: The operator's configuration.
        server: What its prepackaged server needs beside that, or in its place.
    """
    own = last_by_name(as_list(container.get("env")))
    generated = {**_generated(sdep, predictor, node, container, config), **server}
    return own + missing(own, [{"name": name, "value": value} for name, value in generated.items()])


def parameters_json(node: Object, **extra: str) -> str:
    """Return the parameters of a graph node as its component is given them.

    Args:
        node: The graph node.
        extra: More of them, as text, where the node has none of the name.
    """
    own = [
        {key: as_map(parameter).get(key) for key in ("name", "value", "type")}
        for parameter in as_list(node.get("parameters"))
    ]
    taken = {parameter["name"] for parameter in own}
    added = [{"name": name, "value": value, "type": "STRING"} for name, value in extra.items() if name not in taken]
    return compact_json([*own, *added])


def missing(own: Iterable[Any], generated: Iterable[Object]) -> list[Object]:
    """Return those generated variables whose name the user has not set."""
    taken = {as_text(as_map(entry).get("name")) for entry in own}
    return [entry for entry in generated if entry["name"] not in taken]


def compact_json(value: Any) -> str:
    """Return JSON in one line without blanks, the form in which containers are given structured values."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _generated(sdep: Object, predictor: Object, node: Object, container: Object, config: Config) -> dict[str, str]:
    endpoint = node["endpoint"]
    http, grpc = str(endpoint["httpPort"]), str(endpoint["grpcPort"])
    values = {
        "PREDICTIVE_UNIT_SERVICE_PORT": str(endpoint["service_port"]),
        "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": http,
        "MLSERVER_HTTP_PORT": http,
        "PREDICTIVE_UNIT_GRPC_SERVICE_PORT": grpc,
        "MLSERVER_GRPC_PORT": grpc,
    }
    if as_list(node.get("parameters")):
        values["PREDICTIVE_UNIT_PARAMETERS"] = parameters_json(node)
    if node.get("modelUri"):
        values["MLSERVER_MODEL_URI"] = MODEL_PATH
    values |= {
        "PREDICTIVE_UNIT_ID": container["name"],
        "MLSERVER_MODEL_NAME": container["name"],
        "PREDICTIVE_UNIT_IMAGE": container.get("image", ""),
        "PREDICTOR_ID": predictor["name"],
        "PREDICTOR_LABELS": compact_json(dict(sorted(predictor["labels"].items()))),
        "SELDON_DEPLOYMENT_ID": sdep_name(sdep),
        "SELDON_EXECUTOR_ENABLED": "true",
    }
    metrics = port_named(container, config.metrics_port_name)
    if metrics is not None:
        values |= {
            "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": str(metrics),
            "PREDICTIVE_UNIT_METRICS_ENDPOINT": config.prometheus_path,
            "MLSERVER_METRICS_PORT": str(metrics),
            "MLSERVER_METRICS_ENDPOINT": config.prometheus_path,
        }
    return values
