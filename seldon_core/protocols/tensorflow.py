"""The predict API of TensorFlow Serving over REST: rows or columns in, predictions or outputs back.

Standard: https://www.tensorflow.org/tfx/serving/api_rest.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from .errors import MessageError
from .json_codec import loads

__all__ = ["PredictRequest", "encode_request", "encode_response", "error_body", "parse_request", "parse_response"]

_SHOWN = 100  # characters of an offending value that an error repeats


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """What a model is asked.

    Attributes:
        values: with rows, a list of instances; with columns, a list or an object of named lists.
        columnar: whether the request came as columns (`inputs`), and is to be answered as `outputs`.
        signature_name: of the signature that is asked, empty for the default.
    """

    values: Any
    columnar: bool = False
    signature_name: str = ""


def parse_request(body: bytes) -> PredictRequest:
    """Take a request apart.

    Raises:
        MessageError: it is no such request; the text says where.
    """
    message = _object(body)
    if ("instances" in message) == ("inputs" in message):
        raise MessageError('a predict request has either "instances" (rows) or "inputs" (columns)')
    signature = message.get("signature_name") or ""
    if not isinstance(signature, str):
        raise MessageError(f"signature_name: {_show(signature)}: must be a string")
    if "inputs" in message:
        return PredictRequest(message["inputs"], True, signature)
    if not isinstance(message["instances"], list):
        raise MessageError(f"instances: {_show(message['instances'])}: must be a list, one item for each row")
    return PredictRequest(message["instances"], False, signature)


def parse_response(body: bytes) -> Any:
    """What an answer holds: the value of `predictions` or `outputs`.

    Raises:
        MessageError: it is no such answer.
    """
    message = _object(body)
    if ("predictions" in message) == ("outputs" in message):
        raise MessageError('a predict answer has either "predictions" (rows) or "outputs" (columns)')
    return message["predictions"] if "predictions" in message else message["outputs"]


def _object(body: bytes) -> dict[str, Any]:
    message = loads(body)
    if not isinstance(message, dict):
        raise MessageError(f"{_show(message)}: must be a JSON object")
    return message


def encode_request(request: PredictRequest) -> bytes:
    """Write a request; its values must have a form in JSON."""
    named = {"signature_name": request.signature_name} if request.signature_name else {}
    return msgspec.json.encode({**named, "inputs" if request.columnar else "instances": request.values})


def encode_response(values: Any, *, columnar: bool) -> bytes:
    """Write an answer: `outputs` to a request of columns, else `predictions`; the values must have a form in JSON."""
    return msgspec.json.encode({"outputs" if columnar else "predictions": values})


def error_body(text: str) -> bytes:
    """An error in the form of the protocol."""
    return msgspec.json.encode({"error": text})


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
