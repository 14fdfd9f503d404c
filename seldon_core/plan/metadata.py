"""What every planned object carries: its owner, and the labels and annotations by which users and tools find it."""

from collections.abc import Iterable, Mapping
from typing import Any

from seldon_core.api import constants as c
from seldon_core.api.graph import walk
from seldon_core.api.names import container_service_label, container_service_name, predictor_service_name, seldon_id
from seldon_core.api.objects import as_list, as_map

Object = dict[str, Any]


def sdep_name(sdep: Object) -> str:
    """Return the name of a SeldonDeployment."""
    name: str = sdep["metadata"]["name"]
    return name


def object_metadata(sdep: Object, name: str, labels: Mapping[str, str], annotations: Mapping[str, str]) -> Object:
    """Return the metadata of an object that a SeldonDeployment owns.

    Args:
        sdep: The SeldonDeployment, with its namespace.
        name: The object's name.
        labels: Its labels.
        annotations: Its annotations.
    """
    metadata: Object = {"name": name, "namespace": sdep["metadata"]["namespace"], "labels": dict(labels)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    owner = sdep["metadata"].get("uid")
    if owner:  # a manifest that was never stored has none, and so its plan has no owner to name
        metadata["ownerReferences"] = [
            {
                "apiVersion": f"{c.GROUP}/{c.STORAGE_VERSION}",
                "kind": c.KIND,
                "name": sdep_name(sdep),
                "uid": owner,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
    return metadata


def base_labels(sdep: Object) -> dict[str, str]:
    """Return the labels of every child: whose it is, and what made it."""
    return {c.LABEL_SELDON_ID: seldon_id(sdep_name(sdep)), c.LABEL_MANAGED_BY: c.MANAGED_BY}


def role_labels(predictor: Object, container_names: Iterable[str]) -> dict[str, str]:
    """Return the labels that tell what the containers do in the graph.

    Args:
        predictor: The predictor.
        container_names: The containers that the labelled object holds or leads to.
    """
    names = set(container_names)
    types = (node.get("type") for _, node in walk(predictor.get("graph")) if node.get("name") in names)
    labels = {c.ROLE_LABELS[kind]: "true" for kind in types if kind in c.ROLE_LABELS}
    if predictor.get("shadow"):
        labels[c.LABEL_SHADOW] = "true"
    return labels


def container_service_labels(sdep: Object, predictor: Object, container_names: Iterable[str]) -> dict[str, str]:
    """Return the labels by which the Services of these containers select their pods.

    Args:
        sdep: The SeldonDeployment.
        predictor: The predictor.
        container_names: Names of containers that are nodes of its graph.
    """
    return {
        container_service_label(name): container_service_name(sdep_name(sdep), predictor["name"], name)
        for name in container_names
    }


def predictor_service_labels(sdep: Object, predictor: Object) -> dict[str, str]:
    """Return the label by which the Service of the predictor selects the pods that carry its engine."""
    return {c.LABEL_SELDON_APP: predictor_service_name(sdep_name(sdep), predictor)}


def layered_annotations(sdep: Object, predictor: Object, component: Object) -> dict[str, str]:
    """Return the annotations of spec, predictor and componentSpec, the later ones winning."""
    return {
        **as_map(sdep["spec"].get("annotations")),
        **as_map(predictor.get("annotations")),
        **as_map(as_map(component.get("metadata")).get("annotations")),
    }


def graph_containers(predictor: Object, component: Object) -> list[Object]:
    """Return the containers of a componentSpec that are nodes of the predictor's graph."""
    nodes = {node.get("name") for _, node in walk(predictor.get("graph"))}
    containers: list[Object] = as_list(as_map(component.get("spec")).get("containers"))
    return [container for container in containers if container.get("name") in nodes]
