"""What a Helm values file says about an installation, as far as the rules for SeldonDeployments depend on it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from seldon_core.api import constants as c
from seldon_core.api.installation import Installation
from seldon_core.api.objects import as_map

from .documents import Unusable

_CHART = "seldon-core-operator"
_SERVERS = "predictor_servers"
_EXAMPLE = "MY_SERVER: {protocols: {seldon: {image: example.com/my-server, defaultImageVersion: 1.0}}}"


def installation(files: Iterable[str]) -> Installation:
    """Return the installation that Helm would make of values files.

    Args:
        files: Paths of values files of the operator's chart or of the chart around it; later ones win.

    Raises:
        Unusable: A file cannot be read, is no YAML, or holds other values than the chart takes.
    """
    servers: dict[str, frozenset[str]] = dict(c.PREPACKAGED_SERVERS)
    for file in files:
        values = _read(file)
        for values_of_chart, where in ((values, _SERVERS), (values.get(_CHART), f"{_CHART}.{_SERVERS}")):
            _merge(servers, as_map(values_of_chart).get(_SERVERS), f"{file}: {where}")
    return Installation(servers=servers)


def _read(file: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(Path(file).read_bytes())
    except OSError as error:
        raise Unusable(f"{file}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise Unusable(f"{file}: is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict | None):
        raise Unusable(f"{file}: holds no values; write them as lines of key: value")
    return values or {}


def _merge(servers: dict[str, frozenset[str]], given: Any, where: str) -> None:
    """Change the servers as Helm merges maps: what is null goes, what is new comes to what is there."""
    for implementation, server in _mapping(given, where).items():
        if server is None:
            servers.pop(implementation, None)
            continue
        place = f"{where}.{implementation}"
        protocols = _mapping(_mapping(server, place).get("protocols"), f"{place}.protocols")
        kept = servers.get(implementation, frozenset()) - protocols.keys()
        servers[implementation] = kept | {
            protocol for protocol, entry in protocols.items() if _has_image(entry, f"{place}.protocols.{protocol}")
        }


def _has_image(entry: Any, where: str) -> bool:
    image = _mapping(entry, where).get("image")
    if entry is not None and not (isinstance(image, str) and image):
        raise Unusable(f"{where}.image: must be the name of an image, as in {_EXAMPLE}")
    return entry is not None


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict | None):
        raise Unusable(f"{where}: must be a mapping, as in {_EXAMPLE}")
    return value or {}
