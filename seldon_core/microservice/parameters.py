"""The parameters of a graph node, which become keyword arguments of the class."""

from collections.abc import Callable
from typing import Any

__all__ = ["read_parameters"]

_TRUE = ("y", "yes", "t", "true", "on", "1")
_FALSE = ("n", "no", "f", "false", "off", "0")


def _boolean(value: Any) -> bool:
    text = str(value).lower()
    if text not in _TRUE + _FALSE:
        raise ValueError(text)
    return text in _TRUE


def _integer(value: Any) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(value)
    return int(value)


_TYPES: dict[str, Callable[[Any], Any]] = {
    "INT": _integer,
    "FLOAT": float,
    "DOUBLE": float,
    "STRING": str,
    "BOOL": _boolean,
}


def read_parameters(declared: Any) -> tuple[dict[str, Any], list[str]]:
    """Convert a list of `{name, value, type}`.

    Returns:
        The values by name, and every problem that was found.
    """
    if not isinstance(declared, list):
        return {}, [f"{declared!r:.100}: must be a list of {{name, value, type}}"]
    values: dict[str, Any] = {}
    problems: list[str] = []
    for index, item in enumerate(declared):
        if not isinstance(item, dict) or not isinstance(item.get("name"), str) or "value" not in item:
            problems.append(f"[{index}]: {item!r:.100}: must be an object with name, value and type")
            continue
        name, value, kind = item["name"], item["value"], item.get("type", "STRING")
        convert = _TYPES.get(kind) if isinstance(kind, str) else None
        if name in values:
            problems.append(f"[{index}]: {name}: is given twice; keep one")
        if convert is None:
            problems.append(f"Bad model parameter type: {kind} valid are {', '.join(_TYPES)}")
            continue
        try:
            values[name] = convert(value)
        except (TypeError, ValueError):
            problems.append(f"Bad model parameter: {name} with value {value} can't be parsed as a {kind}")
    return values, problems
