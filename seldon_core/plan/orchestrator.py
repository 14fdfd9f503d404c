"""The Deployment of an engine that has pods of its own."""

from typing import Any

from seldon_core.api import constants as c
from seldon_core.api.names import engine_deployment_name
from seldon_core.api.objects import as_map, as_number

from .config import Config
from .engine import engine_container
from .metadata import base_labels, layered_annotations, object_metadata, predictor_service_labels, sdep_name
from .observed import Observed
from .pods import with_certificate
from .rollouts import applied_replicas, deployment_spec, monitoring, stated_replicas
from .security import pod_contexts
from .shutdown import DEFAULT_GRACE_SECONDS, shutdown
from .volumes import PODINFO, with_volume

Object = dict[str, Any]


def engine_deployment(sdep: Object, predictor: Object, config: Config, observed: Observed) -> Object:
    """Return the Deployment of the engine of a predictor.

    Args:
        sdep: The SeldonDeployment, with its defaults.
        predictor: The predictor, with its defaults.
        config: The operator's configuration.
        observed: The children as they are.
    """
    name = engine_deployment_name(sdep_name(sdep), predictor["name"])
    labels = {
        c.LABEL_FLUENTD: "true",
        **as_map(predictor.get("labels")),
        **base_labels(sdep),
        c.LABEL_APP: name,
        **predictor_service_labels(sdep, predictor),
    }
    if predictor.get("shadow"):
        labels[c.LABEL_SHADOW] = "true"
    annotations = layered_annotations(sdep, predictor, {})
    stated = stated_replicas((as_map(predictor.get("svcOrchSpec")), predictor, sdep["spec"]))
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": object_metadata(sdep, name, {**labels, c.LABEL_CONTAINS_ENGINE: "true"}, annotations),
        "spec": deployment_spec(
            sdep,
            name,
            {"labels": labels, "annotations": {**monitoring(config), **annotations}},
            _pod(sdep, predictor, config),
            observed.deployments.get(name),
            replicas=applied_replicas(stated, observed.deployments.get(name)),
            progress_deadline=as_number(predictor.get("progressDeadlineSeconds")),
        ),
    }


def _pod(sdep: Object, predictor: Object, config: Config) -> Object:
    order = shutdown(DEFAULT_GRACE_SECONDS)
    pod: Object = {
        **pod_contexts({}, config),
        "serviceAccountName": config.engine_service_account,
        "terminationGracePeriodSeconds": DEFAULT_GRACE_SECONDS,
        "containers": [engine_container(sdep, predictor, config, order)],
    }
    return with_volume(with_certificate(pod, predictor, config), PODINFO)
