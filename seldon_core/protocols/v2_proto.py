"""V2 messages as protobuf: the same requests and answers that `v2` reads and writes as JSON.

A tensor's data is a flat list where it came in the list of its datatype, and a view of the bytes where it came raw.
Standard: https://github.com/kserve/open-inference-protocol.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from seldon_core.proto.private import message_class

from .errors import MOST_DIMENSIONS, MessageError
from .v2 import InferRequest, InferResponse, RequestedOutput, Tensor, pack_strings
from .v2_tensors import DATATYPES, check_bytes, json_data, show

__all__ = ["encode_request", "encode_response", "parse_request", "parse_response"]

# Datatype -> the list that holds its elements; those of 16-bit floats are raw only.
_LISTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "INT64": "int64_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_BINARY_OUTPUT = "binary_data_output"


def parse_request(message: bytes) -> tuple[InferRequest, str, str]:
    """Take a serialized ModelInferRequest apart.

    Returns:
        The request; name and version of the model that is asked.

    Raises:
        MessageError: it is no such request; the text says where.
    """
    raw = _parse("inference.ModelInferRequest", message)
    parameters = _parameters(raw.parameters)
    request = InferRequest(
        _tensors(raw.inputs, raw.raw_input_contents, "inputs"),
        raw.id,
        parameters,
        tuple(RequestedOutput(output.name, None, _parameters(output.parameters)) for output in raw.outputs),
        bool(parameters.pop(_BINARY_OUTPUT, False)),
    )
    return request, raw.model_name, raw.model_version


def parse_response(message: bytes) -> InferResponse:
    """Take a serialized ModelInferResponse apart; errors are those of `parse_request`."""
    raw = _parse("inference.ModelInferResponse", message)
    return InferResponse(
        raw.model_name,
        _tensors(raw.outputs, raw.raw_output_contents, "outputs"),
        raw.model_version,
        raw.id,
        _parameters(raw.parameters),
    )


def _parse(name: str, message: bytes) -> Any:
    try:
        return message_class(name).FromString(message)
    except DecodeError:
        raise MessageError(f"Invalid protobuf: the bytes are no {name}") from None


def _tensors(raw: Sequence[Any], contents: Sequence[bytes], where: str) -> tuple[Tensor, ...]:
    if contents and len(contents) != len(raw):
        raise MessageError(f"raw contents: {len(contents)} for {len(raw)} {where}: either all tensors are raw or none")
    names: set[str] = set()
    tensors = []
    for index, item in enumerate(raw):
        path = f"{where}[{index}]"
        if not item.name or item.name in names:
            problem = "another tensor has the same name" if item.name else "must be the name of a tensor"
            raise MessageError(f"{path}.name: {show(item.name)}: {problem}")
        names.add(item.name)
        tensors.append(_tensor(item, contents[index] if contents else None, path))
    return tuple(tensors)


def _tensor(raw: Any, content: bytes | None, path: str) -> Tensor:
    kind = raw.datatype
    if kind not in DATATYPES:
        raise MessageError(f"{path}.datatype: {show(kind)}: must be one of {', '.join(DATATYPES)}")
    shape = tuple(raw.shape)
    if len(shape) > MOST_DIMENSIONS or any(size < 0 for size in shape):
        rule = f"must be a list of at most {MOST_DIMENSIONS} sizes, each an integer >= 0"
        raise MessageError(f"{path}.shape: {show(list(shape))}: {rule}")
    tensor = Tensor(raw.name, kind, shape, [], _parameters(raw.parameters))
    if content is not None:
        view = memoryview(content)
        check_bytes(view, kind, tensor.size, path)
        return Tensor(tensor.name, kind, shape, view, tensor.parameters)
    if kind not in _LISTS:
        raise MessageError(f"{path}: {kind} is sent in raw contents only")
    values = list(getattr(raw.contents, _LISTS[kind]))
    if kind == "BYTES":
        # As bytes of any kind, which JSON's text could not hold.
        packed = memoryview(pack_strings(values))
        check_bytes(packed, kind, tensor.size, path)
        return Tensor(tensor.name, kind, shape, packed, tensor.parameters)
    return Tensor(tensor.name, kind, shape, json_data(values, kind, tensor.size, path), tensor.parameters)


def encode_request(request: InferRequest, model_name: str = "", model_version: str = "") -> bytes:
    """Write a request.

    Raises:
        MessageError: a tensor or a parameter has no form in protobuf.
    """
    raw = message_class("inference.ModelInferRequest")(
        model_name=model_name, model_version=model_version, id=request.id
    )
    _set_parameters(raw.parameters, {**request.parameters, **({_BINARY_OUTPUT: True} if request.binary_output else {})})
    for output in request.outputs:
        _set_parameters(raw.outputs.add(name=output.name).parameters, output.parameters)
    _set_tensors(raw.inputs, raw.raw_input_contents, request.inputs)
    return bytes(raw.SerializeToString())


def encode_response(response: InferResponse) -> bytes:
    """Write an answer; errors are those of `encode_request`."""
    raw = message_class("inference.ModelInferResponse")(
        model_name=response.model_name, model_version=response.model_version, id=response.id
    )
    _set_parameters(raw.parameters, response.parameters)
    _set_tensors(raw.outputs, raw.raw_output_contents, response.outputs)
    return bytes(raw.SerializeToString())


def _set_tensors(raw: Any, contents: Any, tensors: Sequence[Tensor]) -> None:
    """Raw when one of them is, or could not be sent in a list: then all must be."""
    as_bytes = any(isinstance(tensor.data, memoryview) or tensor.datatype not in _LISTS for tensor in tensors)
    for tensor in tensors:
        item = raw.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        _set_parameters(item.parameters, tensor.parameters)
        if as_bytes:
            contents.append(bytes(tensor.packed()))
        elif tensor.datatype == "BYTES":
            item.contents.bytes_contents.extend(
                value.encode() if isinstance(value, str) else value for value in tensor.values()
            )
        else:
            getattr(item.contents, _LISTS[tensor.datatype]).extend(tensor.values())


def _parameters(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {name: getattr(value, value.WhichOneof("parameter_choice") or "string_param") for name, value in raw.items()}


def _set_parameters(raw: Any, parameters: Mapping[str, Any]) -> None:
    for name, value in parameters.items():
        if isinstance(value, bool):
            raw[name].bool_param = value
        elif isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
            raw[name].int64_param = value
        elif isinstance(value, float):
            raw[name].double_param = value
        elif isinstance(value, str):
            raw[name].string_param = value
        else:
            raise MessageError(f"parameters.{name}: {show(value)}: must be a bool, a number or text")
