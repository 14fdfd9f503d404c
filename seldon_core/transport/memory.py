"""What becomes of the memory that large messages leave behind, and what the garbage collector looks at.

By default the C library gives each piece back to the kernel at once, which then has to clear the same pages again for
the next one: with messages of 1 MB that was two thirds of all work.
"""

import gc

# Left for what the allocator adds to a piece, which must not make it larger than the half.
_OVERHEAD = 64 << 10


def keep_freed_memory(most: int) -> None:
    """Let this process, and those that it forks, keep freed memory for the next message.

    glibc raises its thresholds to the size of a freed piece that it had mapped by itself, and keeps twice as much
    (mallopt(3), `M_MMAP_THRESHOLD`). This piece is never touched, so it costs nothing. Other C libraries ignore it, and
    so does glibc where the environment has settings of its own for it.

    Args:
        most: How many bytes are kept, at most 64 MiB, in each of the allocator's arenas.
    """
    bytes(most // 2 - _OVERHEAD)


def settle() -> None:
    """Take what was loaded until now out of the garbage collector's sight: it stays.

    Otherwise each full collection walks through all modules and models, in the middle of some request.
    """
    gc.collect()
    gc.freeze()
