"""What stands in a SeldonDeployment's way, and what its status says of that."""

from pathlib import Path

import pytest

from controller import applying
from seldon_core.api.validate import validate
from seldon_core.kube.client import MERGE_PATCH
from seldon_core.kube.resources import DEPLOYMENTS, SERVICES
from tests.integration.world import World, condition, controlling, eventually, is_going, writes, writes_so_far
from tests.plan.build import component, container, node, predictor, sdep, single

pytestmark = pytest.mark.xdist_group("crd")


async def test_a_strangers_object_is_a_condition_and_never_overwritten(
    operator: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "_STRANGER_RECHECK", 0.1)
    spec = {"ports": [{"port": 1}], "selector": {"mine": "yes"}}
    labels = {"app.kubernetes.io/managed-by": "seldon-core"}
    metadata = {"name": "m-p", "namespace": world.namespace, "labels": labels}
    theirs = await world.client.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    async with controlling(operator, world.namespace) as (controller, client):
        await world.create(single())
        made = await world.state("Failed")
        found = condition(made, "ServicesReady")
        assert (found["status"], found["reason"]) == ("False", "NameTaken")
        assert found["message"] == made["status"]["description"]
        assert found["message"].startswith('Service "m-p" exists and was not made for this SeldonDeployment')
        assert "rename" in found["message"]
        await world.roll_out()
        await world.touch(controller)
        sent = await writes_so_far(controller, client)
        await world.touch(controller)
        assert writes(client) == sent
        assert (await world.service() or {})["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"]

        await world.delete(SERVICES, "m-p")
        await world.state("Available")
        assert (await world.service() or {})["spec"]["selector"] == {"seldon-app": "m-p"}


async def test_two_that_want_the_same_name_do_not_fight(operator: Path, world: World) -> None:
    first = sdep(predictor("b-c", node("a"), component(container("a"))), name="a")
    second = sdep(predictor("c", node("a"), component(container("a"))), name="a-b")
    async with controlling(operator, world.namespace) as (controller, client):
        await world.create(first)
        await world.roll_out("a-b-c-0-a")
        await world.state("Available", "a")
        await world.create(second)
        made = await world.state("Failed", "a-b")
        assert 'belongs to SeldonDeployment "a"' in made["status"]["description"]
        await world.touch(controller, "a")
        sent, before = writes(client), await world.versions()
        await world.touch(controller, "a-b")
        await world.touch(controller, "a-b")
        after = await world.versions()
        assert writes(client) == sent
        assert [key for key in before if before[key] != after.get(key)] == ["SeldonDeployment/a-b"]


async def test_an_invalid_one_fails_with_the_findings_and_no_storm(operator: Path, world: World) -> None:
    obj = single()
    obj["spec"]["predictors"][0]["graph"]["name"] = "wrong"
    expected = "\n".join(str(finding) for finding in validate(obj) if finding.severity == "error")
    async with controlling(operator, world.namespace) as (controller, client):
        await world.create(obj)
        made = await world.state("Failed")
        assert made["status"]["description"] == condition(made, "Ready")["message"] == expected
        assert condition(made, "Ready")["reason"] == "InvalidSpec"
        sent = await writes_so_far(controller, client)
        await world.touch(controller)
        assert writes(client) == sent
        assert await world.names(DEPLOYMENTS) == []
        await world.edit("/predictors/0/graph/name", "a")
        await world.roll_out()
        made = await world.state("Available")
        assert made["status"]["description"] == ""


async def test_a_field_that_the_api_server_does_not_know_is_said(
    operator: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that is newer than the cluster, but not than what is known here."""
    monkeypatch.setattr("controller.reconciler.validate", lambda *_, **__: [])
    async with controlling(operator, world.namespace) as (controller, client):
        await world.create(sdep(predictor("p", node("a"), component(container("a", newer={"x": 1})))))
        made = await world.state("Failed")
        assert "newer: field not declared in schema" in made["status"]["description"]
        await world.touch(controller)
        sent = await writes_so_far(controller, client)
        await world.touch(controller)
        assert writes(client) == sent + 1  # it tries again whenever something happens, and not by itself


async def test_an_invalid_edit_leaves_what_serves_alone(operator: Path, world: World) -> None:
    async with controlling(operator, world.namespace):
        await world.create(single())
        await world.roll_out()
        await world.state("Available")
        await world.edit("/predictors/0/graph/name", "wrong")
        made = await world.state("Failed")
        assert set(made["status"]["serviceStatus"]) == {"m-p", "m-p-a"}
        assert not await is_going(world, "m-p-0-a")


async def test_what_the_api_server_refuses_is_said_in_its_words(operator: Path, world: World) -> None:
    resources = {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}
    obj = sdep(predictor("p", node("a"), component(container("a", resources=resources))))
    async with controlling(operator, world.namespace):
        await world.create(obj)
        made = await world.state("Failed")
        assert "must be less than or equal to cpu limit" in made["status"]["description"]
        assert condition(made, "DeploymentsReady")["reason"] == "Invalid"
        assert condition(made, "ServicesReady")["status"] == "True"
        events = await eventually("an event", world.events)
        assert [(e["type"], e["reason"]) for e in events] == [("Warning", "Failed")]
        assert await world.names(SERVICES) == ["m-p", "m-p-a"]
        await world.edit("/predictors/0/componentSpecs/0/spec/containers/0/resources/limits/cpu", "2")
        await world.roll_out()
        await world.state("Available")


async def test_a_volume_that_does_not_exist_is_said(operator: Path, world: World) -> None:
    """R4: the Services are there, the Deployment is refused."""
    mounts = [{"name": "myvol", "mountPath": "/data"}]
    async with controlling(operator, world.namespace):
        await world.create(sdep(predictor("p", node("a"), component(container("a", volumeMounts=mounts)))))
        made = await world.state("Failed")
        assert "myvol" in made["status"]["description"]
        assert await world.names(DEPLOYMENTS) == []


async def test_a_rollout_that_is_stuck_fails_and_recovers(operator: Path, world: World) -> None:
    """T12: what exceeds its progress deadline is a failure, until it does not."""
    async with controlling(operator, world.namespace):
        await world.create(single())
        child = await eventually("the Deployment", world.deployment)
        stuck = {
            "type": "Progressing",
            "status": "False",
            "reason": "ProgressDeadlineExceeded",
            "message": "no progress",
        }
        status = {"observedGeneration": child["metadata"]["generation"], "replicas": 1, "unavailableReplicas": 1}
        short = {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": "no pods"}
        body = {"status": {**status, "conditions": [short, stuck]}}
        await world.client.patch(
            DEPLOYMENTS, "m-p-0-a", world.namespace, body, content_type=MERGE_PATCH, subresource="status"
        )
        made = await world.state("Failed")
        assert condition(made, "DeploymentsReady")["status"] == "False"
        await world.roll_out()
        made = await world.state("Available")
        assert made["status"]["description"] == ""
    reasons = [event["reason"] for event in await world.events()]  # each follows its status
    assert sorted(reasons) == ["Available", "Failed"]
