"""Types, enums, bounds and required fields, as the schema has them."""

import difflib
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from ..findings import ABSENT, Finding, short
from ..names import MAX_LENGTH
from ..objects import as_text
from ..schema import INT_OR_STRING, QUANTITY, Schema
from ..shape import Shape, fits, is_closed, is_quantity, limits

UNKNOWN_FIELD: Final = "is not a known field"
_LISTED_FIELDS = 12
_QUANTITY_UNITS = {"": "", "k": "k", "m": "M", "g": "G", "t": "T", "ki": "Ki", "mi": "Mi", "gi": "Gi", "ti": "Ti"}
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?) *([A-Za-z]*)")
_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "integer": "a whole number",
    "boolean": "true or false",
    "number": "a number",
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
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    # The API server takes 1.0 for 1.
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    ),
}


def check_shape(value: Any, shape: Shape, path: str) -> Iterator[Finding]:
    """Yield what a value breaks of a schema, field by field; a null counts as an absent field.

    Args:
        value: The value.
        shape: The shape that it must have.
        path: The path of the value.
    """
    if not fits(value, shape):
        yield from _check(value, shape.schema, path)


def _check(value: Any, schema: Schema, path: str) -> Iterator[Finding]:
    kind = schema.get("type")
    if kind is None:
        if schema.get(INT_OR_STRING) and not (_TESTS["integer"](value) or isinstance(value, str)):
            yield wrong_type(value, "integer", path)
        elif schema.get("format") == QUANTITY and not is_quantity(value):
            yield Finding(path, value, "must be an amount, such as 500m or 1Gi", _quantity_remedy(value))
    elif not _TESTS[kind](value) and not (kind == "string" and "enum" in schema):
        yield wrong_type(value, kind, path)
    elif kind == "object":
        yield from _mapping(value, schema, path)
    elif kind == "array":
        yield from _list(value, schema, path)
    elif kind == "integer":
        yield from _bounds(value, schema, path)
    elif "enum" in schema and value not in schema["enum"]:
        choices = [choice for choice in schema["enum"] if choice]
        alike = next((choice for choice in choices if choice.lower() == as_text(value).lower()), None)
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


def _quantity_remedy(value: Any) -> str:
    match = _AMOUNT.fullmatch(as_text(value).strip()[:MAX_LENGTH])
    unit = _QUANTITY_UNITS.get(match[2].lower().removesuffix("b")) if match else None
    return f"write {match[1]}{unit}" if match and unit is not None else "write 1Gi, for example"


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
    if is_closed(schema):
        for key in value.keys() - properties.keys():
            yield Finding(f"{path}.{key}", value[key], UNKNOWN_FIELD, _known_fields(key, properties, value))
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        for key, item in value.items():
            if item is not None:
                yield from _check(item, others, f"{path}[{key}]")


def _known_fields(key: Any, properties: Schema, value: dict[str, Any]) -> str:
    """Return the remedy for a field that does not exist: the nearest that does, of those not written yet."""
    free = {name.lower(): name for name in properties if name not in value}
    if isinstance(key, str) and len(key) <= MAX_LENGTH:
        near = difflib.get_close_matches(key.lower(), free, n=1)
        if near:
            return f"write {free[near[0]]}"
    listed = f"write one of {', '.join(sorted(properties))}"
    return f"remove it, or {listed}" if len(properties) <= _LISTED_FIELDS else "remove it"


def _list(value: list[Any], schema: Schema, path: str) -> Iterator[Finding]:
    if len(value) < schema.get("minItems", 0):
        yield Finding(path, value, "must not be empty", f"add one, for example {short(schema['example'])}")
    for index, item in enumerate(value):
        yield from _check(item, schema["items"], f"{path}[{index}]")


def _bounds(value: float, schema: Schema, path: str) -> Iterator[Finding]:
    low, high = limits(schema)
    if value < low:
        yield Finding(path, value, f"must be {low} or more", f"write {low} or a larger number")
    elif value > high:
        yield Finding(path, value, f"must be {high} or less", f"write {high} or a smaller number")
