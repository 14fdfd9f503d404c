"""What the operating system says about this service, under the names that Prometheus libraries use for it."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

_TEMPLATE = """\
# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total {cpu}
# HELP process_open_fds Number of open file descriptors.
# TYPE process_open_fds gauge
process_open_fds {fds}
# HELP process_resident_memory_bytes Resident memory size in bytes.
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes {resident}
# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.
# TYPE process_start_time_seconds gauge
process_start_time_seconds {started}
"""


def render_process_metrics(proc: Path = Path("/proc"), pids: Sequence[int] = ()) -> str:
    """The metrics of a service in the text format; nothing where there is no Linux /proc.

    Args:
        proc: where the operating system shows its processes.
        pids: of all processes that the service consists of, the first of them first; this one alone by default.
    """
    try:
        boot = next(line for line in (proc / "stat").read_text().splitlines() if line.startswith("btime "))
    except (OSError, StopIteration):
        return ""
    found = []
    for pid in pids or ("self",):
        with contextlib.suppress(OSError):  # one that has just ended
            found.append(_process(proc / str(pid)))
    if not found:
        return ""
    started, ticks = found[0][3], os.sysconf("SC_CLK_TCK")
    return _TEMPLATE.format(
        cpu=sum(ticking for ticking, _, _, _ in found) / ticks,
        fds=sum(descriptors for _, descriptors, _, _ in found),
        resident=sum(pages for _, _, pages, _ in found) * os.sysconf("SC_PAGE_SIZE"),
        started=int(boot.split()[1]) + started / ticks,
    )


def _process(directory: Path) -> tuple[int, int, int, int]:
    """Ticks of processor time, file descriptors, pages in memory, and the tick at which it was started."""
    # The name of the program, in parentheses, may hold spaces: count from behind it.
    stat = (directory / "stat").read_text().rpartition(")")[2].split()
    descriptors = len(os.listdir(directory / "fd"))  # noqa: PTH208 - only their number is wanted
    return int(stat[11]) + int(stat[12]), descriptors, int(stat[21]), int(stat[19])
