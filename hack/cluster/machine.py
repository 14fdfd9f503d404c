"""What clusters change of the machine itself, noted for all of them together and put back by the last one.

The kernel's settings, and empty folders where the node sees folders of ours.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hack import hidden
from hack.cache import write_if_changed
from hack.cluster.layout import RUN, Layout

# A reboot undoes what is noted here, but for the empty folders; so the note may go with it too.
_NOTE = RUN / "seldon-core-machine.json"
_SETTINGS = (
    "net/ipv4/ip_forward",
    # These the kubelet sets.
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
_KERNEL = Path("/proc/sys")


def prepare(folders: Sequence[Path]) -> None:
    """Note the kernel's settings, make the folders that are missing, and have packets forwarded."""
    with _one_at_a_time():
        note = json.loads(_NOTE.read_text()) if _NOTE.exists() else {"settings": _settings(), "folders": []}
        missing = map(str, hidden.missing(folders))
        write_if_changed(_NOTE, json.dumps({**note, "folders": sorted({*note["folders"], *missing})}))
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        _change("net/ipv4/ip_forward", "1")


def restore(layout: Layout) -> None:
    """Put back what was noted, unless another cluster than this is there."""
    with _one_at_a_time():
        others = [run for run in RUN.glob("seldon-core-*/") if run != layout.run]
        # A folder that is removed takes with it what is mounted on it anywhere.
        if others or not _NOTE.exists():
            return
        note = json.loads(_NOTE.read_text())
        for name, value in note["settings"].items():
            _change(name, value)
        hidden.remove([Path(folder) for folder in note["folders"]])
        _NOTE.unlink()


def _settings() -> dict[str, str]:
    paths = {name: _KERNEL / name for name in _SETTINGS}
    return {name: path.read_text().strip() for name, path in paths.items() if path.exists()}


def _change(name: str, value: str) -> None:
    path = _KERNEL / name
    if path.read_text().strip() != value:
        path.write_text(value)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    descriptor = os.open(RUN, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
