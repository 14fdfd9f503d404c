"""Making what users write fit server-side apply, which refuses duplicates that the API server itself tolerates."""

from collections.abc import Iterable, Sequence
from typing import Any

Object = dict[str, Any]


def last_by_name(entries: Sequence[Object]) -> list[Object]:
    """Return environment variables without duplicate names: the last one wins, as it does in a container.

    Args:
        entries: The variables in order.
    """
    last = {entry["name"]: index for index, entry in enumerate(entries)}
    return [entry for index, entry in enumerate(entries) if last[entry["name"]] == index]


def first_by_number(ports: Iterable[Object]) -> list[Object]:
    """Return container ports without a second entry of the same number and protocol.

    Args:
        ports: The ports in order; the name that comes first is kept, since probes and monitors may refer to it.
    """
    distinct: dict[tuple[int, str], Object] = {}
    for port in ports:
        distinct.setdefault((port["containerPort"], port.get("protocol") or "TCP"), port)
    return list(distinct.values())


def without_nulls(value: Any) -> Any:
    """Return a decoded manifest without its nulls, which mean the same as leaving the field out."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value if item is not None]
    return value
