"""Which predictions may be made as one, and how their arrays are joined and their results taken apart again."""

import json
from collections.abc import Sequence
from typing import Any

from seldon_core.microservice.component import Call
from seldon_core.microservice.contract import SeldonResponse

__all__ = ["batch_key", "join", "rows", "split"]


def batch_key(payload: Any, names: Sequence[Any], tags: dict[str, Any]) -> Any:
    """What has to be equal for predictions to be joined; None for a payload that is no array with rows.

    Args:
        payload: what the model would work on.
        names: of the columns.
        tags: of the request.
    """
    dtype = getattr(payload, "dtype", None)
    shape = getattr(payload, "shape", None)
    # DataFrames have no dtype; arrays of text or objects change their type when they are joined.
    if shape is None or len(shape) == 0 or getattr(dtype, "kind", "") not in tuple("biuf"):
        return None
    try:
        return (str(dtype), tuple(shape[1:]), json.dumps([list(names), tags], sort_keys=True))
    except (TypeError, ValueError):
        return None


def rows(call: Call) -> int:
    """How many rows a call is about."""
    return int(call.arguments[0].shape[0])


def join(calls: Sequence[Call]) -> Call:
    """One call in place of several with equal keys."""
    import numpy as np

    first = calls[0]
    together = np.concatenate([call.arguments[0] for call in calls])
    return Call(first.function, (together, *first.arguments[1:]), first.keywords)


def split(result: Any, calls: Sequence[Call]) -> list[Any] | None:
    """What each of the joined calls would have returned; None when the result cannot be taken apart by rows."""
    data = result.data if isinstance(result, SeldonResponse) else result
    counts = [rows(call) for call in calls]
    length = len(data) if isinstance(data, list) else (getattr(data, "shape", None) or (-1,))[0]
    if length != sum(counts):
        return None
    parts: list[Any] = []
    at = 0
    for count in counts:
        parts.append(data[at : at + count])
        at += count
    if isinstance(result, SeldonResponse):
        # Metrics count once, tags hold for everyone.
        parts = [SeldonResponse(part, result.tags, [] if index else result.metrics) for index, part in enumerate(parts)]
    return parts
