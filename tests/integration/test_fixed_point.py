"""From any partial world, repeated passes come to the same end, and then write nothing more."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seldon_core.kube.errors import NotFound
from seldon_core.kube.resources import (
    AUTOSCALERS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    SERVICES,
    Resource,
)
from tests.integration.world import Object, World, controlling, eventually, pair

pytestmark = pytest.mark.xdist_group("crd")

CHILDREN: tuple[tuple[Resource, str], ...] = (
    (DEPLOYMENTS, "m-p-0-a"),
    (DEPLOYMENTS, "m-p-1-b"),
    (SERVICES, "m-p"),
    (SERVICES, "m-p-a"),
    (SERVICES, "m-p-b"),
    (AUTOSCALERS, "m-p-0-a"),
    (DISRUPTION_BUDGETS, "m-p-1-b"),
)
KINDS = (DEPLOYMENTS, SERVICES, AUTOSCALERS, DISRUPTION_BUDGETS)
# What somebody may have done to a child while no controller was there.
HARMS = ("deleted", "edited", "disowned", "unlabelled", "stripped", "terminating")
EDITS: Mapping[str, tuple[str, Any]] = {
    "deployments": ("/spec/template/spec/containers/0/image", "other:9"),
    "services": ("/spec/selector", {"somewhere": "else"}),
    "horizontalpodautoscalers": ("/spec/maxReplicas", 77),
    "poddisruptionbudgets": ("/spec/minAvailable", 0),
}


def wanted() -> Object:
    obj = pair()
    parts = obj["spec"]["predictors"][0]["componentSpecs"]
    parts[0]["hpaSpec"] = {"maxReplicas": 3}
    parts[1]["pdbSpec"] = {"minAvailable": 1}
    return obj


async def harm(world: World, resource: Resource, name: str, how: str) -> None:
    if how == "deleted":
        return await world.delete(resource, name)
    if how == "terminating":
        finalizer = {"op": "add", "path": "/metadata/finalizers", "value": ["example.com/hold"]}
        await world.patch(resource, name, finalizer)
        return await world.delete(resource, name)
    path, value = EDITS[resource.plural]
    operation: Object = {
        "edited": {"op": "replace", "path": path, "value": value},
        "disowned": {"op": "remove", "path": "/metadata/ownerReferences"},
        "unlabelled": {"op": "replace", "path": "/metadata/labels", "value": {}},
        "stripped": {"op": "replace", "path": "/metadata/managedFields", "value": [{}]},
    }[how]
    await world.patch(resource, name, operation)
    return None


async def duplicate(world: World, resource: Resource, name: str) -> None:
    """Make a second child of another name, as a controller that planned otherwise would have left it behind."""
    found = await world.get(resource, name)
    assert found is not None
    metadata = {key: found["metadata"][key] for key in ("labels", "ownerReferences")} | {"name": f"{name}-2"}
    spec = dict(found["spec"])
    for key in ("clusterIP", "clusterIPs"):
        spec.pop(key, None)
    await world.create({"apiVersion": found["apiVersion"], "kind": found["kind"], "metadata": metadata, "spec": spec})


async def play(world: World) -> None:
    """Play the cluster's own controllers once: roll out what there is, and collect what is to go."""
    for resource in KINDS:
        items, _ = await world.client.list(resource, world.namespace)
        for item in items:
            name = item["metadata"]["name"]
            try:
                if "deletionTimestamp" in item["metadata"]:
                    await world.finish_deletion(resource, name)
                elif resource is DEPLOYMENTS:
                    await world.roll_out(name)
            except NotFound:
                continue


async def picture(world: World) -> str:
    """All children without what differs between any two that are the same."""
    seen = []
    for resource in KINDS:
        items, _ = await world.client.list(resource, world.namespace)
        for item in items:
            spec = {key: value for key, value in item["spec"].items() if key not in ("clusterIP", "clusterIPs")}
            metadata = item["metadata"]
            kept = {key: metadata.get(key) for key in ("name", "labels", "ownerReferences", "deletionTimestamp")}
            seen.append([resource.kind, kept, spec])
    return json.dumps(sorted(seen, key=lambda one: (one[0], one[1]["name"])), sort_keys=True)


async def settle(operator: Path, world: World) -> tuple[str, Object]:
    """Run a controller, and the cluster around it, until nothing happens any more."""
    async with controlling(operator, world.namespace) as (controller, client):

        async def done() -> bool:
            await play(world)
            if (await world.sdep()).get("status", {}).get("state") != "Available":
                return False
            before = await world.versions()
            await world.settled(controller, client)
            await play(world)
            after = await world.versions()
            names = [key for key in before if key != "SeldonDeployment/m" and before[key] != after.get(key)]
            return not names and before.keys() == after.keys()

        await eventually("everything to come to rest", done)
        return await picture(world), await world.sdep()


@pytest.fixture
async def rested(operator: Path, world: World) -> tuple[World, str]:
    await world.create(wanted())
    return world, (await settle(operator, world))[0]


HARMED = st.dictionaries(st.sampled_from(range(len(CHILDREN))), st.sampled_from(HARMS), min_size=1, max_size=5)


async def test_from_any_partial_world_it_comes_to_the_same_end(operator: Path, rested: tuple[World, str]) -> None:
    world, expected = rested
    uid = (await world.sdep())["metadata"]["uid"]
    for harms, copies in samples():
        for index in copies:
            await duplicate(world, *CHILDREN[index])
        for index, how in harms.items():
            await harm(world, *CHILDREN[index], how)
        found, sdep = await settle(operator, world)
        assert (found, sdep["metadata"]["uid"]) == (expected, uid), (harms, copies)


def samples() -> list[tuple[dict[int, str], set[int]]]:
    """Draw what has happened to the children, and of which there are two."""
    drawn: list[tuple[dict[int, str], set[int]]] = []

    @settings(max_examples=12, database=None, suppress_health_check=list(HealthCheck))
    @given(HARMED, st.sets(st.sampled_from(range(5)), max_size=2))
    def draw(harms: dict[int, str], copies: set[int]) -> None:
        drawn.append((harms, copies))

    draw()
    return drawn


@pytest.mark.parametrize("how", HARMS)
async def test_each_harm_alone_is_undone(operator: Path, rested: tuple[World, str], how: str) -> None:
    world, expected = rested
    for resource, name in CHILDREN:
        await harm(world, resource, name, how)
    found, _ = await settle(operator, world)
    assert found == expected
