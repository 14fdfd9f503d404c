"""Ids of predictions: random UUIDs, made many at a time because asking the kernel costs more than formatting."""

import os
from collections.abc import Iterator
from struct import iter_unpack

BLOCK = 512


def puids() -> Iterator[bytes]:
    """Yield random UUIDs (version 4) in their textual form, without end."""
    while True:
        # Of the 32 digits, two are overwritten: the version and the variant.
        for fields in iter_unpack("8s4sx3sx3s12s", os.urandom(16 * BLOCK).hex().encode()):
            yield b"%b-%b-4%b-a%b-%b" % fields
