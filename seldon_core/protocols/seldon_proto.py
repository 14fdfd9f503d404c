"""Seldon messages as protobuf, and the way between that and JSON.

The mapping is that of proto3: https://protobuf.dev/programming-guides/json. Numbers inside of `ndarray`, `jsonData` and
tags are doubles in protobuf, so integers beyond 2^53 survive in JSON only.
"""

from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from seldon_core.proto.prediction_pb2 import Feedback, SeldonMessage, SeldonMessageList, SeldonModelMetadata

from .errors import MessageError

__all__ = [
    "feedback_from_json",
    "list_from_json",
    "message_from_json",
    "metadata_from_json",
    "parse",
    "to_json",
]

M = TypeVar("M", bound=Message)


def parse(kind: type[M], message: bytes) -> M:
    """Read a serialized message.

    Args:
        kind: its class, such as `SeldonMessage`.
        message: the bytes.

    Raises:
        MessageError: they are no such message.
    """
    try:
        return kind.FromString(message)
    except DecodeError:
        raise MessageError(f"Invalid protobuf: the bytes are no {kind.__name__}") from None


def message_from_json(value: Any) -> SeldonMessage:
    """The message that a decoded JSON value is; an empty one for None.

    Raises:
        MessageError: it has a field that the message has not, or a value that the field does not take.
    """
    return _from_json(SeldonMessage(), value)


def list_from_json(value: Any) -> SeldonMessageList:
    """The messages of a combiner's request, given as a list or as `{"seldonMessages": [...]}`."""
    return _from_json(SeldonMessageList(), {"seldonMessages": value} if isinstance(value, list) else value)


def feedback_from_json(value: Any) -> Feedback:
    """Feedback; arguments and errors are those of `message_from_json`."""
    return _from_json(Feedback(), value)


def metadata_from_json(value: Any) -> SeldonModelMetadata:
    """The metadata of a model; fields that it has not are left out."""
    return _from_json(SeldonModelMetadata(), value, ignore_unknown_fields=True)


def _from_json(message: M, value: Any, *, ignore_unknown_fields: bool = False) -> M:
    if value is None:
        return message
    if not isinstance(value, dict):
        raise MessageError(f"Invalid JSON: {type(value).__name__}: must be an object")
    try:
        return json_format.ParseDict(value, message, ignore_unknown_fields=ignore_unknown_fields)
    except (json_format.ParseError, RecursionError) as error:
        raise MessageError(f"Invalid JSON: {error}") from None


def to_json(message: Message) -> dict[str, Any]:
    """A message as a dictionary ready for JSON, defaults left out.

    Raises:
        MessageError: `jsonData`, `ndarray` or a tag holds NaN or an infinity, which JSON has not, or `customData` is of
            a type that is not known here.
    """
    try:
        found: dict[str, Any] = json_format.MessageToDict(message)
    except (json_format.SerializeToJsonError, TypeError, ValueError) as error:
        raise MessageError(f"the message has no form in JSON: {error}") from None
    return found
