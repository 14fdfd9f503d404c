"""Making children as planned: only what differs is written, and nothing of anybody else's is touched."""

import asyncio
import itertools
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.children import Child, Children, Key, digest, is_applied
from controller.takeover import managed_fields
from seldon_core.api.constants import LABEL_SELDON_ID
from seldon_core.kube.children import FIELD_MANAGER, owner_of
from seldon_core.kube.client import JSON_PATCH, Client
from seldon_core.kube.errors import ApiError, Conflict, Forbidden, Invalid, NotFound
from seldon_core.kube.resources import Resource
from seldon_core.plan import KINDS, LiveDeployment, Problem, Ref

Object = dict[str, Any]
Place = tuple[str, str]  # kind and name

RESOURCES: dict[str, Resource] = {
    child.kind: Resource(child.group, child.version, child.plural, child.kind) for child in KINDS
}
# Seconds until something is looked at again that no watch would report.
_TERMINATING_RECHECK, _STRANGER_RECHECK, _REFUSED_RECHECK = 2.0, 30.0, 600.0

_log = logging.getLogger(__name__)


class Retry(Exception):  # noqa: N818 - says what to do
    """Something went wrong that goes away by itself: the pass has to be repeated."""


@dataclass(frozen=True, slots=True)
class Record:
    """What was written last, and what the server made of it."""

    desired: bytes
    live: bytes

    def holds(self, desired: bytes, live: bytes) -> bool:
        """Tell whether writing `desired` once more could change nothing, since neither side has changed."""
        return (self.desired, self.live) == (desired, live)


@dataclass(slots=True)
class Outcome:
    """What became of applying a plan.

    Attributes:
        changed: Whether anything was written.
        done: What was created, changed or deleted by that, in words.
        problems: What could not be written, for the status.
        recheck: Seconds until something has to be looked at again that no watch reports, or None.
        retry: Whether the pass has to be repeated soon.
    """

    changed: bool = False
    done: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    recheck: float | None = None
    retry: bool = False

    def look_again(self, seconds: float) -> None:
        """Have the SeldonDeployment looked at after some time at the latest."""
        self.recheck = seconds if self.recheck is None else min(self.recheck, seconds)

    def add(self, other: "Outcome") -> None:
        """Add what became of a part of the plan."""
        self.changed |= other.changed
        self.done += other.done
        self.problems += other.problems
        self.retry |= other.retry
        if other.recheck is not None:
            self.look_again(other.recheck)


class Applier:
    """Applies planned objects, and remembers per SeldonDeployment what it wrote.

    Args:
        client: The API server.
        children: What is known of the cluster; answers to writes are put into it.
        served: The kinds of children that the cluster knows, which may become more.
    """

    def __init__(self, client: Client, children: Children, served: Collection[str]) -> None:
        self._served = served
        self._client = client
        self._children = children
        self._records: dict[Key, dict[Place, tuple[str, Record]]] = {}  # with the uid of the child

    def forget(self, key: Key) -> None:
        """Forget what was written for a SeldonDeployment that is gone."""
        self._records.pop(key, None)

    async def apply(self, key: Key, uid: str, objects: Iterable[Object]) -> Outcome:
        """Write those objects that differ from what is there.

        Args:
            key: The SeldonDeployment that they belong to.
            uid: Its uid.
            objects: The planned objects, in the order in which they are written; those of one kind at the same time.

        Raises:
            Retry: The pass has to be repeated.
            KubeError: The API server cannot be reached, or failed.
        """
        outcome = Outcome()
        known = {(child.kind, child.name): child for child in self._children.of(key, uid)}
        for _, group in itertools.groupby(objects, key=lambda obj: obj["kind"]):
            pending = [self._apply_or_say(key, uid, obj, known) for obj in group]
            # In the order of the plan, whoever was answered first: the status must not change from pass to pass.
            for result in await asyncio.gather(*pending, return_exceptions=True):
                if isinstance(result, BaseException):
                    raise result
                outcome.add(result)
        return outcome

    async def _apply_or_say(self, key: Key, uid: str, obj: Object, known: Mapping[Place, Child]) -> Outcome:
        """Write one object if it differs; what the API server refuses is a problem for the status."""
        outcome = Outcome()
        if obj["kind"] not in self._served:
            outcome.problems.append(_unknown(obj))
            return outcome
        try:
            if await self._apply_one(key, uid, obj, known.get((obj["kind"], obj["metadata"]["name"])), outcome):
                outcome.changed = True
        except (Invalid, Forbidden) as error:
            self._refused(obj, error, outcome)
        except ApiError as error:
            if error.status != 400:
                raise
            self._refused(obj, error, outcome)
        return outcome

    async def delete(self, key: Key, refs: Iterable[Ref], *, to_replace: bool = False) -> list[str]:
        """Delete children and return that in words.

        A Deployment stays visible until its pods are gone, so that what they call outlasts them.

        Args:
            key: The SeldonDeployment that they belong to.
            refs: The children.
            to_replace: Whether others may take their names at once, before a watch tells that they are gone.
        """
        done = []
        for ref in refs:
            _log.info("deleting %s %s/%s, which is superseded", ref.kind, key[0], ref.name)
            try:
                answer = await self._client.delete(
                    RESOURCES[ref.kind],
                    ref.name,
                    key[0],
                    uid=ref.uid,
                    propagation="Foreground" if ref.kind == "Deployment" else "Background",
                )
            except (NotFound, Conflict):
                continue  # it is gone already, or another object has its name
            if to_replace and answer.get("kind") == "Status":  # otherwise it is only about to go
                self._children.forget(ref.kind, key[0], ref.name, ref.uid)
            done.append(f"delete {ref.kind} {ref.name}")
        return done

    async def _apply_one(self, key: Key, uid: str, obj: Object, child: Child | None, outcome: Outcome) -> bool:
        """Write one object if it differs; return whether it was written."""
        place = obj["kind"], obj["metadata"]["name"]
        desired = digest(obj)
        known_uid, record = self._records.get(key, {}).get(place, (None, None))
        if child is not None:
            if child.live.terminating:
                return False  # the watch reports when it is gone
            if record is not None and record.holds(desired, child.content) and _replicas_hold(obj, child):
                return False
            child_uid: str | None = child.uid
            if not child.applied:
                await self._take_over(await self._client.get(RESOURCES[obj["kind"]], child.name, child.namespace))
        else:
            child_uid, free = await self._look(uid, obj, known_uid, outcome)
            if not free:
                return False
        metadata = obj["metadata"] if child_uid is None else {**obj["metadata"], "uid": child_uid}
        try:
            stored = await self._client.apply({**obj, "metadata": metadata}, field_manager=FIELD_MANAGER)
        except Conflict as error:
            raise Retry(str(error)) from error
        except Invalid as error:
            if any(cause.get("field") == "metadata.uid" for cause in error.details.get("causes") or ()):
                raise Retry(f"{place[0]} {place[1]} was replaced by another") from error
            raise
        made = Child.of(stored)
        if child is None or (made.content, _replicas(made)) != (child.content, _replicas(child)):
            outcome.done.append(f"{'create' if child_uid is None else 'change'} {place[0]} {place[1]}")
        self._children.put(made)
        self._records.setdefault(key, {})[place] = made.uid, Record(desired, made.content)
        return True

    async def _look(self, uid: str, obj: Object, known_uid: str | None, outcome: Outcome) -> tuple[str | None, bool]:
        """Look at what has the name of an object that is not among the children.

        Returns:
            The uid of what is ours already, or None, and whether the name may be written.
        """
        kind, name, namespace = obj["kind"], obj["metadata"]["name"], obj["metadata"]["namespace"]
        try:
            live = await self._client.get(RESOURCES[kind], name, namespace)
        except NotFound:
            return None, True
        owner = owner_of(live)
        if "deletionTimestamp" in live["metadata"]:
            outcome.look_again(_TERMINATING_RECHECK)
            return None, False
        ours = live["metadata"]["uid"] == known_uid or (owner is not None and owner[1] == uid)
        if ours or _is_orphan(obj, live):
            await self._take_over(live)
            return live["metadata"]["uid"], True
        outcome.problems.append(_stranger(kind, name, live))
        outcome.look_again(_STRANGER_RECHECK)
        return None, False

    async def _take_over(self, live: Object) -> None:
        """Make what the reference implementation wrote of an object ours, so that applying replaces it."""
        metadata = live["metadata"]
        fields = managed_fields(metadata)
        if fields is None:
            return
        _log.info("taking over %s %s/%s", live["kind"], metadata["namespace"], metadata["name"])
        patch = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
            {"op": "replace", "path": "/metadata/managedFields", "value": fields},
        ]
        resource = RESOURCES[live["kind"]]
        try:
            await self._client.patch(resource, metadata["name"], metadata["namespace"], patch, content_type=JSON_PATCH)
        except (Conflict, Invalid) as error:  # a failed test is one or the other
            raise Retry(f"{live['kind']} {metadata['name']} changed while it was taken over") from error

    def _refused(self, obj: Object, error: ApiError, outcome: Outcome) -> None:
        kind, name = obj["kind"], obj["metadata"]["name"]
        reasons = {cause.get("reason") for cause in error.details.get("causes") or ()}
        if "NamespaceTerminating" in reasons:
            return  # the SeldonDeployment is about to go as well
        _log.warning("%s %s/%s: %s", kind, obj["metadata"]["namespace"], name, error.message)
        outcome.problems.append(Problem(kind, error.reason or "Refused", error.message))
        # What is invalid stays so until somebody acts; a quota or a right may be granted at any time.
        if isinstance(error, Forbidden):
            outcome.retry = True
        else:
            outcome.look_again(_REFUSED_RECHECK)


def _replicas_hold(obj: Object, child: Child) -> bool:
    """Tell whether a Deployment has the replicas that are planned, if any are."""
    replicas = obj["spec"].get("replicas")
    return replicas is None or not isinstance(child.live, LiveDeployment) or child.live.replicas == replicas


def _replicas(child: Child) -> int | None:
    return child.live.replicas if isinstance(child.live, LiveDeployment) else None


def _is_orphan(obj: Object, live: Object) -> bool:
    """Tell whether we made what is there for a SeldonDeployment of this name, and nobody controls it any more."""
    metadata = live["metadata"]
    controlled = any(reference.get("controller") for reference in metadata.get("ownerReferences") or ())
    mark = (metadata.get("labels") or {}).get(LABEL_SELDON_ID)
    return not controlled and is_applied(metadata) and mark == obj["metadata"]["labels"][LABEL_SELDON_ID]


def _unknown(obj: Object) -> Problem:
    kind, api_version = obj["kind"], obj["apiVersion"]
    message = (
        f"the cluster does not know {kind} of {api_version}: "
        "install the project that it belongs to, or switch its use off in the values of the chart"
    )
    return Problem(kind, "KindNotServed", message)


def _stranger(kind: str, name: str, live: Object) -> Problem:
    owners = [
        f'{reference["kind"]} "{reference["name"]}"'
        for reference in live["metadata"].get("ownerReferences") or ()
        if reference.get("controller")
    ]
    whose = f"belongs to {owners[0]}" if owners else "was not made for this SeldonDeployment"
    message = (
        f'{kind} "{name}" exists and {whose}: it is left alone; '
        "delete it, or rename the SeldonDeployment, its predictor or its container"
    )
    return Problem(kind, "NameTaken", message)
