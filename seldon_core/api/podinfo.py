"""The annotations of a pod, as the downward API writes them into a file of its containers."""

import json

__all__ = ["parse_annotations"]


def parse_annotations(text: str) -> dict[str, str]:
    """Read the annotations of a pod: one `key="value"` per line.

    Lines without `=` are skipped: one of them must not disable all others.
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
