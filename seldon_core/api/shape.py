"""Schemas compiled to types: almost every object is right, and msgspec says so in microseconds.

The compiled form says yes only where `seldon_core.api.rules.shape`, which words what is wrong, has nothing to say.
"""

import re
from dataclasses import dataclass
from functools import cache
from types import GenericAlias
from typing import Annotated, Any, Literal

import msgspec

from .schema import INT_OR_STRING, PRESERVE_UNKNOWN, QUANTITY, Schema, node_schema, spec_schema

_INT32_MAX = 2**31 - 1
_INT64_MAX = 2**63 - 1
_MAX_QUANTITY = 63
# The grammar of a quantity: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_QUANTITY = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Shape:
    """A schema, and the same compiled.

    Attributes:
        schema: The schema, of the subset that `seldon_core.api.schema` and `seldon_core.api.kubernetes` make.
        compiled: A type that msgspec converts a value to only where it fits the schema.
    """

    schema: Schema
    compiled: Any

    @classmethod
    def of(cls, schema: Schema) -> "Shape":
        """Compile a schema.

        Args:
            schema: The schema.
        """
        return cls(schema, _Compiler().type_of(schema))


@cache
def spec_shape() -> Shape:
    """Return the shape of `spec`, with that of the graph's root but not of its children."""
    return Shape.of(spec_schema())


@cache
def node_shape() -> Shape:
    """Return the shape of one graph node, without that of its children."""
    return Shape.of(node_schema())


@cache
def nodes_shape() -> Shape:
    """Return the shape of a list of graph nodes."""
    return Shape.of({"type": "array", "items": node_schema()})


def fits(value: Any, shape: Shape) -> bool:
    """Tell whether a value certainly fits a shape.

    Args:
        value: The value.
        shape: The shape.
    """
    try:
        msgspec.convert(value, shape.compiled, dec_hook=_converted)
    except (msgspec.ValidationError, ValueError, TypeError, OverflowError, RecursionError):
        return False
    return True


def limits(schema: Schema) -> tuple[int, int]:
    """Return the least and the greatest number that the schema of an integer allows."""
    most = _INT64_MAX if schema.get("format") == "int64" else _INT32_MAX
    return schema.get("minimum", -most - 1), schema.get("maximum", most)


def is_quantity(value: Any) -> bool:
    """Tell whether a value is an amount of some resource, such as `500m` or `1Gi`."""
    if isinstance(value, str):
        return len(value) <= _MAX_QUANTITY and _QUANTITY.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


class _Quantity:
    """The type of what is a quantity."""


_SOME = _Quantity()


# The same few amounts stand in all objects: to remember them takes a tenth of the time of the pattern.
_amounts: set[str] = set()
_MOST_AMOUNTS = 1024


def _converted(kind: type, value: Any) -> _Quantity:
    if value.__class__ is str and value in _amounts:
        return _SOME
    if not is_quantity(value):
        raise ValueError
    if isinstance(value, str) and len(_amounts) < _MOST_AMOUNTS:
        _amounts.add(value)
    return _SOME


def is_closed(schema: Schema) -> bool:
    """Tell whether an object may have those fields only that its schema names."""
    return "properties" in schema and not schema.get(PRESERVE_UNKNOWN)


class _Compiler:
    """Compiles schemas, those that are used several times once."""

    def __init__(self) -> None:
        # The schema is kept beside its type, so that no other gets its id.
        self._made: dict[int, tuple[Schema, Any]] = {}

    def type_of(self, schema: Schema) -> Any:
        """Return the type of a schema. Where it is the stricter one, what words the findings decides."""
        if id(schema) not in self._made:
            self._made[id(schema)] = schema, self._compiled(schema)
        return self._made[id(schema)][1]

    def _compiled(self, schema: Schema) -> Any:
        kind = schema.get("type")
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            items = GenericAlias(list, (self.type_of(schema["items"]),))
            return Annotated[items, msgspec.Meta(min_length=schema.get("minItems", 0))]
        if kind == "string":
            return Literal[tuple(schema["enum"])] if "enum" in schema else str
        if kind == "boolean":
            return bool
        if kind == "number":
            return int | float
        if kind == "integer":
            low, high = limits(schema)
            return Annotated[int, msgspec.Meta(ge=low, le=high)]
        if schema.get("format") == QUANTITY:
            return _Quantity
        return int | str if schema.get(INT_OR_STRING) else Any

    def _object(self, schema: Schema) -> Any:
        if "properties" not in schema:
            others = schema.get("additionalProperties")
            return GenericAlias(dict, (str, self.type_of(others) | None)) if isinstance(others, dict) else dict
        required = schema.get("required", ())
        names = {key: f"field_{number}" for number, key in enumerate(schema["properties"])}
        fields: list[Any] = [
            (names[key], self.type_of(field)) if key in required else (names[key], self.type_of(field) | None, None)
            for key, field in schema["properties"].items()
        ]
        fields.sort(key=len)
        renamed = {field: key for key, field in names.items()}
        return msgspec.defstruct("Compiled", fields, rename=renamed, gc=False, forbid_unknown_fields=is_closed(schema))
