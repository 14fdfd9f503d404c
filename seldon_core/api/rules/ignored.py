"""What may be written and has no effect: kept for older manifests, and said aloud."""

from collections.abc import Iterator
from typing import Any

from .. import constants as c
from ..findings import Finding
from ..objects import as_map, is_empty
from .view import Object, Predictor

_SPEC = {"name": "metadata.name is the name", "oauth_key": "remove it", "oauth_secret": "remove it"}
_PREDICTOR = {"engineResources": "write the engine's resources into svcOrchSpec.resources"}
_ENDPOINT = dict.fromkeys(("service_host", "service_port", "httpPort", "grpcPort"), "remove it")
_OLD_PROTOCOL = "kfserving"


def check_ignored_in_spec(spec: Object) -> Iterator[Finding]:
    """Yield what is written into a spec in vain, and what has a better name.

    Args:
        spec: The spec.
    """
    if not _SPEC.keys().isdisjoint(spec):
        yield from _ignored(spec, "spec", _SPEC)
    if spec.get("protocol") == _OLD_PROTOCOL:
        yield Finding("spec.protocol", _OLD_PROTOCOL, "is the old name of v2", "write v2", "warning")


def check_ignored_in_predictor(predictor: Predictor) -> Iterator[Finding]:
    """Yield what is written into a predictor in vain.

    Args:
        predictor: The predictor.
    """
    if not _PREDICTOR.keys().isdisjoint(predictor.fields):
        yield from _ignored(predictor.fields, predictor.path, _PREDICTOR)
    for where, node in predictor.servers:
        if not is_empty(node.get("type")) and node["type"] != c.MODEL:
            rule = f"is ignored, as a prepackaged server is a {c.MODEL}"
            yield Finding(f"{where}.type", node["type"], rule, "leave type out", "warning")
    for where, node in predictor.endpoints:
        yield from _ignored(as_map(node["endpoint"]), f"{where}.endpoint", _ENDPOINT)


def _ignored(part: dict[str, Any], path: str, remedies: dict[str, str]) -> Iterator[Finding]:
    for field, remedy in remedies.items():
        if field in part and not is_empty(part[field]) and part[field] != {}:
            yield Finding(f"{path}.{field}", part[field], "is ignored", remedy, "warning")
