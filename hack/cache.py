"""The cache outside the checkout: built tools, images and the local cluster's state live there."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hack.console import PROGRESS_INTERVAL, say


def cache_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Return the project's cache folder: $SELDON_CORE_CACHE, else seldon-core in the user's cache folder."""
    environ = os.environ if environ is None else environ
    if chosen := environ.get("SELDON_CORE_CACHE"):
        return Path(chosen).absolute()
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache"
    return Path(base) / "seldon-core"


def content_key(files: Iterable[Path], *texts: str) -> str:
    """Return a short key that changes when a file's name or content, or one of the texts, changes."""
    digest = hashlib.sha256()
    for file in sorted(files):
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)}\n".encode())
        digest.update(content)
    for text in texts:
        digest.update(f"{len(text)}\n{text}".encode())
    return digest.hexdigest()[:12]


def write_if_changed(path: Path, content: str, *, mode: int = 0o644) -> None:
    """Write a file, complete or not at all, unless it says so already: some programs end when theirs is touched."""
    if path.exists() and path.read_text() == content:
        return
    partial = path.with_name(f"{path.name}.partial")
    partial.touch(mode)
    partial.write_text(content)
    partial.rename(path)


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock of that name: one process at a time builds a thing, the others wait and find it built."""
    path = cache_dir() / "locks" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        waited = 0.0
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if waited % PROGRESS_INTERVAL < 0.1:
                    say(f"waiting for another process that works on {name} ({waited:.0f} s)")
                time.sleep(0.1)
                waited += 0.1
        yield
