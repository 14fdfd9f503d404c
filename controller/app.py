"""The running controller: watches feed the queue, workers empty it while this process leads."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from controller.applying import RESOURCES
from controller.children import Child, Children, Key
from controller.metrics import Metrics
from controller.monitoring import serving
from controller.queue import KeyQueue
from controller.reconciler import Reconciler, Result
from controller.sdeps import SeldonDeployments
from seldon_core.api.constants import LABEL_CONTROLLER_ID, LABEL_SELDON_ID
from seldon_core.kube.backoff import Backoff
from seldon_core.kube.cache import Reflector
from seldon_core.kube.client import Client
from seldon_core.kube.errors import Forbidden, KubeError, NotFound
from seldon_core.kube.lease import Leadership
from seldon_core.kube.resources import NAMESPACES, SELDONDEPLOYMENTS, Resource
from seldon_core.plan import KINDS, ChildKind, Config
from seldon_core.plan.status import AVAILABLE

Object = dict[str, Any]

WORKERS = 8
# Everything is looked at again this often, should a watch ever have missed something.
RESYNC_SECONDS = 600.0
# How often it is looked whether a kind of another project has appeared.
DISCOVERY_SECONDS = 60.0
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
        dry_run: Whether to say what would be done, once, and do none of it.
    """

    namespace: str | None
    operator_namespace: str
    metrics_port: int
    lease: str
    identity: str
    dry_run: bool = False


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
        self.metrics = Metrics(
            lambda: len(self.queue), lambda: self.working, client.requests, lambda: len(self._reconciler.outdated)
        )
        self._changed_at: dict[Key, tuple[int, float]] = {}  # with the generation
        self._namespace_ids: dict[str, str] = {}
        self._sdeps = SeldonDeployments(config.controller_id, lambda name: self._namespace_ids.get(name, ""))
        self._children = Children()
        self._client = client
        self._config = config
        self._namespace = namespace
        self._served = {child.kind for child in KINDS if child.built_in}
        self._unknown = [child for child in KINDS if not child.built_in]
        self._discovered = asyncio.Event()
        self._reconciler = Reconciler(client, config, self._sdeps, self._children, self._served)
        self._reflectors: list[Reflector[Any]] = [
            Reflector(client, SELDONDEPLOYMENTS, namespace, trim=lambda sdep: sdep, on_change=self._sdep_changed),
            *(self._children_of(RESOURCES[child.kind]) for child in KINDS if child.built_in),
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
            while True:
                for child in await self._appeared():
                    reflector = self._children_of(RESOURCES[child.kind])
                    self._reflectors.append(reflector)
                    group.create_task(reflector.run())
                    await reflector.synced.wait()
                    self._served.add(child.kind)
                    self._unknown.remove(child)
                    self._enqueue(self._sdeps.keys())
                self._discovered.set()
                await asyncio.sleep(DISCOVERY_SECONDS)

    async def _appeared(self) -> list[ChildKind]:
        """Return those kinds of other projects that the cluster serves and that are not watched yet."""
        backoff = Backoff()
        while True:
            try:
                return [child for child in self._unknown if await self._is_served(child)]
            except KubeError as error:
                _log.warning("cannot find out which kinds there are: %s", error)
                await asyncio.sleep(backoff.pause())

    async def _is_served(self, child: ChildKind) -> bool:
        """Tell whether the cluster has a kind that we may see; what is switched off may be withheld from us."""
        resource = RESOURCES[child.kind]
        try:
            if not await self._client.serves(resource):
                return False
            await self._client.list(resource, self._namespace, label_selector=LABEL_SELDON_ID, most=1)
        except NotFound:
            return False
        except Forbidden:
            if child.planned(self._config):
                raise
            return False
        return True

    def _children_of(self, resource: Resource) -> Reflector[Child]:
        # The label that children bear whoever made them, the reference implementation included.
        return Reflector(
            self._client,
            resource,
            self._namespace,
            trim=Child.of,
            on_change=self._child_changed,
            label_selector=LABEL_SELDON_ID,
        )

    async def synced(self) -> None:
        """Wait until every copy is complete."""
        for reflector in list(self._reflectors):
            await reflector.synced.wait()
        await self._discovered.wait()

    def not_ready(self) -> str | None:
        """Return why this process could not lead, or None."""
        waiting = not self._discovered.is_set() or any(not one.synced.is_set() for one in self._reflectors)
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

    async def preview(self) -> AsyncIterator[str]:
        """Make one pass over each SeldonDeployment and yield what it did, or would with a client that only tries."""
        for key in sorted(self._sdeps.keys()):
            made = await self._reconciler.reconcile(key)
            if made.result is Result.RETRY:
                yield f"{key[0]}/{key[1]}: failed; the log says why"
            elif made.result is not Result.SKIPPED:
                for line in made.done or ("nothing to do",):
                    yield f"{key[0]}/{key[1]}: {line}"

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
            self.metrics.retries.inc()
            return "error"
        self._time_readiness(key)
        if made.result is Result.RETRY:
            self.queue.retry(key)
            self.metrics.retries.inc()
        else:
            self.queue.succeeded(key)
        if made.recheck is not None:
            self.queue.add_after(key, made.recheck)
        return made.result

    def _time_readiness(self, key: Key) -> None:
        """Note how long a change of a spec has taken, once it is available."""
        sdep, changed = self._sdeps.get(key), self._changed_at.get(key)
        if sdep is None or changed is None:
            return
        status = sdep.get("status") or {}
        if status.get("state") == AVAILABLE and status.get("observedGeneration", 0) >= changed[0]:
            self.metrics.ready_seconds.observe(time.monotonic() - changed[1])
            del self._changed_at[key]

    def _enqueue(self, keys: Iterable[Key]) -> None:
        # Those who do not lead begin with everything when they do.
        if self.working:
            for key in keys:
                self.queue.add(key)

    def _sdep_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if new is None:
            assert old is not None
            self._sdeps.remove(key, old["metadata"]["uid"])
            self._changed_at.pop(key, None)
            self._enqueue([key])
            return
        generation = new["metadata"].get("generation", 0)
        if self.working and (old is None or old["metadata"].get("generation", 0) != generation):
            self._changed_at[key] = generation, time.monotonic()
        if self._sdeps.put(new):
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


async def preview(settings: Settings, config: Config) -> AsyncIterator[str]:
    """Yield what a pass over each SeldonDeployment would do; the API server checks it and stores nothing.

    Args:
        settings: Where it watches.
        config: What it plans.

    Raises:
        ConfigurationError: There is no way to reach the API server.
    """
    async with Client(dry_run=True) as client:
        controller = Controller(client, config, settings.namespace)
        watching = asyncio.create_task(controller.watch())
        try:
            await controller.synced()
            async for line in controller.preview():
                yield line
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


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
