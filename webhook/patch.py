"""JSON patches (RFC 6902): the operations that turn one JSON value into another."""

from typing import Any

Operation = dict[str, Any]

_NOTHING = object()


def diff(old: Any, new: Any) -> list[Operation]:
    """Return the operations that turn `old` into `new`; none if nothing changed.

    Only what differs is named. Elements of a list are compared by position, so something inserted in the middle
    of a list moves all that follows it.
    """
    operations: list[Operation] = []
    pending: list[tuple[str, Any, Any]] = [] if old is new else [("", old, new)]
    while pending:  # not recursive: how deeply objects nest is up to their authors
        path, before, after = pending.pop()
        if isinstance(before, dict) and isinstance(after, dict):
            added = 0
            for key, value in after.items():
                if (was := before.get(key, _NOTHING)) is _NOTHING:
                    added += 1
                    operations.append({"op": "add", "path": _join(path, key), "value": value})
                elif was is not value:
                    pending.append((_join(path, key), was, value))
            if len(before) + added > len(after):
                operations += [{"op": "remove", "path": _join(path, key)} for key in before if key not in after]
        elif isinstance(before, list) and isinstance(after, list):
            common = min(len(before), len(after))
            for index in range(common):
                if before[index] is not after[index]:
                    pending.append((f"{path}/{index}", before[index], after[index]))
            if len(before) != len(after):
                operations += [{"op": "remove", "path": f"{path}/{i}"} for i in range(len(before) - 1, common - 1, -1)]
                operations += [{"op": "add", "path": f"{path}/-", "value": value} for value in after[common:]]
        elif type(before) is not type(after) or before != after:
            operations.append({"op": "replace", "path": path, "value": after})
    return operations


def _join(path: str, key: str) -> str:
    if "~" in key or "/" in key:
        key = key.replace("~", "~0").replace("/", "~1")
    return f"{path}/{key}"
