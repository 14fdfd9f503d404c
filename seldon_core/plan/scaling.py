"""What decides how many pods a componentSpec has, and how many it may lose: autoscalers and disruption budgets."""

from typing import Any

from seldon_core.api.objects import as_list, as_map

from .config import Config
from .hpa_metrics import converted
from .metadata import base_labels, object_metadata
from .rollouts import selector

Object = dict[str, Any]


def is_scaled(component: Object, config: Config) -> bool:
    """Tell whether an autoscaler decides how many pods a componentSpec has.

    Without KEDA in the cluster nobody acts on a ScaledObject, and the written replicas hold.

    Args:
        component: The componentSpec.
        config: The operator's configuration.
    """
    return bool(component.get("hpaSpec")) or _has_keda(component, config)


def scalers(sdep: Object, component: Object, deployment: str, config: Config) -> list[Object]:
    """Return the autoscaler and the disruption budget of a componentSpec, each with the name of its Deployment.

    Args:
        sdep: The SeldonDeployment.
        component: The componentSpec.
        deployment: The name of its Deployment.
        config: The operator's configuration.
    """
    planned = []
    if _has_keda(component, config):
        planned.append(_scaled_object(sdep, component["kedaSpec"], deployment))
    elif component.get("hpaSpec"):
        planned.append(_autoscaler(sdep, component["hpaSpec"], deployment))
    if component.get("pdbSpec"):
        planned.append(_budget(sdep, component["pdbSpec"], deployment))
    return planned


def _has_keda(component: Object, config: Config) -> bool:
    return config.keda_enabled and bool(component.get("kedaSpec"))


def _autoscaler(sdep: Object, given: Object, deployment: str) -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment}
    spec: Object = {"scaleTargetRef": target, "maxReplicas": given["maxReplicas"]}
    if given.get("minReplicas") is not None:
        spec["minReplicas"] = given["minReplicas"]
    metrics = as_list(given.get("metrics")) or as_list(given.get("metricsv2"))
    if metrics:
        spec["metrics"] = [converted(metric) for metric in metrics]
    if as_map(given.get("behavior")):
        spec["behavior"] = given["behavior"]
    return _object(sdep, "autoscaling/v2", "HorizontalPodAutoscaler", deployment, spec)


def _scaled_object(sdep: Object, given: Object, deployment: str) -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment}
    return _object(sdep, "keda.sh/v1alpha1", "ScaledObject", deployment, {**given, "scaleTargetRef": target})


def _budget(sdep: Object, given: Object, deployment: str) -> Object:
    # A budget for the pods of one Deployment: pods under two budgets could not be evicted at all.
    selecting = {"matchLabels": selector(sdep, deployment)}
    limits = {key: given[key] for key in ("minAvailable", "maxUnavailable") if given.get(key) is not None}
    return _object(sdep, "policy/v1", "PodDisruptionBudget", deployment, {**limits, "selector": selecting})


def _object(sdep: Object, api_version: str, kind: str, name: str, spec: Object) -> Object:
    metadata = object_metadata(sdep, name, base_labels(sdep), {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
