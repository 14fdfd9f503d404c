"""What serves goes on serving while its objects change hands, engines move, graphs grow and autoscalers come and go."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seldon_core.kube.client import MERGE_PATCH
from seldon_core.kube.resources import AUTOSCALERS, DEPLOYMENTS, DISRUPTION_BUDGETS, SELDONDEPLOYMENTS, SERVICES
from seldon_core.plan import Observed, plan
from tests.integration.test_fixed_point import play
from tests.integration.world import CONFIG, Object, World, condition, controlling, eventually, pair, passes
from tests.plan.build import single

pytestmark = pytest.mark.xdist_group("crd")

COMPONENT = "/predictors/0/componentSpecs/0"
HPA = {"minReplicas": 5, "maxReplicas": 9}


async def scale_by(world: World, manager: str, replicas: int) -> None:
    """Play an autoscaler."""
    body = {"spec": {"replicas": replicas}}
    await world.client.patch(
        DEPLOYMENTS,
        "m-p-0-a",
        world.namespace,
        body,
        content_type=MERGE_PATCH,
        subresource="scale",
        field_manager=manager,
    )


class Lowest:
    """The fewest replicas that a Deployment ever had, from a watch."""

    def __init__(self, world: World, name: str = "m-p-0-a") -> None:
        self.world, self.name = world, name

    async def since(self, version: str) -> int:
        """Read back every version of it that the API server still knows, up to now."""
        now = (await self.world.deployment(self.name) or {})["metadata"]["resourceVersion"]
        lowest = 10**6
        if now == version:
            return int((await self.world.deployment(self.name) or {})["spec"]["replicas"])
        events = self.world.client.watch(DEPLOYMENTS, self.world.namespace, resource_version=version)
        async for event in events:
            if event.type != "BOOKMARK" and event.object["metadata"]["name"] == self.name:
                lowest = min(lowest, event.object["spec"]["replicas"])
                if event.object["metadata"]["resourceVersion"] == now:
                    break
        await events.aclose()
        return lowest


async def test_an_autoscaler_that_comes_and_goes_never_leaves_fewer_pods(operator: Path, world: World) -> None:
    obj = single()
    obj["spec"]["predictors"][0]["componentSpecs"][0]["replicas"] = 5
    async with controlling(operator, world.namespace) as (controller, client):
        await world.create(obj)
        await world.roll_out()
        await world.state("Available")
        version = (await world.deployment() or {})["metadata"]["resourceVersion"]

        await world.edit(f"{COMPONENT}/hpaSpec", HPA)
        hpa = await eventually("the autoscaler", lambda: world.get(AUTOSCALERS, "m-p-0-a"))
        assert hpa["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "m-p-0-a"}
        await world.settled(controller, client)
        await scale_by(world, "kube-controller-manager", 7)
        await world.roll_out()
        await world.settled(controller, client)
        assert (await world.deployment() or {})["spec"]["replicas"] == 7

        # It goes, and nobody states a number: what it left is kept.
        await world.patch(SELDONDEPLOYMENTS, "m", {"op": "remove", "path": f"/spec{COMPONENT}/replicas"})
        await world.patch(SELDONDEPLOYMENTS, "m", {"op": "remove", "path": f"/spec{COMPONENT}/hpaSpec"})
        await world.gone(AUTOSCALERS, "m-p-0-a")
        await world.settled(controller, client)
        assert (await world.deployment() or {})["spec"]["replicas"] == 7
        assert await Lowest(world).since(version) >= 5

        await world.edit(f"{COMPONENT}/replicas", 5)
        await world.settled(controller, client)
        assert (await world.deployment() or {})["spec"]["replicas"] == 5


async def test_a_deployment_of_another_name_never_starts_with_fewer_pods(operator: Path, world: World) -> None:
    obj = single()
    obj["spec"]["predictors"][0]["componentSpecs"][0]["hpaSpec"] = HPA
    async with controlling(operator, world.namespace) as (controller, client):
        await world.create(obj)
        await world.roll_out()
        await world.state("Available")
        await scale_by(world, "kube-controller-manager", 7)
        await world.roll_out()
        await world.settled(controller, client)

        version = (await world.deployment() or {})["metadata"]["resourceVersion"]
        await world.edit(f"{COMPONENT}/spec/containers/-", {"name": "log", "image": "log:1"})
        await eventually("the successor", lambda: world.deployment("m-p-0-a-log"))
        await eventually("its autoscaler", lambda: world.get(AUTOSCALERS, "m-p-0-a-log"))
        await world.settled(controller, client)
        assert "deletionTimestamp" not in (await world.deployment() or {})["metadata"]
        await played(world)
        assert await world.names(DEPLOYMENTS) == ["m-p-0-a-log"]
        await world.gone(AUTOSCALERS, "m-p-0-a")
        await world.settled(controller, client)
        assert await Lowest(world, "m-p-0-a-log").since(version) == 7


async def test_drift_of_autoscalers_and_budgets_is_repaired(operator: Path, world: World) -> None:
    obj = single()
    obj["spec"]["predictors"][0]["componentSpecs"][0] |= {"hpaSpec": HPA, "pdbSpec": {"minAvailable": 1}}
    async with controlling(operator, world.namespace) as (controller, client):
        await world.create(obj)
        await world.roll_out()
        made = await world.state("Available")
        assert condition(made, "HpasReady")["reason"] == condition(made, "PdbsReady")["reason"] == "AllCreated"
        for resource, path, value in (
            (AUTOSCALERS, "/spec/maxReplicas", 50),
            (DISRUPTION_BUDGETS, "/spec/minAvailable", 0),
        ):
            kept = (await world.get(resource, "m-p-0-a") or {})["spec"]
            await world.patch(resource, "m-p-0-a", {"op": "replace", "path": path, "value": value})

            async def repaired(resource: Any = resource, kept: Object = kept) -> bool:
                return ((await world.get(resource, "m-p-0-a")) or {}).get("spec") == kept

            await eventually(f"{resource.kind} to be repaired", repaired)
            await world.delete(resource, "m-p-0-a")
            await eventually(f"{resource.kind} to be back", repaired)
        await world.settled(controller, client)


async def test_foreign_autoscalers_of_the_same_name_are_left_alone(operator: Path, world: World) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "m-p-0-a"}
    theirs = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "m-p-0-a", "labels": {"seldon-deployment-id": "m"}},
        "spec": {"scaleTargetRef": target, "maxReplicas": 3},
    }
    obj = single()
    async with controlling(operator, world.namespace) as (controller, client):
        before = await world.create(theirs)
        await world.create(obj)
        await world.roll_out()
        await world.state("Available")
        await world.edit(f"{COMPONENT}/hpaSpec", HPA)
        made = await world.state("Failed")
        assert condition(made, "HpasReady")["reason"] == "NameTaken"
        await world.patch(SELDONDEPLOYMENTS, "m", {"op": "remove", "path": f"/spec{COMPONENT}/hpaSpec"})
        await world.state("Available")
        await world.settled(controller, client)
        after = await world.get(AUTOSCALERS, "m-p-0-a")
        assert after is not None
        assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def containers(world: World, name: str = "m-p-0-a") -> list[str]:
    child = await world.deployment(name)
    assert child is not None
    return [one["name"] for one in child["spec"]["template"]["spec"]["containers"]]


async def test_an_engine_moves_out_once_its_own_pods_serve(operator: Path, world: World) -> None:
    both = ["a", "seldon-container-engine"]
    async with controlling(operator, world.namespace) as (controller, client):
        await world.create(pair())
        await world.roll_out("m-p-0-a")
        await world.roll_out("m-p-1-b")
        await world.state("Available")
        uid = (await world.deployment() or {})["metadata"]["uid"]
        await world.edit("/annotations", {"seldon.io/engine-separate-pod": "true"})
        await eventually("the engine's own Deployment", lambda: world.deployment("m-p-svc-orch"))
        made = await world.state("Creating")
        assert "keeps its pods" in made["status"]["description"] or "svc-orch" in made["status"]["description"]
        await world.settled(controller, client)
        assert await containers(world) == both

        await world.roll_out("m-p-svc-orch")
        await eventually("the engine to leave", lambda: _is(world, ["a"]))
        await world.roll_out("m-p-0-a")
        await world.roll_out("m-p-1-b")
        await world.state("Available")

        # And back: the engine's own pods stay until those beside the component are ready.
        await world.patch(SELDONDEPLOYMENTS, "m", {"op": "remove", "path": "/spec/annotations"})
        await world.settled(controller, client)
        assert await containers(world) == ["a"], "what it calls comes first"
        await world.roll_out("m-p-1-b")
        await eventually("the engine to come back", lambda: _is(world, both))
        await world.touch(controller)
        assert "deletionTimestamp" not in (await world.deployment("m-p-svc-orch") or {})["metadata"]
        await world.roll_out("m-p-0-a")

        async def going() -> bool:
            return "deletionTimestamp" in (await world.deployment("m-p-svc-orch") or {})["metadata"]

        await eventually("the engine's own pods to go", going)
        await world.finish_deletion(DEPLOYMENTS, "m-p-svc-orch")
        await world.state("Available")
        assert (await world.deployment() or {})["metadata"]["uid"] == uid


async def _is(world: World, wanted: list[str]) -> bool:
    return await containers(world) == wanted


SEPARATE = ("add", "/spec/annotations", {"seldon.io/engine-separate-pod": "true"})
ABSENT = ("add", "/spec/predictors/0/annotations", {"seldon.io/no-engine": "true"})


@pytest.mark.parametrize(
    ("before", "after", "ports"),
    [
        pytest.param(SEPARATE, ABSENT, [9000, 9500], id="from-its-own-pods-to-nowhere"),
        pytest.param(ABSENT, SEPARATE, [8000, 5001], id="from-nowhere-to-its-own-pods"),
    ],
)
async def test_an_engine_moves_by_way_of_the_component(
    operator: Path, world: World, before: Any, after: Any, ports: list[int]
) -> None:
    async with controlling(operator, world.namespace) as (controller, client):
        obj = single()
        place: Object = obj
        *parents, last = before[1].removeprefix("/").split("/")
        for key in parents:
            place = place[int(key)] if isinstance(place, list) else place[key]
        place[last] = before[2]
        await world.create(obj)
        await played(world)
        changes = [{"op": "remove", "path": before[1]}, dict(zip(("op", "path", "value"), after, strict=True))]
        await world.patch(SELDONDEPLOYMENTS, "m", *changes)
        await eventually("pods that answer in both ways", lambda: _is(world, ["a", "seldon-container-engine"]))
        made = await world.state("Creating")
        assert "stands beside the component" in condition(made, "DeploymentsReady")["message"]
        await played(world)
        await world.settled(controller, client)
        assert await containers(world) == ["a"]
        assert [port["port"] for port in (await world.service() or {})["spec"]["ports"]] == ports
        wanted = ["m-p-0-a", "m-p-svc-orch"] if after is SEPARATE else ["m-p-0-a"]
        assert await world.names(DEPLOYMENTS) == wanted


async def played(world: World) -> None:
    """Play the cluster's own controllers until the SeldonDeployment is available."""

    async def available() -> bool:
        await play(world)
        made = await world.sdep()
        status = made.get("status", {})
        current = status.get("observedGeneration") == made["metadata"]["generation"]
        return bool(current and status.get("state") == "Available")

    await eventually("it to be available", available)


async def test_a_service_gets_and_loses_its_address_while_pods_stay(operator: Path, world: World) -> None:
    async with controlling(operator, world.namespace) as (controller, client):
        await world.create(single())
        await world.roll_out()
        await world.state("Available")
        pods = (await world.deployment() or {})["spec"]["template"]
        for value, headless in (("true", True), ("false", False)):
            before = (await world.service() or {})["metadata"]["uid"]
            marked = {"metadata": {"annotations": {"seldon.io/headless-svc": value}}}
            await world.client.patch(SELDONDEPLOYMENTS, "m", world.namespace, marked, content_type=MERGE_PATCH)

            async def replaced(before: str = before, headless: bool = headless) -> bool:
                found = await world.service() or {"metadata": {"uid": before}}
                return found["metadata"]["uid"] != before and (found["spec"]["clusterIP"] == "None") == headless

            await eventually("another Service", replaced)
            await world.settled(controller, client)
            await world.state("Available")
        assert (await world.deployment() or {})["spec"]["template"] == pods
        retries = controller.metrics.registry.get_sample_value("seldon_controller_retries_total")
        assert retries == 0, "it was away for no longer than two requests take"


async def test_a_graph_grows_only_once_its_new_component_serves(operator: Path, world: World) -> None:
    grown = pair()["spec"]["predictors"][0]
    async with controlling(operator, world.namespace) as (controller, client):
        await world.create(single())
        await world.roll_out()
        await world.state("Available")
        before = (await world.deployment() or {})["spec"]["template"]
        await world.edit("/predictors", [grown])
        await eventually("the new component", lambda: world.deployment("m-p-1-b"))
        made = await world.state("Creating")
        await world.settled(controller, client)
        assert (await world.deployment() or {})["spec"]["template"] == before
        made = await world.state("Creating")
        assert 'Deployment "m-p-0-a" keeps its pods' in made["status"]["description"]

        await world.roll_out("m-p-1-b")

        async def calls_it() -> bool:
            return bool((await world.deployment() or {})["spec"]["template"] != before)

        await eventually("the engine to be told", calls_it)
        await world.roll_out("m-p-0-a")
        await world.state("Available")

        # And shrinks: what the old engine calls stays until no pod of it is left.
        await world.edit("/predictors", single()["spec"]["predictors"])
        await world.settled(controller, client)
        assert "deletionTimestamp" not in (await world.deployment("m-p-1-b") or {})["metadata"]
        assert await world.service("m-p-b") is not None
        await world.roll_out("m-p-0-a")

        async def going() -> bool:
            return "deletionTimestamp" in (await world.deployment("m-p-1-b") or {})["metadata"]

        await eventually("the component to go", going)
        assert await world.service("m-p-b") is not None
        await world.finish_deletion(DEPLOYMENTS, "m-p-1-b")
        await world.gone(SERVICES, "m-p-b")
        await world.state("Available")


# Upgrades of the operator


async def test_an_upgrade_rolls_nothing_until_it_is_wished(operator: Path, world: World) -> None:
    async with controlling(operator, world.namespace) as (controller, client):
        await world.create(pair())
        for name in ("m-p-0-a", "m-p-1-b"):
            await world.roll_out(name)
        await world.state("Available")
        await world.settled(controller, client)
        before = await world.versions()
    upgraded = replace(CONFIG, engine_image="engine:2", engine_http_port=8001)
    async with controlling(operator, world.namespace, upgraded) as (controller, client):
        await eventually("the first pass", lambda: passes(controller) > 0)
        await world.settled(controller, client)
        after = await world.versions()
        assert {key for key in before if before[key] != after[key]} == {"SeldonDeployment/m"}
        made = await world.sdep()
        assert condition(made, "ConfigurationOutdated")["reason"] == "BuiltEarlier"
        assert made["status"]["state"] == "Available"
        assert made["status"]["address"]["url"].endswith(":8000/api/v1.0/predictions")
        assert controller.metrics.registry.get_sample_value("seldon_controller_outdated") == 1

        # What drifts is put back as it was.
        image = "/spec/template/spec/containers/1/image"
        await world.patch(DEPLOYMENTS, "m-p-0-a", {"op": "replace", "path": image, "value": "x"})
        await eventually("the image to be repaired", lambda: _engine_is(world, "engine:1"))

        refresh = {"metadata": {"annotations": {"seldon.io/refresh": "1"}}}
        await world.client.patch(SELDONDEPLOYMENTS, "m", world.namespace, refresh, content_type=MERGE_PATCH)
        await world.settled(controller, client)
        await world.roll_out("m-p-1-b")
        await eventually("the new engine", lambda: _engine_is(world, "engine:2"))
        await world.roll_out()
        await world.settled(controller, client)
        made = await world.state("Available")
        assert "ConfigurationOutdated" not in [entry["type"] for entry in made["status"]["conditions"]]
        assert controller.metrics.registry.get_sample_value("seldon_controller_outdated") == 0


async def _engine_is(world: World, image: str, name: str = "m-p-0-a") -> bool:
    child = await world.deployment(name)
    assert child is not None
    return bool(child["spec"]["template"]["spec"]["containers"][1]["image"] == image)


async def test_an_upgrade_that_rolls_does_so_one_after_the_other(operator: Path, world: World) -> None:
    names = {"one": "one-p-0-a", "two": "two-p-0-a"}
    async with controlling(operator, world.namespace):
        for name, deployment in names.items():
            await world.create(single(name))
            await world.roll_out(deployment)
        for name in names:
            await world.state("Available", name)
    upgraded = replace(CONFIG, engine_image="engine:2", rolls_on_upgrade=True)
    async with controlling(operator, world.namespace, upgraded) as (controller, client):

        async def rolled() -> list[str]:
            return [name for name in names.values() if await _engine_is(world, "engine:2", name)]

        (first,) = await eventually("the first to be rolled", rolled)
        for name in names:
            await world.settled(controller, client, name)
        assert await rolled() == [first]
        await world.roll_out(first)

        async def both() -> bool:
            return len(await rolled()) == 2

        await eventually("the second to be rolled", both)


# Taking over from the reference implementation


def as_upstream_made(obj: Object, name: str, *, kind: str = "Deployment") -> Object:
    """What upstream would have made of a planned object, with the marks of its hand: see the changes below."""
    made = {**obj, "metadata": {**obj["metadata"], "annotations": {"seldon.io/last-applied": "{}"}}}
    if kind == "Deployment":
        template = obj["spec"]["template"]
        labels = template["metadata"]["labels"]
        kept = {key: labels[key] for key in labels if key.startswith("seldon-")}
        pod = template["spec"]
        extra = {"name": "OLD_VARIABLE", "value": "1"}
        metrics = {"name": "old", "containerPort": 8001, "protocol": "TCP"}
        changed = [
            {**one, "env": [*one.get("env", []), extra], "ports": [*one.get("ports", []), metrics]}
            for one in pod["containers"]
        ]
        old = {"name": "old-sidecar", "image": "old:1"}
        spec = {**pod, "containers": [*changed, old], "volumes": [*pod["volumes"], {"name": "old", "emptyDir": {}}]}
        made["spec"] = {
            **obj["spec"],
            "selector": {"matchLabels": kept},
            "template": {"metadata": template["metadata"], "spec": spec},
        }
    else:
        port = {"name": "old", "port": 7000, "targetPort": 7000, "protocol": "TCP"}
        made["spec"] = {**obj["spec"], "ports": [*obj["spec"]["ports"], port]}
    return made


@pytest.fixture
def taken() -> Object:
    obj = pair()
    obj["spec"]["predictors"][0]["componentSpecs"][0]["hpaSpec"] = HPA
    return obj


async def make_upstreams_world(world: World, obj: Object) -> Object:
    """Create a SeldonDeployment and its children as upstream writes them; return the children planned for it."""
    stored = await world.create(obj)
    planned = plan(stored, CONFIG, Observed()).objects
    for item in planned:
        kind, name = item["kind"], item["metadata"]["name"]
        made = as_upstream_made(item, name, kind=kind) if kind in ("Deployment", "Service") else item
        await world.client.create(made, field_manager="manager")
    stale = next(item for item in planned if item["kind"] == "Service")
    old = {**stale, "metadata": {**stale["metadata"], "name": "m-p-old"}}
    await world.client.create(old, field_manager="manager")
    return {(item["kind"], item["metadata"]["name"]): item for item in planned}


async def test_what_upstream_made_is_taken_over_without_a_leftover(operator: Path, world: World, taken: Object) -> None:
    planned = await make_upstreams_world(world, taken)
    names = ("m-p-0-a", "m-p-1-b")
    before = {name: await world.deployment(name) or {} for name in names}
    async with controlling(operator, world.namespace) as (controller, client):
        await eventually("the first pass", lambda: passes(controller) > 0)
        await world.settled(controller, client)
        for name in names:
            live = await world.deployment(name)
            assert live is not None
            assert live["metadata"]["uid"] == before[name]["metadata"]["uid"]
            assert "deletionTimestamp" not in live["metadata"]
            assert "seldon.io/last-applied" not in (live["metadata"].get("annotations") or {})
            assert live["spec"]["selector"] == before[name]["spec"]["selector"]
            labels = live["spec"]["template"]["metadata"]["labels"]
            assert live["spec"]["selector"]["matchLabels"].items() <= labels.items()
            wanted = planned["Deployment", name]["spec"]["template"]["spec"]
            pod = live["spec"]["template"]["spec"]
            assert [one["name"] for one in pod["volumes"]] == [one["name"] for one in wanted["volumes"]]
            assert len(pod["containers"]) == len(wanted["containers"])
            for one, other in zip(pod["containers"], wanted["containers"], strict=True):
                assert [entry["name"] for entry in one["env"]] == [entry["name"] for entry in other["env"]]
                assert one["ports"] == other["ports"]
            managers = {(entry["manager"], entry["operation"]) for entry in live["metadata"]["managedFields"]}
            assert managers == {("seldon-controller", "Apply")}
        # Nothing of the old goes before the new pods are ready.
        assert await world.service("m-p-old") is not None
        for name in names:
            await world.roll_out(name)
        await world.state("Available")
        await world.gone(SERVICES, "m-p-old")
        await world.settled(controller, client)
        for name in ("m-p", "m-p-a", "m-p-b"):
            service = await world.service(name)
            assert service is not None
            assert [port["name"] for port in service["spec"]["ports"]] == ["http", "grpc"]


async def test_the_autoscaled_number_survives_the_takeover(operator: Path, world: World, taken: Object) -> None:
    await make_upstreams_world(world, taken)
    await scale_by(world, "kube-controller-manager", 7)
    version = (await world.deployment() or {})["metadata"]["resourceVersion"]
    async with controlling(operator, world.namespace) as (controller, client):
        await eventually("the first pass", lambda: passes(controller) > 0)
        await world.settled(controller, client)
        assert (await world.deployment() or {})["spec"]["replicas"] == 7
        assert await Lowest(world).since(version) == 7


async def test_what_others_own_survives_the_takeover(operator: Path, world: World, taken: Object) -> None:
    await make_upstreams_world(world, taken)
    theirs = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "m-p-1-b", "namespace": world.namespace},
        "spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "then"}}}},
    }
    await world.client.apply(theirs, field_manager="kubectl-rollout")
    async with controlling(operator, world.namespace) as (controller, client):
        await eventually("the first pass", lambda: passes(controller) > 0)
        await world.settled(controller, client)
        annotations = (await world.deployment("m-p-1-b") or {})["spec"]["template"]["metadata"]["annotations"]
        assert annotations["kubectl.kubernetes.io/restartedAt"] == "then"
