"""The annotations of a pod, as the downward API writes them into a file of its containers."""

import json
from pathlib import Path

from .constants import PODINFO_PATH

__all__ = ["ANNOTATIONS_FILE", "parse_annotations", "pod_annotations"]

ANNOTATIONS_FILE = Path(PODINFO_PATH) / "annotations"


def parse_annotations(text: str) -> dict[str, str]:
    """Read the annotations of a pod: one `key="value"` per line.

    Args:
        text: The file; lines without `=` are skipped, as one of them must not disable all others.

    Returns:
        The values by key.
    """
    annotations = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            annotations[_unquoted(key)] = _unquoted(value)
    return annotations


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text[1:-1]
    return text


def pod_annotations(path: Path = ANNOTATIONS_FILE) -> dict[str, str]:
    """Return the annotations of the pod; none outside of a pod.

    Args:
        path: Where they are written.
    """
    try:
        return parse_annotations(path.read_text())
    except (OSError, UnicodeDecodeError):
        return {}
