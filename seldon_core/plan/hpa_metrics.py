"""Metrics of autoscalers: manifests hold the shapes of autoscaling/v2beta1, which clusters have not served since 1.25.

The shapes are those of https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2/
and its predecessor.
"""

from typing import Any

from seldon_core.api.objects import as_map, as_text

Object = dict[str, Any]

_PARTS = {
    "Resource": "resource",
    "ContainerResource": "containerResource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
}


def converted(metric: Object) -> Object:
    """Return a metric in the shape of autoscaling/v2; one that has it already is returned as it is.

    Args:
        metric: The metric, in the shape of v2 or v2beta1. One of an unknown type counts as one of an object.
    """
    kind = as_text(metric.get("type"))
    kind = kind if kind in _PARTS else "Object"
    field = _PARTS[kind]
    part = as_map(metric.get(field))
    if "metric" in part or (kind in ("Resource", "ContainerResource") and "target" in part):
        return metric
    return {"type": kind, field: _CONVERT[kind](part)}


def _resource(part: Object) -> Object:
    kind = "AverageValue" if _given(part, "targetAverageValue") else "Utilization"
    target = _target(
        kind, averageUtilization=part.get("targetAverageUtilization"), averageValue=part.get("targetAverageValue")
    )
    return {**_only(part, "name", "container"), "target": target}


def _pods(part: Object) -> Object:
    target = _target("AverageValue", averageValue=part.get("targetAverageValue"))
    return {"metric": _identified(part.get("metricName"), part.get("selector")), "target": target}


def _object(part: Object) -> Object:
    kind = "AverageValue" if _given(part, "averageValue") else "Value"
    return {
        "describedObject": _only(as_map(part.get("target")), "kind", "name", "apiVersion"),
        "metric": _identified(part.get("metricName"), part.get("selector")),
        # An object's metric always has a targetValue; with an average the value says nothing.
        "target": _target(kind, **{kind[0].lower() + kind[1:]: part.get("averageValue") or part.get("targetValue")}),
    }


def _external(part: Object) -> Object:
    kind = "Value" if _given(part, "targetValue") else "AverageValue"
    target = _target(kind, value=part.get("targetValue"), averageValue=part.get("targetAverageValue"))
    return {"metric": _identified(part.get("metricName"), part.get("metricSelector")), "target": target}


_CONVERT = {
    "Resource": _resource,
    "ContainerResource": _resource,
    "Pods": _pods,
    "Object": _object,
    "External": _external,
}


def _identified(name: Any, selector: Any) -> Object:
    return {"name": name, "selector": selector} if as_map(selector) else {"name": name}


def _target(kind: str, **values: Any) -> Object:
    return {"type": kind, **{key: value for key, value in values.items() if value is not None}}


def _only(part: Object, *keys: str) -> Object:
    return {key: part[key] for key in keys if part.get(key) is not None}


def _given(part: Object, key: str) -> bool:
    return part.get(key) is not None
