"""Where the engine of a predictor runs, and which pods therefore answer the predictor's requests."""

from enum import StrEnum
from typing import Any

from seldon_core.api import constants as c
from seldon_core.api.defaults import with_servers
from seldon_core.api.graph import engine_spec_index, has_implementation, nodes
from seldon_core.api.names import engine_deployment_name, predictor_service_name
from seldon_core.api.objects import as_map, is_true

from .observed import Observed

Object = dict[str, Any]


class EngineMode(StrEnum):
    """Where the engine runs.

    Attributes:
        SIDECAR: Beside the container of a graph node.
        SEPARATE: In pods of its own.
        ABSENT: Nowhere: the only node of the graph answers by itself.
    """

    SIDECAR = "sidecar"
    SEPARATE = "separate"
    ABSENT = "absent"


def engine_mode(sdep: Object, predictor: Object) -> EngineMode:
    """Return where the engine of a predictor runs.

    A graph that the engine serves all alone, because every node is built into it, has no pod to put it into.

    Args:
        sdep: The SeldonDeployment.
        predictor: One of its predictors.
    """
    if predictor.get(c.FIELD_ENGINE_BESIDE):
        return EngineMode.SIDECAR
    if is_true(as_map(predictor.get("annotations")).get(c.ANNOTATION_NO_ENGINE)):
        return EngineMode.ABSENT
    separate = is_true(as_map(sdep["spec"].get("annotations")).get(c.ANNOTATION_SEPARATE_ENGINE))
    return EngineMode.SEPARATE if separate or engine_spec_index(predictor) is None else EngineMode.SIDECAR


def stops_beside(sdep: Object, predictor: Object, engine_ports: tuple[int, int], observed: Observed) -> bool:
    """Tell whether the engine of a predictor has to be beside the component for a while, on its way elsewhere.

    Engines in pods of their own and components without any answer on different ports, of which the one Service of the
    predictor can lead to one kind at a time. Pods with both answer on all of them: they come first and go last.

    Args:
        sdep: The SeldonDeployment.
        predictor: One of its predictors.
        engine_ports: The HTTP and the gRPC port of engines.
        observed: The children as they are.
    """
    own = engine_deployment_name(sdep["metadata"]["name"], predictor["name"]) in observed.deployments
    mode = engine_mode(sdep, predictor)
    if mode is EngineMode.ABSENT:
        return own
    if mode is EngineMode.SIDECAR or own or engine_spec_index(with_servers(predictor)) is None:
        return False
    service = observed.services.get(predictor_service_name(sdep["metadata"]["name"], predictor))
    return service is not None and service.assigned not in (None, engine_ports)


def answering_index(sdep: Object, predictor: Object) -> int | None:
    """Return the index of the componentSpec whose pods the Service of the predictor leads to.

    Args:
        sdep: The SeldonDeployment.
        predictor: One of its predictors, with the containers of its servers.

    Returns:
        The index, or None where it leads to engines in pods of their own.
    """
    return None if engine_mode(sdep, predictor) is EngineMode.SEPARATE else engine_spec_index(predictor)


def has_tls(predictor: Object) -> bool:
    """Tell whether the engine of a predictor serves over TLS.

    Args:
        predictor: The predictor.
    """
    return bool(as_map(predictor.get("ssl")).get("certSecretName"))


def has_logger(predictor: Object) -> bool:
    """Tell whether the engine of a predictor logs requests or responses.

    Args:
        predictor: The predictor.
    """
    return any(node.get("logger") for node in nodes(predictor.get("graph")))


def is_built_in(node: Object) -> bool:
    """Tell whether the engine itself is the component of a graph node.

    Args:
        node: The graph node.
    """
    return has_implementation(node) and node["implementation"] in c.BUILT_IN_TYPES
