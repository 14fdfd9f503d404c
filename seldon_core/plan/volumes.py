"""Adding volumes and mounts to what users write, whose own of the same name or place are kept."""

from collections.abc import Sequence
from typing import Any

from seldon_core.api import constants as c
from seldon_core.api.objects import as_list, as_map, as_text

Object = dict[str, Any]

PODINFO: Object = {
    "name": c.PODINFO_VOLUME,
    "downwardAPI": {
        "defaultMode": 0o644,
        "items": [{"path": "annotations", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.annotations"}}],
    },
}


def with_volume(pod: Object, volume: Object) -> Object:
    """Return a pod spec with a volume, unless it has one of the name.

    Args:
        pod: The pod spec.
        volume: The volume.
    """
    volumes = as_list(pod.get("volumes"))
    if any(as_map(known).get("name") == volume["name"] for known in volumes):
        return pod
    return {**pod, "volumes": [*volumes, volume]}


def with_mounts(container: Object, mounts: Sequence[Object]) -> Object:
    """Return a container with mounts, except for those in whose place it has one already.

    Args:
        container: The container.
        mounts: The mounts.
    """
    own = as_list(container.get("volumeMounts"))
    taken = {as_text(as_map(mount).get("mountPath")).rstrip("/") for mount in own}
    added = [mount for mount in mounts if mount["mountPath"].rstrip("/") not in taken]
    return {**container, "volumeMounts": [*own, *added]} if added else container
