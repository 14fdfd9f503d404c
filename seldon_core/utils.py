"""What model classes import to take messages apart themselves, in methods for whole messages."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from seldon_core.microservice.errors import SeldonMicroserviceException
from seldon_core.protocols import seldon
from seldon_core.protocols.errors import MessageError

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from seldon_core.proto.prediction_pb2 import Feedback, SeldonMessage, SeldonModelMetadata

__all__ = [
    "array_to_rest_datadef",
    "extract_request_parts_json",
    "feedback_to_json",
    "getenv_as_bool",
    "json_to_array",
    "json_to_feedback",
    "json_to_seldon_message",
    "json_to_seldon_model_metadata",
    "seldon_message_to_json",
]

# protobuf is imported where it is needed: most classes do without.
T = TypeVar("T")


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


def json_to_seldon_message(message: dict[str, Any] | None) -> "SeldonMessage":
    """The protobuf message that a decoded JSON message is; an empty one for None.

    Raises:
        SeldonMicroserviceException: it has a field that messages have not, or a value that a field does not take.
    """
    from seldon_core.protocols.seldon_proto import message_from_json

    return _converted(message_from_json, message)


def json_to_feedback(message: dict[str, Any] | None) -> "Feedback":
    """The protobuf message that decoded feedback is; errors are those of `json_to_seldon_message`."""
    from seldon_core.protocols.seldon_proto import feedback_from_json

    return _converted(feedback_from_json, message)


def json_to_seldon_model_metadata(metadata: dict[str, Any] | None) -> "SeldonModelMetadata":
    """The protobuf message that the metadata of a model is, without the fields that it does not know."""
    from seldon_core.protocols.seldon_proto import metadata_from_json

    return _converted(metadata_from_json, metadata)


def seldon_message_to_json(message: "Message") -> dict[str, Any]:
    """A protobuf message as decoded JSON, its defaults left out.

    Raises:
        SeldonMicroserviceException: it holds something that JSON has not, such as NaN in `ndarray`.
    """
    from seldon_core.protocols.seldon_proto import to_json

    return _converted(to_json, message)


feedback_to_json = seldon_message_to_json


def _converted(convert: Callable[[Any], T], value: Any) -> T:
    try:
        return convert(value)
    except MessageError as error:
        raise SeldonMicroserviceException(str(error)) from None
