"""All that is wrong with a SeldonDeployment, found at once."""

import re
from collections.abc import Iterator
from typing import Any

from . import constants as c
from .defaults import stored_defaults
from .findings import ABSENT, Finding
from .graph import walk
from .objects import as_list, as_map, as_text, is_empty
from .rules.graph import check_graph
from .rules.names import check_annotations, check_labels, check_metadata
from .rules.pods import check_env, check_pods
from .rules.predictors import check_collisions, check_predictor_names, check_traffic
from .rules.shape import check_shape, wrong_type
from .schema import spec_schema
from .support import check_support

_IGNORED = {
    "spec": {"name": "metadata.name is the name", "oauth_key": "remove it", "oauth_secret": "remove it"},
    "predictor": {"engineResources": "write the engine's resources into svcOrchSpec.resources"},
    "endpoint": dict.fromkeys(("service_host", "service_port", "httpPort", "grpcPort"), "remove it"),
}


def validate(obj: Any) -> list[Finding]:
    """Check a SeldonDeployment, as it is written or with its defaults filled in.

    Args:
        obj: The SeldonDeployment; any JSON value is accepted.

    Returns:
        All findings, errors before warnings, each group in the order of their paths. The object is refused when there
        is an error among them.
    """
    return sorted(_findings(obj), key=_order)


def _findings(obj: Any) -> Iterator[Finding]:
    if not isinstance(obj, dict):
        yield wrong_type(obj, "object", c.KIND)
        return
    yield from _check_identity(obj)
    spec = stored_defaults(obj).get("spec")
    if spec is None:
        yield Finding("spec", ABSENT, "is required", "add a spec with a list of predictors")
        return
    yield from check_shape(spec, spec_schema(), "spec")
    if isinstance(spec, dict):
        yield from _check_spec(spec, as_map(obj.get("metadata")))


def _check_identity(obj: dict[str, Any]) -> Iterator[Finding]:
    if obj.get("apiVersion") not in c.API_VERSIONS:
        rule = f"must be one of {', '.join(c.API_VERSIONS)}"
        yield Finding("apiVersion", obj.get("apiVersion", ABSENT), rule, f"write {c.API_VERSIONS[0]}")
    if obj.get("kind") != c.KIND:
        yield Finding("kind", obj.get("kind", ABSENT), f"must be {c.KIND}", f"write {c.KIND}")
    yield from check_metadata(obj)


def _check_spec(spec: dict[str, Any], metadata: dict[str, Any]) -> Iterator[Finding]:
    yield from check_annotations(spec.get("annotations"), "spec.annotations")
    yield from _ignored(spec, "spec", "spec")
    listed = as_list(spec.get("predictors"))
    predictors = [(f"spec.predictors[{at}]", item) for at, item in enumerate(listed) if isinstance(item, dict)]
    for path, predictor in predictors:
        yield from _check_predictor(predictor, path)
    yield from check_predictor_names(predictors)
    yield from check_traffic(predictors)
    # The API server appends five characters to generateName.
    name = as_text(metadata.get("name")) or f"{as_text(metadata.get('generateName'))}-----"
    yield from check_collisions(name, predictors)
    yield from check_support(spec, metadata)


def _check_predictor(predictor: dict[str, Any], path: str) -> Iterator[Finding]:
    labels = dict(as_map(predictor.get("labels")))
    if labels.get(c.LABEL_VERSION) == predictor.get("name"):
        # The default: what is wrong with it is reported as the name.
        labels.pop(c.LABEL_VERSION, None)
    yield from check_labels(labels, f"{path}.labels")
    yield from check_annotations(predictor.get("annotations"), f"{path}.annotations")
    yield from check_graph(predictor, path)
    yield from check_pods(predictor, path)
    yield from check_env(as_map(predictor.get("svcOrchSpec")).get("env"), f"{path}.svcOrchSpec.env")
    yield from _ignored(predictor, path, "predictor")
    for where, node in walk(predictor.get("graph"), f"{path}.graph"):
        yield from _ignored(as_map(node.get("endpoint")), f"{where}.endpoint", "endpoint")


def _ignored(part: dict[str, Any], path: str, kind: str) -> Iterator[Finding]:
    for field, remedy in _IGNORED[kind].items():
        if not is_empty(part.get(field)) and part[field] != {}:
            yield Finding(f"{path}.{field}", part[field], "is ignored", remedy, "warning")


def _order(finding: Finding) -> tuple[bool, list[tuple[bool, int, bool, str]]]:
    """Return a key that sorts errors first, list items by number, and a graph node before those below it."""
    parts = re.findall(r"[^.\[\]]+", finding.path)
    keys = [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part == "children", part) for part in parts]
    return finding.severity == "warning", keys
