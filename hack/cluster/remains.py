"""What pods leave on a machine when their processes are killed: control groups, and the mounts that hold it all."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from hack.cluster.layout import Layout
from hack.console import Failure, TimedOut, capture, wait_until

_KILL_TIMEOUT = 20.0


def mount_points(mountinfo: str, below: Iterable[Path]) -> list[str]:
    """Return the mount points at or below some folders, in the order in which they can be unmounted.

    Arguments:
        mountinfo: the text of /proc/self/mountinfo.
        below: the folders.
    """
    folders = tuple(below)
    points = [_unescaped(line.split(" ")[4]) for line in mountinfo.splitlines()]
    return [point for point in reversed(points) if any(Path(point).is_relative_to(folder) for folder in folders)]


def control_group_mounts(mountinfo: str) -> list[Path]:
    """Return where control groups are mounted: one folder for version 2, one per controller for version 1."""
    found = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if after.split(" ")[0] in {"cgroup", "cgroup2"}:
            found.append(Path(_unescaped(before.split(" ")[4])))
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def mountinfo() -> str:
    """Return what is mounted, as the kernel lists it."""
    return Path("/proc/self/mountinfo").read_text()


def make_control_groups(layout: Layout) -> None:
    """Make the control groups that hold all pods; the kubelet wants them to be there."""
    for mount in control_group_mounts(mountinfo()):
        (mount / layout.cgroup).mkdir(exist_ok=True)


def kill_pods(layout: Layout) -> None:
    """Kill every process in the pods' control groups and remove the groups.

    Raises:
        Failure: some process does not end.
    """
    roots = [mount / layout.cgroup for mount in control_group_mounts(mountinfo())]
    wait_until("the pods' processes have ended", lambda: not kill(_members(roots)), timeout=_KILL_TIMEOUT)
    for root in roots:
        for group in _groups(root):
            # A group stays busy for a moment after its last process.
            with contextlib.suppress(TimedOut):
                wait_until(f"{group} is removed", partial(_remove_group, group), timeout=5)


def _groups(root: Path) -> list[Path]:
    """Return a control group and all below it, children first."""
    return [Path(folder) for folder, _, _ in os.walk(root, topdown=False)]


def _members(roots: list[Path]) -> Iterator[int]:
    for root in roots:
        for group in _groups(root):
            with contextlib.suppress(OSError):
                yield from map(int, (group / "cgroup.procs").read_text().split())


def _remove_group(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def kill(pids: Iterable[int]) -> bool:
    """Kill processes; return whether there were any."""
    found = False
    for pid in pids:
        found = True
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found


def unmount(layout: Layout) -> None:
    """Unmount everything below the cluster's folders.

    Raises:
        Failure: something stays mounted; nothing may be deleted then, for it could be somebody's data.
    """
    folders = [layout.root, layout.run]
    for point in mount_points(mountinfo(), folders):
        capture(["umount", "--lazy", point])
    if left := mount_points(mountinfo(), folders):
        raise Failure(f"still mounted: {', '.join(left)}; unmount by hand, then run `down` again")
