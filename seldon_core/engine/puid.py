"""Ids of predictions: random UUIDs, made many at a time because asking the kernel costs more than formatting."""

import os
from collections.abc import Iterator
from itertools import chain
from operator import itemgetter
from struct import iter_unpack

BLOCK = 512
# Where the digits stand in the text, between the dashes.
_PLACES = [place for place in range(36) if place not in (8, 13, 18, 23)]


def puids() -> Iterator[bytes]:
    """Yield random UUIDs (version 4) in their textual form, without end."""
    return chain.from_iterable(iter(_block, None))


def _block() -> Iterator[bytes]:
    digits = os.urandom(16 * BLOCK).hex().encode()
    text = bytearray(b"-" * 36 * BLOCK)
    for number, place in enumerate(_PLACES):
        text[place::36] = digits[number::32]
    text[14::36] = b"4" * BLOCK  # the version
    text[19::36] = b"a" * BLOCK  # the variant
    return map(itemgetter(0), iter_unpack("36s", text))
