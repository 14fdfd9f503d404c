"""Routes and autoscalers of other projects, on a real API server with the definitions that those publish."""

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.app import Controller
from controller.applying import RESOURCES
from hack.controlplane import ControlPlane
from seldon_core.kube.client import Client
from seldon_core.kube.resources import DEPLOYMENTS, SELDONDEPLOYMENTS
from tests.integration.projects import FOREIGN, install, install_projects
from tests.integration.test_handover import COMPONENT, Lowest, played, scale_by
from tests.integration.world import (
    CONFIG,
    Object,
    World,
    condition,
    controlling,
    eventually,
    passes,
    writes,
    writes_so_far,
)
from tests.plan.build import component, container, node, predictor, sdep, single

pytestmark = pytest.mark.xdist_group("other-projects")

ROOT = Path(__file__).resolve().parent.parent.parent
# Certificates of predictors, for which the other one is, are not served.
PLANNED = tuple(child for child in FOREIGN if child.kind != "TLSContext")
ROUTED = replace(
    CONFIG,
    gateway_enabled=True,
    gateways=(("infra", "public", "web"),),
    grpc_gateways=(("infra", "public", "grpc"),),
    istio_enabled=True,
    ambassador_enabled=True,
    ambassador_single_namespace=True,
    keda_enabled=True,
)
# What somebody might change about each kind.
EDITS: dict[str, tuple[str, Any]] = {
    "ScaledObject": ("maxReplicaCount", 99),
    "HTTPRoute": ("rules/0/backendRefs/0/weight", 1),
    "GRPCRoute": ("rules/0/backendRefs/0/weight", 1),
    "DestinationRule": ("host", "elsewhere"),
    "VirtualService": ("hosts/0", "elsewhere.example.com"),
    "Mapping": ("prefix", "/elsewhere/"),
}
KEDA = {"minReplicaCount": 5, "maxReplicaCount": 9, "triggers": [{"type": "cpu", "metadata": {"value": "60"}}]}


@pytest.fixture(scope="module")
def projects() -> Iterator[ControlPlane]:
    """An API server of its own: elsewhere tests rely on these kinds being unknown."""
    with ControlPlane() as running:
        ours = ROOT / "crds" / "seldondeployments.machinelearning.seldon.io.yaml"
        install(running, yaml.safe_load(ours.read_text()))
        install_projects(running)
        yield running


@pytest.fixture
def kubeconfig(projects: ControlPlane) -> Path:
    return projects.kubeconfig


@pytest.fixture
async def world(projects: ControlPlane) -> AsyncIterator[World]:
    async with Client(str(projects.kubeconfig)) as client:
        name = f"test-{time.monotonic_ns()}"
        await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        yield World(client, name)


async def versions(world: World) -> dict[str, str]:
    """The resourceVersions of the children of all kinds."""
    return {
        f"{kind}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
        for kind, resource in RESOURCES.items()
        for item in (await world.client.list(resource, world.namespace))[0]
    }


async def knows_all(controller: Controller) -> None:
    """Wait until the controller watches the kinds of other projects as well."""
    await controller.synced()
    assert controller.not_ready() is None


def everything() -> Object:
    """Traffic that is shared out, copied, tried again and limited, and pods under KEDA."""
    part = component(container("a"), kedaSpec=KEDA)
    return sdep(
        predictor("main", node("a"), part, traffic=75),
        predictor("canary", node("a"), component(container("a")), traffic=25),
        predictor("copy", node("a"), component(container("a")), shadow=True, traffic=10),
        annotations={
            "seldon.io/rest-timeout": "5000",
            "seldon.io/istio-retries": "2",
            "seldon.io/ambassador-retries": "2",
            "seldon.io/ambassador-circuit-breakers-max-connections": "7",
            "seldon.io/ambassador-header": "location: london",
        },
    )


async def test_every_kind_is_applied_once_and_then_left_as_it_is(kubeconfig: Path, world: World) -> None:
    async with controlling(kubeconfig, world.namespace, ROUTED) as (controller, client):
        await world.create(everything())
        await played(world)
        made = await world.sdep()
        for kind in ("GatewayRoutesReady", "istioVirtualServicesReady", "AmbassadorMappingsReady", "KedaReady"):
            assert condition(made, kind)["reason"] == "AllCreated"
        await world.settled(controller, client)
        sent = await writes_so_far(controller, client)
        before = await versions(world)
        for _ in range(3):
            await world.touch(controller)
        assert writes(client) == sent
        assert {key.partition("/")[0] for key in before} >= {child.kind for child in PLANNED}
    # One that knows nothing of what the other wrote writes it again, and that changes nothing.
    async with controlling(kubeconfig, world.namespace, ROUTED) as (controller, client):
        await eventually("the first pass", lambda: passes(controller) > 0)
        await world.settled(controller, client)
        assert await versions(world) == before


@pytest.mark.parametrize("child", PLANNED, ids=lambda child: child.kind)
async def test_drift_is_repaired(kubeconfig: Path, world: World, child: Any) -> None:
    resource = RESOURCES[child.kind]
    async with controlling(kubeconfig, world.namespace, ROUTED) as (controller, client):
        await world.create(everything())
        await played(world)
        name = (await world.names(resource))[0]
        spec = (await world.get(resource, name) or {})["spec"]
        await world.delete(resource, name)

        async def back() -> bool:
            return ((await world.get(resource, name)) or {}).get("spec") == spec

        await eventually(f"{child.kind} to be back", back)
        # Under another hand than ours, as somebody's `kubectl edit` leaves it.
        path, value = EDITS[child.kind]
        await world.patch(resource, name, {"op": "replace", "path": f"/spec/{path}", "value": value})
        await eventually(f"{child.kind} to be as it was", back)
        await world.settled(controller, client)


async def test_what_is_switched_off_goes(kubeconfig: Path, world: World) -> None:
    async with controlling(kubeconfig, world.namespace, ROUTED):
        await world.create(everything())
        await played(world)
    pods = (await world.deployment("m-main-0-a") or {})["metadata"]["uid"]
    async with controlling(kubeconfig, world.namespace) as (controller, client):
        for child in FOREIGN:

            async def none(resource: Any = RESOURCES[child.kind]) -> bool:
                return not await world.names(resource)

            await eventually(f"no {child.kind}", none)
        await world.settled(controller, client)
        made = await world.state("Available")
        assert condition(made, "istioVirtualServicesReady")["reason"] == "NoneDefined"
    assert (await world.deployment("m-main-0-a") or {})["metadata"]["uid"] == pods


async def test_keda_comes_and_goes_at_five_replicas(kubeconfig: Path, world: World) -> None:
    obj = single()
    obj["spec"]["predictors"][0]["componentSpecs"][0]["replicas"] = 5
    scaled = RESOURCES["ScaledObject"]
    async with controlling(kubeconfig, world.namespace, replace(CONFIG, keda_enabled=True)) as (controller, client):
        await knows_all(controller)
        await world.create(obj)
        await played(world)
        version = (await world.deployment() or {})["metadata"]["resourceVersion"]
        await world.edit(f"{COMPONENT}/kedaSpec", KEDA)
        await eventually("the ScaledObject", lambda: world.get(scaled, "m-p-0-a"))
        await world.settled(controller, client)
        # KEDA's own autoscaler scales.
        await scale_by(world, "kube-controller-manager", 8)
        await played(world)
        await world.settled(controller, client)
        assert (await world.deployment() or {})["spec"]["replicas"] == 8

        await world.patch(SELDONDEPLOYMENTS, "m", {"op": "remove", "path": f"/spec{COMPONENT}/replicas"})
        await world.patch(SELDONDEPLOYMENTS, "m", {"op": "remove", "path": f"/spec{COMPONENT}/kedaSpec"})
        await world.gone(scaled, "m-p-0-a")
        await world.settled(controller, client)
        assert (await world.deployment() or {})["spec"]["replicas"] == 8
        assert await Lowest(world).since(version) >= 5

        await world.edit(f"{COMPONENT}/replicas", 5)
        await world.settled(controller, client)
        assert (await world.deployment() or {})["spec"]["replicas"] == 5
        assert await world.names(DEPLOYMENTS) == ["m-p-0-a"]
