"""Versions: reading them from what programs print, and deciding whether one fits."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

Version = tuple[int, int, int]

_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?")


def parse(text: str) -> Version | None:
    """Return the first version found in a text, or None."""
    found = _VERSION.search(text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def at_least(major: int, minor: int) -> Callable[[Version], bool]:
    """Return a rule: this version or a newer one of the same major version."""
    return lambda version: version[0] == major and version[1] >= minor


def within_one_minor(of: Version) -> Callable[[Version], bool]:
    """Return a rule: the skew that Kubernetes supports between kubectl and the API server."""
    return lambda version: version[0] == of[0] and abs(version[1] - of[1]) <= 1


def required(go_mod: Path, module: str) -> str:
    """Return the version of a module that a go.mod requires, such as v1.35.4.

    Raises:
        LookupError: the go.mod does not require it.
    """
    found = re.search(rf"^(?:require\s+|\s+){re.escape(module)}\s+(v\S+)", go_mod.read_text(), re.MULTILINE)
    if not found:
        raise LookupError(f"{go_mod} does not require {module}")
    return found[1]
