"""What all Deployments have in common: how their pods are found, counted and replaced."""

from collections.abc import Iterable
from typing import Any

from seldon_core.api import constants as c
from seldon_core.api.objects import as_number

from .config import Config
from .metadata import base_labels
from .observed import LiveDeployment

Object = dict[str, Any]


def selector(sdep: Object, name: str) -> dict[str, str]:
    """Return the labels that select the pods of a Deployment: nothing that an edit of the manifest can change.

    Args:
        sdep: The SeldonDeployment.
        name: The name of the Deployment, which no other in the namespace has.
    """
    return {c.LABEL_SELDON_ID: base_labels(sdep)[c.LABEL_SELDON_ID], c.LABEL_APP: name}


def monitoring(config: Config) -> dict[str, str]:
    """Return the annotations by which Prometheus finds the metrics of a pod."""
    return {c.ANNOTATION_PROMETHEUS_PATH: config.prometheus_path, c.ANNOTATION_PROMETHEUS_SCRAPE: "true"}


def stated_replicas(places: Iterable[Object]) -> int | None:
    """Return the replicas that the manifest asks for, or None.

    Args:
        places: Where they may be written, the most specific place first.
    """
    numbers = (as_number(place.get("replicas")) for place in places)
    return next((number for number in numbers if number is not None), None)


def applied_replicas(stated: int | None, live: LiveDeployment | None) -> int | None:
    """Return what to apply as `replicas`, or None to leave the field to its other owners.

    Where the manifest says nothing, leaving out a field that only we own would reset it to 1: the live number is
    applied until somebody else owns it.

    Args:
        stated: What the manifest asks for; None where it says nothing, or an autoscaler decides.
        live: The Deployment as it is.
    """
    if stated is not None or live is None or not live.sole_owner_of_replicas:
        return stated
    return live.replicas


def deployment_spec(
    sdep: Object,
    name: str,
    metadata: Object,
    pod: Object,
    live: LiveDeployment | None,
    *,
    replicas: int | None,
    progress_deadline: int | None,
) -> Object:
    """Return the spec of a Deployment.

    Args:
        sdep: The SeldonDeployment.
        name: The name of the Deployment.
        metadata: Labels and annotations of its pods.
        pod: The spec of its pods.
        live: The Deployment as it is: one that exists keeps its selector, which cannot be changed, and its pods bear
            whatever labels that asks for.
        replicas: How many there are; None leaves it open.
        progress_deadline: After how many seconds without progress a rollout counts as failed; None leaves it open.
    """
    kept = None if live is None or live.selector is None else dict(live.selector)
    if kept is not None:
        metadata = {**metadata, "labels": {**metadata["labels"], **kept}}
    spec: Object = {
        "selector": {"matchLabels": kept or selector(sdep, name)},
        # Never fewer pods than asked for; the API server's default lets a rollout add a quarter.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
        "template": {"metadata": metadata, "spec": pod},
    }
    if replicas is not None:
        spec["replicas"] = replicas
    if progress_deadline is not None:
        spec["progressDeadlineSeconds"] = progress_deadline
    return spec
