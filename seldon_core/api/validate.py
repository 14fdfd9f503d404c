"""All that is wrong with a SeldonDeployment, found at once."""

import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from . import constants as c
from .defaults import stored_defaults
from .findings import ABSENT, Finding
from .installation import Installation
from .objects import as_list, as_map, as_text
from .ratchet import ratcheted
from .rules.annotations import check_metadata_annotations, check_predictor_annotations, check_spec_annotations
from .rules.graph import check_graph, check_servers
from .rules.ignored import check_ignored_in_predictor, check_ignored_in_spec
from .rules.kubernetes import check_kubernetes_types
from .rules.names import check_labels, check_metadata
from .rules.pods import check_env, check_pods
from .rules.predictors import Makers, check_collisions, check_predictor_names, check_traffic, made
from .rules.shape import check_shape, wrong_type
from .rules.transports import check_endpoint_types, check_explainer, check_kafka
from .rules.view import Predictor, Settings
from .shape import fits, node_shape, nodes_shape, spec_shape
from .support import check_support

_DEFAULT = Installation()
_NOBODY: Makers = MappingProxyType({})


def validate(
    obj: Any, old: Any = None, installation: Installation = _DEFAULT, makers: Makers = _NOBODY
) -> list[Finding]:
    """Check a SeldonDeployment, as it is written or with its defaults filled in.

    No field of a spec is immutable: what the names of objects are made from may change as well, as the objects of the
    new names are ready before those of the old ones go.

    Args:
        obj: The SeldonDeployment; any JSON value is accepted.
        old: What it was before, where this is an update: an error that it had already, in a place that the update does
            not touch, is a warning then.
        installation: What the operator decides.
        makers: What the SeldonDeployments of the namespace make, where that is known: kind and name of each Service
            and Deployment, and the names of those that make it.

    Returns:
        All findings, errors before warnings, each group in the order of their paths. The object is refused when there
        is an error among them.
    """
    findings = list(_findings(obj, installation, makers))
    if old is not None and any(finding.severity == "error" for finding in findings):
        findings = ratcheted(findings, obj, _findings(old, installation, makers), old)
    return sorted(findings, key=_order) if findings else findings


def _findings(obj: Any, installation: Installation, makers: Makers) -> Iterator[Finding]:
    if not isinstance(obj, dict):
        yield wrong_type(obj, "object", c.KIND)
        return
    yield from _check_identity(obj)
    spec = obj.get("spec")
    if spec is None:
        yield Finding("spec", ABSENT, "is required", "add a spec with a list of predictors")
    elif not isinstance(spec, dict):
        yield wrong_type(spec, "object", "spec")
    else:
        yield from _check_spec(spec, obj, installation, makers)


def names_made(obj: Any) -> frozenset[tuple[str, str]]:
    """Return kind and name of every Service and Deployment that a SeldonDeployment turns into.

    Args:
        obj: The SeldonDeployment; any JSON value is accepted.
    """
    spec, metadata = as_map(as_map(obj).get("spec")), as_map(as_map(obj).get("metadata"))
    predictors = _predictors(spec, Settings.of(spec, _DEFAULT))
    return frozenset((kind, name) for kind, name, *_ in made(as_text(metadata.get("name")), predictors))


def _check_identity(obj: dict[str, Any]) -> Iterator[Finding]:
    if obj.get("apiVersion") not in c.API_VERSIONS:
        rule = f"must be one of {', '.join(c.API_VERSIONS)}"
        yield Finding("apiVersion", obj.get("apiVersion", ABSENT), rule, f"write {c.API_VERSIONS[0]}")
    if obj.get("kind") != c.KIND:
        yield Finding("kind", obj.get("kind", ABSENT), f"must be {c.KIND}", f"write {c.KIND}")
    yield from check_metadata(obj)


def _check_spec(
    spec: dict[str, Any], obj: dict[str, Any], installation: Installation, makers: Makers
) -> Iterator[Finding]:
    metadata = as_map(obj.get("metadata"))
    predictors = _predictors(spec, Settings.of(spec, installation))
    yield from _check_shapes(spec, predictors, obj)
    if spec.get("annotations"):
        yield from check_spec_annotations(spec["annotations"], "spec.annotations")
    if metadata.get("annotations"):
        yield from check_metadata_annotations(metadata["annotations"], "metadata.annotations")
    yield from check_ignored_in_spec(spec)
    for predictor in predictors:
        yield from _check_predictor(predictor)
    yield from check_endpoint_types(spec, predictors)
    yield from check_predictor_names(predictors)
    yield from check_traffic(predictors)
    # The API server appends five characters to generateName.
    name = as_text(metadata.get("name")) or f"{as_text(metadata.get('generateName'))}-----"
    yield from check_collisions(name, predictors, makers)
    yield from check_support(spec, predictors)


def _check_shapes(spec: dict[str, Any], predictors: list[Predictor], obj: Any) -> Iterator[Finding]:
    """Yield wrong types of the spec and of graph nodes; an empty type of a node counts as left out."""
    children = [node for predictor in predictors for _, node in predictor.nodes[1:]]
    if fits(spec, spec_shape()) and (not children or fits(children, nodes_shape())):
        return
    # An empty word counts as left out.
    filled = stored_defaults(obj)["spec"]
    yield from check_shape(filled, spec_shape(), "spec")
    for predictor in _predictors(filled, predictors[0].settings) if predictors else ():
        for path, node in predictor.nodes[1:]:
            yield from check_shape(node, node_shape(), path)


def _predictors(spec: dict[str, Any], settings: Settings) -> list[Predictor]:
    listed = enumerate(as_list(spec.get("predictors")))
    return [Predictor.of(item, f"spec.predictors[{at}]", settings) for at, item in listed if isinstance(item, dict)]


def _check_predictor(predictor: Predictor) -> Iterator[Finding]:
    fields, path = predictor.fields, predictor.path
    if fields.get("labels"):
        yield from check_labels(_written_labels(fields), f"{path}.labels")
    if fields.get("annotations"):
        yield from check_predictor_annotations(fields["annotations"], f"{path}.annotations")
    yield from check_graph(predictor)
    if predictor.servers:
        yield from check_servers(predictor)
    yield from check_kubernetes_types(predictor)
    yield from check_pods(predictor)
    if fields.get("svcOrchSpec"):
        yield from check_env(as_map(fields["svcOrchSpec"]).get("env"), f"{path}.svcOrchSpec.env")
    if predictor.settings.kafka:
        yield from check_kafka(predictor)
    if fields.get("explainer"):
        yield from check_explainer(predictor)
    yield from check_ignored_in_predictor(predictor)


def _written_labels(predictor: dict[str, Any]) -> dict[str, Any]:
    """Return the labels of a predictor without the default one: what is wrong with that is reported as the name."""
    labels = as_map(predictor["labels"])
    default = predictor.get("name")
    return {key: value for key, value in labels.items() if key != c.LABEL_VERSION or value != default}


def _order(finding: Finding) -> tuple[bool, list[tuple[bool, int, bool, str]]]:
    """Return a key that sorts errors first, list items by number, and a graph node before those below it."""
    parts = re.findall(r"[^.\[\]]+", finding.path)
    keys = [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part == "children", part) for part in parts]
    return finding.severity == "warning", keys
