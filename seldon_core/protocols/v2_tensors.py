"""Tensors of the V2 protocol: their datatypes, and their elements as JSON and as bytes; no numpy."""

import math
import struct
from collections.abc import Sequence
from typing import Any

import msgspec

from .errors import MessageError
from .json_codec import loads

__all__ = ["DATATYPES", "SHOWN", "Tensor", "check_bytes", "json_data", "pack_strings", "show", "unpack_strings"]

# Datatype -> bytes of one element, 0 where elements differ in length; and the code of `struct`.
DATATYPES = {
    "BOOL": 1, "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8,
    "FP16": 2, "BF16": 2, "FP32": 4, "FP64": 8, "BYTES": 0,
}  # fmt: skip
_CODES = {
    "BOOL": "?", "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q", "INT8": "b", "INT16": "h", "INT32": "i",
    "INT64": "q", "FP16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip
SHOWN = 100  # characters of an offending value that an error repeats


Data = list[Any] | memoryview


class Tensor(msgspec.Struct, frozen=True):
    """A tensor of a message.

    Attributes:
        name: unique in its list.
        datatype: a key of `DATATYPES`.
        shape: sizes of the dimensions.
        data: the elements in row-major order: a flat list (bool, int, float; str for BYTES), or their bytes in
            little-endian order (for BYTES each element follows its length, an unsigned 32-bit number).
        parameters: without those of the binary extension.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Data
    parameters: dict[str, Any] = {}

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def values(self) -> list[Any]:
        """The elements as a flat list, whatever form they came in; bytes for BYTES that came as bytes.

        Raises:
            MessageError: the bytes are not those of as many elements.
        """
        if isinstance(self.data, list):
            return self.data
        if self.datatype == "BYTES":
            return unpack_strings(self.data)
        if self.datatype == "BF16":
            # The upper half of a 32-bit float.
            wide = bytearray(2 * len(self.data))
            wide[2::4], wide[3::4] = self.data[0::2], self.data[1::2]
            return list(struct.unpack(f"<{len(wide) // 4}f", wide))
        return list(struct.unpack(f"<{self.size}{_CODES[self.datatype]}", self.data))

    def packed(self) -> memoryview:
        """The elements as bytes in little-endian order, whatever form they came in.

        Raises:
            MessageError: an element does not fit the datatype.
        """
        if isinstance(self.data, memoryview):
            return self.data
        if self.datatype == "BYTES":
            return memoryview(pack_strings(self.data))
        try:
            if self.datatype == "BF16":
                wide = struct.pack(f"<{len(self.data)}f", *self.data)
                narrow = bytearray(len(wide) // 2)
                narrow[0::2], narrow[1::2] = wide[2::4], wide[3::4]
                return memoryview(bytes(narrow))
            return memoryview(struct.pack(f"<{len(self.data)}{_CODES[self.datatype]}", *self.data))
        except (struct.error, OverflowError) as error:
            raise MessageError(f"{self.name}: an element does not fit {self.datatype}: {error}") from None


_flat: dict[str, msgspec.json.Decoder[Any]] = {
    "BOOL": msgspec.json.Decoder(list[bool]),
    "BYTES": msgspec.json.Decoder(list[str]),
    **{kind: msgspec.json.Decoder(list[float]) for kind in ("FP16", "BF16", "FP32", "FP64")},
    **{kind: msgspec.json.Decoder(list[int]) for kind in DATATYPES if "INT" in kind},
}
_WORDS = {"BOOL": "true or false", "BYTES": "strings"}


def check_bytes(data: memoryview, kind: str, count: int, path: str) -> None:
    width = DATATYPES[kind]
    if width:
        if len(data) != width * count:
            raise MessageError(
                f"{path}.parameters.binary_data_size: {len(data)}: {count} elements of {kind} "
                f"take {width * count} bytes"
            )
        return
    try:
        found = len(unpack_strings(data))
    except MessageError as error:
        raise MessageError(f"{path}: {error}") from None
    if found != count:
        raise MessageError(f"{path}.shape: asks for {count} elements, the bytes hold {found}")


def json_data(data: Any, kind: str, count: int, path: str) -> list[Any]:
    flat: list[Any]
    try:
        flat = _flat[kind].decode(data) if isinstance(data, msgspec.Raw) else _checked(data, kind, path)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        flat = _checked(loads(bytes(data)), kind, path)
    if "INT" in kind and flat:
        low, high = _range(kind)
        smallest, largest = min(flat), max(flat)
        if smallest < low or largest > high:
            raise MessageError(f"{path}.data: {smallest if smallest < low else largest}: {kind} holds {low} to {high}")
    if len(flat) != count:
        raise MessageError(f"{path}.shape: asks for {count} elements, data holds {len(flat)}")
    return flat


def _checked(data: Any, kind: str, path: str) -> list[Any]:
    """The elements of nested lists, each of the type that `kind` asks for."""
    if data is None:
        raise MessageError(f"{path}.data: is missing; send a list, or bytes with the parameter binary_data_size")
    if not isinstance(data, list):
        raise MessageError(f"{path}.data: {show(data)}: must be a list")
    flat: list[Any] = data
    while any(type(item) is list for item in flat):
        if not all(type(item) is list for item in flat):
            raise MessageError(f"{path}.data: mixes lists with elements")
        flat = [item for inner in flat for item in inner]
    if kind.startswith(("FP", "BF")):
        flat = [math.nan if item is None else item for item in flat]  # how JSON is written that has no NaN
    types: tuple[type, ...] = {"BOOL": (bool,), "BYTES": (str,)}.get(kind, (int,) if "INT" in kind else (int, float))
    for item in flat:
        if type(item) not in types:
            words = _WORDS.get(kind, "integers" if "INT" in kind else "numbers")
            raise MessageError(f"{path}.data: {show(item)}: {kind} takes {words}")
    return [_float(item, path) for item in flat] if float in types else flat


def _float(value: int | float, path: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise MessageError(f"{path}.data: {show(value)}: is beyond the range of numbers") from None


def _range(kind: str) -> tuple[int, int]:
    bits = 8 * DATATYPES[kind]
    return (0, (1 << bits) - 1) if kind.startswith("U") else (-(1 << bits - 1), (1 << bits - 1) - 1)


def unpack_strings(data: memoryview | bytes) -> list[bytes]:
    """The elements of a BYTES tensor, each preceded by its length as an unsigned little-endian 32-bit number.

    Raises:
        MessageError: a length is cut off, or asks for more bytes than there are.
    """
    view = memoryview(data)
    elements: list[bytes] = []
    at, end = 0, len(view)
    while at < end:
        if end - at < 4:
            raise MessageError(f"BYTES: the length of element {len(elements)} is cut off")
        length = int.from_bytes(view[at : at + 4], "little")
        at += 4
        if length > end - at:
            raise MessageError(f"BYTES: element {len(elements)} is {length} bytes long, {end - at} are left")
        elements.append(bytes(view[at : at + length]))
        at += length
    return elements


def pack_strings(elements: Sequence[bytes | str]) -> bytes:
    """The bytes of a BYTES tensor; the opposite of `unpack_strings`. Text is written as UTF-8."""
    pieces = []
    for element in elements:
        raw = element.encode() if isinstance(element, str) else element
        pieces += [len(raw).to_bytes(4, "little"), raw]
    return b"".join(pieces)


def show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
