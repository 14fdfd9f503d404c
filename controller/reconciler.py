"""One pass over one SeldonDeployment: observe, plan, apply, report."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from controller import events
from controller.applying import Applier, Outcome, Record, Retry
from controller.children import Children, Key, digest
from controller.pods import Pods
from controller.sdeps import SeldonDeployments
from seldon_core.api.validate import validate
from seldon_core.kube.children import FIELD_MANAGER
from seldon_core.kube.client import Client
from seldon_core.kube.errors import Conflict, KubeError, NotFound
from seldon_core.kube.lease import LeadershipLost
from seldon_core.plan import Config, Plan, invalid_status, plan, status
from seldon_core.plan.status import AVAILABLE

Object = dict[str, Any]

# Seconds until a SeldonDeployment that waits for its turn to be rolled is looked at again.
_TURN_RECHECK = 5.0

_log = logging.getLogger(__name__)


class Result(StrEnum):
    """What became of a pass."""

    DONE = "done"
    SKIPPED = "skipped"
    REFUSED = "refused"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Pass:
    """What became of a pass, after how many seconds the next is due at the latest, and what was done in words."""

    result: Result
    recheck: float | None = None
    done: tuple[str, ...] = ()


class Reconciler:
    """Brings children and status of one SeldonDeployment in line with its spec.

    Args:
        client: The API server.
        config: The operator's configuration.
        sdeps: The SeldonDeployments in the cluster.
        children: Their children.
        served: The kinds of children that the cluster knows, which may become more.
        now: The time, as it is written into a status.

    Attributes:
        outdated: The SeldonDeployments with pods as an earlier operator or configuration built them.
    """

    def __init__(
        self,
        client: Client,
        config: Config,
        sdeps: SeldonDeployments,
        children: Children,
        served: Collection[str],
        *,
        now: Callable[[], str] = lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    ) -> None:
        self._client = client
        self._config = config
        self._sdeps = sdeps
        self._children = children
        self._now = now
        self._applier = Applier(client, children, served)
        self._pods = Pods(client)
        self._rolling: set[Key] = set()
        self.outdated: set[Key] = set()
        self._reported: dict[Key, Record] = {}

    async def reconcile(self, key: Key) -> Pass:
        """Make one pass.

        Args:
            key: Namespace and name of the SeldonDeployment.
        """
        sdep = self._sdeps.get(key)
        if sdep is None or not self._sdeps.ours(sdep) or "deletionTimestamp" in sdep["metadata"]:
            # Its children go with it by themselves.
            self._applier.forget(key)
            self._pods.forget(key)
            self._rolling.discard(key)
            self.outdated.discard(key)
            self._reported.pop(key, None)
            return Pass(Result.SKIPPED)
        try:
            return await self._reconcile(key, sdep)
        except (Retry, Conflict) as error:
            _log.info("%s/%s: looking again: %s", *key, error)
        except (KubeError, LeadershipLost) as error:
            _log.warning("%s/%s: %s", *key, error)
        return Pass(Result.RETRY)

    async def _reconcile(self, key: Key, sdep: Object) -> Pass:
        uid = sdep["metadata"]["uid"]
        errors = [
            finding for finding in validate(sdep, installation=self._config.installation) if finding.severity == "error"
        ]
        if errors:
            # It was stored while no webhook checked it. What serves already goes on serving.
            await self._report(key, sdep, invalid_status(sdep, errors, now=self._now()))
            return Pass(Result.REFUSED, done=tuple(f"refuse it: {finding}" for finding in errors))
        made = self._plan(key, sdep)
        gone = await self._applier.delete(key, made.obsolete, to_replace=True)
        outcome = await self._applier.apply(key, uid, made.due())
        if not outcome.changed and not outcome.problems:
            gone += await self._applier.delete(key, made.superseded)
        observed = self._children.observed(key, uid)
        causes, recheck = await self._pods.causes(key, made.names("Deployment"), observed)
        if recheck is not None:
            outcome.look_again(recheck)
        wanted = status(made, self._config, observed, problems=outcome.problems, causes=causes, now=self._now())
        await self._report(key, sdep, wanted)
        if outcome.changed and (made.moving or made.waiting or made.superseded):
            outcome.look_again(0.0)  # no watch tells of what was written here
        if wanted["state"] == AVAILABLE and not outcome.changed:
            self._rolling.discard(key)
        if made.outdated and self._config.rolls_on_upgrade:
            outcome.look_again(_TURN_RECHECK)
        self._note_outdated(key, bool(made.outdated))
        refused = (f"cannot: {problem.message}" for problem in outcome.problems)
        return Pass(_result(outcome), outcome.recheck, (*gone, *outcome.done, *refused))

    def _note_outdated(self, key: Key, outdated: bool) -> None:
        (self.outdated.add if outdated else self.outdated.discard)(key)

    def _plan(self, key: Key, sdep: Object) -> Plan:
        """Plan a SeldonDeployment; of those that an upgrade would roll, so many at a time."""
        observed = self._children.observed(key, sdep["metadata"]["uid"])
        made = plan(sdep, self._config, observed, roll=key in self._rolling)
        if made.outdated and self._config.rolls_on_upgrade and len(self._rolling) < self._config.rolls_at_once:
            self._rolling.add(key)
            made = plan(sdep, self._config, observed, roll=True)
        return made

    async def _report(self, key: Key, sdep: Object, wanted: Object) -> None:
        """Write the status, if it is not what was written last or not what is there."""
        live = sdep.get("status") or {}
        desired = digest(wanted)
        record = self._reported.get(key)
        if desired == digest(live) or (record is not None and record.holds(desired, digest(live))):
            return
        metadata = {name: sdep["metadata"][name] for name in ("name", "namespace", "uid")}
        body = {"apiVersion": sdep["apiVersion"], "kind": sdep["kind"], "metadata": metadata, "status": wanted}
        try:
            stored = await self._client.apply(body, field_manager=FIELD_MANAGER, subresource="status")
        except NotFound:
            return  # it was deleted meanwhile
        self._sdeps.put(stored)
        self._reported[key] = Record(desired, digest(stored.get("status") or {}))
        await events.record(self._client, sdep, live.get("state"), wanted, self._now())


def _result(outcome: Outcome) -> Result:
    if outcome.retry:
        return Result.RETRY
    return Result.REFUSED if outcome.problems else Result.DONE
