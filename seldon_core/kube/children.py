"""What planning needs to know of the children in a cluster, read off the objects as the API server returns them."""

from collections.abc import Iterable
from typing import Any

from seldon_core.api.constants import ANNOTATION_BUILT, GROUP, KIND, LABEL_APP, LABEL_CONTAINS_ENGINE, LABEL_SELDON_ID
from seldon_core.plan import LiveDeployment, LiveObject, Observed

Object = dict[str, Any]

FIELD_MANAGER = "seldon-controller"

_COUNTS = ("observedGeneration", "replicas", "updatedReplicas", "availableReplicas", "unavailableReplicas")
_CONDITION_FIELDS = ("type", "status", "reason", "message")
# How managedFields name a port of a Service.
_PORT_KEY = 'k:{{"port":{},"protocol":"TCP"}}'


def observed(children: Iterable[tuple[str, str, LiveDeployment | LiveObject]]) -> Observed:
    """Return children as planning looks at them.

    Args:
        children: Kind, name and the rest of the children that one SeldonDeployment controls.
    """
    deployments: dict[str, LiveDeployment] = {}
    services: dict[str, LiveObject] = {}
    others: dict[tuple[str, str], LiveObject] = {}
    for kind, name, live in children:
        if isinstance(live, LiveDeployment):
            deployments[name] = live
        elif kind == "Service":
            services[name] = live
        else:
            others[kind, name] = live
    return Observed(deployments=deployments, services=services, others=others)


def live_of(obj: Object) -> LiveDeployment | LiveObject:
    """Return what planning needs to know of a child.

    Args:
        obj: The child as the API server returns it.
    """
    return _live_deployment(obj) if obj["kind"] == "Deployment" else _live_object(obj)


def owner_of(obj: Object) -> tuple[str, str] | None:
    """Return name and uid of the SeldonDeployment that controls an object, or None."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        group = reference["apiVersion"].partition("/")[0]
        if reference.get("controller") and reference["kind"] == KIND and group == GROUP:
            return reference["name"], reference["uid"]
    return None


def _live_deployment(obj: Object) -> LiveDeployment:
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    kept: Object = {key: status[key] for key in _COUNTS if key in status}
    kept["conditions"] = [
        {key: condition[key] for key in _CONDITION_FIELDS if key in condition}
        for condition in status.get("conditions") or ()
    ]
    return LiveDeployment(
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        replicas=spec.get("replicas"),
        sole_owner_of_replicas=_replicas_managers(metadata) == {(FIELD_MANAGER, "Apply")},
        status=kept,
        carries_engine=(metadata.get("labels") or {}).get(LABEL_CONTAINS_ENGINE) == "true",
        terminating="deletionTimestamp" in metadata,
        selector=_foreign_selector(spec),
        record=(metadata.get("annotations") or {}).get(ANNOTATION_BUILT, ""),
    )


def _foreign_selector(spec: Object) -> dict[str, str] | None:
    """Return the labels that a Deployment selects by, where they are not of the form that ours have."""
    labels: dict[str, str] = (spec.get("selector") or {}).get("matchLabels") or {}
    return None if labels.keys() == {LABEL_SELDON_ID, LABEL_APP} else labels or None


def _live_object(obj: Object) -> LiveObject:
    metadata = obj["metadata"]
    uid, terminating = metadata["uid"], "deletionTimestamp" in metadata
    if obj["kind"] != "Service":
        return LiveObject(uid, terminating)
    spec = obj["spec"]
    ports = spec.get("ports") or ()
    numbers = tuple(port["port"] for port in ports)
    return LiveObject(uid, terminating, numbers, _assigned(metadata, ports), spec.get("clusterIP") == "None")


def _assigned(metadata: Object, ports: Iterable[Object]) -> tuple[int, int] | None:
    """Return the HTTP and the gRPC port of a Service, where both are as we applied them."""
    ours: Object = {}
    for entry in metadata.get("managedFields") or ():
        if (entry.get("manager"), entry.get("operation")) == (FIELD_MANAGER, "Apply"):
            ours = ((entry.get("fieldsV1") or {}).get("f:spec") or {}).get("f:ports") or {}
    named = {port.get("name"): port["port"] for port in ports if _PORT_KEY.format(port["port"]) in ours}
    return (named["http"], named["grpc"]) if named.keys() >= {"http", "grpc"} else None


def _replicas_managers(metadata: Object) -> set[tuple[str, str]]:
    """Return who has set `spec.replicas`, and by which kind of request."""
    return {
        (entry.get("manager", ""), entry.get("operation", ""))
        for entry in metadata.get("managedFields") or ()
        if "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    }
