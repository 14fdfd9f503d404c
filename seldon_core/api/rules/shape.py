"""Types, enums, bounds and required fields, as the schema has them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import GenericAlias
from typing import Annotated, Any, Literal

import msgspec

from ..findings import ABSENT, Finding, short
from ..objects import as_text
from ..schema import Schema, node_schema, pod_schema, spec_schema

_INT32_MAX = 2**31 - 1
_INT64_MAX = 2**63 - 1
_INT_OR_STRING = "x-kubernetes-int-or-string"
_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "a whole number",
    "boolean": "true or false",
}
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (dict, "a mapping"),
    (list, "a list"),
    (str, "a string"),
    (bool, "a boolean"),
    ((int, float), "a number"),
    (type(None), "null"),
)
_TESTS: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    # The API server takes 1.0 for 1.
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    ),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A schema, and the same compiled.

    Attributes:
        schema: The schema, of the subset that `seldon_core.api.schema` makes.
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
        return cls(schema, _compiled(schema))


@cache
def spec_shape() -> Shape:
    """Return the shape of `spec`, with that of the graph's root but not of its children."""
    return Shape.of(spec_schema())


@cache
def node_shape() -> Shape:
    """Return the shape of one graph node, without that of its children."""
    return Shape.of(node_schema())


@cache
def pod_shape() -> Shape:
    """Return the shape of what is read of `componentSpecs[].spec`."""
    return Shape.of(pod_schema())


def fits(value: Any, shape: Shape) -> bool:
    """Tell whether a value certainly fits a shape; `check_shape` finds nothing then.

    Args:
        value: The value.
        shape: The shape.
    """
    try:
        msgspec.convert(value, shape.compiled)
    except (msgspec.ValidationError, ValueError, TypeError, OverflowError, RecursionError):
        return False
    return True


def check_shape(value: Any, shape: Shape, path: str) -> Iterator[Finding]:
    """Yield what a value breaks of a schema, field by field; a null counts as an absent field.

    Args:
        value: The value.
        shape: The shape that it must have.
        path: The path of the value.
    """
    if not fits(value, shape):
        yield from _check(value, shape.schema, path)


def _compiled(schema: Schema) -> Any:
    """Return the type of a schema. Where it is the stricter one, `_check` decides."""
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        required = schema.get("required", ())
        names = {key: f"field_{number}" for number, key in enumerate(schema["properties"])}
        fields: list[Any] = [
            (names[key], _compiled(field)) if key in required else (names[key], _compiled(field) | None, None)
            for key, field in schema["properties"].items()
        ]
        fields.sort(key=len)
        renamed = {field: key for key, field in names.items()}
        return msgspec.defstruct("Compiled", fields, rename=renamed, gc=False)
    if kind == "object":
        others = schema.get("additionalProperties")
        return GenericAlias(dict, (str, _compiled(others) | None)) if isinstance(others, dict) else dict
    if kind == "array":
        items = GenericAlias(list, (_compiled(schema["items"]),))
        return Annotated[items, msgspec.Meta(min_length=schema.get("minItems", 0))]
    if kind == "string":
        return Literal[tuple(schema["enum"])] if "enum" in schema else str
    if kind == "boolean":
        return bool
    if kind == "integer":
        low, high = _limits(schema)
        return Annotated[int, msgspec.Meta(ge=low, le=high)]
    return int | str if schema.get(_INT_OR_STRING) else Any


def _check(value: Any, schema: Schema, path: str) -> Iterator[Finding]:
    kind = schema.get("type")
    if kind is None:
        if schema.get(_INT_OR_STRING) and not (_TESTS["integer"](value) or isinstance(value, str)):
            yield wrong_type(value, "integer", path)
    elif not _TESTS[kind](value):
        yield wrong_type(value, kind, path)
    elif kind == "object":
        yield from _mapping(value, schema, path)
    elif kind == "array":
        yield from _list(value, schema, path)
    elif kind == "integer":
        yield from _bounds(value, schema, path)
    elif "enum" in schema and value not in schema["enum"]:
        choices = schema["enum"]
        alike = next((choice for choice in choices if choice.lower() == value.lower()), None)
        yield Finding(
            path, value, f"must be one of {', '.join(choices)}", f"write {alike or f'{choices[0]}, for example'}"
        )


def wrong_type(value: Any, expected: str, path: str) -> Finding:
    """Return the finding for a value whose type is not the one expected.

    Args:
        value: The value.
        expected: The type that the schema names: `object`, `array`, `string`, `integer` or `boolean`.
        path: The path of the value.
    """
    actual = next((word for kind, word in _KINDS if isinstance(value, kind)), type(value).__name__)
    return Finding(path, value, f"must be {_WORDS[expected]}, not {actual}", _type_remedy(value, expected))


def _type_remedy(value: Any, expected: str) -> str:
    if expected == "object":
        return 'write it as lines of "key: value", indented below the field'
    if expected == "array":
        return 'write it as a list, each item on a line after "- "'
    if expected == "string":
        scalar = isinstance(value, bool | int | float)
        return f"put it in quotes: {short(short(value))}" if scalar else "write a text"
    text = as_text(value).strip()
    if expected == "boolean":
        return f"write {text.lower()} without quotes" if text.lower() in ("true", "false") else "write true or false"
    return f"write {text} without quotes" if text.isdecimal() else "write a whole number, such as 1"


def _mapping(value: dict[str, Any], schema: Schema, path: str) -> Iterator[Finding]:
    properties = schema.get("properties", {})
    for key in schema.get("required", ()):
        if value.get(key) is None:
            example = properties[key].get("example")
            suggestion = f", for example {key}: {short(example)}" if example is not None else ""
            yield Finding(f"{path}.{key}", ABSENT, "is required", f"add it{suggestion}")
    for key, field in properties.items():
        if value.get(key) is not None:
            yield from _check(value[key], field, f"{path}.{key}")
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        for key, item in value.items():
            if item is not None:
                yield from _check(item, others, f"{path}[{key}]")


def _list(value: list[Any], schema: Schema, path: str) -> Iterator[Finding]:
    if len(value) < schema.get("minItems", 0):
        yield Finding(path, value, "must not be empty", f"add one, for example {short(schema['example'])}")
    for index, item in enumerate(value):
        yield from _check(item, schema["items"], f"{path}[{index}]")


def _bounds(value: float, schema: Schema, path: str) -> Iterator[Finding]:
    low, high = _limits(schema)
    if value < low:
        yield Finding(path, value, f"must be {low} or more", f"write {low} or a larger number")
    elif value > high:
        yield Finding(path, value, f"must be {high} or less", f"write {high} or a smaller number")


def _limits(schema: Schema) -> tuple[int, int]:
    most = _INT64_MAX if schema.get("format") == "int64" else _INT32_MAX
    return schema.get("minimum", -most - 1), schema.get("maximum", most)
