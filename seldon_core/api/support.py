"""What is part of the API and not served by this version: refused at the door, so that nothing is silently left out.

A feature is served by deleting its lines here.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from . import constants as c
from .findings import ABSENT, Finding
from .objects import as_list, as_map
from .rules.view import Predictor

_RULE = "is not served by this version"

_SPEC = {
    "transport": (c.TRANSPORTS, c.DEFAULT_TRANSPORT),
    "serverType": (c.SERVER_TYPES, c.DEFAULT_SERVER_TYPE),
}


def check_support(spec: dict[str, Any], predictors: Sequence[Predictor]) -> Iterator[Finding]:
    """Yield what a SeldonDeployment asks for that this version, or this installation, does not serve.

    Args:
        spec: The spec of the SeldonDeployment.
        predictors: Its predictors.
    """
    for field, (known, served) in _SPEC.items():
        if spec.get(field) in known and spec[field] != served:
            yield Finding(f"spec.{field}", spec[field], _RULE, f"write {served} or leave {field} out")
    for predictor in predictors:
        if predictor.fields.get("ssl"):
            yield Finding(f"{predictor.path}.ssl", predictor.fields["ssl"], _RULE, "remove it")
        if predictor.settings.installation.keda is False:
            yield from _check_keda(predictor)
        for where, node in predictor.loggers:
            yield Finding(f"{where}.logger", node["logger"], _RULE, "remove it")
        for where, node in predictor.endpoints:
            kind = as_map(node["endpoint"]).get("type")
            if kind in c.ENDPOINT_TYPES and kind != "REST":
                yield Finding(f"{where}.endpoint.type", kind, _RULE, "write REST or leave type out")
    if len(predictors) > 1 and predictors[0].settings.installation.ingress is False:
        rule = "requests are shared out by an ingress, and this installation uses none"
        remedy = "send requests to the Service of one of the predictors, or switch an ingress on"
        yield Finding("spec.predictors", ABSENT, rule, remedy, "warning")


def _check_keda(predictor: Predictor) -> Iterator[Finding]:
    for index, component in enumerate(as_list(predictor.fields.get("componentSpecs"))):
        if as_map(component).get("kedaSpec"):
            rule = "has no effect, as KEDA is switched off in this installation: the written replicas hold"
            path = f"{predictor.path}.componentSpecs[{index}].kedaSpec"
            yield Finding(path, ABSENT, rule, "set the value keda.enabled, or write hpaSpec in its place", "warning")
