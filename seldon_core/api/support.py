"""What is part of the API and not served by this version: refused at the door, so that nothing is silently left out.

A feature is served by deleting its lines here.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from . import constants as c
from .findings import ABSENT, Finding
from .graph import has_implementation
from .objects import as_list, as_map, as_text, is_empty, is_true
from .rules.view import Predictor

_RULE = "is not served by this version"

_SPEC = {
    "transport": (c.TRANSPORTS, c.DEFAULT_TRANSPORT),
    "serverType": (c.SERVER_TYPES, c.DEFAULT_SERVER_TYPE),
}
_OWN_IMAGE = "put the model into the image of a container that has the node's name"
_NODE_FIELDS = {
    "modelUri": _OWN_IMAGE,
    "serviceAccountName": "write serviceAccountName into the spec of the componentSpec",
    "envSecretRefName": _OWN_IMAGE,
    "storageInitializerImage": _OWN_IMAGE,
    "logger": "remove it",
}
_COMPONENT_FIELDS = {
    "hpaSpec": "remove it and create a HorizontalPodAutoscaler for the SeldonDeployment, whose scale it can set",
    "kedaSpec": "remove it and create a ScaledObject for the SeldonDeployment, whose scale it can set",
    "pdbSpec": "remove it and create a PodDisruptionBudget that selects the pods",
}
# The engine itself runs these.
_BUILT_IN = ("SIMPLE_MODEL", "SIMPLE_ROUTER", "RANDOM_ABTEST", "AVERAGE_COMBINER")


def check_support(spec: dict[str, Any], metadata: dict[str, Any], predictors: Sequence[Predictor]) -> Iterator[Finding]:
    """Yield what a SeldonDeployment asks for that this version does not serve.

    Args:
        spec: The spec of the SeldonDeployment.
        metadata: Its metadata.
        predictors: Its predictors.
    """
    for field, (known, served) in _SPEC.items():
        if spec.get(field) in known and spec[field] != served:
            yield Finding(f"spec.{field}", spec[field], _RULE, f"write {served} or leave {field} out")
    annotations = as_map(spec.get("annotations"))
    if is_true(annotations.get(c.ANNOTATION_SEPARATE_ENGINE)):
        path = f"spec.annotations[{c.ANNOTATION_SEPARATE_ENGINE}]"
        yield Finding(path, "true", _RULE, "remove the annotation: the engine runs beside the model")
    for place, part in (("spec", spec), ("metadata", metadata)):
        headless = as_map(part.get("annotations")).get(c.ANNOTATION_HEADLESS_SERVICE, "false")
        if headless != "false":
            path = f"{place}.annotations[{c.ANNOTATION_HEADLESS_SERVICE}]"
            yield Finding(path, headless, _RULE, "remove the annotation")
    for predictor in predictors:
        yield from _check_predictor(predictor.fields, predictor.path)
        for where, node in predictor.nodes:
            yield from _check_node(node, where)
    if len(predictors) > 1:
        rule = "this version does not split requests between predictors"
        yield Finding("spec.predictors", ABSENT, rule, "send requests to the Service of one of them", "warning")


def _check_predictor(predictor: dict[str, Any], path: str) -> Iterator[Finding]:
    if is_true(as_map(predictor.get("annotations")).get(c.ANNOTATION_NO_ENGINE)):
        where = f"{path}.annotations[{c.ANNOTATION_NO_ENGINE}]"
        yield Finding(where, "true", _RULE, "remove the annotation: the engine runs beside the model")
    if predictor.get("shadow") is True:
        yield Finding(f"{path}.shadow", True, _RULE, "remove the predictor, or serve it without shadow")
    if not is_empty(as_map(predictor.get("explainer")).get("type")):
        yield Finding(f"{path}.explainer.type", predictor["explainer"]["type"], _RULE, "remove the explainer")
    if predictor.get("ssl"):
        yield Finding(f"{path}.ssl", predictor["ssl"], _RULE, "remove it")
    if as_map(predictor.get("svcOrchSpec")).get("replicas") is not None:
        where = f"{path}.svcOrchSpec.replicas"
        yield Finding(where, predictor["svcOrchSpec"]["replicas"], _RULE, "remove it: there is one engine per pod")
    for index, component in enumerate(as_list(predictor.get("componentSpecs"))):
        where = f"{path}.componentSpecs[{index}]"
        for field, remedy in _COMPONENT_FIELDS.items():
            if as_map(component).get(field):
                yield Finding(f"{where}.{field}", component[field], _RULE, remedy)
        if as_map(as_map(component).get("spec")).get("containers") == []:
            rule = "a pod without containers is not served by this version"
            yield Finding(f"{where}.spec.containers", [], rule, "list its containers or remove the componentSpec")


def _check_node(node: dict[str, Any], where: str) -> Iterator[Finding]:
    if has_implementation(node) and node["implementation"] not in _BUILT_IN:
        remedy = f"remove it, and {_OWN_IMAGE}"
        yield Finding(f"{where}.implementation", node["implementation"], _RULE, remedy)
    for field, remedy in () if _NODE_FIELDS.keys().isdisjoint(node) else _NODE_FIELDS.items():
        if node.get(field):
            yield Finding(f"{where}.{field}", node[field], _RULE, remedy)
    endpoint = as_text(as_map(node.get("endpoint")).get("type"))
    if endpoint in c.ENDPOINT_TYPES and endpoint != "REST":
        yield Finding(f"{where}.endpoint.type", endpoint, _RULE, "write REST or leave type out")
