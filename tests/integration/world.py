"""A namespace of the real API server with a controller at work on it, and a test that plays everybody else.

Nothing there turns Deployments into pods, deletes the children of what is deleted or finishes a foreground deletion:
the test does, where it matters.
"""

import asyncio
import inspect
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from controller.app import Controller
from seldon_core.kube.client import JSON_PATCH, MERGE_PATCH, Client
from seldon_core.kube.errors import NotFound
from seldon_core.kube.resources import DEPLOYMENTS, EVENTS, NAMESPACES, SELDONDEPLOYMENTS, SERVICES, Resource
from seldon_core.plan import Config
from tests.plan.build import component, container, node, predictor, sdep

Object = dict[str, Any]

CONFIG = Config(engine_image="engine:1")
# The service account that the chart gives the controller, and the rights.
USER = "system:serviceaccount:seldon-system:seldon-manager"
RULES: list[tuple[str, str, list[str]]] = [
    ("machinelearning.seldon.io", "seldondeployments", ["list", "watch"]),
    ("machinelearning.seldon.io", "seldondeployments/status", ["patch"]),
    ("machinelearning.seldon.io", "seldondeployments/finalizers", ["update"]),
    ("apps", "deployments", ["get", "list", "watch", "create", "patch", "delete"]),
    ("", "services", ["get", "list", "watch", "create", "patch", "delete"]),
    ("autoscaling", "horizontalpodautoscalers", ["get", "list", "watch", "create", "patch", "delete"]),
    ("policy", "poddisruptionbudgets", ["get", "list", "watch", "create", "patch", "delete"]),
    ("", "pods", ["list"]),
    ("", "events", ["create"]),
    ("", "namespaces", ["list", "watch"]),
]
WRITES = ("create", "update", "patch", "delete")
TIMEOUT = 20.0


async def eventually(what: str, found: Callable[[], Any]) -> Any:
    """Wait until what `found` returns, or its coroutine, is true; return that."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        result = found()
        if inspect.isawaitable(result):
            result = await result
        if result:
            return result
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def controlling(
    kubeconfig: Path, namespace: str | None, config: Config = CONFIG, client: Client | None = None
) -> AsyncIterator[tuple[Controller, Client]]:
    """Run a controller that leads, until the block ends."""
    async with client or Client(str(kubeconfig)) as client:
        controller = Controller(client, config, namespace)
        stop = asyncio.Event()
        watching = asyncio.create_task(controller.watch())
        await controller.synced()
        working = asyncio.create_task(controller.work(stop))
        try:
            yield controller, client
        finally:
            stop.set()
            await working
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


class World:
    """The namespace as its users, the cluster's own controllers and passers-by see and change it."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    async def create(self, obj: Object) -> Object:
        obj["metadata"]["namespace"] = self.namespace
        obj["metadata"].pop("uid", None)
        obj["metadata"].pop("generation", None)
        return await self.client.create(obj)

    async def get(self, resource: Resource, name: str) -> Object | None:
        try:
            return await self.client.get(resource, name, self.namespace)
        except NotFound:
            return None

    async def sdep(self, name: str = "m") -> Object:
        return await self.client.get(SELDONDEPLOYMENTS, name, self.namespace)

    async def deployment(self, name: str = "m-p-0-a") -> Object | None:
        return await self.get(DEPLOYMENTS, name)

    async def service(self, name: str = "m-p") -> Object | None:
        return await self.get(SERVICES, name)

    async def names(self, resource: Resource) -> list[str]:
        items, _ = await self.client.list(resource, self.namespace)
        return sorted(item["metadata"]["name"] for item in items)

    async def versions(self) -> dict[str, str]:
        """The resourceVersions of everything that a controller could write."""
        return {
            f"{resource.kind}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for resource in (SELDONDEPLOYMENTS, DEPLOYMENTS, SERVICES, EVENTS)
            for item in (await self.client.list(resource, self.namespace))[0]
        }

    async def events(self) -> list[Object]:
        """The events about SeldonDeployments; the API server has some of its own about Services."""
        items, _ = await self.client.list(EVENTS, self.namespace)
        return [item for item in items if item["involvedObject"]["kind"] == "SeldonDeployment"]

    async def patch(self, resource: Resource, name: str, *operations: Object, subresource: str | None = None) -> Object:
        return await self.client.patch(
            resource, name, self.namespace, operations, content_type=JSON_PATCH, subresource=subresource
        )

    async def edit(self, path: str, value: Any, name: str = "m") -> Object:
        """Set a field of the spec of the SeldonDeployment."""
        return await self.patch(SELDONDEPLOYMENTS, name, {"op": "add", "path": f"/spec{path}", "value": value})

    async def delete(self, resource: Resource, name: str) -> None:
        await self.client.delete(resource, name, self.namespace)

    async def roll_out(self, name: str = "m-p-0-a", *, available: int | None = None) -> Object:
        """Play the Deployment's controller and the nodes: all pods are there, and `available` of them serve."""
        obj = await eventually(f"Deployment {name}", lambda: self.deployment(name))
        wanted = obj["spec"]["replicas"]
        serving = wanted if available is None else available
        fine = "True" if serving >= wanted else "False"
        status = {
            "observedGeneration": obj["metadata"]["generation"],
            "replicas": wanted,
            "updatedReplicas": wanted,
            "readyReplicas": serving,
            "availableReplicas": serving,
            "unavailableReplicas": wanted - serving,
            "conditions": [
                {"type": "Available", "status": fine, "reason": "MinimumReplicasAvailable", "message": ""},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": ""},
            ],
        }
        return await self.client.patch(
            DEPLOYMENTS,
            name,
            self.namespace,
            {"status": status},
            content_type=MERGE_PATCH,
            subresource="status",
        )

    async def finish_deletion(self, resource: Resource, name: str) -> None:
        """Play the garbage collector: let go of what was deleted in the foreground."""
        await self.patch(resource, name, {"op": "remove", "path": "/metadata/finalizers"})

    async def label_namespace(self, key: str, value: str | None) -> None:
        body = {"metadata": {"labels": {key: value}}}
        await self.client.patch(NAMESPACES, self.namespace, None, body, content_type=MERGE_PATCH)

    # Waiting

    async def state(self, wanted: str, name: str = "m") -> Object:
        """Wait until the status says `wanted` of the current generation; return the SeldonDeployment."""

        async def found() -> Object | None:
            obj = await self.sdep(name)
            status = obj.get("status") or {}
            current = status.get("observedGeneration") == obj["metadata"]["generation"]
            return obj if current and status.get("state") == wanted else None

        found_obj: Object = await eventually(f"{name} to be {wanted}", found)
        return found_obj

    async def gone(self, resource: Resource, name: str) -> None:
        async def absent() -> bool:
            return await self.get(resource, name) is None

        await eventually(f"{resource.kind} {name} to be gone", absent)

    async def touch(self, controller: Controller, name: str = "m") -> None:
        """Make the controller look at a SeldonDeployment in which nothing changed, and wait until it has."""
        before = passes(controller)
        # Never the mark of before, or nothing would change.
        touched = uuid.uuid4().hex
        mark = {"metadata": {"annotations": {"touched": touched}}}
        await self.client.patch(SELDONDEPLOYMENTS, name, self.namespace, mark, content_type=MERGE_PATCH)

        async def looked() -> bool:
            # A pass for another reason may come first, while the mark is on its way.
            sdep = controller._sdeps.get((self.namespace, name)) or {"metadata": {}}
            marked = (sdep["metadata"].get("annotations") or {}).get("touched") == touched
            return marked and passes(controller) > before and controller.queue.idle

        await eventually("a pass", looked)

    async def settled(self, controller: Controller, client: Client, name: str = "m") -> None:
        """Wait until looking at a SeldonDeployment makes the controller write nothing."""

        async def steady() -> bool:
            sent = writes(client)
            await self.touch(controller, name)
            return writes(client) == sent

        await eventually("two passes that write nothing", steady)


def condition(sdep: Object, kind: str) -> Object:
    return next(entry for entry in sdep["status"]["conditions"] if entry["type"] == kind)


def writes(client: Client) -> int:
    """How many requests that change something the controller has sent."""
    return sum(client.requests[verb] for verb in WRITES)


async def writes_so_far(controller: Controller, client: Client) -> int:
    """The same when the controller has nothing left to do: an event is sent after the status that it is about."""
    await eventually("the controller to be idle", lambda: controller.queue.idle)
    return writes(client)


def passes(controller: Controller, result: str | None = None) -> int:
    """How many passes the controller has made, or how many with this result."""
    (metric,) = controller.metrics.passes.collect()
    samples = [sample for sample in metric.samples if sample.name.endswith("_total")]
    return int(sum(sample.value for sample in samples if result in (None, sample.labels["result"])))


def pair(**fields: Any) -> dict[str, Any]:
    """A chain of two nodes in two pods."""
    graph = node("a", node("b"), kind="TRANSFORMER")
    return sdep(predictor("p", graph, component(container("a")), component(container("b"))), **fields)


async def has_replicas(world: World, wanted: int) -> bool:
    return bool((await world.deployment() or {})["spec"]["replicas"] == wanted)


async def is_going(world: World, name: str) -> bool:
    return "deletionTimestamp" in (await world.deployment(name) or {"metadata": {}})["metadata"]
