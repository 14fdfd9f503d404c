"""Programs that write to fixed folders see folders of ours there, in a mount namespace of their own.

So nothing of theirs reaches the machine, and nothing of the machine's disturbs them.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


def missing(folders: Iterable[Path]) -> list[Path]:
    """Return those folders, and folders that hold them, that are not there, outer ones first."""
    wanted = {each for folder in folders for each in [folder, *folder.parents]}
    return sorted(each for each in wanted if not each.exists())


def remove(folders: Sequence[Path]) -> None:
    """Remove folders, inner ones first, unless somebody has put something there meanwhile."""
    for folder in sorted(folders, reverse=True):
        with contextlib.suppress(OSError):
            folder.rmdir()


def binds(replacements: Mapping[Path, Path]) -> str:
    """Return the shell commands that put folders of ours over others.

    Arguments:
        replacements: the folders of ours, by the folders that they replace.
    """
    pairs = [(shlex.quote(str(ours)), shlex.quote(str(theirs))) for theirs, ours in replacements.items()]
    return " && ".join(f"mount --bind {ours} {theirs}" for ours, theirs in pairs)


@contextmanager
def prefix(replacements: Mapping[Path, Path]) -> Iterator[list[str]]:
    """What to put before a command that must see folders of ours in place of others; needs root.

    Arguments:
        replacements: the folders of ours, by the folders that they replace.
    """
    created = missing(replacements)
    try:
        for theirs, ours in replacements.items():
            theirs.mkdir(parents=True, exist_ok=True)
            ours.mkdir(parents=True, exist_ok=True)
        script = f'{binds(replacements)} && exec "$@"'
        yield ["unshare", "--mount", "--propagation", "slave", "sh", "-ec", script, "sh"]
    finally:
        remove(created)
