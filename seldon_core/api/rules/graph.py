"""The inference graph: its nodes, their containers and parameters."""

import difflib
import re
from collections.abc import Iterator
from typing import Any

from .. import constants as c
from ..findings import ABSENT, Finding, short
from ..graph import containers, walk
from ..names import MAX_LENGTH
from ..objects import as_list, as_map, as_text, is_empty
from ..schema import node_schema
from .shape import check_shape

MAX_DEPTH = 100

_COMPARED_NAMES = 20
_PARAMETER_VALUES = {
    "INT": (re.compile(r"[+-]?[0-9]+"), "a whole number"),
    "FLOAT": (re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"), "a number"),
    "DOUBLE": (re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"), "a number"),
    "BOOL": (re.compile(r"true|false|1|0", re.IGNORECASE), "true or false"),
}


def check_graph(predictor: dict[str, Any], path: str) -> Iterator[Finding]:
    """Yield what is wrong with the graph of a predictor.

    Args:
        predictor: The predictor.
        path: Its path.
    """
    available = [name for ref in containers(predictor) if (name := as_text(ref.container.get("name")))]
    known = set(available)
    seen: dict[str, str] = {}
    root = f"{path}.graph"
    for where, node in walk(predictor.get("graph"), root):
        if where.count(".children[") > MAX_DEPTH:
            yield Finding(where, ABSENT, f"the graph is more than {MAX_DEPTH} levels deep", "make it shallower")
            return
        if where != root:
            # The root's shape is part of the spec's.
            yield from check_shape(node, node_schema(), where)
        name = as_text(node.get("name"))
        if name in seen:
            remedy = "give each node a name and a container of its own"
            yield Finding(f"{where}.name", name, f"is already the name of {seen[name]}", remedy)
        elif name:
            seen[name] = where
            if name not in known and not has_implementation(node):
                yield _without_container(name, available, f"{where}.name", path)
        yield from _check_type(node, where)
        yield from _check_parameters(node, where)


def has_implementation(node: dict[str, Any]) -> bool:
    """Tell whether a node is a server or a built-in component, for which no container need be written."""
    return not is_empty(node.get("implementation")) and node.get("implementation") != c.UNKNOWN_IMPLEMENTATION


def _without_container(name: str, available: list[str], where: str, path: str) -> Finding:
    rule = "no container in componentSpecs has this name"
    addition = f"add a container named {short(name)} with its image to {path}.componentSpecs"
    if not available:
        return Finding(where, name, rule, addition)
    shown = available[:_COMPARED_NAMES]
    comparable = [other for other in shown if len(other) <= MAX_LENGTH]
    near = difflib.get_close_matches(name, comparable, n=1) if len(name) <= MAX_LENGTH else []
    if near or len(available) == 1:
        return Finding(where, name, rule, f"rename the node to {short((near or available)[0])}, or {addition}")
    listed = ", ".join(shown) + (", ..." if len(available) > len(shown) else "")
    return Finding(where, name, f"{rule} (there are {listed})", f"rename the node to one of them, or {addition}")


def _check_type(node: dict[str, Any], where: str) -> Iterator[Finding]:
    if node.get("type") == c.UNKNOWN_TYPE and not as_list(node.get("methods")) and not has_implementation(node):
        rule = "says nothing about what the node does"
        yield Finding(f"{where}.type", c.UNKNOWN_TYPE, rule, "write MODEL, or leave type out, which means MODEL")


def _check_parameters(node: dict[str, Any], where: str) -> Iterator[Finding]:
    for index, parameter in enumerate(as_list(node.get("parameters"))):
        value = as_map(parameter).get("value")
        pattern, wording = _PARAMETER_VALUES.get(as_text(as_map(parameter).get("type")), (None, ""))
        if pattern is not None and isinstance(value, str) and not pattern.fullmatch(value.strip()):
            kind = parameter["type"]
            yield Finding(
                f"{where}.parameters[{index}].value",
                value,
                f"must be {wording}, as the parameter's type is {kind}",
                "correct the value, or write type: STRING",
            )
