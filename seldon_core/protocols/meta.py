"""The `meta` of seldon messages: merged over a graph's answers without decoding their data.

A message is taken apart at its top level only; everything but `meta` stays the bytes that it was.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

__all__ = ["with_merged_meta"]

Fields = dict[str, msgspec.Raw]

# What decoding raises on bytes that are not the JSON that is looked for, or nest too deeply.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_fields = msgspec.json.Decoder(Fields)
_encode = msgspec.json.Encoder().encode


def with_merged_meta(
    answers: Sequence[bytes],
    *,
    puid: str,
    routing: Mapping[str, int],
    request_path: Mapping[str, str],
) -> bytes:
    """Return the last of `answers` with the meta of all of them.

    Tags and request paths are united, a later answer wins. Metrics are collected; an answer that repeats those
    of the answer before it, as components that copy the meta of their request do, does not count them twice.
    Members of meta that the protocol does not know are taken from the last answer.

    Args:
        answers: bodies of the components' answers, in the order in which they were called; at least one.
        puid: id of the prediction.
        routing: name of each node that was visited -> branch that was taken.
        request_path: name of each node that was visited -> image that served it, for the nodes whose answers
            do not say so themselves.

    Returns:
        The message; the last answer unchanged when it is not a JSON object.
    """
    message = _split(answers[-1])
    if message is None:
        return answers[-1]
    tags: Fields = {}
    paths: Fields = {}
    metrics: list[Any] = []
    meta: Fields = {}
    for body in answers:
        meta = _members((_split(body) or {}).get("meta"))
        tags |= _members(meta.get("tags"))
        paths |= _members(meta.get("requestPath"))
        metrics = _collected(metrics, _items(meta.get("metrics")))
    merged: dict[str, Any] = {
        **meta,
        "puid": puid,
        "tags": tags,
        "routing": {**_members(meta.get("routing")), **routing},
        "requestPath": {**request_path, **paths},
        "metrics": metrics,
    }
    known = ("tags", "routing", "requestPath", "metrics")
    merged = {name: value for name, value in merged.items() if value or name not in known}
    return _encode({**message, "meta": merged})


def _split(body: bytes) -> Fields | None:
    try:
        return _fields.decode(body)
    except _UNREADABLE:
        return None


def _members(raw: msgspec.Raw | None) -> Fields:
    """The members of an object; none when it is something else."""
    return (_split(bytes(raw)) or {}) if raw is not None else {}


def _items(raw: msgspec.Raw | None) -> list[Any]:
    try:
        items = msgspec.json.decode(raw) if raw is not None else []
    except _UNREADABLE:
        return []
    return items if isinstance(items, list) else []


def _collected(before: list[Any], here: list[Any]) -> list[Any]:
    return here if here[: len(before)] == before else before + here
