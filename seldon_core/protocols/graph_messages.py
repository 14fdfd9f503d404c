"""What a graph needs of the messages between its nodes: answers turned into requests, branches read, answers joined.

Messages are split at their top level; their data stays the bytes that it was, wherever nobody needs its value.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from . import v2
from .errors import MessageError
from .json_codec import loads

__all__ = [
    "ALL_CHILDREN",
    "join",
    "seldon_branch",
    "tensorflow_branch",
    "tensorflow_request",
    "v2_as_json",
    "v2_branch",
    "v2_request",
    "with_v2_routing",
]

# The branch that stands for all children at once.
ALL_CHILDREN = -1

Fields = dict[str, msgspec.Raw]

_fields = msgspec.json.Decoder(Fields)
_raw = msgspec.json.Decoder(msgspec.Raw)
_encode = msgspec.json.Encoder().encode
_SHOWN = 100  # characters of an offending value that an error repeats


def _split(text: bytes | memoryview) -> dict[str, Any]:
    """The members of an object, undecoded where the text is strict JSON."""
    try:
        return dict(_fields.decode(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = loads(bytes(text))  # NaN, or no JSON at all
    if not isinstance(value, dict):
        raise MessageError(f"{_show(value)}: must be a JSON object")
    return value


def join(bodies: Sequence[bytes]) -> bytes:
    """The JSON array of `bodies`, each of them one JSON value, copied as it is.

    Raises:
        MessageError: one of them is not JSON.
    """
    for body in bodies:
        try:
            _raw.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            loads(body)
    return b"[%b]" % b",".join(bodies)


# The branch that a router chose.


def seldon_branch(body: bytes) -> int:
    """The branch that a router answers: the first number of its array, or of a bare JSON array.

    Returns:
        The number, its fraction cut off; `ALL_CHILDREN` for `data` without an array. Any number may come back.

    Raises:
        MessageError: there is no number.
    """
    message = loads(body)
    if isinstance(message, list):
        return _first(message)
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(data, dict):
        raise MessageError(f"{_show(message)}: no branch; answer a number in data.ndarray or data.tensor")
    for name, inner in (("ndarray", None), ("tensor", "values"), ("tftensor", "intVal")):
        if (value := data.get(name)) is None:
            continue
        if inner is not None:
            value = value.get(inner) if isinstance(value, dict) else value
        return _first(value)
    return ALL_CHILDREN


def v2_branch(body: bytes, header_length: int | None) -> int:
    """The branch that a router answers in V2: the first element of its first output.

    Raises:
        MessageError: there is no number.
    """
    outputs = v2.parse_response(body, header_length).outputs
    if not outputs:
        raise MessageError("outputs: [] holds no branch; answer an output whose first element is a number")
    return _first(outputs[0].values())


def tensorflow_branch(body: bytes) -> int:
    """The branch that a router answers in the TensorFlow protocol: the first number of `predictions` or `outputs`.

    Raises:
        MessageError: there is no number.
    """
    message = loads(body)
    fields = message if isinstance(message, dict) else {}
    return _first(fields.get("predictions", fields.get("outputs", message)))


def _first(value: Any) -> int:
    found = value
    while isinstance(found, list | dict) and found:
        found = found[0] if isinstance(found, list) else next(iter(found.values()))
    # An integer may be beyond the range of floats, where isfinite() gives up.
    if type(found) is int or (isinstance(found, float) and math.isfinite(found)):
        return int(found)
    raise MessageError(f"{_show(value)}: holds no branch; answer a number")


# One node's answer is the next one's request.


def tensorflow_request(body: bytes) -> bytes:
    """A request with the content of `body`: what a request is stays as it is, an answer becomes one.

    Raises:
        MessageError: it is neither.
    """
    fields = _split(body)
    if "instances" in fields or "inputs" in fields:
        return body
    for answered, asked in (("predictions", "instances"), ("outputs", "inputs")):
        if answered in fields:
            return _encode(_renamed(fields, answered, asked))
    raise MessageError(
        'has none of "instances", "inputs", "predictions" and "outputs": '
        "Failed to convert tensorflow response so it could be chained to new input"
    )


def v2_request(body: bytes, header_length: int | None) -> tuple[bytes, int | None]:
    """A request with the content of `body`: what a request is stays as it is, the outputs of an answer become inputs.

    Args:
        body: JSON, then tensors as bytes.
        header_length: bytes of the JSON; None: all.

    Returns:
        The request, and how many of its bytes are JSON.

    Raises:
        MessageError: it is neither.
    """
    fields = _split(memoryview(body)[:header_length])
    if "inputs" in fields:
        return body, header_length
    if "outputs" not in fields:
        raise MessageError(
            'has neither "inputs" nor "outputs": '
            "Failed to convert kfserving response so it could be chained to new input"
        )
    return _with_tensors(_renamed(fields, "outputs", "inputs"), body, header_length)


def _renamed(fields: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    return {new if name == old else name: value for name, value in fields.items()}


def _with_tensors(fields: Mapping[str, Any], body: bytes, header_length: int | None) -> tuple[bytes, int | None]:
    text = _encode(fields)
    if header_length is None:
        return text, None
    return b"".join([text, memoryview(body)[header_length:]]), len(text)


def v2_as_json(body: bytes, header_length: int | None) -> bytes:
    """An answer with all of its tensors as JSON.

    Raises:
        MessageError: it is no answer, or holds strings that are not UTF-8.
    """
    if header_length is None:
        return body
    response = v2.parse_response(body, header_length)
    outputs = []
    for tensor in response.outputs:
        values = tensor.values()
        if tensor.datatype == "BYTES":
            try:
                values = [value if isinstance(value, str) else value.decode() for value in values]
            except UnicodeDecodeError:
                raise MessageError(f"output {tensor.name!r} holds strings that are not UTF-8") from None
        outputs.append(v2.Tensor(tensor.name, tensor.datatype, tensor.shape, values, tensor.parameters))
    return v2.encode_response(
        v2.InferResponse(response.model_name, tuple(outputs), response.model_version, response.id, response.parameters)
    )[0]


def with_v2_routing(body: bytes, header_length: int | None, routing: str) -> tuple[bytes, int | None]:
    """An answer that says in `parameters.seldon_routing` which branches were taken.

    Args:
        body: JSON, then tensors as bytes; it comes back unchanged when it is no JSON object.
        header_length: bytes of the JSON; None: all.
        routing: the branches, as text.

    Returns:
        The answer, and how many of its bytes are JSON.
    """
    try:
        fields = _split(memoryview(body)[:header_length])
        parameters = loads(bytes(fields["parameters"])) if "parameters" in fields else None
    except (MessageError, TypeError):
        return body, header_length
    parameters = parameters if isinstance(parameters, dict) else {}
    return _with_tensors({**fields, "parameters": {**parameters, "seldon_routing": routing}}, body, header_length)


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
