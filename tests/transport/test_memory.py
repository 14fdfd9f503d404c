"""Freed memory is used again instead of being cleared again."""

import subprocess
import sys

# How often the kernel has to provide a page while a hundred large pieces come and go.
FAULTS = """
import resource
from seldon_core.transport.memory import keep_freed_memory
{}
pieces = [bytes(200_000 + number) + b"x" for number in range(4)]
del pieces
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for number in range(100):
    pieces = [b"x" * (200_000 + number), b"y" * 250_000]
    del pieces
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(first: str) -> int:
    command = [sys.executable, "-c", FAULTS.format(first)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_pages_are_provided_once() -> None:
    assert faults("keep_freed_memory(8 << 20)") * 10 < faults("")
