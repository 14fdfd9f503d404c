"""Making what users write fit server-side apply, which refuses duplicates that the API server itself tolerates.

Entries that are no proper ones pass unchanged: what is wrong with them is for the API server to say.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from seldon_core.api.objects import as_map, as_number, as_text


def last_by_name(entries: Sequence[Any]) -> list[Any]:
    """Return environment variables without duplicate names: the last one wins, as it does in a container.

    Args:
        entries: The variables in order.
    """
    names = [as_text(as_map(entry).get("name")) for entry in entries]
    last = {name: index for index, name in enumerate(names)}
    return [entry for index, entry in enumerate(entries) if not names[index] or last[names[index]] == index]


def first_by_number(ports: Iterable[Any]) -> list[Any]:
    """Return container ports without a second entry of the same number and protocol.

    Args:
        ports: The ports in order; the name that comes first is kept, since probes and monitors may refer to it.
    """
    distinct: dict[Hashable, Any] = {}
    for index, port in enumerate(ports):
        number = as_number(as_map(port).get("containerPort"))
        key = index if number is None else (number, as_text(port.get("protocol")) or "TCP")
        distinct.setdefault(key, port)
    return list(distinct.values())


def without_nulls(value: Any) -> Any:
    """Return a decoded manifest without its nulls, which mean the same as leaving the field out."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value if item is not None]
    return value
