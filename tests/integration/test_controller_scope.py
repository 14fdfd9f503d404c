"""Which SeldonDeployments an operator is responsible for, of several in one cluster."""

from pathlib import Path

import pytest

from seldon_core.api.constants import LABEL_CONTROLLER_ID
from seldon_core.kube.resources import DEPLOYMENTS
from tests.integration.world import CONFIG, World, controlling, writes, writes_so_far
from tests.plan.build import single

pytestmark = pytest.mark.xdist_group("crd")


@pytest.mark.parametrize(
    ("operator_id", "sdep_id", "namespace_id", "cluster_wide", "ours"),
    [
        ("", None, None, False, True),
        ("", "blue", None, False, False),
        ("blue", "blue", None, False, True),
        ("blue", None, None, False, False),
        ("blue", "green", None, False, False),
        ("blue", "blue", "x", False, True),
        ("blue", "blue", None, True, True),
        ("blue", "blue", "x", True, False),
        ("blue", None, None, True, False),
    ],
)
async def test_which_operator_is_responsible(
    operator: Path,
    world: World,
    operator_id: str,
    sdep_id: str | None,
    namespace_id: str | None,
    cluster_wide: bool,
    ours: bool,
) -> None:
    unique = {"blue": f"blue-{world.namespace}", "green": "green"}  # others watch the whole cluster as well
    obj = single()
    if sdep_id:
        obj["metadata"]["labels"] = {"seldon.io/controller-id": unique[sdep_id]}
    if namespace_id:
        await world.label_namespace(LABEL_CONTROLLER_ID, namespace_id)
    config = type(CONFIG)(engine_image="e", controller_id=unique.get(operator_id, ""))
    async with controlling(operator, None if cluster_wide else world.namespace, config) as (controller, _):
        await world.create(obj)
        await world.touch(controller)
        assert bool(await world.names(DEPLOYMENTS)) == ours
        assert ("status" in await world.sdep()) == ours


async def test_a_namespace_that_gets_an_operator_of_its_own_is_left_to_it(operator: Path, world: World) -> None:
    unique = f"id-{world.namespace}"
    obj = single()
    obj["metadata"]["labels"] = {"seldon.io/controller-id": unique}
    config = type(CONFIG)(engine_image="e", controller_id=unique)
    await world.label_namespace(LABEL_CONTROLLER_ID, "other")
    async with controlling(operator, None, config) as (controller, client):
        await world.create(obj)
        await world.touch(controller)
        assert await world.names(DEPLOYMENTS) == []
        await world.label_namespace(LABEL_CONTROLLER_ID, None)
        await world.roll_out()
        await world.state("Available")
        await world.label_namespace(LABEL_CONTROLLER_ID, "other")
        sent = await writes_so_far(controller, client)
        await world.delete(DEPLOYMENTS, "m-p-0-a")
        await world.touch(controller)
        assert writes(client) == sent
