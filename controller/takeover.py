"""Taking over objects that the reference implementation made.

It wrote them with plain updates. What it wrote would stay for ever, since server-side apply removes only what the same
field manager applied before: so its ownership of fields is made ours before the first apply.
"""

from typing import Any

from controller.children import is_applied
from seldon_core.kube.children import FIELD_MANAGER

Object = dict[str, Any]

# The field manager of the reference implementation: the name of its program.
PREDECESSOR = "manager"


def managed_fields(metadata: Object) -> list[Object] | None:
    """Return the `managedFields` with which an object becomes ours, or None where nothing has to be moved.

    Args:
        metadata: The metadata of an object that a SeldonDeployment of ours controls.
    """
    if is_applied(metadata):
        return None
    entries: list[Object] = metadata.get("managedFields") or []
    moved = [entry for entry in entries if _is_predecessors(entry)]
    if not moved:
        return None
    fields: Object = {}
    for entry in moved:
        fields = _union(fields, entry.get("fieldsV1") or {})
    ours = {**moved[-1], "manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields}
    return [ours, *(entry for entry in entries if not _is_predecessors(entry))]


def _is_predecessors(entry: Object) -> bool:
    return entry.get("manager") == PREDECESSOR and entry.get("operation") == "Update" and not entry.get("subresource")


def _union(one: Object, other: Object) -> Object:
    merged = dict(one)
    for key, value in other.items():
        merged[key] = _union(merged.get(key, {}), value)
    return merged
