"""The controller against a real API server, with no more rights than the chart gives it."""

from pathlib import Path

import pytest

from seldon_core.kube.client import MERGE_PATCH
from seldon_core.kube.resources import DEPLOYMENTS, PODS, SELDONDEPLOYMENTS, SERVICES
from tests.integration.world import (
    World,
    controlling,
    eventually,
    has_replicas,
    is_going,
    pair,
    passes,
    writes,
    writes_so_far,
)
from tests.plan.build import component, container, node, predictor, sdep, single

pytestmark = pytest.mark.xdist_group("crd")


async def test_children_appear_and_the_status_follows(operator: Path, world: World) -> None:
    async with controlling(operator, world.namespace):
        await world.create(single(replicas=2))
        made = await world.state("Creating")
        assert made["status"]["address"]["url"] == (
            f"http://m-p.{world.namespace}.svc.cluster.local:8000/api/v1.0/predictions"
        )
        assert await world.names(SERVICES) == ["m-p", "m-p-a"]
        child = await world.deployment()
        assert child is not None
        owner = child["metadata"]["ownerReferences"][0]
        assert (owner["uid"], owner["controller"]) == (made["metadata"]["uid"], True)

        await world.roll_out(available=1)
        await eventually("one pod to be counted", lambda: counted(world, 1))
        assert (await world.sdep())["status"]["state"] == "Creating"
        await world.roll_out()
        made = await world.state("Available")
        assert made["status"]["replicas"] == 2
        assert made["status"]["deploymentStatus"] == {"m-p-0-a": {"replicas": 2, "availableReplicas": 2}}
        assert set(made["status"]["serviceStatus"]) == {"m-p", "m-p-a"}
        assert {c["type"]: c["status"] for c in made["status"]["conditions"]} == dict.fromkeys(
            (
                "AmbassadorMappingsReady",
                "DeploymentsReady",
                "GatewayRoutesReady",
                "HpasReady",
                "KedaReady",
                "PdbsReady",
                "Ready",
                "ServicesReady",
                "istioVirtualServicesReady",
            ),
            "True",
        )


async def test_each_child_and_each_change_of_the_status_is_one_request(operator: Path, world: World) -> None:
    async with controlling(operator, world.namespace) as (controller, client):
        await eventually("the first passes", lambda: controller.queue.idle)
        client.requests.clear()
        await world.create(single())
        await world.state("Creating")
        await world.roll_out()
        await world.state("Available")
        await world.touch(controller)
        asked = {verb: count for verb, count in client.requests.items() if verb not in ("list", "watch")}
        # A Deployment, two Services, Creating, Available; the Event of that.
        assert asked == {"patch": 5, "create": 1}


async def counted(world: World, available: int) -> bool:
    found = (await world.sdep())["status"].get("deploymentStatus", {}).get("m-p-0-a", {})
    return bool(found.get("availableReplicas") == available)


async def test_a_change_of_state_is_an_event_and_nothing_else_is(operator: Path, world: World) -> None:
    async with controlling(operator, world.namespace) as (controller, _):
        await world.create(single())
        await world.roll_out()
        await world.state("Available")
        await world.touch(controller)
        await world.touch(controller)
        events = await world.events()
        assert [(e["type"], e["reason"], e["involvedObject"]["name"]) for e in events] == [("Normal", "Available", "m")]
        assert "m-p." in events[0]["message"]


async def test_nothing_is_written_when_nothing_changed(operator: Path, world: World) -> None:
    async with controlling(operator, world.namespace) as (controller, client):
        await world.create(pair())
        await world.roll_out("m-p-0-a")
        await world.roll_out("m-p-1-b")
        await world.state("Available")
        await world.touch(controller)
        before, sent = await world.versions(), writes(client)
        for _ in range(3):
            await world.touch(controller)
        after = await world.versions()
        assert writes(client) == sent
        del before["SeldonDeployment/m"], after["SeldonDeployment/m"]  # which the test itself touches
        assert after == before


async def test_what_others_write_into_the_status_is_no_reason_to_write_it_again_and_again(
    operator: Path, world: World
) -> None:
    async with controlling(operator, world.namespace) as (controller, client):
        await world.create(single())
        await world.roll_out()
        await world.state("Available")
        extra = {"status": {"deploymentStatus": {"strange": {"replicas": 1}}, "state": "Failed"}}
        await world.client.patch(
            SELDONDEPLOYMENTS, "m", world.namespace, extra, content_type=MERGE_PATCH, subresource="status"
        )
        assert "strange" in (await world.state("Available"))["status"]["deploymentStatus"]
        sent = await writes_so_far(controller, client)
        await world.touch(controller)
        assert writes(client) == sent


async def test_what_a_successor_writes_first_changes_nothing(operator: Path, world: World) -> None:
    async with controlling(operator, world.namespace) as (controller, client):
        await world.create(pair())
        await world.roll_out("m-p-0-a")
        await world.roll_out("m-p-1-b")
        await world.state("Available")
        await world.touch(controller)
        before = await world.versions()
    async with controlling(operator, world.namespace) as (controller, client):
        await eventually("the first pass", lambda: passes(controller) > 0)
        assert await world.versions() == before
        sent = await writes_so_far(controller, client)
        assert sent == 5  # two Deployments and three Services, which it cannot know to be as they should
        await world.touch(controller)
        assert writes(client) == sent


IMAGE = "/spec/template/spec/containers/0/image"


async def test_drift_is_repaired(operator: Path, world: World) -> None:
    async with controlling(operator, world.namespace):
        await world.create(single(replicas=2))
        await world.roll_out()
        await world.state("Available")

        async def is_right() -> bool:
            child, service = await world.deployment(), await world.service()
            return bool(
                child
                and service
                and child["spec"]["template"]["spec"]["containers"][0]["image"] == "a:1"
                and child["spec"]["replicas"] == 2
                and child["metadata"]["labels"].get("app.kubernetes.io/managed-by") == "seldon-core"
                and child["metadata"].get("ownerReferences")
                and service["spec"]["selector"] == {"seldon-app": "m-p"}
            )

        for drift in (
            {"op": "replace", "path": IMAGE, "value": "other:2"},
            {"op": "replace", "path": "/spec/replicas", "value": 7},
            {"op": "remove", "path": "/metadata/labels/app.kubernetes.io~1managed-by"},
            {"op": "remove", "path": "/metadata/ownerReferences"},
        ):
            await world.patch(DEPLOYMENTS, "m-p-0-a", drift)
            await eventually(f"{drift['path']} to be repaired", is_right)
        await world.patch(SERVICES, "m-p", {"op": "add", "path": "/spec/selector/seldon-app", "value": "elsewhere"})
        await eventually("the selector to be repaired", is_right)
        await world.delete(SERVICES, "m-p")
        await eventually("the Service to be back", is_right)
        uid = (await world.deployment() or {})["metadata"]["uid"]
        await world.delete(DEPLOYMENTS, "m-p-0-a")
        await eventually("the Deployment to be back", is_right)
        assert (await world.deployment() or {})["metadata"]["uid"] != uid


async def test_what_others_add_is_left_alone(operator: Path, world: World) -> None:
    async with controlling(operator, world.namespace) as (controller, client):
        await world.create(single())
        await world.roll_out()
        await world.state("Available")
        restart = "kubectl.kubernetes.io/restartedAt"
        annotation = {"op": "add", "path": f"/spec/template/metadata/annotations/{restart.replace('/', '~1')}"}
        await world.patch(DEPLOYMENTS, "m-p-0-a", {**annotation, "value": "now"})
        await world.patch(SERVICES, "m-p", {"op": "add", "path": "/metadata/annotations", "value": {"cloud": "x"}})
        await world.roll_out()
        await world.settled(controller, client)
        child, service = await world.deployment(), await world.service()
        assert child is not None
        assert service is not None
        assert child["spec"]["template"]["metadata"]["annotations"][restart] == "now"
        assert service["metadata"]["annotations"] == {"cloud": "x"}


async def test_a_new_image_rolls_in_place_and_is_available_only_once_rolled_out(operator: Path, world: World) -> None:
    async with controlling(operator, world.namespace):
        await world.create(single())
        await world.roll_out()
        before = await world.state("Available")
        uid = (await world.deployment() or {})["metadata"]["uid"]
        await world.edit("/predictors/0/componentSpecs/0/spec/containers/0/image", "a:2")
        after = await world.state("Creating")
        assert after["status"]["observedGeneration"] > before["status"]["observedGeneration"]
        child = await world.deployment()
        assert child is not None
        assert child["metadata"]["uid"] == uid
        assert child["spec"]["template"]["spec"]["containers"][0]["image"] == "a:2"
        await world.roll_out()
        await world.state("Available")


async def test_scale(operator: Path, world: World) -> None:
    async with controlling(operator, world.namespace):
        obj = single()
        obj["spec"]["replicas"] = 1
        await world.create(obj)
        await world.roll_out()
        await world.state("Available")
        scale = {"spec": {"replicas": 3}}
        await world.client.patch(
            SELDONDEPLOYMENTS,
            "m",
            world.namespace,
            scale,
            content_type=MERGE_PATCH,
            subresource="scale",
        )
        await eventually("three replicas", lambda: has_replicas(world, 3))
        await world.roll_out()
        made = await world.state("Available")
        assert (made["status"]["replicas"], made["status"]["selector"]) == (3, "app=m-p-0-a,seldon-deployment-id=m")

        await world.edit("/replicas", 0)
        await eventually("no replicas", lambda: has_replicas(world, 0))
        await world.roll_out()
        assert (await world.state("Available"))["status"]["replicas"] == 0


async def test_replicas_that_nobody_states_any_more_are_kept(operator: Path, world: World) -> None:
    async with controlling(operator, world.namespace) as (controller, _):
        obj = single()
        obj["spec"]["replicas"] = 5
        await world.create(obj)
        await world.roll_out()
        await world.state("Available")
        await world.patch(SELDONDEPLOYMENTS, "m", {"op": "remove", "path": "/spec/replicas"})
        await world.touch(controller)
        assert await has_replicas(world, 5)

        # An autoscaler takes the field over, and has it to itself from then on.
        scale = {"spec": {"replicas": 8}}
        await world.client.patch(
            DEPLOYMENTS,
            "m-p-0-a",
            world.namespace,
            scale,
            content_type=MERGE_PATCH,
            subresource="scale",
            field_manager="autoscaler",
        )
        await world.roll_out()
        await world.state("Available")
        await world.touch(controller)
        assert await has_replicas(world, 8)


async def test_replicas_stated_nowhere_begin_with_one_and_belong_to_whoever_sets_them(
    operator: Path, world: World
) -> None:
    async with controlling(operator, world.namespace) as (controller, client):
        await world.create(single())
        await world.roll_out()
        await world.state("Available")
        assert await has_replicas(world, 1)
        await world.patch(DEPLOYMENTS, "m-p-0-a", {"op": "replace", "path": "/spec/replicas", "value": 4})
        await world.roll_out()
        await world.state("Available")
        sent = await writes_so_far(controller, client)
        await world.touch(controller)
        assert await has_replicas(world, 4)
        assert writes(client) == sent


async def test_a_renamed_container_is_replaced_make_before_break(operator: Path, world: World) -> None:
    async with controlling(operator, world.namespace) as (controller, _):
        await world.create(single())
        await world.roll_out()
        await world.state("Available")
        renamed = predictor("p", node("b"), component(container("b")))
        await world.edit("/predictors", [renamed])
        await eventually("the new Deployment", lambda: world.deployment("m-p-0-b"))
        await world.touch(controller)
        assert await world.names(DEPLOYMENTS) == ["m-p-0-a", "m-p-0-b"]
        assert await world.names(SERVICES) == ["m-p", "m-p-a", "m-p-b"]
        assert "deletionTimestamp" not in (await world.deployment("m-p-0-a") or {})["metadata"]

        await world.roll_out("m-p-0-b")
        await world.state("Available")
        await eventually("the old Deployment to be deleted", lambda: is_going(world, "m-p-0-a"))
        await world.touch(controller)
        assert await world.names(SERVICES) == ["m-p", "m-p-a", "m-p-b"], "old engines may still call it"
        await world.finish_deletion(DEPLOYMENTS, "m-p-0-a")
        await world.gone(SERVICES, "m-p-a")
        assert await world.names(SERVICES) == ["m-p", "m-p-b"]
        made = await world.state("Available")
        assert set(made["status"]["serviceStatus"]) == {"m-p", "m-p-b"}
        assert set(made["status"]["deploymentStatus"]) == {"m-p-0-b"}


@pytest.mark.parametrize("children", [("Deployment",), ("Service",), ("Deployment", "Service")], ids="+".join)
async def test_from_a_partial_world_it_comes_to_the_same_end(
    operator: Path, world: World, children: tuple[str, ...]
) -> None:
    resources = {"Deployment": DEPLOYMENTS, "Service": SERVICES}
    async with controlling(operator, world.namespace):
        await world.create(pair())
        await world.roll_out("m-p-0-a")
        await world.roll_out("m-p-1-b")
        await world.state("Available")
        expected = [await world.names(resource) for resource in resources.values()]
    for kind in children:
        await world.delete(resources[kind], (await world.names(resources[kind]))[0])
    async with controlling(operator, world.namespace) as (controller, client):
        await world.roll_out("m-p-0-a")
        await world.roll_out("m-p-1-b")
        await world.state("Available")

        async def whole() -> bool:
            return [await world.names(resource) for resource in resources.values()] == expected

        await eventually("all children to be back", whole)
        await world.touch(controller)
        sent = await writes_so_far(controller, client)
        await world.touch(controller)
        assert writes(client) == sent


async def test_what_users_repeat_is_accepted_by_server_side_apply(operator: Path, world: World) -> None:
    twice = container("a", env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}])
    async with controlling(operator, world.namespace):
        await world.create(sdep(predictor("p", node("a"), component(twice))))
        await world.roll_out()
        await world.state("Available")
        made = (await world.deployment() or {})["spec"]["template"]["spec"]["containers"][0]
        assert [entry["value"] for entry in made["env"] if entry["name"] == "A"] == ["2"]


async def test_its_pods_meet_the_restricted_level(operator: Path, world: World) -> None:
    await world.label_namespace("pod-security.kubernetes.io/enforce", "restricted")
    async with controlling(operator, world.namespace):
        await world.create(pair())
        for name in ("m-p-0-a", "m-p-1-b"):
            template = (await eventually(name, lambda name=name: world.deployment(name)))["spec"]["template"]
            metadata = {**template["metadata"], "name": name, "namespace": world.namespace}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
            await world.client.create(pod, dry_run=True)
    assert await world.names(PODS) == []


async def test_one_that_is_being_deleted_is_left_to_the_garbage_collector(operator: Path, world: World) -> None:
    async with controlling(operator, world.namespace) as (controller, client):
        await world.create(single())
        await world.roll_out()
        await world.state("Available")
        await world.create(single("other"))
        await world.state("Creating", "other")
        await world.delete(SELDONDEPLOYMENTS, "m")
        await world.gone(SELDONDEPLOYMENTS, "m")
        await world.touch(controller, "other")
        sent = await writes_so_far(controller, client)
        await world.delete(DEPLOYMENTS, "m-p-0-a")
        await world.gone(DEPLOYMENTS, "m-p-0-a")
        await world.touch(controller, "other")
        await world.touch(controller, "other")
        assert writes(client) == sent
        assert await world.deployment() is None


async def test_hashed_names_of_a_long_one(operator: Path, world: World) -> None:
    name = "seldon-model-1234567890-1234567890-1234567890-1234567890-1234567890"
    obj = sdep(predictor("p1", node("classifier"), component(container("classifier"))), name=name)
    async with controlling(operator, world.namespace):
        await world.create(obj)
        await world.roll_out("seldon-5fdf818e3b842e9129a341471ed46232")
        made = await world.state("Available", name)
        assert set(made["status"]["serviceStatus"]) == {
            "seldon-587bb9225779dd0ae9335ad02964c78e",
            "seldon-1b3aa4899999fbb66914187a059490d0",
        }
        service = await world.service("seldon-587bb9225779dd0ae9335ad02964c78e")
        assert service is not None
        labels = service["metadata"]["labels"]
        assert labels["seldon-deployment-id"] == "seldon-83a2ff7bfcb4fd45246a1b2c4ef40961"
