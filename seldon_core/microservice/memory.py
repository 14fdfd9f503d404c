"""What becomes of memory that was freed: it is kept for the next large message, instead of being fetched anew for each.

glibc gives free memory back at once until it has seen blocks of 32 MB come and go, after which it keeps up to 64 MB.
Messages of a megabyte never get it there; fetching the same pages again for each of them costs more than decoding it.
Parameters: https://man7.org/linux/man-pages/man3/mallopt.3.html.
"""

import ctypes
from collections.abc import Mapping

__all__ = ["keep_freed_memory"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# Where glibc's own adjustment ends on 64-bit machines.
KEPT_BYTES, LARGEST_BLOCK = 64 << 20, 32 << 20
_USERS_OWN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory(environment: Mapping[str, str]) -> None:
    """Have this process, and those that it forks, keep up to 64 MB of freed memory.

    Args:
        environment: nothing is changed where it has settings for the allocator.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # absent where the C library is another
    if mallopt is not None and not any(name in environment for name in _USERS_OWN):
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
