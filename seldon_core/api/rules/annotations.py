"""The annotations that are settings: their values are read long after they were written, so they are checked here."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .. import constants as c
from ..findings import Finding
from ..objects import as_map
from .names import check_annotation_keys

_INT32_MAX = 2**31 - 1
_HOST = re.compile(r"\*|(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_GATEWAY = re.compile(
    r"([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
_HEADER_PAIR = re.compile(r"\s*[^\s:]+\s*:\s*\S.*")
_VARIABLE = re.compile(r"[A-Z_.][A-Z0-9_.]*")
_SPEC, _METADATA, _PREDICTOR, _POD = "spec", "metadata", "predictor", "pod"


@dataclass(frozen=True, slots=True)
class _Setting:
    """How an annotation is read.

    Attributes:
        places: Where it is looked for.
        good: Whether it can be read.
        rule: What it must be.
        remedy: What to write.
        severity: A warning where what cannot be read counts as something.
    """

    places: tuple[str, ...]
    good: Callable[[str], bool]
    rule: str
    remedy: str
    severity: Any = "error"


def _number(least: int, unit: str, example: int, *places: str) -> _Setting:
    def good(value: str) -> bool:
        return value.isascii() and value.isdecimal() and len(value) < 11 and least <= int(value) <= _INT32_MAX

    return _Setting(places, good, f"must be a whole number{unit}, {least} or more", f'write "{example}", for example')


def _switch(*places: str) -> _Setting:
    return _Setting(
        places,
        lambda value: value.lower() in ("true", "false"),
        "is neither true nor false, and counts as false",
        'write "true" or "false"',
        "warning",
    )


_ROUTED = (_SPEC, _METADATA)
_EVERYWHERE = (_SPEC, _METADATA, _PREDICTOR, _POD)
_MILLISECONDS = " of milliseconds"
_SETTINGS = {
    "seldon.io/rest-timeout": _number(1, _MILLISECONDS, 5000, *_EVERYWHERE),
    "seldon.io/grpc-timeout": _number(1, _MILLISECONDS, 5000, *_EVERYWHERE),
    "seldon.io/grpc-max-message-size": _number(1, " of bytes", 4194304, *_EVERYWHERE),
    "seldon.io/rest-max-body-size": _number(1, " of bytes", 268435456, *_EVERYWHERE),
    "seldon.io/executor-logger-queue-size": _number(1, "", 10000, *_ROUTED),
    "seldon.io/executor-logger-write-timeout-ms": _number(1, _MILLISECONDS, 2000, *_ROUTED),
    "seldon.io/istio-retries": _number(0, "", 3, *_ROUTED),
    "seldon.io/istio-retries-timeout": _number(1, " of seconds", 1, *_ROUTED),
    "seldon.io/ambassador-retries": _number(0, "", 3, *_ROUTED),
    **{
        f"seldon.io/ambassador-circuit-breakers-{limit}": _number(0, "", 1024, *_ROUTED)
        for limit in ("max-connections", "max-pending-requests", "max-requests", "max-retries")
    },
    "seldon.io/istio-gateway": _Setting(
        _ROUTED,
        lambda value: bool(_GATEWAY.fullmatch(value)),
        "must be the name of a gateway, if need be after its namespace and a slash",
        "write istio-system/seldon-gateway, for example",
    ),
    "seldon.io/istio-host": _Setting(
        _ROUTED,
        lambda value: all(_HOST.fullmatch(host.strip()) for host in value.split(",")),
        "must be hosts separated by commas",
        "write models.example.com, for example",
    ),
    "seldon.io/ambassador-header": _Setting(
        _ROUTED,
        lambda value: bool(value.partition(":")[0].strip()),
        'must be the name of a header, if need be with its value as "name: value"',
        'write "x-team: blue", for example',
    ),
    "seldon.io/ambassador-regex-header": _Setting(
        _ROUTED,
        lambda value: all(_HEADER_PAIR.fullmatch(line) for line in value.strip().splitlines() or [""]),
        'must be the name of a header and a pattern for its value, as "name: pattern"',
        'write "x-team: blue|green", for example',
    ),
    "seldon.io/ambassador-config": _Setting(
        _ROUTED,
        lambda value: not value.strip(),
        "is ignored, as Ambassador is told by Mappings and no longer by annotations of Services",
        "write what it asks for as the other annotations of Ambassador",
        "warning",
    ),
    c.ANNOTATION_SEPARATE_ENGINE: _switch(_SPEC),
    c.ANNOTATION_NO_STORAGE_INITIALIZER: _switch(_SPEC),
    c.ANNOTATION_NO_ENGINE: _switch(_PREDICTOR),
}


def check_spec_annotations(annotations: Any, path: str) -> Iterator[Finding]:
    """Yield what is wrong with the annotations of a spec.

    Args:
        annotations: The annotations.
        path: Their path.
    """
    yield from _check(annotations, path, _SPEC)
    for key, value in as_map(annotations).items():
        if isinstance(key, str) and key.startswith(c.ANNOTATION_ENGINE_PREFIX) and isinstance(value, str):
            variable = key.removeprefix(c.ANNOTATION_ENGINE_PREFIX).replace("-", "_").upper()
            if not _VARIABLE.fullmatch(variable):
                rule = f"becomes an environment variable of the engine, and {variable or 'nothing'} is no name of one"
                yield Finding(f"{path}[{key}]", value, rule, "begin what stands after engine- with a letter")


def check_metadata_annotations(annotations: Any, path: str) -> Iterator[Finding]:
    """Yield settings among the annotations of the object itself that cannot be read, or that are not read there.

    Args:
        annotations: The annotations; their syntax is the API server's concern.
        path: Their path.
    """
    yield from _check_settings(annotations, path, _METADATA)


def check_predictor_annotations(annotations: Any, path: str) -> Iterator[Finding]:
    """Yield what is wrong with the annotations of a predictor.

    Args:
        annotations: The annotations.
        path: Their path.
    """
    yield from _check(annotations, path, _PREDICTOR)


def check_pod_annotations(annotations: Any, path: str) -> Iterator[Finding]:
    """Yield what is wrong with the annotations of a componentSpec.

    Args:
        annotations: The annotations.
        path: Their path.
    """
    yield from _check(annotations, path, _POD)


def _check(annotations: Any, path: str, place: str) -> Iterator[Finding]:
    if annotations:
        yield from check_annotation_keys(annotations, path)
        yield from _check_settings(annotations, path, place)


def _check_settings(annotations: Any, path: str, place: str) -> Iterator[Finding]:
    for key, value in as_map(annotations).items():
        setting = _SETTINGS.get(key)
        if setting is None or not isinstance(value, str):
            continue
        where = f"{path}[{key}]"
        if place not in setting.places:
            place_of = {_SPEC: "spec.annotations", _PREDICTOR: "the annotations of the predictor"}[setting.places[0]]
            yield Finding(where, value, "is ignored here", f"move it to {place_of}", "warning")
        elif not setting.good(value):
            yield Finding(where, value, setting.rule, setting.remedy, setting.severity)
