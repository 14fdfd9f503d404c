"""Making children as planned: only what differs is written, and nothing of anybody else's is touched."""

import asyncio
import itertools
import logging
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
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

# What server-side apply says of a field that this API server does not know; it calls that a failure of its own (500).
_NOT_DECLARED = "field not declared in schema"

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
        self._taken: set[tuple[Key, Place]] = set()  # where something was in the way when looked at last
        self._replaced: dict[Key, set[str]] = {}  # uids of what was deleted so that others may take their names

    def forget(self, key: Key) -> None:
        """Forget what was written for a SeldonDeployment that is gone."""
        self._records.pop(key, None)
        self._replaced.pop(key, None)
        self._taken = {taken for taken in self._taken if taken[0] != key}

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
            if error.status != 400 and _NOT_DECLARED not in error.message:
                raise
            self._refused(obj, error, outcome)
        return outcome

    async def delete(self, key: Key, refs: Collection[Ref], *, to_replace: bool = False) -> list[str]:
        """Delete children and return that in words.

        A Deployment stays visible until its pods are gone, so that what they call outlasts them.

        Args:
            key: The SeldonDeployment that they belong to.
            refs: The children.
            to_replace: Whether others may take their names at once, before a watch tells that they are gone.
        """
        done = []
        if to_replace:
            self._replaced[key] = {ref.uid for ref in refs}
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
            if "deletionTimestamp" in (answer.get("metadata") or {}):  # it waits for its finalizers
                self._children.put(Child.of(answer))
            elif to_replace:
                self._children.forget(ref.kind, key[0], ref.name, ref.uid)
            done.append(f"delete {ref.kind} {ref.name}")
        return done

    async def _apply_one(self, key: Key, uid: str, obj: Object, child: Child | None, outcome: Outcome) -> bool:
        """Write one object if it differs; return whether that made it another one.

        What an admission policy changes in each object is written at each pass, and never different after it.
        """
        place = obj["kind"], obj["metadata"]["name"]
        desired = digest(obj)
        known_uid, record = self._records.get(key, {}).get(place, (None, None))
        made: Child | None
        if child is None:
            made = await self._create(key, uid, obj, known_uid, outcome)
            if made is None:
                return False
        else:
            if child.live.terminating:
                return False  # the watch reports when it is gone
            if record is not None and record.holds(desired, child.content) and _replicas_hold(obj, child):
                return False
            if not child.applied:
                await self._take_over(await self._client.get(RESOURCES[obj["kind"]], child.name, child.namespace))
            made = await self._write(obj, child.uid)
        different = child is None or (made.content, _replicas(made)) != (child.content, _replicas(child))
        if child is not None and different:
            outcome.done.append(f"change {place[0]} {place[1]}")
        self._children.put(made)
        self._records.setdefault(key, {})[place] = made.uid, Record(desired, made.content)
        return different

    async def _create(self, key: Key, uid: str, obj: Object, known_uid: str | None, outcome: Outcome) -> Child | None:
        """Write an object that is not among the children; return None where its name is not free.

        As a rule nothing has its name, and the API server makes sure of that. Otherwise, and from then on, what is
        there is looked at before anything is written.
        """
        kind, name, namespace = obj["kind"], obj["metadata"]["name"], obj["metadata"]["namespace"]
        taken = key, (kind, name)
        if taken not in self._taken:
            with suppress(Retry):
                return await self._make(obj, outcome)
        try:
            live = await self._client.get(RESOURCES[kind], name, namespace)
        except NotFound:
            self._taken.discard(taken)
            return await self._make(obj, outcome)
        self._taken.add(taken)
        if "deletionTimestamp" in live["metadata"]:
            outcome.look_again(_TERMINATING_RECHECK)
            return None
        if live["metadata"]["uid"] in self._replaced.get(key, ()):  # the client only tries
            outcome.done.append(f"create {kind} {name}")
            return None
        owner = owner_of(live)
        ours = live["metadata"]["uid"] == known_uid or (owner is not None and owner[1] == uid)
        if not ours and not _is_orphan(obj, live):
            outcome.problems.append(_stranger(kind, name, live))
            outcome.look_again(_STRANGER_RECHECK)
            return None
        await self._take_over(live)
        made = await self._write(obj, live["metadata"]["uid"])
        self._taken.discard(taken)
        outcome.done.append(f"change {kind} {name}")
        return made

    async def _make(self, obj: Object, outcome: Outcome) -> Child:
        made = await self._write(obj, None)
        outcome.done.append(f"create {obj['kind']} {made.name}")
        return made

    async def _write(self, obj: Object, uid: str | None) -> Child:
        """Apply an object to the one of a uid, or make a new one where that is None.

        Raises:
            Retry: There is no such object, or there is one already.
        """
        kind, metadata = obj["kind"], obj["metadata"]
        known = {} if uid is None else {"uid": uid}
        body = {**obj, "metadata": {**metadata, **known}}
        try:
            return Child.of(await self._client.apply(body, field_manager=FIELD_MANAGER, new=uid is None))
        except Conflict as error:
            raise Retry(f"{kind} {metadata['name']}: {error}") from error
        except Invalid as error:
            if any(cause.get("field") == "metadata.uid" for cause in error.details.get("causes") or ()):
                raise Retry(f"{kind} {metadata['name']} was replaced by another") from error
            raise

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
