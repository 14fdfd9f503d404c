"""Making what users write fit server-side apply, which refuses duplicates that the API server itself tolerates."""

from collections.abc import Sequence
from typing import Any

from seldon_core.api.objects import as_map, as_text


def last_by_name(entries: Sequence[Any]) -> list[Any]:
    """Return environment variables without duplicate names: the last one wins, as it does in a container.

    Args:
        entries: The variables in order.
    """
    names = [as_text(as_map(entry).get("name")) for entry in entries]
    last = {name: index for index, name in enumerate(names)}
    return [entry for index, entry in enumerate(entries) if not names[index] or last[names[index]] == index]


def without_nulls(value: Any) -> Any:
    """Return a decoded manifest without its nulls, which mean the same as leaving the field out."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value if item is not None]
    return value
