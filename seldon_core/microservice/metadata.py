"""The metadata of a model: what the class and the environment say, with defaults, checked."""

import logging
from collections.abc import Mapping
from typing import Any

import yaml

from seldon_core.microservice.identity import split_image

__all__ = ["MetadataError", "describe"]

log = logging.getLogger(__name__)

_TEXTS = ("name", "platform")
_TENSOR_KINDS = ("tensor", "ndarray", "tftensor")
_PLAIN_KINDS = ("strData", "binData")
_V2_DATATYPES = {"BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32",
                 "FP64", "BYTES"}  # fmt: skip


class MetadataError(ValueError):
    """The metadata breaks the rules; the text lists every place."""


def describe(declared: Any, override: str, image: str) -> dict[str, Any]:
    """Put the metadata of a model together.

    Args:
        declared: what `init_metadata()` returned, None when the class has no such method.
        override: YAML of MODEL_METADATA, whose keys win; "" for none.
        image: the image of this component, which gives the default name and version; "" if unknown.

    Returns:
        name, versions, platform, inputs, outputs and custom, each present.

    Raises:
        MetadataError: a key or a value is not what metadata may hold.
    """
    name, version = split_image(image) if image else ("", "")
    merged: dict[str, Any] = {
        "name": name, "versions": [version], "platform": "", "inputs": [], "outputs": [], "custom": {},
    }  # fmt: skip
    if isinstance(declared, Mapping):
        merged.update(declared)
    elif declared is not None:
        raise MetadataError(f"init_metadata() returned {declared!r:.100}, must return a dict")
    merged.update(_read_override(override))
    problems = _check(merged)
    if problems:
        raise MetadataError("; ".join(problems))
    return merged


def _read_override(text: str) -> dict[str, Any]:
    try:
        value = yaml.safe_load(text) if text else {}
    except yaml.YAMLError as error:
        log.warning("MODEL_METADATA is ignored, it is not YAML: %s", error)
        return {}
    if not isinstance(value, dict):
        log.warning("MODEL_METADATA is ignored, it is not a YAML mapping: %.100r", value)
        return {}
    return value


def _check(metadata: dict[str, Any]) -> list[str]:
    problems = [f"{key}: {metadata[key]!r:.100}: must be a text" for key in _TEXTS if not _is_text(metadata[key])]
    if not _is_list_of(metadata["versions"], str):
        problems.append(f"versions: {metadata['versions']!r:.100}: must be a list of texts")
    custom = metadata["custom"]
    if not isinstance(custom, dict) or not all(_is_text(part) for item in custom.items() for part in item):
        problems.append(f"custom: {custom!r:.100}: must map texts to texts")
    for side in ("inputs", "outputs"):
        if isinstance(metadata[side], list):
            for index, item in enumerate(metadata[side]):
                problems += _check_item(f"{side}[{index}]", item)
        else:
            problems.append(f"{side}: {metadata[side]!r:.100}: must be a list")
    known = {"name", "versions", "platform", "inputs", "outputs", "custom"}
    problems += [f"{key}: is not a key of metadata; use one of {', '.join(sorted(known))}"
                 for key in metadata if key not in known]  # fmt: skip
    return problems


def _check_item(path: str, item: Any) -> list[str]:
    if not isinstance(item, dict):
        return [f"{path}: {item!r:.100}: must be a mapping"]
    if "messagetype" not in item:
        return _check_keys(path, item, {"name": _is_text, "datatype": _is_datatype, "shape": _is_shape})
    kind = item["messagetype"]
    if not _is_text(kind):
        return [f"{path}.messagetype: {kind!r:.100}: must be a text"]
    if kind in _PLAIN_KINDS:
        return _check_keys(path, item, {"messagetype": _is_text})
    schema = _is_tensor_schema if kind in _TENSOR_KINDS else _is_mapping
    return _check_keys(path, item, {"messagetype": _is_text, "schema": schema})


def _check_keys(path: str, item: dict[str, Any], allowed: Mapping[str, Any]) -> list[str]:
    problems = []
    for key, value in item.items():
        if key not in allowed:
            problems.append(f"{path}.{key}: is not a key here; use one of {', '.join(allowed)}")
        elif not allowed[key](value):
            problems.append(f"{path}.{key}: {value!r:.100}: is not a valid {key}")
    return problems


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) and not isinstance(item, bool) for item in value)


def _is_shape(value: Any) -> bool:
    return _is_list_of(value, int)


def _is_datatype(value: Any) -> bool:
    return _is_text(value) and value in _V2_DATATYPES


def _is_tensor_schema(value: Any) -> bool:
    if not isinstance(value, dict) or not set(value) <= {"names", "shape"}:
        return False
    return _is_list_of(value.get("names", []), str) and _is_shape(value.get("shape", []))
