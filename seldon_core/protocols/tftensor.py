"""TensorFlow's TensorProto in its JSON form to a numpy array and back, without TensorFlow.

Standard: tensorflow/core/framework/tensor.proto and types.proto, in the JSON mapping of proto3.
"""

import base64
import binascii
import math
from typing import TYPE_CHECKING, Any

from .errors import MessageError

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["encode", "parse"]

# Name of the type -> its number, numpy's name, and the field that holds its elements where they are not bytes.
_TYPES = {
    "DT_FLOAT": (1, "float32", "floatVal"),
    "DT_DOUBLE": (2, "float64", "doubleVal"),
    "DT_INT32": (3, "int32", "intVal"),
    "DT_UINT8": (4, "uint8", "intVal"),
    "DT_INT16": (5, "int16", "intVal"),
    "DT_INT8": (6, "int8", "intVal"),
    "DT_STRING": (7, "object", "stringVal"),
    "DT_INT64": (9, "int64", "int64Val"),
    "DT_BOOL": (10, "bool", "boolVal"),
    "DT_UINT16": (17, "uint16", "intVal"),
    "DT_HALF": (19, "float16", "halfVal"),
    "DT_UINT32": (22, "uint32", "uint32Val"),
    "DT_UINT64": (23, "uint64", "uint64Val"),
}
_BY_NUMBER = {number: name for name, (number, _, _) in _TYPES.items()}
_BY_DTYPE = {dtype: name for name, (_, dtype, _) in _TYPES.items()}
_SHOWN = 100  # characters of an offending value that an error repeats


def parse(tensor: Any, path: str) -> "Array":
    """The array that a TensorProto holds.

    Args:
        tensor: its decoded JSON.
        path: where it stands in the message, for errors.

    Raises:
        MessageError: it is no such thing, or of a type that numpy does not have.
    """
    import numpy as np

    if not isinstance(tensor, dict):
        raise MessageError(f"{path}: {_show(tensor)}: must be an object with dtype, tensorShape and values")
    kind = tensor.get("dtype")
    name = _BY_NUMBER.get(kind) if type(kind) is int else kind
    if not isinstance(name, str) or name not in _TYPES:
        raise MessageError(f"{path}.dtype: {_show(kind)}: must be one of {', '.join(_TYPES)}")
    _, dtype, field = _TYPES[name]
    shape = _shape(tensor.get("tensorShape"), f"{path}.tensorShape")
    if tensor.get("tensorContent"):
        array = _content(tensor["tensorContent"], dtype, f"{path}.tensorContent")
    else:
        array = _elements(tensor.get(field) or [], dtype, f"{path}.{field}")
    size = math.prod(shape)
    if 0 < array.size < size:  # the last element stands for all that follow it
        array = np.concatenate([array, np.repeat(array[-1:], size - array.size)])
    if array.size != size:
        raise MessageError(f"{path}.tensorShape: {shape}: asks for {size} values, there are {array.size}")
    return array.reshape(shape)


def _shape(value: Any, path: str) -> list[int]:
    dims = value.get("dim", []) if isinstance(value, dict) else [] if value is None else value
    if not isinstance(dims, list):
        raise MessageError(f"{path}: {_show(value)}: must be an object with a list dim")
    sizes = [dim.get("size", 0) if isinstance(dim, dict) else None for dim in dims]
    for size in sizes:
        text = str(size)
        if type(size) not in (int, str) or not (text.isascii() and text.isdigit() and len(text) < 19):
            raise MessageError(f"{path}: {_show(size)}: every dim has a size, a number >= 0")
    return [int(size) for size in sizes if size is not None]


def _content(value: Any, dtype: str, path: str) -> "Array":
    import numpy as np

    try:
        if dtype == "object":
            raise ValueError(value)
        return np.frombuffer(base64.b64decode(value, validate=True), np.dtype(dtype).newbyteorder("<")).astype(dtype)
    except (TypeError, ValueError, binascii.Error):
        raise MessageError(f"{path}: {_show(value)}: must be the elements as bytes, in base64") from None


def _elements(values: Any, dtype: str, path: str) -> "Array":
    import numpy as np

    if not isinstance(values, list):
        raise MessageError(f"{path}: {_show(values)}: must be a list")
    try:
        if dtype == "object":
            return np.array([base64.b64decode(value, validate=True) for value in values], dtype=object)
        if dtype == "float16":  # their bits, as numbers
            return np.array(values, dtype=np.uint16).view(np.float16)
        if dtype in ("int64", "uint64"):  # as text, so that no bit is lost
            return np.array([int(value) for value in values], dtype=dtype)
        return np.array(values, dtype=dtype)
    except (TypeError, ValueError, OverflowError, binascii.Error):
        raise MessageError(f"{path}: {_show(values)}: must hold elements of {dtype}") from None


def encode(array: "Array") -> dict[str, Any]:
    """The JSON of a TensorProto for an array of numbers, which are written as bytes."""
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return {
        "dtype": _BY_DTYPE[array.dtype.name],
        "tensorShape": {"dim": [{"size": str(size)} for size in array.shape]},
        "tensorContent": base64.b64encode(little.tobytes()).decode("ascii"),
    }


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
