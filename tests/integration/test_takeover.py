"""Worlds that the reference implementation made, as recorded: taken over without a gap and without a leftover."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from seldon_core.kube.resources import DEPLOYMENTS, SERVICES
from tests.integration.world import Object, World, controlling, eventually, passes

pytestmark = pytest.mark.xdist_group("takeover")

RECORDED: list[Object] = yaml.safe_load((Path(__file__).parent / "data" / "upstream_worlds.yaml").read_text())


async def recreate(world: World, recorded: Object) -> Object:
    """Create a SeldonDeployment and what upstream made of it, all pods of which serve; return the SeldonDeployment."""
    stored = await world.create(json.loads(json.dumps(recorded["manifest"])))
    for item in recorded["objects"]:
        obj = json.loads(json.dumps(item).replace("NAMESPACE", world.namespace))
        obj["metadata"]["ownerReferences"][0]["uid"] = stored["metadata"]["uid"]
        await world.client.create(obj, field_manager="manager")
    for name in await world.names(DEPLOYMENTS):
        await world.roll_out(name)
    return stored


def pods_of(deployment: Object) -> Object:
    """What a Deployment's pods consist of, but for the namespace."""
    pod = deployment["spec"]["template"]["spec"]
    containers = [
        {
            "name": one["name"],
            "env": sorted(entry["name"] for entry in one.get("env") or ()),
            "ports": sorted((port["name"], port["containerPort"]) for port in one.get("ports") or ()),
        }
        for one in pod["containers"]
    ]
    return {"containers": containers, "volumes": sorted(volume["name"] for volume in pod.get("volumes") or ())}


async def everything(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    deployments = (await world.client.list(DEPLOYMENTS, world.namespace))[0]
    services = (await world.client.list(SERVICES, world.namespace))[0]
    return (
        {one["metadata"]["name"]: pods_of(one) for one in deployments if "deletionTimestamp" not in one["metadata"]},
        {one["metadata"]["name"]: sorted(port["port"] for port in one["spec"]["ports"]) for one in services},
    )


@pytest.mark.parametrize("recorded", RECORDED, ids=[one["name"] for one in RECORDED])
async def test_a_recorded_world_is_taken_over_without_a_gap(operator: Path, world: World, recorded: Object) -> None:
    stored = await recreate(world, recorded)
    name = stored["metadata"]["name"]
    before = {one["metadata"]["name"]: one for one in (await world.client.list(DEPLOYMENTS, world.namespace))[0]}
    served = await world.names(SERVICES)
    async with controlling(operator, world.namespace) as (controller, client):
        await eventually("the first pass", lambda: passes(controller) > 0)
        await world.settled(controller, client, name)

        # Nothing that serves goes before all that comes is ready; what stays is changed in place.
        for deployment, old in before.items():
            live = await world.deployment(deployment)
            assert live is not None
            assert "deletionTimestamp" not in live["metadata"]
            assert live["metadata"]["uid"] == old["metadata"]["uid"]
            assert live["spec"]["selector"] == old["spec"]["selector"]
        assert set(served) <= set(await world.names(SERVICES))

        async def available() -> bool:
            for deployment in await world.names(DEPLOYMENTS):
                live = await world.deployment(deployment)
                if live is not None and "deletionTimestamp" in live["metadata"]:
                    await world.finish_deletion(DEPLOYMENTS, deployment)
                elif live is not None:
                    await world.roll_out(deployment)
            return bool((await world.sdep(name)).get("status", {}).get("state") == "Available")

        await eventually("everything to be available", available)
        await world.settled(controller, client, name)
        await eventually("everything to stay available", available)
        managers = {
            (entry["manager"], entry["operation"])
            for resource in (DEPLOYMENTS, SERVICES)
            for obj in (await world.client.list(resource, world.namespace))[0]
            for entry in obj["metadata"]["managedFields"]
            if not entry.get("subresource")
        }
        assert managers == {("seldon-controller", "Apply")}
        taken = await everything(world)

        # A world that upstream never saw ends the same.
        for resource in (DEPLOYMENTS, SERVICES):
            for each in await world.names(resource):
                await world.delete(resource, each)

        async def rebuilt() -> bool:
            await available()
            return await everything(world) == taken

        await eventually("the same to be built from nothing", rebuilt)
