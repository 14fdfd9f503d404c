"""JSON as the inference protocols need it: fast, and forgiving exactly where models are not strict.

Reading accepts the bare NaN and Infinity that Python and numpy clients send. Writing produces compact
JSON with sorted keys, understands numpy values, and turns NaN and Infinity into null.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

import msgspec

from .errors import MessageError

__all__ = ["dumps", "loads"]


def loads(body: bytes | str) -> Any:
    """Decode one JSON value.

    Args:
        body: the JSON text, UTF-8 when bytes.

    Returns:
        Plain Python values; integers keep their full value.

    Raises:
        MessageError: the text is not JSON.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _loads_leniently(body)
    except RecursionError:
        raise MessageError("Invalid JSON: values are nested too deeply") from None


def _loads_leniently(body: bytes | str) -> Any:
    try:
        return json.loads(body)
    except RecursionError:
        raise MessageError("Invalid JSON: values are nested too deeply") from None
    except UnicodeDecodeError:
        raise MessageError("Invalid JSON: the text is not UTF-8") from None
    except ValueError as error:
        # The standard parser names line and column, which a person can find; the fast one names a byte.
        raise MessageError(f"Invalid JSON: {error}") from None


def dumps(value: Any) -> bytes:
    """Encode `value` as compact JSON with sorted keys and a final newline.

    Raises:
        TypeError: some value inside has no form in JSON; the message names its type.
    """
    try:
        return _encode(value) + b"\n"
    except (TypeError, UnicodeEncodeError):
        # Keys that are not strings, or text with lone surrogates: rare, so only now the slow way.
        return json.dumps(_plain(value), sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _to_json_type(value: Any) -> Any:
    import numpy as np  # here, because the engine reads messages without it

    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, np.datetime64 | np.timedelta64):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__} has no form in JSON: {value!r:.80}")


_encode = msgspec.json.Encoder(enc_hook=_to_json_type, order="sorted").encode


def _plain(value: Any) -> Any:
    """`value` with nothing in it but what the standard encoder writes, keys as text, no NaN."""
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return str.__str__(value)
    return json.loads(msgspec.json.encode(value, enc_hook=_to_json_type))


def _key(key: Any) -> str:
    import numpy as np

    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, bool | int | float | np.generic | None):
        return json.dumps(key.item() if isinstance(key, np.generic) else key)
    raise TypeError(f"a key of type {type(key).__qualname__} has no form in JSON: {key!r:.80}")
