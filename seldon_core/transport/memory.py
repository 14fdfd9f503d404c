"""What the C library does with the memory that large messages leave behind.

By default it gives each piece back to the kernel at once, which then has to clear the same pages again for the next
one: with messages of 1 MB that was two thirds of all work.
"""

from seldon_core.transport.limits import MIB

# As much as the pieces of several large messages take.
KEPT_BYTES = 8 * MIB


def keep_freed_memory() -> None:
    """Let the process keep up to `KEPT_BYTES` of freed memory for the next message.

    glibc raises its thresholds to the size of a freed piece that it had mapped by itself, and keeps twice as much
    (mallopt(3), `M_MMAP_THRESHOLD`). This piece is never touched, so it costs nothing. Other C libraries ignore it.
    """
    bytes(KEPT_BYTES // 2)
