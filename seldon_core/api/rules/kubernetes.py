"""The parts that are types of Kubernetes' own: pods, containers, environment, resources, metrics."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..findings import Finding
from ..installation import Installation
from ..kubernetes import BEHAVIOR, BUNDLED_VERSION, CONTAINER, ENV_VAR, METRIC, POD_SPEC, RESOURCES, bundled
from ..objects import as_list, as_map
from ..shape import fits
from .shape import UNKNOWN_FIELD, check_shape
from .view import Predictor

_NEWER = f"is not a field of Kubernetes {BUNDLED_VERSION}, by which it would be checked, but of this cluster's"


def check_kubernetes_types(predictor: Predictor) -> Iterator[Finding]:
    """Yield what is wrong with the parts of a predictor that are types of Kubernetes.

    Args:
        predictor: The predictor.
    """
    installation = predictor.settings.installation
    for path, name, value in _parts(predictor.fields, predictor.path):
        if value is not None and not _fits(value, name, installation):
            yield from check_kubernetes(value, name, path, installation)


def _parts(fields: dict[str, Any], where: str) -> Iterator[tuple[str, str, Any]]:
    """Yield path, type and value of each part of a predictor that is of a type of Kubernetes."""
    for index, component in enumerate(as_list(fields.get("componentSpecs"))):
        if isinstance(component, dict):
            path = f"{where}.componentSpecs[{index}]"
            pod = component.get("spec")
            if isinstance(pod, dict):
                yield f"{path}.spec", POD_SPEC, pod
            if component.get("hpaSpec"):
                for number, metric in enumerate(as_list(as_map(component["hpaSpec"]).get("metricsv2"))):
                    yield f"{path}.hpaSpec.metricsv2[{number}]", METRIC, metric
            if component.get("kedaSpec"):
                field = "horizontalPodAutoscalerConfig"
                behavior = as_map(as_map(as_map(component["kedaSpec"]).get("advanced")).get(field)).get("behavior")
                yield f"{path}.kedaSpec.advanced.{field}.behavior", BEHAVIOR, behavior
    if fields.get("svcOrchSpec"):
        engine = as_map(fields["svcOrchSpec"])
        yield f"{where}.svcOrchSpec.resources", RESOURCES, engine.get("resources")
        for index, variable in enumerate(as_list(engine.get("env"))):
            yield f"{where}.svcOrchSpec.env[{index}]", ENV_VAR, variable
    if fields.get("explainer"):
        yield f"{where}.explainer.containerSpec", CONTAINER, as_map(fields["explainer"]).get("containerSpec")


def _fits(value: Any, name: str, installation: Installation) -> bool:
    own, live = bundled(), installation.kubernetes
    return fits(value, own.shapes[name]) and (live is None or live is own or fits(value, live.shapes[name]))


def check_kubernetes(value: Any, name: str, path: str, installation: Installation) -> Iterator[Finding]:
    """Yield what is wrong with a value of a type of Kubernetes.

    The cluster's own types decide where they are known. A field that they have and the types of this package lack is a
    warning: what is checked offline would refuse it.

    Args:
        value: The value.
        name: The name of the type, of those in `seldon_core.api.kubernetes`.
        path: The path of the value.
        installation: What the operator decides.
    """
    own, live = bundled().shapes[name], installation.kubernetes
    if live is None or live is bundled():
        yield from check_shape(value, own, path)
        return
    wrong = list(check_shape(value, live.shapes[name], path))
    yield from wrong
    if not fits(value, own):
        reported = {finding.path for finding in wrong}
        for finding in check_shape(value, own, path):
            if finding.rule == UNKNOWN_FIELD and finding.path not in reported:
                yield replace(finding, rule=_NEWER, remedy="check its spelling yourself", severity="warning")
