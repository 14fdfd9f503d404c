"""Types, enums, bounds and required fields, as the schema has them."""

from collections.abc import Callable, Iterator
from typing import Any

from ..findings import ABSENT, Finding, short
from ..objects import as_text
from ..schema import Schema

_INT32_MAX = 2**31 - 1
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


def check_shape(value: Any, schema: Schema, path: str) -> Iterator[Finding]:
    """Yield what a value breaks of a schema, field by field; a null counts as an absent field.

    Args:
        value: The value.
        schema: The schema, of the subset that `seldon_core.api.schema` makes.
        path: The path of the value.
    """
    kind = schema["type"]
    if not _TESTS[kind](value):
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
            yield from check_shape(value[key], field, f"{path}.{key}")
    others = schema.get("additionalProperties")
    if others is not None:
        for key, item in value.items():
            if item is not None:
                yield from check_shape(item, others, f"{path}[{key}]")


def _list(value: list[Any], schema: Schema, path: str) -> Iterator[Finding]:
    if len(value) < schema.get("minItems", 0):
        yield Finding(path, value, "must not be empty", f"add one, for example {short(schema['example'])}")
    for index, item in enumerate(value):
        yield from check_shape(item, schema["items"], f"{path}[{index}]")


def _bounds(value: float, schema: Schema, path: str) -> Iterator[Finding]:
    low = schema.get("minimum", -_INT32_MAX - 1)
    high = schema.get("maximum", _INT32_MAX)
    if value < low:
        yield Finding(path, value, f"must be {low} or more", f"write {low} or a larger number")
    elif value > high:
        yield Finding(path, value, f"must be {high} or less", f"write {high} or a smaller number")
