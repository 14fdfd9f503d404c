"""Where requests come from and how nodes are called: settings of the spec that the predictors must go along with."""

import json
from collections.abc import Iterator, Sequence

from .. import constants as c
from ..findings import ABSENT, Finding, short
from ..objects import as_list, as_map, as_text, is_empty
from .view import Object, Predictor


def check_endpoint_types(spec: Object, predictors: Sequence[Predictor]) -> Iterator[Finding]:
    """Yield endpoints of graph nodes whose type is not the one transport of the SeldonDeployment.

    Args:
        spec: The spec.
        predictors: Its predictors.
    """
    transport = as_text(spec.get("transport"))
    if transport and transport not in c.TRANSPORTS:
        return
    expected, reason = transport.upper(), f"spec.transport is {transport}"
    for predictor in predictors:
        for where, node in predictor.endpoints:
            given = as_map(node.get("endpoint")).get("type")
            if given not in c.ENDPOINT_TYPES:
                continue
            path = f"{where}.endpoint.type"
            if not expected:
                expected, reason = given, f"{path} is {given}"
            elif given != expected:
                rule = f"all nodes are called in one way, and {reason}"
                yield Finding(path, given, rule, "remove it, and write spec.transport: rest or grpc for all nodes")


def check_kafka(predictor: Predictor) -> Iterator[Finding]:
    """Yield what keeps a predictor that is to take its requests from Kafka from doing so.

    Args:
        predictor: The predictor.
    """
    env = as_list(as_map(predictor.fields.get("svcOrchSpec")).get("env"))
    given = {as_map(variable).get("name") for variable in env if isinstance(as_map(variable).get("name"), str)}
    missing = [name for name in c.KAFKA_VARIABLES if name not in given]
    if missing:
        rule = f"lacks {', '.join(missing)}, which serverType kafka needs"
        yield Finding(f"{predictor.path}.svcOrchSpec.env", ABSENT, rule, "add them with the broker and the topics")
    if predictor.without_engine:
        path = f"{predictor.path}.annotations[{c.ANNOTATION_NO_ENGINE}]"
        rule = "serverType kafka needs the engine, which takes the messages"
        yield Finding(path, "true", rule, "remove the annotation")
    explainer = as_map(predictor.fields.get("explainer"))
    if not is_empty(explainer.get("type")):
        rule = "an explainer sends requests to the predictor, which with serverType kafka takes messages only"
        yield Finding(f"{predictor.path}.explainer", ABSENT, rule, "remove the explainer, or write serverType: rpc")


def check_explainer(predictor: Predictor) -> Iterator[Finding]:
    """Yield explainer settings that cannot be read.

    Args:
        predictor: The predictor.
    """
    explainer = as_map(predictor.fields.get("explainer"))
    text = explainer.get("initParameters")
    if is_empty(explainer.get("type")) or is_empty(text) or not isinstance(text, str):
        return
    path = f"{predictor.path}.explainer.initParameters"
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        remedy = "write it as text in quotes, for example '{\"threshold\": 0.95}'"
        yield Finding(path, text, "must be a JSON object, written as text", remedy)
    elif predictor.settings.protocol not in c.V2_PROTOCOLS:
        rule = f"is used with protocol v2 only, and is ignored with {short(predictor.settings.protocol)}"
        yield Finding(path, text, rule, "write the parameters into config", "warning")
