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
    message: bytes,
    answers: Sequence[tuple[Sequence[bytes], bytes]],
    *,
    puid: str,
    routing: Mapping[str, int],
    request_path: Mapping[str, str],
) -> bytes:
    """Return `message` with the meta of all `answers`.

    Tags, routing and request paths are united, a later answer wins. Metrics are collected; those that an answer has
    in common with what its component was sent, because components copy the meta of their request, count once.
    Members of meta that the protocol does not know are taken from the message.

    Args:
        message: body of the graph's answer.
        answers: of the components, in the order of the graph: the bodies of the answers that the component was sent
            (none for the first, which gets what the caller sent), and the body of its own answer.
        puid: id of the prediction.
        routing: name of each node that was visited -> branch that was taken.
        request_path: name of each node that was visited -> image that served it, for the nodes whose answers
            do not say so themselves.

    Returns:
        The message; unchanged when it is not a JSON object.
    """
    fields = _split(message)
    if fields is None:
        return message
    metas = {id(body): _meta(body) for _, body in answers}
    tags: Fields = {}
    branches: dict[str, Any] = {}
    paths: dict[str, Any] = dict(request_path)
    metrics: list[Any] = []
    for sources, body in answers:
        meta = metas[id(body)]
        tags |= _members(meta.get("tags"))
        branches |= _members(meta.get("routing"))
        paths |= _members(meta.get("requestPath"))
        sent = [metric for source in sources for metric in _items(metas.get(id(source), {}).get("metrics"))]
        metrics += _without(_items(meta.get("metrics")), sent)
    merged: dict[str, Any] = {
        **_members(fields.get("meta")),
        "puid": puid,
        "tags": tags,
        "routing": {**branches, **routing},
        "requestPath": paths,
        "metrics": metrics,
    }
    known = ("tags", "routing", "requestPath", "metrics")
    merged = {name: value for name, value in merged.items() if value or name not in known}
    return _encode({**fields, "meta": merged})


def _meta(body: bytes) -> Fields:
    return _members((_split(body) or {}).get("meta"))


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


def _without(items: list[Any], dropped: list[Any]) -> list[Any]:
    """`items` without one of them for each of `dropped` that equals it."""
    left = list(items)
    for item in dropped:
        if item in left:
            left.remove(item)
    return left
