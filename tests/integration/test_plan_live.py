"""`seldon-core plan` beside a controller at work: it prints what that applies, and with --live what is next."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from seldon_core.cli import main
from seldon_core.kube.resources import resource_for
from tests.integration.world import CONFIG, World, controlling, eventually
from tests.plan.build import component, container, node, predictor, sdep

Object = dict[str, Any]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ENVIRONMENT = {"EXECUTOR_CONTAINER_IMAGE_AND_VERSION": CONFIG.engine_image}


def planned(path: Path, kubeconfig: Path, *flags: str) -> list[Object]:
    env = {**ENVIRONMENT, "KUBECONFIG": str(kubeconfig)}
    result = CliRunner().invoke(main, ["plan", *flags, str(path)], env=env)
    assert result.exit_code == 0, result.output
    return list(yaml.safe_load_all(result.stdout))


def holds(wanted: Any, live: Any) -> bool:
    """Whether an object says all that was asked for, whatever else it says; lists by their order."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(holds(value, live.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(live, list) and len(wanted) == len(live) and all(map(holds, wanted, live))
    return bool(wanted == live)


def example_files() -> list[Path]:
    found = [path for path in sorted(EXAMPLES.rglob("*.yaml")) if "kind: SeldonDeployment" in path.read_text()]
    assert len(found) >= 3
    return found


@pytest.mark.parametrize("path", example_files(), ids=lambda path: str(path.relative_to(EXAMPLES)))
@pytest.mark.usefixtures("crd")
async def test_the_controller_applies_what_plan_prints(
    path: Path, kubeconfig: Path, namespace: str, tmp_path: Path
) -> None:
    manifests = list(yaml.safe_load_all(await asyncio.to_thread(path.read_text)))
    for manifest in manifests:
        manifest["metadata"]["namespace"] = namespace
    file = tmp_path / "manifest.yaml"
    file.write_text(yaml.safe_dump_all(manifests))
    printed = await asyncio.to_thread(planned, file, kubeconfig)
    async with controlling(kubeconfig, namespace) as (_, client):
        world = World(client, namespace)
        for manifest in manifests:
            await world.create(manifest)
        for item in printed:
            name = item["metadata"]["name"]
            live = await eventually(f"{item['kind']} {name}", lambda: world.get(resource_for(item), name))  # noqa: B023
            assert holds(item["spec"], live["spec"]), name
            assert holds({**item["metadata"]["labels"]}, live["metadata"]["labels"]), name


@pytest.mark.usefixtures("crd")
async def test_live_leaves_out_what_has_to_wait(kubeconfig: Path, namespace: str, tmp_path: Path) -> None:
    obj = sdep(predictor("p", node("a"), component(container("a"))))
    obj["metadata"] = {"name": "m", "namespace": namespace}
    file = tmp_path / "manifest.yaml"
    async with controlling(kubeconfig, namespace) as (_, client):
        world = World(client, namespace)
        await world.create(obj)
        await eventually("the Deployment", world.deployment)
    separate = {**obj, "spec": {**obj["spec"], "annotations": {"seldon.io/engine-separate-pod": "true"}}}
    file.write_text(yaml.safe_dump(separate))
    empty = await asyncio.to_thread(planned, file, kubeconfig)
    live = await asyncio.to_thread(planned, file, kubeconfig, "--live")
    names = [[item["metadata"]["name"] for item in found if item["kind"] == "Deployment"] for found in (empty, live)]
    assert names == [["m-p-svc-orch", "m-p-0-a"], ["m-p-svc-orch"]], "pods keep their engine until the other is ready"
    stored = owner_reference(live[0])
    assert stored["kind"] == "SeldonDeployment"


def owner_reference(item: Object) -> Object:
    """The reference to the owner, which only what is planned against a cluster has."""
    (owner,) = item["metadata"]["ownerReferences"]
    return dict(owner)


def test_a_cluster_that_cannot_be_reached_is_said_to_be(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    obj = sdep(predictor("p", node("a"), component(container("a"))))
    obj["metadata"] = {"name": "m"}
    file.write_text(yaml.safe_dump(obj))
    result = CliRunner().invoke(main, ["plan", "--live", str(file)], env={"KUBECONFIG": str(tmp_path / "none")})
    assert result.exit_code == 2
    assert "the cluster cannot be used" in result.output
    assert "Traceback" not in result.output
