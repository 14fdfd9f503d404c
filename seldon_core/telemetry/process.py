"""What the operating system says about this process, under the names that Prometheus libraries use for it."""

import os
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


def render_process_metrics(proc: Path = Path("/proc")) -> str:
    """The metrics of this process in the text format; nothing where there is no Linux /proc."""
    try:
        # The name of the program, in parentheses, may hold spaces: count from behind it.
        stat = (proc / "self/stat").read_text().rpartition(")")[2].split()
        boot = next(line for line in (proc / "stat").read_text().splitlines() if line.startswith("btime "))
        descriptors = len(os.listdir(proc / "self/fd"))  # noqa: PTH208 - only their number is wanted
    except (OSError, StopIteration):
        return ""
    ticks = os.sysconf("SC_CLK_TCK")
    return _TEMPLATE.format(
        cpu=(int(stat[11]) + int(stat[12])) / ticks,
        fds=descriptors,
        resident=int(stat[21]) * os.sysconf("SC_PAGE_SIZE"),
        started=int(boot.split()[1]) + int(stat[19]) / ticks,
    )
