"""The names of everything that a SeldonDeployment turns into.

Most follow one rule: the parts joined by dashes, or `seldon-` and a digest of that where it is longer than a
DNS label may be; the others are cut. Users' tools, dashboards and clients rely on them, so that none may ever change.
"""

from collections.abc import Mapping
from hashlib import md5
from typing import Any

from .constants import ANNOTATION_SERVICE_NAME, LABEL_CONTAINER_SERVICE_PREFIX
from .objects import as_list, as_map, as_text

MAX_LENGTH = 63
_LONGEST_SUBDOMAIN = 253


def seldon_id(sdep_name: str) -> str:
    """Return the value of the label `seldon-deployment-id`, which marks all children of a SeldonDeployment.

    Args:
        sdep_name: The name of the SeldonDeployment.
    """
    return _fitting(sdep_name)


def deployment_name(
    sdep_name: str,
    predictor_name: str,
    index: int,
    component_spec: Mapping[str, Any],
    *,
    sdep_name_as_prefix: bool = False,
) -> str:
    """Return the name of the Deployment of one componentSpec.

    Args:
        sdep_name: The name of the SeldonDeployment.
        predictor_name: The name of the predictor.
        index: The place of the componentSpec in the predictor's list.
        component_spec: The componentSpec, before anything is added to it: its own name, or else those of its
            containers, are part of the result.
        sdep_name_as_prefix: Whether a name that is too long begins with the SeldonDeployment's name, where
            that fits, rather than with `seldon`.
    """
    metadata = component_spec.get("metadata")
    suffix = as_text(as_map(metadata).get("name")) if metadata else ""
    if not suffix:
        containers = as_list(as_map(component_spec.get("spec")).get("containers"))
        suffix = "-".join([as_text(as_map(container).get("name")) for container in containers])
    base = f"{sdep_name}-{predictor_name}-{index}-{suffix}"
    if sdep_name_as_prefix and len(base) > MAX_LENGTH:
        prefixed = f"{sdep_name}-{_digest(base)}"
        if len(prefixed) <= MAX_LENGTH:
            return prefixed
    return _fitting(base)


def predictor_service_name(sdep_name: str, predictor: Mapping[str, Any]) -> str:
    """Return the name of the Service through which a predictor is called, also the value of `seldon-app`.

    Args:
        sdep_name: The name of the SeldonDeployment.
        predictor: The predictor; its annotation `seldon.io/svc-name` gives the name verbatim.
    """
    chosen = as_text(as_map(predictor.get("annotations")).get(ANNOTATION_SERVICE_NAME))
    return chosen or _fitting(f"{sdep_name}-{as_text(predictor.get('name'))}")


def container_service_name(sdep_name: str, predictor_name: str, container_name: str) -> str:
    """Return the name of the Service through which the engine reaches a graph node in another pod.

    Args:
        sdep_name: The name of the SeldonDeployment.
        predictor_name: The name of the predictor.
        container_name: The name of the node's container.
    """
    return _fitting(f"{sdep_name}-{predictor_name}-{container_name}")


def engine_deployment_name(sdep_name: str, predictor_name: str) -> str:
    """Return the name of the Deployment of an engine that has a pod of its own.

    Args:
        sdep_name: The name of the SeldonDeployment.
        predictor_name: The name of the predictor.
    """
    return _fitting(f"{sdep_name}-{predictor_name}-svc-orch")


def explainer_name(sdep_name: str, predictor_name: str) -> str:
    """Return the name of the Deployment and of the Service of an explainer, and of its container where it has none.

    Args:
        sdep_name: The name of the SeldonDeployment.
        predictor_name: The name of the predictor.
    """
    return _fitting(f"{sdep_name}-{predictor_name}-explainer")


def explainer_route_name(explainer: str, transport: str) -> str:
    """Return the name of the Istio VirtualService of an explainer.

    Args:
        explainer: The name of its Service.
        transport: `http` or `grpc`.
    """
    return _cut(f"{explainer}-{transport}")


def mapping_name(*parts: str) -> str:
    """Return the name of an Ambassador Mapping or TLSContext, which may be longer than those of other objects.

    Args:
        parts: What it is made of, in order; empty ones are left out.
    """
    base = "-".join(part for part in parts if part)
    return base if len(base) <= _LONGEST_SUBDOMAIN else f"seldon-{_digest(base)}"


def model_volume_name(container_name: str) -> str:
    """Return the name of the volume that holds the model of a container.

    Args:
        container_name: The name of the container.
    """
    return _cut(f"{container_name}-provision-location")


def model_initializer_name(container_name: str) -> str:
    """Return the name of the init container that fetches the model of a container.

    Args:
        container_name: The name of the container.
    """
    return _cut(f"{container_name}-model-initializer")


def container_service_label(container_name: str) -> str:
    """Return the key of the pod label by which a container's Service selects its pods.

    Args:
        container_name: The name of the container; beyond 48 characters its digest stands in the key, which
            has 63 at most.
    """
    key = LABEL_CONTAINER_SERVICE_PREFIX + container_name
    return key if len(key) <= MAX_LENGTH else LABEL_CONTAINER_SERVICE_PREFIX + _digest(container_name)


def _fitting(base: str) -> str:
    return base if len(base) <= MAX_LENGTH else f"seldon-{_digest(base)}"


def _cut(base: str) -> str:
    return base if len(base) <= MAX_LENGTH else base[:MAX_LENGTH].removesuffix("-")


def _digest(text: str) -> str:
    # Part of the names that existing users have: no security rests on it.
    return md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
