"""The V2 protocol for the data plane: tensors to what a model works on, by their content types, and back.

A request with one tensor is its array, its text or its bytes; one with several is a dictionary of them, or a DataFrame
when it says `content_type: pd`. Content types: https://mlserver.readthedocs.io/en/stable/user-guide/content-type.html.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from seldon_core.microservice.codec import (
    ANY_ORIGIN,
    JSON,
    Feedback,
    Incoming,
    Outcome,
    is_json_number,
    json_text,
    routing_of,
)
from seldon_core.microservice.frames import frame_of, is_frame
from seldon_core.protocols import v2
from seldon_core.protocols.errors import MessageError
from seldon_core.protocols.json_codec import dumps
from seldon_core.protocols.seldon import MANY, array_of, array_of_json, decode_base64, is_array
from seldon_core.transport.messages import Block, Headers

__all__ = ["V2Codec"]

CONTENT_TYPES = ("np", "pd", "str", "base64")
_DTYPES = {
    "BOOL": "bool", "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64", "INT8": "int8",
    "INT16": "int16", "INT32": "int32", "INT64": "int64", "FP16": "float16", "FP32": "float32", "FP64": "float64",
}  # fmt: skip
# The same by kind and bytes of an element, whatever the order of the bytes; numpy is slow to tell the name of a dtype.
_DATATYPES = {
    (("b" if datatype == "BOOL" else datatype[0].lower()), v2.DATATYPES[datatype]): datatype for datatype in _DTYPES
}
_BINARY_HEADERS: Headers = ((b"content-type", v2.BINARY_CONTENT_TYPE), ANY_ORIGIN)
_NO_REQUEST = v2.InferRequest(())


class V2Codec:
    """Messages are the parsed requests and answers of the protocol.

    Args:
        model: name of the model that answers.
        version: of it, empty for none.
        outputs: names of its outputs, as its metadata has them.
    """

    raw_first = False
    native = False

    def __init__(self, model: str, version: str = "", outputs: Sequence[str] = ()) -> None:
        self._model = model
        self._version = version
        self._outputs = tuple(outputs)

    def parse(self, message: v2.InferRequest) -> Incoming:
        """Take a request apart."""
        return _incoming(message.inputs, message.parameters, message.id, "inputs", message)

    def parse_list(self, message: Any) -> list[Incoming]:
        """Take a list of answers apart, whose outputs are what the component gets."""
        if not isinstance(message, list) or not message:
            raise MessageError(f"{message!r:.200}: must be a list of at least one V2 answer")
        return [self._answered(item, f"[{index}]") for index, item in enumerate(message)]

    def parse_feedback(self, message: Any) -> Feedback:
        """Take `{"request": ..., "response": ..., "reward": ..., "truth": ...}` apart, with V2 messages in it."""
        if not isinstance(message, dict):
            raise MessageError(f"{message!r:.200}: feedback must be an object with request, response, reward and truth")
        reward = message.get("reward", 0.0)
        if not is_json_number(reward):
            raise MessageError(f"reward: {reward!r:.200}: must be a number")
        response = message.get("response")
        parameters = response.get("parameters") if isinstance(response, dict) else None
        routing = routing_of(parameters.get("seldon_routing")) if isinstance(parameters, dict) else {}
        request = Incoming(array_of([]), form=_NO_REQUEST)
        if message.get("request") is not None:
            request = self.parse(v2.parse_request(dumps(message["request"])))
        truth = message.get("truth")
        return Feedback(
            request, routing, float(reward), array_of([]) if truth is None else self._answered(truth, "truth").payload
        )

    def _answered(self, message: Any, path: str) -> Incoming:
        """What an answer holds; a request counts as one, too."""
        if not isinstance(message, dict):
            raise MessageError(f"{path}: {message!r:.200}: must be a V2 message")
        try:
            if "inputs" in message:
                return self.parse(v2.parse_request(dumps(message)))
            answer = v2.parse_response(dumps(message))
            asked = v2.InferRequest((), id=answer.id)
            return _incoming(answer.outputs, answer.parameters, answer.id, "outputs", asked)
        except MessageError as error:
            raise MessageError(f"{path}: {error}") from None

    def whole(self, message: Any) -> Any:
        """A request as decoded JSON, its tensors as lists."""
        if not isinstance(message, v2.InferRequest):
            return message
        inputs = [
            {"name": tensor.name, "shape": list(tensor.shape), "datatype": tensor.datatype, "data": _as_text(tensor),
             **({"parameters": tensor.parameters} if tensor.parameters else {})}
            for tensor in message.inputs
        ]  # fmt: skip
        described = {"id": message.id, "parameters": message.parameters, "inputs": inputs}
        return {key: value for key, value in described.items() if value}

    def encode(self, incoming: Incoming, outcome: Outcome) -> tuple[bytes, Block]:
        """The answer, its tensors as bytes where the request wants them so."""
        request: v2.InferRequest = incoming.form
        parameters: dict[str, Any] = {}
        if is_frame(outcome.result):
            parameters["content_type"] = "pd"
        if outcome.tags:
            parameters["seldon_tags"] = json_text(outcome.tags)
        asked = [output.name for output in request.outputs] if request.outputs else []
        named = self._named(outcome.result, asked)
        tensors = [_tensor(name, value, request.wants_binary(name)) for name, value in named.items()]
        answer = v2.InferResponse(self._model, tuple(tensors), self._version, request.id, parameters)
        body, length = v2.encode_response(answer)
        if length is None:
            return body, JSON
        return body, Block(*_BINARY_HEADERS, (v2.HEADER_LENGTH, str(length).encode()))

    def _named(self, result: Any, asked: list[str]) -> dict[str, Any]:
        """The outputs of a result by name, of them those that are asked for."""
        if is_array(result):
            named = {self._name(asked): result}
        elif is_frame(result):
            named = {str(column): result[column].to_numpy() for column in result.columns}
        elif isinstance(result, Mapping) and result and all(_is_column(value) for value in result.values()):
            named = {str(name): value for name, value in result.items()}
        else:
            named = {self._name(asked): result}
        if not asked:
            return named
        missing = [name for name in asked if name not in named]
        if missing:
            raise MessageError(
                f"outputs: {missing[0]!r:.100}: there is no such output; the model has {', '.join(named)}"
            )
        return {name: named[name] for name in asked}

    def _name(self, asked: list[str]) -> str:
        """The name of an output that comes without one."""
        return self._outputs[0] if self._outputs else asked[0] if len(asked) == 1 else "output-0"

    def error(self, info: str, reason: str) -> bytes:
        """An object with the text."""
        return v2.error_body(info)


def _incoming(
    tensors: Sequence[v2.Tensor], parameters: Mapping[str, Any], identifier: str, where: str, form: Any
) -> Incoming:
    if not parameters and len(tensors) == 1 and not tensors[0].parameters:  # as most are
        return Incoming(_array(tensors[0], as_text=False), [], {"puid": identifier} if identifier else None, form)
    kind = _content_type(parameters, "parameters")
    columns = _columns(tensors[0].parameters if len(tensors) == 1 else {}) or _columns(parameters)
    used = ("content_type", "names") if columns and len(tensors) == 1 else ("content_type",)
    tags = {key: value for key, value in parameters.items() if key not in used}
    meta: dict[str, Any] = {"puid": identifier} if identifier else {}
    if tags:
        meta["tags"] = tags
    values = {tensor.name: _decode(tensor, kind, f"{where}[{index}]") for index, tensor in enumerate(tensors)}
    names = list(values)
    if kind == "pd":
        return Incoming(frame_of(values), names, meta or None, form)
    if len(values) == 1:
        return Incoming(values[names[0]], columns, meta or None, form)
    return Incoming(values, names, meta or None, form)


def _columns(parameters: Mapping[str, Any]) -> list[Any]:
    """The names of the columns of one array, in the parameter `names`: a list of texts, or that as JSON."""
    names = parameters.get("names")
    if isinstance(names, str):
        try:
            names = json.loads(names)
        except (ValueError, RecursionError):
            return []
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []


def _content_type(parameters: Mapping[str, Any], path: str) -> str | None:
    kind = parameters.get("content_type")
    if kind is not None and kind not in CONTENT_TYPES:
        raise MessageError(f"{path}.content_type: {kind!r:.100}: must be one of {', '.join(CONTENT_TYPES)}")
    return kind


def _decode(tensor: v2.Tensor, default: str | None, path: str) -> Any:
    """A tensor as what its content type says: an array, texts or bytes."""
    kind = _content_type(tensor.parameters, f"{path}.parameters") or default
    if kind in ("str", "base64"):
        if tensor.datatype != "BYTES":
            raise MessageError(f"{path}.datatype: {tensor.datatype}: content_type {kind} takes BYTES")
        values: list[Any] = [_text(value, path) for value in tensor.values()]
        if kind == "base64":
            values = [decode_base64(value, f"{path}.data") for value in values]
        # One text is a text, as in the other protocols; several are a list.
        return values[0] if len(values) == 1 else values
    return _array(tensor, as_text=kind == "pd")


def _text(value: Any, path: str) -> str:
    if isinstance(value, str):
        return value
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        raise MessageError(f"{path}.data: holds bytes that are no UTF-8; send them without a content_type") from None


def _array(tensor: v2.Tensor, *, as_text: bool) -> Any:
    import numpy as np

    if tensor.datatype == "BYTES":
        values = tensor.values()
        if as_text:
            values = [_text(value, tensor.name) for value in values]
        if all(isinstance(value, str) for value in values) and values:
            return np.array(values).reshape(tensor.shape)
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array.reshape(tensor.shape)
    if tensor.datatype == "BF16":  # numpy has no such type; every value of it is one of float32
        return np.array(tensor.values(), dtype=np.float32).reshape(tensor.shape)
    dtype = _dtype(tensor.datatype)
    if isinstance(tensor.data, list):
        if tensor.datatype == "FP64" and len(tensor.data) >= MANY:
            return array_of_json(tensor.data).reshape(tensor.shape)
        return np.array(tensor.data, dtype=dtype).reshape(tensor.shape)
    # A copy, because models change what they are given.
    return np.frombuffer(tensor.data, dtype.newbyteorder("<")).astype(dtype).reshape(tensor.shape)


@cache
def _dtype(datatype: str) -> Any:
    """Numpy's type for a datatype."""
    import numpy as np

    return np.dtype(_DTYPES[datatype])


def _is_column(value: Any) -> bool:
    return isinstance(value, list) or is_array(value)


def _as_text(tensor: v2.Tensor) -> list[Any]:
    values = tensor.values()
    return [_text(value, tensor.name) for value in values] if tensor.datatype == "BYTES" else values


def _tensor(name: str, value: Any, binary: bool) -> v2.Tensor:
    """The output for a result, or for one part of it."""
    array = array_of(value) if isinstance(value, list) else value
    if not is_array(array):
        return _single(name, value, binary)
    if array.ndim == 0:
        array = array.reshape(1)
    dtype = array.dtype
    datatype = _DATATYPES.get((dtype.kind, dtype.itemsize))
    if datatype is None:
        return _objects(name, array, binary)
    if binary:
        import numpy as np

        little = np.ascontiguousarray(array, dtype.newbyteorder("<"))
        return v2.Tensor(name, datatype, array.shape, little.reshape(-1).view(np.uint8).data)
    return v2.Tensor(name, datatype, array.shape, array.ravel().tolist())


def _single(name: str, value: Any, binary: bool) -> v2.Tensor:
    """The output for a result that is no array."""
    if isinstance(value, str):
        return _strings(name, [value], (1,), binary, "str")
    if isinstance(value, bytes | bytearray):
        return _strings(name, [base64.b64encode(value).decode("ascii")], (1,), binary, "base64")
    if isinstance(value, dict):
        return _strings(name, [json_text(value)], (1,), binary, "str")
    raise MessageError(
        f"Unknown data type returned as payload (must be list or np array):{value!r:.200}; "
        "str, bytes, dict and DataFrame are possible too"
    )


def _objects(name: str, array: Any, binary: bool) -> v2.Tensor:
    """Elements that are texts, bytes, or something else that has a form as text."""
    values = (array.astype(str) if array.dtype.kind in "mM" else array).ravel().tolist()
    if any(isinstance(value, bytes) for value in values):
        if binary:
            return _strings(name, values, array.shape, True, None)
        try:  # the protocol's JSON has texts
            values = [value.decode() if isinstance(value, bytes) else str(value) for value in values]
        except UnicodeDecodeError:
            values = [base64.b64encode(value).decode() if isinstance(value, bytes) else str(value) for value in values]
            return _strings(name, values, array.shape, False, "base64")
        return _strings(name, values, array.shape, False, "str")
    texts = [value if isinstance(value, str) else json_text(value) for value in values]
    return _strings(name, texts, array.shape, binary, "str")


def _strings(name: str, values: list[Any], shape: tuple[int, ...], binary: bool, content_type: str | None) -> v2.Tensor:
    parameters = {"content_type": content_type} if content_type else {}
    data = memoryview(v2.pack_strings(values)) if binary else values
    return v2.Tensor(name, "BYTES", shape, data, parameters)
