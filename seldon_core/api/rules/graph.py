"""The inference graph: its nodes, what they are, their containers, children and parameters."""

import difflib
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from .. import constants as c
from ..defaults import node_type
from ..findings import ABSENT, Finding, short
from ..graph import has_implementation, is_server
from ..names import MAX_LENGTH
from ..objects import as_list, as_map, as_text
from .names import check_label_name
from .view import MAX_DEPTH, Object, Predictor

_COMPARED_NAMES = 20
_URL = re.compile(r"https?://[^\s/?#]+([/?#]\S*)?")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_PARAMETER_VALUES = {
    "INT": (re.compile(r"[+-]?[0-9]+"), "a whole number"),
    "FLOAT": (_NUMBER, "a number"),
    "DOUBLE": (_NUMBER, "a number"),
    "BOOL": (re.compile(r"true|false|1|0", re.IGNORECASE), "true or false"),
}
_PLAIN_TYPES = (None, "", c.MODEL, c.TRANSFORMER, c.OUTPUT_TRANSFORMER)
_AB_TEST = "RANDOM_ABTEST"
_RATIO = "ratioA"
_BUILT_IN_ROUTERS = tuple(name for name, kind in c.BUILT_IN_TYPES.items() if kind == c.ROUTER)


def check_graph(predictor: Predictor) -> Iterator[Finding]:
    """Yield what is wrong with the graph of a predictor.

    Args:
        predictor: The predictor.
    """
    if predictor.too_deep:
        rule = f"the graph is more than {MAX_DEPTH} levels deep"
        yield Finding(predictor.too_deep, ABSENT, rule, "make it shallower")
        return
    known = {ref.name for ref in predictor.containers}
    seen: dict[str, str] = {}
    for where, node in predictor.nodes:
        name = node.get("name")
        if not name or not isinstance(name, str):
            pass
        elif name in seen:
            remedy = "give each node a name and a container of its own"
            yield Finding(f"{where}.name", name, f"is already the name of {seen[name]}", remedy)
        else:
            seen[name] = where
            if name not in known:
                if not has_implementation(node):
                    yield _without_container(name, f"{where}.name", predictor)
                elif is_server(node):
                    yield from check_label_name(
                        name, f"{where}.name", "containers and their Services are named after it"
                    )
        if not _is_plain(node):
            yield from _check_what_it_does(node, where, predictor)
        if node.get("parameters"):
            yield from _check_parameters(node, where)
    for where, node in predictor.loggers:
        yield from _check_logger(node, where)
    if not predictor.serving or predictor.without_engine:
        yield from _check_engine(predictor)


def _is_plain(node: Object) -> bool:
    """Tell whether a node does what one of a chain does, about which there is nothing to say."""
    children = node.get("children")
    return (
        node.get("type") in _PLAIN_TYPES
        and not node.get("methods")
        and not node.get("implementation")
        and (not children or (isinstance(children, list) and len(children) == 1))
    )


def _check_what_it_does(node: Object, where: str, predictor: Predictor) -> Iterator[Finding]:
    kind = node_type(node)
    if kind == c.UNKNOWN_TYPE and not as_list(node.get("methods")) and not has_implementation(node):
        rule = "says nothing about what the node does"
        yield Finding(f"{where}.type", kind, rule, "write MODEL, or leave type out, which means MODEL")
    implementation = as_text(node.get("implementation"))
    # What a built-in component does is fixed, whatever type is written.
    kind = c.BUILT_IN_TYPES.get(implementation, kind)
    yield from _check_children(node, kind, where)
    settings = predictor.settings
    if implementation in c.BUILT_IN_OF_SELDON and settings.protocol in c.PROTOCOLS[1:]:
        rule = f"works on messages of the seldon protocol, not on those of {settings.protocol}"
        yield Finding(f"{where}.implementation", implementation, rule, "serve the node with a container")
    if settings.protocol == "tensorflow" and settings.transport == "grpc":
        decides = _routes(node, kind) and node.get("implementation") not in _BUILT_IN_ROUTERS
        if decides or _aggregates(node, kind):
            rule = f"a {c.ROUTER if decides else c.COMBINER} cannot be called with TensorFlow messages over gRPC"
            yield Finding(where, as_text(node.get("name")), rule, "write spec.transport: rest, or another protocol")


def _without_container(name: str, where: str, predictor: Predictor) -> Finding:
    available = [ref.name for ref in predictor.containers if ref.name]
    rule = "no container in componentSpecs has this name"
    addition = f"add a container named {short(name)} with its image to {predictor.path}.componentSpecs"
    if not available:
        return Finding(where, name, rule, addition)
    shown = available[:_COMPARED_NAMES]
    comparable = [other for other in shown if len(other) <= MAX_LENGTH]
    near = difflib.get_close_matches(name, comparable, n=1) if len(name) <= MAX_LENGTH else []
    if near or len(available) == 1:
        return Finding(where, name, rule, f"rename the node to {short((near or available)[0])}, or {addition}")
    listed = ", ".join(shown) + (", ..." if len(available) > len(shown) else "")
    return Finding(where, name, rule, f"rename the node to one of {listed}, or {addition}")


def _check_children(node: Object, kind: str | None, where: str) -> Iterator[Finding]:
    count = len(as_list(node.get("children")))
    path = f"{where}.children"
    if node.get("implementation") == _AB_TEST:
        if count != 2:
            yield Finding(path, ABSENT, f"an A/B test has 2 children, this one {count}", "list A first and B second")
    elif _routes(node, kind) and not count:
        yield Finding(path, ABSENT, "a router needs children to choose from", "add its children")
    elif _aggregates(node, kind) and not count:
        yield Finding(path, ABSENT, "a combiner needs children whose answers it combines", "add its children")
    elif count > 1 and not _routes(node, kind) and not _aggregates(node, kind):
        rule = f"all {count} children are called, and only the answer of the first is used"
        remedy = f"make the node a {c.COMBINER} of the answers or a {c.ROUTER} to one child, or keep one child"
        yield Finding(path, ABSENT, rule, remedy, "warning")


def _routes(node: Object, kind: str | None) -> bool:
    return kind == c.ROUTER or "ROUTE" in as_list(node.get("methods"))


def _aggregates(node: Object, kind: str | None) -> bool:
    return kind == c.COMBINER or "AGGREGATE" in as_list(node.get("methods"))


def _check_parameters(node: Object, where: str) -> list[Finding]:
    findings = []
    for index, parameter in enumerate(as_list(node["parameters"])):
        if not isinstance(parameter, dict) or not isinstance(value := parameter.get("value"), str):
            continue
        kind = parameter.get("type")
        if isinstance(kind, str) and kind in _PARAMETER_VALUES and not _is_of_type(value, kind):
            rule = f"must be {_PARAMETER_VALUES[kind][1]}, as the parameter's type is {kind}"
            remedy = "correct the value, or write type: STRING"
        elif parameter.get("name") == _RATIO and node.get("implementation") == _AB_TEST and not _is_ratio(value):
            rule = "is the share of requests that go to the first child, from 0 to 1"
            remedy = "write 0.5 to split evenly"
        else:
            continue
        findings.append(Finding(f"{where}.parameters[{index}].value", value, rule, remedy))
    return findings


def _is_of_type(value: str, kind: str) -> bool:
    # What is short is remembered: each object comes here several times.
    return _matches(value, kind) if len(value) <= MAX_LENGTH else _matches.__wrapped__(value, kind)


@lru_cache(maxsize=1024)
def _matches(value: str, kind: str) -> bool:
    return _PARAMETER_VALUES[kind][0].fullmatch(value.strip()) is not None


def _check_logger(node: Object, where: str) -> Iterator[Finding]:
    url = as_text(as_map(node["logger"]).get("url"))
    if url and not _URL.fullmatch(url):
        remedy = "write http://broker.example.com/path, for example, or leave url out"
        yield Finding(f"{where}.logger.url", url, "must be the URL of a server", remedy)


def _is_ratio(value: str) -> bool:
    return _NUMBER.fullmatch(value.strip()) is not None and 0 <= float(value) <= 1


def _check_engine(predictor: Predictor) -> Iterator[Finding]:
    """Yield what keeps the engine from running: built-in components only, in no pod, or an annotation."""
    if (
        predictor.nodes
        and not predictor.serving
        and not predictor.settings.separate_engine
        and all(has_implementation(node) and not is_server(node) for _, node in predictor.nodes)
    ):
        rule = "no node has a container, in whose pod the engine could run"
        remedy = f'add a node with a container, or the annotation {c.ANNOTATION_SEPARATE_ENGINE}: "true" to the spec'
        yield Finding(f"{predictor.path}.graph", ABSENT, rule, remedy)
    if predictor.without_engine and len(predictor.nodes) > 1:
        path = f"{predictor.path}.annotations[{c.ANNOTATION_NO_ENGINE}]"
        rule = f"a graph of {len(predictor.nodes)} nodes needs an engine that calls them"
        yield Finding(path, as_text(predictor.fields["annotations"][c.ANNOTATION_NO_ENGINE]), rule, "remove it")


def check_servers(predictor: Predictor) -> Iterator[Finding]:
    """Yield prepackaged servers that this installation has no image for, or that have no model.

    Args:
        predictor: The predictor.
    """
    settings = predictor.settings
    for where, node in predictor.servers:
        implementation = node["implementation"]
        if not isinstance(implementation, str):
            continue
        path = f"{where}.implementation"
        protocols = settings.installation.protocols(implementation)
        if not node.get("modelUri") and implementation != c.SERVER_WITHOUT_URI:
            rule = f"is required, as the implementation is {implementation}"
            yield Finding(f"{where}.modelUri", ABSENT, rule, "add it, for example modelUri: gs://bucket/model")
        if protocols is None:
            yield Finding(path, implementation, "is no server of this installation", _known(implementation, predictor))
        elif settings.protocol in c.PROTOCOLS and settings.protocol not in protocols:
            spoken = [protocol for protocol in ("seldon", "v2", "tensorflow") if protocol in protocols]
            rule = f"does not serve the protocol {settings.protocol}"
            remedy = f"write spec.protocol: {' or '.join(spoken)}" if spoken else "configure an image for it"
            yield Finding(path, implementation, f"{rule} (it serves {', '.join(spoken) or 'none'})", remedy)


def _known(implementation: str, predictor: Predictor) -> str:
    known = [*sorted(predictor.settings.installation.servers), *c.BUILT_IN_TYPES]
    near: list[Any] = []
    if len(implementation) <= MAX_LENGTH:
        near = difflib.get_close_matches(implementation.upper(), known, n=1, cutoff=0.8)
    written = f"write {near[0]}" if near else f"write one of {', '.join(known)}"
    return f"{written}, or have the operator add it to predictor_servers"
