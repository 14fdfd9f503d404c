"""What is kept of the objects in the cluster: enough to decide whether something has to be done about them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import msgspec

from seldon_core.kube.children import FIELD_MANAGER, live_of, observed, owner_of
from seldon_core.plan import LiveDeployment, LiveObject, Observed

Object = dict[str, Any]
Key = tuple[str, str]

# What the server or another controller writes all the time, and what is compared by itself.
_VOLATILE = ("managedFields", "resourceVersion", "generation")
_REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True, slots=True)
class Child:
    """An object as it is, reduced to what decides.

    Attributes:
        kind: Its kind.
        namespace: Its namespace.
        name: Its name.
        uid: Its uid.
        resource_version: The version that this was made from; two children that differ in it only are equal.
        owner: Name and uid of the SeldonDeployment that controls it, or None.
        content: A digest of what was asked for, without status and what the server keeps for itself.
        applied: Whether this operator has applied it before.
        live: What planning needs to know of it.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str = field(compare=False)
    owner: tuple[str, str] | None
    content: bytes
    applied: bool
    live: LiveDeployment | LiveObject

    @classmethod
    def of(cls, obj: Object) -> "Child":
        """Reduce an object as the API server returns it; the object is left as it is."""
        metadata = obj["metadata"]
        live = live_of(obj)
        return cls(
            kind=obj["kind"],
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            resource_version=metadata.get("resourceVersion", ""),  # what was only tried has none
            owner=owner_of(obj),
            content=content(obj),
            applied=is_applied(metadata),
            live=live,
        )


def is_applied(metadata: Object) -> bool:
    """Tell whether this operator has applied an object, by its metadata."""
    return any(
        (entry.get("manager"), entry.get("operation")) == (FIELD_MANAGER, "Apply")
        for entry in metadata.get("managedFields") or ()
    )


def content(obj: Object) -> bytes:
    """Return a digest of an object without its status and what is written to it all the time.

    The replicas of a Deployment are left out: they may belong to an autoscaler.
    """
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _VOLATILE}
    if _REVISION in (metadata.get("annotations") or {}):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != _REVISION} or None
    spec = {key: value for key, value in obj["spec"].items() if key != "replicas"}
    metadata = {key: value for key, value in metadata.items() if value is not None}
    return digest({"metadata": metadata, "spec": spec})


def digest(value: Any) -> bytes:
    """Return a digest of decoded JSON that does not depend on the order of its keys."""
    return blake2b(msgspec.json.encode(value, order="deterministic"), digest_size=16).digest()


def is_newer(version: str, than: str) -> bool:
    """Tell whether a resourceVersion is later than another; False where they cannot be compared."""
    return version.isdecimal() and than.isdecimal() and int(version) > int(than)


class Children:
    """The children in the cluster, by the SeldonDeployment that controls them.

    It is fed by watches and by the answers to our own writes, whichever is newer, so that a pass never acts on a state
    older than what the pass before it wrote.
    """

    def __init__(self) -> None:
        self._children: dict[tuple[str, str, str], Child] = {}
        self._by_owner: dict[Key, dict[tuple[str, str], Child]] = {}

    def put(self, child: Child) -> set[Key]:
        """Take in a child; return the keys of the SeldonDeployments for which something changed."""
        place = (child.kind, child.namespace, child.name)
        known = self._children.get(place)
        if known is not None and known.uid == child.uid and is_newer(known.resource_version, child.resource_version):
            return set()
        changed = set() if known == child else self._owners(known) | self._owners(child)
        self._forget(known)
        self._children[place] = child
        for key in self._owners(child):
            self._by_owner.setdefault(key, {})[child.kind, child.name] = child
        return changed

    def remove(self, child: Child) -> set[Key]:
        """Take out a child that is gone; return the keys for which something changed."""
        known = self._children.get((child.kind, child.namespace, child.name))
        if known is None or known.uid != child.uid:
            return set()
        self._forget(known)
        return self._owners(known)

    def forget(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Take out a child that we have deleted, before a watch tells of it."""
        known = self._children.get((kind, namespace, name))
        if known is not None and known.uid == uid:
            self._forget(known)

    def of(self, key: Key, uid: str) -> Iterator[Child]:
        """Yield the children of the SeldonDeployment of this key and uid."""
        owned = self._by_owner.get(key, {}).values()
        return (child for child in owned if child.owner is not None and child.owner[1] == uid)

    def observed(self, key: Key, uid: str) -> Observed:
        """Return the children of the SeldonDeployment of this key and uid, as planning looks at them."""
        return observed((child.kind, child.name, child.live) for child in self.of(key, uid))

    def _forget(self, child: Child | None) -> None:
        if child is None:
            return
        del self._children[child.kind, child.namespace, child.name]
        for key in self._owners(child):
            owned = self._by_owner[key]
            del owned[child.kind, child.name]
            if not owned:
                del self._by_owner[key]

    @staticmethod
    def _owners(child: Child | None) -> set[Key]:
        return {(child.namespace, child.owner[0])} if child is not None and child.owner is not None else set()
