"""Reading plain decoded data that may have any shape: a field of the wrong type reads as an empty one.

The rules report wrong types; everything else in this package then need not ask again.
"""

from typing import Any


def as_map(value: Any) -> dict[str, Any]:
    """Return `value` if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return `value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """Return `value` if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def as_number(value: Any) -> int | None:
    """Return `value` if it is a whole number (a boolean is none), else None; the API server takes 1.0 for 1."""
    if isinstance(value, int):
        return None if isinstance(value, bool) else value
    return int(value) if isinstance(value, float) and value.is_integer() else None


def is_empty(value: Any) -> bool:
    """Tell whether a field counts as not written: absent, null or an empty string."""
    return value is None or value == ""


def is_true(value: Any) -> bool:
    """Tell whether the text of an annotation switches something on."""
    return as_text(value).lower() == "true"
