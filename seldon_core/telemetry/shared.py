"""Numbers that several processes count on, in memory that they share.

Each process writes to a region of its own, so that nobody waits for anybody, and whoever renders the metrics reads all
of them: the sums are exact at any moment, and a process that crashes takes nothing of what it has counted with it.

    numbers = [SharedNumbers(memory, place) ...]   # before the fork
"""

import mmap
import os
import struct
from collections.abc import Iterator, MutableSequence
from typing import cast

__all__ = ["SharedMemory", "SharedNumbers"]

REGION_BYTES = 1 << 20
# At the beginning of a region: the process that writes to it (0: none), and how many of its bytes are valid.
_HEAD = struct.Struct("=QQ")
# Of an entry: how many numbers it has, and the length of its key, which follows. The numbers begin at the next multiple
# of eight, so that a reader never sees half of one.
_ENTRY = struct.Struct("=II")
_SEPARATOR = "\0"


def _aligned(offset: int) -> int:
    return (offset + 7) & ~7


class SharedMemory:
    """Memory for a number of processes, which are forked after it was made."""

    def __init__(self, places: int, region_bytes: int = REGION_BYTES) -> None:
        self.places = places
        self.region_bytes = region_bytes
        self.owner = os.getpid()
        self._memory = memoryview(mmap.mmap(-1, places * region_bytes))

    def region(self, place: int) -> memoryview:
        """The region of one process."""
        start = place * self.region_bytes
        return self._memory[start : start + self.region_bytes]

    def entries(self, place: int) -> tuple[int, list[tuple[list[str], MutableSequence[float]]]]:
        """The process that has a place (0: none), and what was counted there: names and label values, and numbers."""
        region = self.region(place)
        pid, _ = _HEAD.unpack_from(region)
        return pid, [(key.split(_SEPARATOR), cells) for key, cells in _entries(region)]

    def vacate(self, place: int) -> None:
        """Take note that the process that had a place has ended; what it has counted is kept."""
        region = self.region(place)
        _, used = _HEAD.unpack_from(region)
        _HEAD.pack_into(region, 0, 0, used)


class SharedNumbers:
    """What one process counts on, and the sums over all; see `seldon_core.telemetry.metrics.Numbers`."""

    def __init__(self, memory: SharedMemory, place: int) -> None:
        """Take a place; what a process that had it before has counted is kept, and counted on.

        Args:
            memory: made before the processes were forked.
            place: of this process, from 0.
        """
        self._memory = memory
        self._region = memory.region(place)
        _, self._used = _HEAD.unpack_from(self._region)
        self._used = self._used or _HEAD.size
        self._found: dict[str, MutableSequence[float]] = dict(_entries(self._region))
        self._commit()

    def take(self, name: str, values: tuple[str, ...], count: int) -> MutableSequence[float]:
        """Where this process counts.

        Args:
            name: of the metric.
            values: of its labels.
            count: how many numbers.

        Raises:
            MemoryError: there are more label values than the region holds.
        """
        key = _SEPARATOR.join((name, *values))
        if key not in self._found:
            self._found[key] = self._add(key.encode(), count)
        return self._found[key]

    def _add(self, key: bytes, count: int) -> MutableSequence[float]:
        start = self._used
        begin = _aligned(start + _ENTRY.size + len(key))
        end = begin + 8 * count
        if end > len(self._region):
            raise MemoryError(f"the metrics of a process take more than {len(self._region)} bytes")
        _ENTRY.pack_into(self._region, start, count, len(key))
        self._region[start + _ENTRY.size : start + _ENTRY.size + len(key)] = key
        self._used = end
        self._commit()  # not before the entry is complete
        return _doubles(self._region[begin:end])

    def _commit(self) -> None:
        _HEAD.pack_into(self._region, 0, os.getpid(), self._used)

    def totals(self, name: str) -> dict[tuple[str, ...], MutableSequence[float]]:
        """The sums over all processes, dead ones included, by label values."""
        sums: dict[tuple[str, ...], MutableSequence[float]] = {}
        for place in range(self._memory.places):
            for key, cells in _entries(self._memory.region(place)):
                found, *values = key.split(_SEPARATOR)
                if found == name:
                    so_far = sums.setdefault(tuple(values), [0.0] * len(cells))
                    so_far[:] = map(float.__add__, so_far, cells)
        return sums

    def processes(self) -> list[int]:
        """The process that made the memory, and those that have a place."""
        heads = [_HEAD.unpack_from(self._memory.region(place)) for place in range(self._memory.places)]
        return [self._memory.owner, *(pid for pid, _ in heads if pid)]


def _entries(region: memoryview) -> Iterator[tuple[str, MutableSequence[float]]]:
    _, used = _HEAD.unpack_from(region)
    at = _HEAD.size
    while at < used:
        count, length = _ENTRY.unpack_from(region, at)
        key = bytes(region[at + _ENTRY.size : at + _ENTRY.size + length]).decode()
        begin = _aligned(at + _ENTRY.size + length)
        at = begin + 8 * count
        yield key, _doubles(region[begin:at])


def _doubles(view: memoryview) -> MutableSequence[float]:
    # A view can do all that is done with the numbers here, though it is no list: index, assign, iterate, measure.
    return cast(MutableSequence[float], view.cast("d"))
