"""Keeping pods as an earlier operator built them, so that upgrading it, or changing its configuration, rolls nothing.

Each Deployment bears a record of what its pods were built from and to. As long as the manifest says the same of the
predictor, its pods stay as recorded, and its Services lead to the ports that they listen on.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from seldon_core.api import constants as c
from seldon_core.api.objects import as_list, as_map

from .observed import LiveDeployment, Observed

Object = dict[str, Any]

# What changes of a predictor, and of a componentSpec, without a change of its pods.
_OF_PREDICTOR = frozenset({"replicas", "traffic"})
_OF_COMPONENT = frozenset({"replicas", "hpaSpec", "kedaSpec", "pdbSpec"})
# All annotations of an object together may be 256 KiB long.
_LONGEST_RECORD = 128 * 1024
# What one unpacks to: an object of the API server is no larger.
_LARGEST_TEMPLATE = 1 << 20


def fingerprint(sdep: Object, predictor: Object) -> str:
    """Return a digest of what a manifest says of the pods of a predictor, and of the wish to have them built anew.

    Args:
        sdep: The SeldonDeployment as it is stored.
        predictor: One of its predictors.
    """
    kept = _without(predictor, _OF_PREDICTOR)
    kept["componentSpecs"] = [_without(one, _OF_COMPONENT) for one in as_list(predictor.get("componentSpecs"))]
    for part in ("svcOrchSpec", "explainer"):
        if part in kept:
            kept[part] = _without(as_map(kept[part]), {"replicas"})
    spec = {key: sdep["spec"].get(key) for key in ("protocol", "transport", "serverType", "annotations")}
    refresh = as_map(sdep["metadata"].get("annotations")).get(c.ANNOTATION_REFRESH)
    return blake2b(_json([kept, spec, refresh]), digest_size=12).hexdigest()


def recorded(objects: Sequence[Object], print_: str) -> list[Object]:
    """Return the objects of a predictor, its Deployments with the record of what they were built from.

    Args:
        objects: The planned objects.
        print_: The fingerprint of the predictor.
    """
    return [
        _recorded(obj, _encoded(print_, obj["spec"]["template"])) if _is_deployment(obj) else obj for obj in objects
    ]


def kept(objects: Sequence[Object], print_: str, observed: Observed) -> list[Object] | None:
    """Return the objects of a predictor with its pods as they are, or None where they are to be as planned.

    Args:
        objects: The planned objects.
        print_: The fingerprint of the predictor.
        observed: The children as they are.

    Returns:
        The objects, if every Deployment exists, was built from the same fingerprint, and some to other pods.
    """
    records: dict[str, tuple[str, Object]] = {}
    outdated = False
    for obj in filter(_is_deployment, objects):
        live = observed.deployments.get(obj["metadata"]["name"])
        template = None if live is None else _template(live, print_)
        if live is None or template is None:
            return None
        records[obj["metadata"]["name"]] = live.record, template
        outdated = outdated or template != json.loads(_json(obj["spec"]["template"]))
    return [_as_it_is(obj, records, observed) for obj in objects] if outdated else None


def _as_it_is(obj: Object, records: dict[str, tuple[str, Object]], observed: Observed) -> Object:
    name = obj["metadata"]["name"]
    if _is_deployment(obj):
        record, template = records[name]
        return _recorded({**obj, "spec": {**obj["spec"], "template": template}}, record)
    live = observed.services.get(name) if obj["kind"] == "Service" else None
    ports = obj["spec"].get("ports") or []
    if live is None or len(live.ports) != len(ports):
        return obj
    kept = [_at(port, number) for port, number in zip(ports, live.ports, strict=True)]
    return {**obj, "spec": {**obj["spec"], "ports": kept}}


def _at(port: Object, number: int) -> Object:
    """Return the port of a Service at the number that it has, if that is another."""
    return port if port["port"] == number else {**port, "port": number, "targetPort": number}


def _recorded(deployment: Object, record: str) -> Object:
    if len(record) > _LONGEST_RECORD:
        return deployment
    metadata = deployment["metadata"]
    annotations = {**as_map(metadata.get("annotations")), c.ANNOTATION_BUILT: record}
    return {**deployment, "metadata": {**metadata, "annotations": annotations}}


def _encoded(print_: str, template: Object) -> str:
    return f"{print_}.{base64.b64encode(zlib.compress(_json(template))).decode()}"


def _template(live: LiveDeployment, print_: str) -> Object | None:
    """Return the template that a Deployment was built to, if that was from this fingerprint."""
    return recorded_template(live) if live.record.startswith(f"{print_}.") else None


def recorded_template(live: LiveDeployment) -> Object | None:
    """Return the template that a Deployment was built to, where that is recorded.

    Args:
        live: The Deployment as it is.
    """
    packed = live.record.partition(".")[2]
    if not packed or len(live.record) > _LONGEST_RECORD:
        return None
    # Whoever may edit the Deployment may have spoilt it, or made it one that unpacks to anything.
    decoder = zlib.decompressobj()
    try:
        text = decoder.decompress(base64.b64decode(packed, validate=True), _LARGEST_TEMPLATE)
        template = json.loads(text) if decoder.eof else None
    except (binascii.Error, zlib.error, ValueError, RecursionError):
        return None
    return template if isinstance(template, dict) else None


def _is_deployment(obj: Object) -> bool:
    return bool(obj["kind"] == "Deployment")


def _without(part: Object, keys: Any) -> Object:
    return {key: value for key, value in part.items() if key not in keys}


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
