"""The running controller: watches feed the queue, workers empty it while this process leads."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from controller.children import Child, Children, Key
from controller.metrics import Metrics
from controller.monitoring import serving
from controller.queue import KeyQueue
from controller.reconciler import Reconciler, Result
from controller.sdeps import SeldonDeployments
from seldon_core.api.constants import LABEL_CONTROLLER_ID, LABEL_MANAGED_BY, MANAGED_BY
from seldon_core.kube.cache import Reflector
from seldon_core.kube.client import Client
from seldon_core.kube.lease import Leadership
from seldon_core.kube.resources import DEPLOYMENTS, NAMESPACES, SELDONDEPLOYMENTS, SERVICES, Resource
from seldon_core.plan import Config

Object = dict[str, Any]

WORKERS = 4
# Everything is looked at again this often, should a watch ever have missed something.
RESYNC_SECONDS = 600.0
# A watch is never silent for much longer than 150 s, so that one silent for this long hears nothing at all.
DEAF_SECONDS = 450.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the controller is told at its start, beside the configuration of what it plans.

    Attributes:
        namespace: The namespace that it watches; None for all.
        operator_namespace: The namespace of its Lease.
        metrics_port: The port for probes and metrics; 0 takes any free one.
        lease: The name of its Lease.
        identity: Who holds it, which differs between processes.
    """

    namespace: str | None
    operator_namespace: str
    metrics_port: int
    lease: str
    identity: str


class Controller:
    """The watches, the queue and the workers of one process.

    Args:
        client: The API server.
        config: The operator's configuration.
        namespace: The namespace to watch; None for all.

    Attributes:
        queue: The keys that wait.
        metrics: What is counted.
        working: Whether passes are made, because this process leads.
    """

    def __init__(self, client: Client, config: Config, namespace: str | None = None) -> None:
        self.queue: KeyQueue[Key] = KeyQueue()
        self.working = False
        self.metrics = Metrics(lambda: len(self.queue), lambda: self.working)
        self._namespace_ids: dict[str, str] = {}
        self._sdeps = SeldonDeployments(config.controller_id, lambda name: self._namespace_ids.get(name, ""))
        self._children = Children()
        self._reconciler = Reconciler(client, config, self._sdeps, self._children)
        ours = f"{LABEL_MANAGED_BY}={MANAGED_BY}"

        def children_of(resource: Resource) -> Reflector[Child]:
            return Reflector(
                client, resource, namespace, trim=Child.of, on_change=self._child_changed, label_selector=ours
            )

        self._reflectors: list[Reflector[Any]] = [
            Reflector(client, SELDONDEPLOYMENTS, namespace, trim=lambda sdep: sdep, on_change=self._sdep_changed),
            children_of(DEPLOYMENTS),
            children_of(SERVICES),
        ]
        if namespace is None:
            # In every other case the namespace is the operator's own, whatever its label says.
            self._reflectors.append(
                Reflector(client, NAMESPACES, trim=_controller_id, on_change=self._namespace_changed)
            )

    async def watch(self) -> None:
        """Keep the copies of the cluster current until cancelled."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._reflectors:
                group.create_task(reflector.run())

    async def synced(self) -> None:
        """Wait until every copy is complete."""
        for reflector in self._reflectors:
            await reflector.synced.wait()

    def not_ready(self) -> str | None:
        """Return why this process could not lead, or None."""
        waiting = any(not reflector.synced.is_set() for reflector in self._reflectors)
        return "the first lists are not complete" if waiting else None

    def not_alive(self, now: Callable[[], float] = time.monotonic) -> str | None:
        """Return why this process should be restarted, or None."""
        silent = now() - min(reflector.last_heard() for reflector in self._reflectors)
        return f"a watch has heard nothing for {silent:.0f} s" if silent > DEAF_SECONDS else None

    async def work(self, stop: asyncio.Event) -> None:
        """Make passes until told to stop, and finish those under way; the copies must be complete.

        Args:
            stop: Set it to stop.
        """
        self.working = True
        try:
            async with asyncio.TaskGroup() as group:
                resyncing = group.create_task(self._resync_now_and_then())
                for _ in range(WORKERS):
                    group.create_task(self._worker())
                await stop.wait()
                self.queue.close()
                resyncing.cancel()
        finally:
            self.working = False

    async def _resync_now_and_then(self) -> None:
        while True:
            self._enqueue(self._sdeps.keys())
            await asyncio.sleep(RESYNC_SECONDS)

    async def _worker(self) -> None:
        while (key := await self.queue.get()) is not None:
            with self.metrics.seconds.time():
                result = await self._pass(key)
            self.metrics.passes.labels(result).inc()
            self.queue.done(key)

    async def _pass(self, key: Key) -> str:
        """Make one pass, arrange for the next, and return what became of this one."""
        try:
            made = await self._reconciler.reconcile(key)
        except Exception:  # noqa: BLE001 - one SeldonDeployment must not take the others down
            _log.exception("the pass failed: this is a fault of the controller", extra={"key": "/".join(key)})
            self.queue.retry(key)
            return "error"
        if made.result is Result.RETRY:
            self.queue.retry(key)
        else:
            self.queue.succeeded(key)
        if made.recheck is not None:
            self.queue.add_after(key, made.recheck)
        return made.result

    def _enqueue(self, keys: Iterable[Key]) -> None:
        # Those who do not lead begin with everything when they do.
        if self.working:
            for key in keys:
                self.queue.add(key)

    def _sdep_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if new is None:
            assert old is not None
            self._sdeps.remove(key, old["metadata"]["uid"])
            self._enqueue([key])
        elif self._sdeps.put(new):
            self._enqueue([key])

    def _child_changed(self, _: Key, old: Child | None, new: Child | None) -> None:
        if new is not None:
            self._enqueue(self._children.put(new))
        elif old is not None:
            self._enqueue(self._children.remove(old))

    def _namespace_changed(self, key: Key, old: str | None, new: str | None) -> None:
        _, name = key
        if new:
            self._namespace_ids[name] = new
        else:
            self._namespace_ids.pop(name, None)
        if (old or "") != (new or ""):
            self._enqueue(self._sdeps.keys(name))


def _controller_id(namespace: Object) -> str:
    label: str = (namespace["metadata"].get("labels") or {}).get(LABEL_CONTROLLER_ID, "")
    return label


async def serve(settings: Settings, config: Config, stop: asyncio.Event) -> None:
    """Run the controller until told to stop, and end in order.

    Args:
        settings: Where it watches and listens.
        config: What it plans.
        stop: Set it to stop: passes under way are finished and the Lease is released.

    Raises:
        CannotListen: The port for probes and metrics cannot be opened.
        ConfigurationError: There is no way to reach the API server.
        LeadershipLost: Another process leads now.
    """
    async with Client() as client, Client() as election:
        controller = Controller(client, config, settings.namespace)
        metrics = controller.metrics.registry
        probes = serving(
            settings.metrics_port, alive=controller.not_alive, ready=controller.not_ready, registry=metrics
        )
        async with probes as port:
            _log.info("probes and metrics are served on port %d", port)
            watching = asyncio.create_task(controller.watch())
            leading = asyncio.create_task(_lead(controller, client, election, settings, stop))
            stopping = asyncio.create_task(stop.wait())
            tasks = (watching, leading, stopping)
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if watching.done():
                    await watching  # it never ends but by a fault of ours
                if not controller.working:
                    leading.cancel()
                await asyncio.wait([leading])
                if not leading.cancelled():
                    leading.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


async def _lead(
    controller: Controller, client: Client, election: Client, settings: Settings, stop: asyncio.Event
) -> None:
    await controller.synced()
    leadership = Leadership(election, settings.operator_namespace, settings.lease, settings.identity)
    async with leadership:
        client.before_write = leadership.require
        await controller.work(stop)
