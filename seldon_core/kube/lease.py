"""Leader election by a Lease: at most one process writes at a time, and the next takes over within seconds."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from seldon_core.kube.backoff import Backoff
from seldon_core.kube.client import Client, Object
from seldon_core.kube.errors import Conflict, KubeError, NotFound
from seldon_core.kube.resources import LEASES

_log = logging.getLogger(__name__)

# Unlike the monotonic clock, this one goes on while the machine is suspended. Where it does not exist, machines
# that serve a cluster do not either.
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime() -> float:
    """Return seconds since some point in the past, time spent suspended included."""
    return time.clock_gettime(_BOOTTIME)


class LeadershipLost(Exception):  # noqa: N818 - an event, as asyncio.CancelledError is
    """The lease could not be renewed in time: another process may lead by now, so this one must not write."""


@dataclass(frozen=True)
class Terms:
    """The times of an election, in seconds.

    A leader gives up `renew_within` after its last successful renewal began; others take over no earlier than
    `duration` after they saw it. The difference is what a request in flight may take to end.
    """

    duration: float = 15.0
    renew_within: float = 10.0
    retry: float = 2.0


def may_take(spec: dict[str, Any], identity: str, unchanged_for: float) -> bool:
    """Decide whether a lease can be taken.

    Args:
        spec: the lease's spec as read.
        identity: who asks.
        unchanged_for: for how long, by the asker's own clock, it has seen this spec; clocks of other machines
            and the times written in the spec are not trusted.
    """
    holder = spec.get("holderIdentity")
    if not holder or holder == identity:
        return True
    return unchanged_for >= float(spec.get("leaseDurationSeconds") or 0)


def taken(spec: dict[str, Any], identity: str, duration: float, now: datetime) -> dict[str, Any]:
    """Return the spec of a lease after `identity` took or renewed it at `now`."""
    written = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    renewed = spec.get("holderIdentity") == identity
    return {
        **spec,
        "holderIdentity": identity,
        "leaseDurationSeconds": math.ceil(duration),
        "acquireTime": spec.get("acquireTime") or written if renewed else written,
        "renewTime": written,
        "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (0 if renewed else 1),
    }


class Leadership:
    """``async with Leadership(...) as leadership`` waits until this process leads, and runs its body only then.

    When the lease cannot be renewed in time, the body is cancelled and the block raises `LeadershipLost`, before
    another process can take over. When the body ends otherwise, the lease is released, so that the next process
    need not wait for it to expire. Cancelling reaches a suspended process only after it woke up, so `require`
    should guard every write; `Client.before_write` is the place for it.

    Args:
        client: the API server.
        namespace: where the Lease lives.
        name: its name; it is created if missing.
        identity: who this process is; must differ between processes.
        terms: the times of the election.
        clock: seconds, suspension included.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        name: str,
        identity: str,
        *,
        terms: Terms = Terms(),
        clock: Callable[[], float] = boottime,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._terms = terms
        self._clock = clock
        self._seen: dict[str, Any] | None = None
        self._seen_at = 0.0
        self._written: Object | None = None
        self._renewed_at: float | None = None
        self._lost = False
        self._leader: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._renewing: asyncio.Task[None] | None = None

    def held(self) -> bool:
        """Say whether this process leads at this very moment."""
        return self._left() > 0

    def require(self) -> None:
        """Do nothing while this process leads.

        Raises:
            LeadershipLost: it does not.
        """
        if not self.held():
            raise LeadershipLost(f"{self._identity} does not hold the lease {self._namespace}/{self._name}")

    async def __aenter__(self) -> Self:
        await self._acquire()
        self._leader = asyncio.current_task()
        assert self._leader is not None
        self._cancelling = self._leader.cancelling()
        self._renewing = asyncio.create_task(self._renew(), name=f"renew lease {self._name}")
        self._renewing.add_done_callback(self._depose)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leader, self._leader = self._leader, None
        assert leader is not None
        assert self._renewing is not None
        if self._lost:
            self._renewed_at = None
            ours = leader.uncancel() <= self._cancelling
            if kind is None or (ours and issubclass(kind, asyncio.CancelledError)):
                raise LeadershipLost(
                    f"the lease {self._namespace}/{self._name} was not renewed within {self._terms.renew_within} s"
                ) from error
            return
        self._renewing.cancel()
        await asyncio.gather(self._renewing, return_exceptions=True)
        await self._release()

    def _depose(self, renewing: asyncio.Task[None]) -> None:
        """Cancel the leader once renewing has ended for whatever reason but our own wish."""
        if self._leader is None or renewing.cancelled():
            return
        self._lost = True
        _log.error("the lease %s/%s is lost", self._namespace, self._name, exc_info=renewing.exception())
        self._leader.cancel()

    async def _acquire(self) -> None:
        """Wait until the lease is ours."""
        backoff = Backoff(self._terms.retry, self._terms.retry)
        waiting_for: str | None = None
        while True:
            try:
                async with asyncio.timeout(self._terms.renew_within):
                    if await self._take():
                        _log.info("%s leads by the lease %s/%s", self._identity, self._namespace, self._name)
                        return
                holder = str((self._seen or {}).get("holderIdentity"))
                if holder != waiting_for:
                    waiting_for = holder
                    _log.info("%s holds the lease %s/%s, waiting", holder, self._namespace, self._name)
            except Conflict:
                _log.debug("another process was quicker to take the lease %s/%s", self._namespace, self._name)
            except (KubeError, TimeoutError) as error:
                self._warn(error)
            await asyncio.sleep(backoff.pause())

    async def _renew(self) -> None:
        """Renew until that has failed for too long or somebody else holds the lease."""
        while (left := self._left()) > 0:
            await asyncio.sleep(min(self._terms.retry, left))
            try:
                async with asyncio.timeout(self._left()):
                    if not await self._take():
                        return
            except (KubeError, TimeoutError, LeadershipLost) as error:
                self._written = None  # what became of it is unknown
                self._warn(error)

    def _left(self) -> float:
        """Return for how many seconds this process still leads."""
        if self._renewed_at is None:
            return 0.0
        return max(0.0, self._renewed_at + self._terms.renew_within - self._clock())

    def _warn(self, error: BaseException) -> None:
        _log.warning("lease %s/%s: %s", self._namespace, self._name, str(error) or "no answer in time")

    async def _take(self) -> bool:
        """Try once to take or renew the lease; return False if somebody else holds it.

        Raises:
            KubeError: whether we hold it is unknown; a Conflict means that it changed meanwhile.
        """
        begun = self._clock()
        lease = self._written or await self._read()
        spec: dict[str, Any] = (lease or {}).get("spec") or {}
        if spec != self._seen:
            self._seen, self._seen_at = spec, self._clock()
        if not may_take(spec, self._identity, self._clock() - self._seen_at):
            return False
        self._written = await self._write(lease, taken(spec, self._identity, self._terms.duration, datetime.now(UTC)))
        self._renewed_at = begun
        return True

    async def _read(self) -> Object | None:
        try:
            return await self._client.get(LEASES, self._name, self._namespace)
        except NotFound:
            return None

    async def _write(self, lease: Object | None, spec: dict[str, Any]) -> Object:
        if lease is None:
            metadata = {"name": self._name, "namespace": self._namespace}
            return await self._client.create(
                {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}
            )
        return await self._client.replace({**lease, "spec": spec})

    async def _release(self) -> None:
        """Give the lease up at once; failing that, it expires by itself."""
        try:
            async with asyncio.timeout(self._terms.retry):
                lease = await self._read()
                spec = (lease or {}).get("spec") or {}
                if spec.get("holderIdentity") == self._identity:
                    await self._write(lease, {**spec, "holderIdentity": "", "leaseDurationSeconds": 1})
        except (KubeError, TimeoutError, LeadershipLost) as error:
            self._warn(error)
        finally:
            self._renewed_at = None
