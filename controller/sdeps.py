"""The SeldonDeployments in the cluster, and which of them this operator is responsible for."""

from collections.abc import Callable, Iterator
from typing import Any

from controller.children import Key, is_newer
from seldon_core.api.constants import LABEL_CONTROLLER_ID

Object = dict[str, Any]

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def trim(sdep: Object) -> Object:
    """Drop from a SeldonDeployment what nobody here reads: two thirds of its size, as a rule."""
    metadata = sdep["metadata"]
    metadata.pop("managedFields", None)
    (metadata.get("annotations") or {}).pop(_LAST_APPLIED, None)
    return sdep


class SeldonDeployments:
    """The SeldonDeployments, fed by a watch and by the answers to our own writes, whichever is newer.

    Args:
        controller_id: The `seldon.io/controller-id` that this operator is responsible for; empty is that of those
            without one.
        namespace_id: Returns the `seldon.io/controller-id` of a namespace, whose SeldonDeployments are left to the
            operator inside it; empty for none.
    """

    def __init__(self, controller_id: str, namespace_id: Callable[[str], str]) -> None:
        self._controller_id = controller_id
        self._namespace_id = namespace_id
        self._kept: dict[Key, Object] = {}

    def get(self, key: Key) -> Object | None:
        """Return the SeldonDeployment of this namespace and name, or None."""
        return self._kept.get(key)

    def keys(self, namespace: str | None = None) -> Iterator[Key]:
        """Yield the keys of all SeldonDeployments, or of those in one namespace."""
        return (key for key in list(self._kept) if namespace in (None, key[0]))

    def ours(self, sdep: Object) -> bool:
        """Tell whether this operator is responsible for a SeldonDeployment."""
        metadata = sdep["metadata"]
        own = (metadata.get("labels") or {}).get(LABEL_CONTROLLER_ID, "")
        return own == self._controller_id and not self._namespace_id(metadata["namespace"])

    def put(self, sdep: Object) -> bool:
        """Take in a SeldonDeployment; return whether anything but its version changed."""
        metadata = trim(sdep)["metadata"]
        key = metadata["namespace"], metadata["name"]
        known = self._kept.get(key)
        if known is not None and known["metadata"]["uid"] == metadata["uid"]:
            if is_newer(known["metadata"]["resourceVersion"], metadata["resourceVersion"]):
                return False
            changed = _without_version(known) != _without_version(sdep)
        else:
            changed = True
        self._kept[key] = sdep
        return changed

    def remove(self, key: Key, uid: str) -> None:
        """Take out a SeldonDeployment that is gone."""
        known = self._kept.get(key)
        if known is not None and known["metadata"]["uid"] == uid:
            del self._kept[key]


def _without_version(sdep: Object) -> Object:
    return {**sdep, "metadata": {**sdep["metadata"], "resourceVersion": None}}
