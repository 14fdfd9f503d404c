"""What model classes import to take messages apart themselves, in methods for whole messages."""

import os
from typing import Any

from seldon_core.protocols import seldon

__all__ = ["array_to_rest_datadef", "extract_request_parts_json", "getenv_as_bool", "json_to_array"]


def getenv_as_bool(name: str, default: bool = False) -> bool:
    """Whether an environment variable says 1, true or t, in any case."""
    value = os.environ.get(name)
    return default if value is None else value.lower() in ("1", "true", "t")


def extract_request_parts_json(
    request: dict[str, Any],
) -> tuple[Any, dict[str, Any] | None, dict[str, Any] | None, str]:
    """Take a decoded message apart.

    Returns:
        The payload (numpy array, str, bytes or JSON value), the meta, the data definition where there is one, and the
        name of the field that held the payload.

    Raises:
        MessageError: it is no message.
    """
    found = seldon.parse(request)
    field = found.kind if found.kind in ("jsonData", "strData", "binData") else "data"
    return found.payload, found.meta, request.get("data"), field


def json_to_array(datadef: dict[str, Any]) -> Any:
    """The numpy array of the `data` of a decoded message."""
    return seldon.parse({"data": datadef}).payload


def array_to_rest_datadef(data_type: str, array: Any, names: list[str] | None = None) -> dict[str, Any]:
    """The `data` of a message for an array.

    Args:
        data_type: `tensor`, `ndarray` or `tftensor`.
        array: a numpy array.
        names: of its columns.

    Raises:
        ValueError: `data_type` is something else.
    """
    if data_type not in ("tensor", "ndarray", "tftensor"):
        raise ValueError(f"{data_type!r}: must be tensor, ndarray or tftensor")
    kind: Any = data_type
    found: dict[str, Any] = seldon.encode_payload(array, kind, lambda _: names or [])["data"]
    return found
