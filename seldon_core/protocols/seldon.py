"""The seldon protocol over REST: a decoded JSON message to what a model works on, and back.

Works on plain dictionaries, never on protobuf, so that integers stay integers and dtype in is dtype out.
"""

import base64
import binascii
import math
import struct
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from . import tftensor
from .errors import MOST_DIMENSIONS, MessageError

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = [
    "Kind",
    "Request",
    "array_of",
    "array_of_json",
    "column_names",
    "decode_base64",
    "encode_payload",
    "is_array",
    "parse",
]

# numpy is imported where it is needed: a component of text or JSON does without, and saves its memory.
Kind = Literal["tensor", "ndarray", "tftensor", "data", "jsonData", "strData", "binData"]

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
MANY = 1000  # elements from which on it pays to look whether they are floats
BEYOND_INTEGERS = 2.0**63  # a float may be, an integer makes an array of objects
_SHOWN = 200  # characters of an offending value that an error repeats


class Request(msgspec.Struct, frozen=True):
    """A message as a model sees it.

    Attributes:
        kind: the field that carried the payload; "data" when `data` held no array at all.
        payload: numpy array, JSON value, str or bytes.
        names: `data.names`, or [].
        meta: the message's `meta`, None when it had none.
    """

    kind: Kind
    payload: Any
    names: list[Any]
    meta: dict[str, Any] | None


def parse(message: Any) -> Request:
    """Take a decoded SeldonMessage apart.

    Fields that the protocol does not know are ignored. Where several payloads are present, `data` goes
    before `jsonData`, `strData` and `binData`, and `tensor` before `ndarray`.

    Raises:
        MessageError: there is no payload, or a field holds something else than the protocol says.
    """
    if not isinstance(message, dict):
        raise MessageError(f"Invalid request data type: {_show(message)}")
    meta = message.get("meta")
    _check_meta(meta)
    data = message.get("data")
    if data is not None:
        kind, payload, names = _parse_data(data)
        return Request(kind, payload, names, meta)
    if "jsonData" in message:
        return Request("jsonData", message["jsonData"], [], meta)
    if message.get("strData") is not None:
        return Request("strData", _parse_text(message["strData"]), [], meta)
    if message.get("binData") is not None:
        return Request("binData", _parse_bytes(message["binData"]), [], meta)
    raise MessageError(f"Invalid request data type: {_show(message)}")


def _check_meta(meta: Any) -> None:
    if meta is None:
        return
    if not isinstance(meta, dict):
        raise MessageError(f"meta: {_show(meta)}: must be an object")
    for key in ("tags", "routing", "requestPath"):
        if not isinstance(meta.get(key), dict | None):
            raise MessageError(f"meta.{key}: {_show(meta[key])}: must be an object")
    if not isinstance(meta.get("metrics"), list | None):
        raise MessageError(f"meta.metrics: {_show(meta['metrics'])}: must be a list")


def _parse_data(data: Any) -> "tuple[Kind, Array, list[Any]]":
    if not isinstance(data, dict):
        raise MessageError(f'data: {_show(data)}: must be an object with "ndarray" or "tensor"')
    names = data.get("names")
    if names is None:
        names = []
    elif not isinstance(names, list):
        raise MessageError(f"data.names: {_show(names)}: must be a list of column names")
    if data.get("tensor") is not None:
        return "tensor", _parse_tensor(data["tensor"]), names
    if data.get("ndarray") is not None:
        return "ndarray", _parse_ndarray(data["ndarray"]), names
    if data.get("tftensor") is not None:
        return "tftensor", tftensor.parse(data["tftensor"], "data.tftensor"), names
    return "data", array_of([]), names


def _parse_ndarray(value: Any) -> "Array":
    if not isinstance(value, list):
        raise MessageError(f"data.ndarray: {_show(value)}: must be a list")
    return array_of_json(value)


def array_of_json(values: list[Any]) -> "Array":
    """What `array_of` makes of decoded JSON; faster where it is many floats, in one row or in rows of one length."""
    first = values[0] if values else None
    rows = values if type(first) is list else [values]
    width = len(rows[0])
    if len(rows) * width >= MANY and type(rows[0][0]) is float:
        array = _rows_of_floats(rows, width)
        if array is not None:
            return array if rows is values else array[0]
    return array_of(values)


def _rows_of_floats(rows: list[Any], width: int) -> "Array | None":
    """Rows of which numpy would make an array of float64, as it has seen a float; None where it might not."""
    import numpy as np

    if not ({list}.issuperset(map(type, rows)) and {width}.issuperset(map(len, rows))):
        return None
    array = np.empty((len(rows), width))
    row_of = struct.Struct(f"{width}d")
    try:
        for index, row in enumerate(rows):
            row_of.pack_into(array.data, index * row_of.size, *row)
    except (struct.error, OverflowError):  # something else than numbers
        return None
    return None if (np.abs(array) >= BEYOND_INTEGERS).any() else array


def array_of(values: list[Any]) -> "Array":
    """Numpy's own reading of nested lists; rows of different lengths become an array of lists."""
    import numpy as np

    try:
        return np.array(values)
    except ValueError:
        return np.array(values, dtype=object)


def is_array(value: Any) -> bool:
    """Whether `value` is a numpy array."""
    # Another thread may be importing it just now: what it has no name for yet, nobody can have made.
    ndarray = getattr(sys.modules.get("numpy"), "ndarray", None)
    return ndarray is not None and isinstance(value, ndarray)


def _parse_tensor(tensor: Any) -> "Array":
    if not isinstance(tensor, dict):
        raise MessageError(f'data.tensor: {_show(tensor)}: must be an object with "shape" and "values"')
    values = _tensor_values(tensor.get("values"))
    shape = tensor.get("shape")
    if shape is None:
        return values
    if (
        not isinstance(shape, list)
        or len(shape) > MOST_DIMENSIONS
        or not all(type(size) is int and 0 <= size < 1 << 63 for size in shape)
    ):
        rule = f"must be a list of at most {MOST_DIMENSIONS} sizes, each an integer >= 0"
        raise MessageError(f"data.tensor.shape: {_show(shape)}: {rule}")
    if math.prod(shape) == values.size:
        return values.reshape(shape)
    if not shape:  # proto3 JSON leaves an empty list out, some clients write it
        return values
    raise MessageError(
        f"data.tensor.shape: {_show(shape)}: asks for {math.prod(shape)} values, data.tensor.values holds {values.size}"
    )


def _tensor_values(values: Any) -> "Array":
    import numpy as np

    if values is None:
        return np.array([])
    if not isinstance(values, list):
        raise MessageError(f"data.tensor.values: {_show(values)}: must be a flat list of numbers")
    array = array_of_json(values)
    if array.dtype.kind not in "iuf" or array.ndim != 1:
        # Integers above 64 bits, "NaN" and its kin, or something that is no number at all.
        array = np.array([_number(value, index) for index, value in enumerate(values)])
        if array.dtype.kind == "O":
            try:
                array = array.astype(np.float64)
            except OverflowError:
                raise MessageError(
                    "data.tensor.values: an integer is beyond the range of floats, 1.8e308; send it as text in ndarray"
                ) from None
    return array


def _number(value: Any, index: int) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            return _NON_FINITE[value] if value in _NON_FINITE else float(value)
        except ValueError:
            pass
    raise MessageError(
        f"data.tensor.values[{index}]: {_show(value)}: must be a number; "
        "a tensor is a flat list of numbers, anything else goes into ndarray"
    )


def _parse_text(value: Any) -> str:
    if not isinstance(value, str):
        raise MessageError(f"strData: {_show(value)}: must be a string; use jsonData for other values")
    return value


def _parse_bytes(value: Any) -> bytes:
    return decode_base64(value, "binData")


def decode_base64(value: Any, path: str) -> bytes:
    """Both alphabets of base64, with or without padding, as proto3 JSON asks of a reader.

    Raises:
        MessageError: it is something else; the text begins with `path`.
    """
    if isinstance(value, str):
        text = value.replace("-", "+").replace("_", "/")
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            pass
    raise MessageError(f"{path}: {_show(value)}: must be a base64 string")


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def encode_payload(result: Any, kind: Kind, names: "Callable[[Array], list[Any]]") -> dict[str, Any]:
    """The payload field of the answer for what a model returned.

    Text becomes `strData`, bytes `binData`, a dictionary `jsonData`. An array of numbers keeps the request's
    own representation and is a `tensor` where the request carried no `data`; any other array is an `ndarray`.

    Args:
        result: what the model returned.
        kind: what the request carried.
        names: gives the column names of an array; called for arrays only.

    Raises:
        MessageError: the result is of a type that the protocol cannot carry.
    """
    if is_array(result):
        return {"data": _encode_array(result, kind, names)}
    if isinstance(result, dict):
        return {"jsonData": result}
    if isinstance(result, str):
        return {"strData": result}
    if isinstance(result, bytes | bytearray):
        return {"binData": base64.b64encode(result).decode("ascii")}
    if isinstance(result, list):
        return {"data": _encode_array(array_of(result), kind, names)}
    raise MessageError(
        f"Unknown data type returned as payload (must be list or np array):{_show(result)}; "
        "str, bytes and dict are possible too"
    )


def _encode_array(array: "Array", kind: Kind, names: "Callable[[Array], list[Any]]") -> dict[str, Any]:
    numeric = array.dtype.kind in "iuf"
    if numeric and kind == "tftensor":
        return {"names": names(array), "tftensor": tftensor.encode(array)}
    if numeric and kind not in ("ndarray", "data"):
        tensor = {"shape": list(array.shape), "values": _flat_values(array)}
        return {"names": names(array), "tensor": tensor}
    if array.dtype.kind in "mM":
        array = array.astype(str)  # tolist() would give bare integers for nanoseconds
    return {"names": names(array), "ndarray": array.tolist() if array.ndim else [array.item()]}


def _flat_values(array: "Array") -> list[Any]:
    import numpy as np

    values = array.ravel().tolist()
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return [value if math.isfinite(value) else _non_finite(value) for value in values]
    return values


def _non_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def column_names(array: "Array", class_names: list[Any] | None) -> list[Any]:
    """Names of an array's columns: the model's own, else t:0, t:1, ...; none below two dimensions."""
    if array.ndim < 2:
        return []
    if class_names is not None:
        return class_names
    return [f"t:{index}" for index in range(array.shape[1])]
