"""The environment that tells a component its name, its place in the graph and the ports to listen on."""

import json
from collections.abc import Iterable
from typing import Any

from seldon_core.api.defaults import port_named
from seldon_core.api.objects import as_list, as_map, as_text

from .config import Config
from .listmaps import last_by_name
from .metadata import sdep_name

Object = dict[str, Any]


def component_env(sdep: Object, predictor: Object, node: Object, container: Object, config: Config) -> list[Object]:
    """Return the environment of the container of a graph node: the user's, then ours where the user has none.

    Args:
        sdep: The SeldonDeployment.
        predictor: The predictor.
        node: The graph node, with its endpoint.
        container: Its container, with its metrics port.
        config: The operator's configuration.
    """
    own = last_by_name(as_list(container.get("env")))
    return own + missing(own, _generated(sdep, predictor, node, container, config))


def missing(own: Iterable[Any], generated: Iterable[Object]) -> list[Object]:
    """Return those generated variables whose name the user has not set."""
    taken = {as_text(as_map(entry).get("name")) for entry in own}
    return [entry for entry in generated if entry["name"] not in taken]


def compact_json(value: Any) -> str:
    """Return JSON in one line without blanks, the form in which containers are given structured values."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _generated(sdep: Object, predictor: Object, node: Object, container: Object, config: Config) -> list[Object]:
    endpoint = node["endpoint"]
    http, grpc = str(endpoint["httpPort"]), str(endpoint["grpcPort"])
    values = {
        "PREDICTIVE_UNIT_SERVICE_PORT": str(endpoint["service_port"]),
        "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": http,
        "MLSERVER_HTTP_PORT": http,
        "PREDICTIVE_UNIT_GRPC_SERVICE_PORT": grpc,
        "MLSERVER_GRPC_PORT": grpc,
    }
    if parameters := as_list(node.get("parameters")):
        values["PREDICTIVE_UNIT_PARAMETERS"] = compact_json(
            [{key: parameter.get(key) for key in ("name", "value", "type")} for parameter in parameters]
        )
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
    return [{"name": name, "value": value} for name, value in values.items()]
