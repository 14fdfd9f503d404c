"""The V2 (Open Inference) protocol over REST, with the binary tensor extension.

A message is taken apart without numpy: a tensor's data is a flat list where it came as JSON, and a view of the body
where it came as bytes. Standard: https://github.com/kserve/open-inference-protocol and Triton's extension_binary_data.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from .errors import MOST_DIMENSIONS, MessageError
from .json_codec import loads
from .v2_tensors import DATATYPES, SHOWN, Tensor, check_bytes, json_data, pack_strings, show, unpack_strings

__all__ = [
    "BINARY_CONTENT_TYPE",
    "DATATYPES",
    "HEADER_LENGTH",
    "InferRequest",
    "InferResponse",
    "RequestedOutput",
    "Tensor",
    "encode_request",
    "encode_response",
    "error_body",
    "pack_strings",
    "parse_request",
    "parse_response",
    "read_header_length",
    "unpack_strings",
]

# The header that says how many bytes of a body are JSON; tensors as bytes follow. In lower case.
HEADER_LENGTH = b"inference-header-content-length"
BINARY_CONTENT_TYPE = b"application/octet-stream"


class RequestedOutput(msgspec.Struct, frozen=True):
    """An output that a request asks for.

    Attributes:
        name: of the output.
        binary: whether it is wanted as bytes; None where the request leaves it open.
        parameters: without those of the binary extension.
    """

    name: str
    binary: bool | None = None
    parameters: dict[str, Any] = {}


class InferRequest(msgspec.Struct, frozen=True):
    """What a model is asked.

    Attributes:
        inputs: the tensors.
        id: of the request, empty when it has none.
        parameters: without those of the binary extension.
        outputs: those asked for; empty stands for all.
        binary_output: whether outputs that do not say so themselves are wanted as bytes.
    """

    inputs: tuple[Tensor, ...]
    id: str = ""
    parameters: dict[str, Any] = {}
    outputs: tuple[RequestedOutput, ...] = ()
    binary_output: bool = False

    def wants_binary(self, output: str) -> bool:
        """Whether the output called `output` is wanted as bytes."""
        for requested in self.outputs:
            if requested.name == output and requested.binary is not None:
                return requested.binary
        return self.binary_output


class InferResponse(msgspec.Struct, frozen=True):
    """What a model answers.

    Attributes:
        model_name, model_version: of the model; the version is empty when it has none.
        id: of the request.
        outputs: the tensors.
        parameters: of the answer.
    """

    model_name: str
    outputs: tuple[Tensor, ...]
    model_version: str = ""
    id: str = ""
    parameters: dict[str, Any] = {}


# Any where a person is to be told what is wrong, not the decoder.
class _FastTensor(msgspec.Struct):
    name: Any = None
    shape: Any = None
    datatype: Any = None
    parameters: Any = None
    data: msgspec.Raw = msgspec.Raw(b"null")


class _FastMessage(msgspec.Struct):
    id: Any = None
    model_name: Any = None
    model_version: Any = None
    parameters: Any = None
    inputs: list[_FastTensor] | None = None
    outputs: list[_FastTensor] | None = None


class _LooseTensor(msgspec.Struct):
    name: Any = None
    shape: Any = None
    datatype: Any = None
    parameters: Any = None
    data: Any = None


class _LooseMessage(msgspec.Struct):
    id: Any = None
    model_name: Any = None
    model_version: Any = None
    parameters: Any = None
    inputs: list[_LooseTensor] | None = None
    outputs: list[_LooseTensor] | None = None


_RawTensor = _FastTensor | _LooseTensor
_message = msgspec.json.Decoder(_FastMessage)


def read_header_length(value: bytes | str | None, body_length: int) -> int | None:
    """Read the header `Inference-Header-Content-Length`.

    Args:
        value: the header, None when there is none.
        body_length: bytes of the body.

    Returns:
        How many bytes of the body are JSON; None when all of them are.

    Raises:
        MessageError: it is no such number.
    """
    if value is None:
        return None
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= body_length):
        raise MessageError(
            f"Inference-Header-Content-Length: {text[:SHOWN]!r}: must be the number of bytes of JSON in the body, "
            f"from 1 to {body_length}"
        )
    return int(text)


def parse_request(body: bytes, header_length: int | None = None) -> InferRequest:
    """Take a request apart.

    Args:
        body: JSON, then the tensors that are sent as bytes.
        header_length: bytes of the JSON; None: all.

    Returns:
        The request; its tensors may be views of `body`.

    Raises:
        MessageError: it is no such request; the text says where.
    """
    raw, parameters, binary = _split(body, header_length)
    if not raw.inputs:
        raise MessageError("inputs: is missing; send a list of tensors")
    wants_binary = parameters.pop("binary_data_output", False)
    if not isinstance(wants_binary, bool):
        raise MessageError(f"parameters.binary_data_output: {show(wants_binary)}: must be true or false")
    found: Sequence[_RawTensor] = raw.outputs or ()
    asked = [_requested(output, f"outputs[{index}]") for index, output in enumerate(found)]
    tensors = _tensors(raw.inputs, "inputs", binary)
    return InferRequest(tensors, _text(raw.id, "id"), parameters, tuple(asked), wants_binary)


def parse_response(body: bytes, header_length: int | None = None) -> InferResponse:
    """Take an answer apart; arguments and errors are those of `parse_request`."""
    raw, parameters, binary = _split(body, header_length)
    if raw.outputs is None:
        raise MessageError("outputs: is missing; an answer has a list of tensors")
    return InferResponse(
        _text(raw.model_name, "model_name"),
        _tensors(raw.outputs, "outputs", binary),
        _text(raw.model_version, "model_version"),
        _text(raw.id, "id"),
        parameters,
    )


def _split(
    body: bytes, header_length: int | None
) -> tuple[_FastMessage | _LooseMessage, dict[str, Any], memoryview | None]:
    """The JSON of a message, its parameters, and what follows the JSON (None when nothing may follow it)."""
    binary = None
    text: bytes | memoryview = body
    if header_length is not None:
        view = memoryview(body)
        text, binary = view[:header_length], view[header_length:]
    raw = _decode(text)
    return raw, _parameters(raw.parameters, "parameters"), binary


def _decode(text: bytes | memoryview) -> _FastMessage | _LooseMessage:
    try:
        return _message.decode(text)
    except msgspec.ValidationError as error:
        raise MessageError(f"Invalid V2 message: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = loads(bytes(text))  # NaN, or no JSON at all
    try:
        return msgspec.convert(value, _LooseMessage)
    except msgspec.ValidationError as error:
        raise MessageError(f"Invalid V2 message: {error}") from None
    except RecursionError:
        raise MessageError("Invalid JSON: values are nested too deeply") from None


def _tensors(raw: Sequence[_RawTensor], where: str, binary: memoryview | None) -> tuple[Tensor, ...]:
    tensors = []
    for index, item in enumerate(raw):
        tensor, binary = _tensor(item, f"{where}[{index}]", binary)
        tensors.append(tensor)
    if len(tensors) > 1:
        _check_names(tensors, where)
    if binary:
        raise MessageError(f"{len(binary)} bytes are left behind the tensors; check their binary_data_size")
    return tuple(tensors)


def _check_names(tensors: Sequence[Tensor], where: str) -> None:
    names: set[str] = set()
    for index, tensor in enumerate(tensors):
        if tensor.name in names:
            raise MessageError(f"{where}[{index}].name: {show(tensor.name)}: another tensor has the same name")
        names.add(tensor.name)


def _tensor(raw: _RawTensor, path: str, binary: memoryview | None) -> tuple[Tensor, memoryview | None]:
    """A tensor, and what is left of the bytes behind the JSON."""
    name = _name(raw.name, path)
    kind = raw.datatype
    if not isinstance(kind, str) or kind not in DATATYPES:
        raise MessageError(f"{path}.datatype: {show(kind)}: must be one of {', '.join(DATATYPES)}")
    shape = raw.shape
    if not isinstance(shape, list) or len(shape) > MOST_DIMENSIONS:
        raise _not_a_shape(shape, path)
    count = 1
    for size in shape:
        if type(size) is not int or not 0 <= size < 1 << 63:
            raise _not_a_shape(shape, path)
        count *= size
    parameters = {} if raw.parameters is None else _parameters(raw.parameters, f"{path}.parameters")
    length = parameters.pop("binary_data_size", None)
    data: list[Any] | memoryview
    if length is None:
        data = json_data(raw.data, kind, count, path)
    else:
        if type(length) is not int or length < 0 or binary is None or length > len(binary):
            held = "no bytes follow the JSON" if binary is None else f"{len(binary)} bytes are left behind the JSON"
            raise MessageError(f"{path}.parameters.binary_data_size: {show(length)}: {held}")
        data, binary = binary[:length], binary[length:]
        check_bytes(data, kind, count, path)
    return Tensor(name, kind, tuple(shape), data, parameters), binary


def _not_a_shape(value: Any, path: str) -> MessageError:
    return MessageError(
        f"{path}.shape: {show(value)}: must be a list of at most {MOST_DIMENSIONS} sizes, each an integer >= 0"
    )


def _requested(raw: _RawTensor, path: str) -> RequestedOutput:
    parameters = _parameters(raw.parameters, f"{path}.parameters")
    binary = parameters.pop("binary_data", None)
    if not isinstance(binary, bool | None):
        raise MessageError(f"{path}.parameters.binary_data: {show(binary)}: must be true or false")
    return RequestedOutput(_name(raw.name, path), binary, parameters)


def _name(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value:
        raise MessageError(f"{path}.name: {show(value)}: must be the name of a tensor")
    return value


def _parameters(value: Any, path: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MessageError(f"{path}: {show(value)}: must be an object")
    return value


def _text(value: Any, path: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MessageError(f"{path}: {show(value)}: must be a string")
    return value


def encode_request(request: InferRequest) -> tuple[bytes, int | None]:
    """Write a request: tensors whose data is a list as JSON, the others as bytes behind it.

    Returns:
        The body, and how many bytes of it are JSON, for `HEADER_LENGTH`; None when all are.
    """
    parameters = {**request.parameters, **({"binary_data_output": True} if request.binary_output else {})}
    outputs = [
        _with_parameters(
            {"name": output.name},
            {**output.parameters, **({} if output.binary is None else {"binary_data": output.binary})},
        )
        for output in request.outputs
    ]
    message: dict[str, Any] = {"id": request.id} if request.id else {}
    message = _with_parameters(message, parameters)
    return _join(message, "inputs", request.inputs, {"outputs": outputs} if outputs else {})


def encode_response(response: InferResponse) -> tuple[bytes, int | None]:
    """Write an answer; what it returns is what `encode_request` returns."""
    message: dict[str, Any] = {"model_name": response.model_name}
    if response.model_version:
        message["model_version"] = response.model_version
    if response.id:
        message["id"] = response.id
    return _join(_with_parameters(message, response.parameters), "outputs", response.outputs, {})


def _join(
    message: dict[str, Any], key: str, tensors: Sequence[Tensor], more: Mapping[str, Any]
) -> tuple[bytes, int | None]:
    pieces: list[bytes | memoryview] = []
    written = []
    for tensor in tensors:
        parameters = tensor.parameters
        described: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        if isinstance(tensor.data, memoryview):
            pieces.append(tensor.data)
            parameters = {**parameters, "binary_data_size": tensor.data.nbytes}
        else:
            described["data"] = tensor.data
        written.append(_with_parameters(described, parameters))
    text = msgspec.json.encode({**message, key: written, **more})
    return (b"".join([text, *pieces]), len(text)) if pieces else (text, None)


def _with_parameters(message: dict[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {**message, "parameters": parameters} if parameters else message


def error_body(text: str) -> bytes:
    """An error in the form of the protocol."""
    return msgspec.json.encode({"error": text})
