"""The node's view of the file system: a mount namespace, which pods' mounts never leave and end with.

The fixed folders of containerd, CNI and the kubelet are folders of ours there.
"""

from __future__ import annotations

from pathlib import Path

from hack import hidden
from hack.cluster import machine, remains
from hack.cluster.layout import Layout
from hack.console import Failure, capture

_FIXED = tuple(map(Path, ("/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers")))


def up(layout: Layout) -> None:
    """Make the folder for what a reboot removes and the namespace, unless they are there."""
    layout.run.mkdir(mode=0o700, exist_ok=True)
    if str(layout.run) not in remains.mount_points(remains.mountinfo(), [layout.run]):
        # A mount namespace can be held open only by a file on a mount that is not shared with others.
        capture(["mount", "--bind", layout.run, layout.run])
        capture(["mount", "--make-private", layout.run])
    machine.prepare(_FIXED)
    if exists(layout):
        return
    replacements = {folder: layout.run / "fixed" / folder.name for folder in _FIXED}
    for ours in replacements.values():
        ours.mkdir(parents=True, exist_ok=True)
    layout.mount_namespace.touch()
    # Slave: what the machine unmounts is not kept busy by the node.
    unshare = ["unshare", f"--mount={layout.mount_namespace}", "--propagation", "slave"]
    try:
        capture([*unshare, "sh", "-ec", hidden.binds(replacements)])
    except Failure:
        down(layout)
        raise


def exists(layout: Layout) -> bool:
    """Return whether the node's mount namespace is there."""
    file = layout.mount_namespace
    return file.exists() and file.stat().st_dev != layout.run.stat().st_dev


def down(layout: Layout) -> None:
    """Remove the namespace; what is mounted there ends with its last process."""
    if exists(layout):
        capture(["umount", layout.mount_namespace])
