"""From the types to the structural OpenAPI schema that the API server and the checks of shape use."""

from datetime import datetime
from functools import cache
from typing import Any, Literal, Required, get_args, get_origin, get_type_hints, is_typeddict

from . import types
from .cel import RULES
from .types import Field, Int64, IntOrString, PredictiveUnit, SeldonDeployment, SeldonDeploymentSpec

Schema = dict[str, Any]

# The levels of children that the CRD describes; deeper ones are kept as they are.
GRAPH_LEVELS = 10
_ROOT_ONLY = -1

PRESERVE_UNKNOWN = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = "x-kubernetes-int-or-string"
QUANTITY = "quantity"
_PRESERVE: Schema = {PRESERVE_UNKNOWN: True}
_SCALARS: dict[Any, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "format": "int32"},
    Int64: {"type": "integer", "format": "int64"},
    IntOrString: {INT_OR_STRING: True},
    datetime: {"type": "string", "format": "date-time"},
}
# What the controller writes is kept whatever it is; what users write is described field by field.
_OPEN = (
    types.SeldonDeploymentStatus,
    types.Address,
    types.Condition,
    types.DeploymentStatus,
    types.ServiceStatus,
)


def crd_schema() -> Schema:
    """Return the schema of a SeldonDeployment for the CRD."""
    return _object(SeldonDeployment, GRAPH_LEVELS)


@cache
def spec_schema() -> Schema:
    """Return the schema of `spec`, with that of the graph's root but not of its children."""
    return _object(SeldonDeploymentSpec, _ROOT_ONLY)


@cache
def node_schema() -> Schema:
    """Return the schema of one graph node, without that of its children."""
    return _object(PredictiveUnit, _ROOT_ONLY)


def _object(kind: Any, levels: int, *, described: bool = True) -> Schema:
    """Return the schema of a TypedDict.

    Args:
        kind: The TypedDict.
        levels: How many levels of graph nodes below the root are described.
        described: Whether descriptions and examples are included; repeated levels of the graph go without, for
            the size of the CRD.
    """
    hints = get_type_hints(kind, include_extras=True)
    schema: Schema = {"description": _one_line(kind.__doc__)} if described else {}
    schema["type"] = "object"
    if kind in _OPEN:
        schema |= _PRESERVE
    if kind in RULES:
        schema["x-kubernetes-validations"] = [rule.as_schema() for rule in RULES[kind]]
    if kind.__required_keys__:
        schema["required"] = [key for key in hints if key in kind.__required_keys__]
    schema["properties"] = {key: _property(hint, levels, described=described) for key, hint in hints.items()}
    return schema


def _property(hint: Any, levels: int, *, described: bool) -> Schema:
    annotated = get_args(hint)[0] if get_origin(hint) is Required else hint
    kind, field = get_args(annotated)
    schema: Schema = {"description": field.description} if described and field.description else {}
    if described and field.example is not None:
        schema["example"] = field.example
    # The description of the field stands in place of that of its type.
    return _value(kind, levels, described=described) | schema | _constraints(field)


def _value(kind: Any, levels: int, *, described: bool) -> Schema:
    if kind in _SCALARS:
        return _SCALARS[kind]
    if is_typeddict(kind):
        return _object(kind, levels, described=described)
    if get_origin(kind) is Literal:
        return {"type": "string", "enum": list(get_args(kind))}
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        return {
            "type": "array",
            "items": _child(levels) if item is PredictiveUnit else _value(item, levels, described=described),
        }
    values = get_args(kind)[1]
    if values is object:
        return {"type": "object"}
    if values is Any:
        return {"type": "object", **_PRESERVE}
    return {"type": "object", "additionalProperties": _value(values, levels, described=described)}


def _child(levels: int) -> Schema:
    """Return the schema of a graph node below another; the level after the last has only the key of its list."""
    if levels > 0:
        return _object(PredictiveUnit, levels - 1, described=False)
    key: Schema = {"required": ["name"], "properties": {"name": _SCALARS[str]}} if levels == 0 else {}
    return {"type": "object", **_PRESERVE, **key}


def _constraints(field: Field) -> Schema:
    given = {
        "minimum": field.minimum,
        "maximum": field.maximum,
        "minItems": field.min_items,
        "x-kubernetes-list-type": field.list_map_key and "map",
        "x-kubernetes-list-map-keys": field.list_map_key and [field.list_map_key],
        "nullable": field.nullable,
    }
    return {key: value for key, value in given.items() if value is not None}


def _one_line(text: str) -> str:
    return " ".join(text.split())
