"""Protobuf messages taken apart at their top level, without knowing what they are; the fields stay the bytes they were.

Encoding: https://protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .errors import MessageError

__all__ = ["Field", "fields", "length_delimited", "renumbered"]

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: of the field.
        kind: how it is encoded, such as `LENGTH_DELIMITED`.
        encoded: all of it.
        content: what follows its number, for `LENGTH_DELIMITED` also without the length.
    """

    number: int
    kind: int
    encoded: memoryview
    content: memoryview


def fields(message: bytes | memoryview) -> Iterator[Field]:
    """Yield the fields of a message in the order in which they are.

    Raises:
        MessageError: the bytes are no message.
    """
    view = memoryview(message)
    at = 0
    while at < len(view):
        start = at
        tag, at = _varint(view, at)
        number, kind = tag >> 3, tag & 7
        if not number:
            raise MessageError("Invalid protobuf: there is no field 0")
        if kind == VARINT:
            begin = at
            _, at = _varint(view, at)
        elif kind == LENGTH_DELIMITED:
            length, begin = _varint(view, at)
            at = begin + length
        elif kind in _FIXED:
            begin, at = at, at + _FIXED[kind]
        else:
            raise MessageError(f"Invalid protobuf: field {number} is encoded in the unknown way {kind}")
        if at > len(view):
            raise MessageError(f"Invalid protobuf: field {number} is cut off")
        yield Field(number, kind, view[start:at], view[begin:at])


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(view) and shift < 70:
        byte = view[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise MessageError("Invalid protobuf: a number is cut off or has more than 64 bits")


def _encoded_varint(value: int) -> bytes:
    pieces = bytearray()
    while value > 127:
        pieces.append(value & 127 | 128)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)


def length_delimited(number: int, content: bytes | memoryview) -> bytes:
    """A field that holds text, bytes or a message."""
    return b"".join((_encoded_varint(number << 3 | LENGTH_DELIMITED), _encoded_varint(len(content)), content))


def renumbered(found: Iterable[Field], numbers: dict[int, int]) -> Iterator[bytes | memoryview]:
    """The encoded fields whose numbers are keys of `numbers`, each under the number that is its value."""
    for field in found:
        new = numbers.get(field.number)
        if new == field.number:
            yield field.encoded
        elif new is not None:
            yield length_delimited(new, field.content)
