"""The Deployments of a predictor: one for each componentSpec, and one for the engine where it has pods of its own."""

from collections.abc import Iterable
from typing import Any

from seldon_core.api import constants as c
from seldon_core.api.graph import engine_spec_index
from seldon_core.api.names import deployment_name
from seldon_core.api.objects import as_list, as_map, as_number

from .config import Config
from .metadata import (
    base_labels,
    container_service_labels,
    graph_containers,
    layered_annotations,
    object_metadata,
    predictor_service_labels,
    role_labels,
    sdep_name,
)
from .modes import EngineMode, answering_index, engine_mode
from .observed import LiveDeployment, Observed
from .orchestrator import engine_deployment
from .pods import component_pod
from .rollouts import applied_replicas, deployment_spec, monitoring, stated_replicas
from .scaling import is_scaled
from .succession import inherited_replicas

Object = dict[str, Any]


def deployments(sdep: Object, predictor: Object, config: Config, observed: Observed) -> list[Object]:
    """Return the Deployments of a predictor: that of its engine, if any, then those of its componentSpecs in order.

    Args:
        sdep: The SeldonDeployment, with its defaults.
        predictor: One of its predictors.
        config: The operator's configuration.
        observed: The children as they are.
    """
    planned = []
    if engine_mode(sdep, predictor) is EngineMode.SEPARATE:
        planned.append(engine_deployment(sdep, predictor, config, observed))
    parts = {component_deployment_name(sdep, predictor, at, config): (at, it) for at, it in component_specs(predictor)}
    for name, (index, component) in parts.items():
        live = observed.deployments.get(name)
        stated = None if is_scaled(component, config) else stated_replicas((component, predictor, sdep["spec"]))
        if stated is None and live is None:
            stated = inherited_replicas(predictor, component, parts, observed)
        replicas = applied_replicas(stated, live)
        planned.append(_component_deployment(sdep, predictor, index, config, live, name, replicas))
    return planned


def component_specs(predictor: Object) -> Iterable[tuple[int, Object]]:
    """Return those componentSpecs of a predictor that become a Deployment, with their index."""
    for index, component in enumerate(as_list(predictor.get("componentSpecs"))):
        if as_map(component.get("spec")).get("containers"):
            yield index, component


def component_deployment_name(sdep: Object, predictor: Object, index: int, config: Config) -> str:
    """Return the name of the Deployment of a predictor's componentSpec at `index`."""
    component = predictor["componentSpecs"][index]
    return deployment_name(
        sdep_name(sdep), predictor["name"], index, component, sdep_name_as_prefix=config.name_as_prefix
    )


def _component_deployment(
    sdep: Object,
    predictor: Object,
    index: int,
    config: Config,
    live: LiveDeployment | None,
    name: str,
    replicas: int | None,
) -> Object:
    component = predictor["componentSpecs"][index]
    with_engine = engine_mode(sdep, predictor) is EngineMode.SIDECAR and index == engine_spec_index(predictor)
    labels = _labels(sdep, predictor, component, name, answers=index == answering_index(sdep, predictor))
    marker = {c.LABEL_CONTAINS_ENGINE: "true"} if with_engine else {}
    annotations = layered_annotations(sdep, predictor, component)
    pod = component_pod(sdep, predictor, component, config, with_engine=with_engine)
    spec = deployment_spec(
        sdep,
        name,
        {"labels": labels, "annotations": {**monitoring(config), **annotations}},
        pod,
        live,
        replicas=replicas,
        progress_deadline=as_number(predictor.get("progressDeadlineSeconds")),
    )
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": object_metadata(sdep, name, {**labels, **marker}, annotations),
        "spec": spec,
    }


def _labels(sdep: Object, predictor: Object, component: Object, name: str, *, answers: bool) -> dict[str, str]:
    """Return the labels of Deployment and pods; those that selectors rely on win over the user's."""
    names = [container["name"] for container in graph_containers(predictor, component)]
    labels = {
        c.LABEL_FLUENTD: "true",
        **as_map(predictor.get("labels")),
        **as_map(as_map(component.get("metadata")).get("labels")),
        **role_labels(predictor, names),
        **base_labels(sdep),
        c.LABEL_APP: name,
        **container_service_labels(sdep, predictor, names),
    }
    # Only the pods that answer for the predictor carry its label, whatever a manifest's own labels say.
    labels.pop(c.LABEL_SELDON_APP, None)
    return labels | (predictor_service_labels(sdep, predictor) if answers else {})
