"""Users change SeldonDeployments as users do: what they wrote is stored as they wrote it, beside the few defaults."""

import asyncio
import copy
import json
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from hack.tools import find
from seldon_core.api.defaults import stored_defaults
from seldon_core.kube.errors import Invalid
from seldon_core.kube.resources import SELDONDEPLOYMENTS
from tests.integration.test_webhook import Installation, Replica, example, installation, until

__all__ = ["installation"]
pytestmark = [pytest.mark.xdist_group("crd"), pytest.mark.usefixtures("crd")]

Object = dict[str, Any]


def plain() -> Object:
    obj = example()
    graph = obj["spec"]["predictors"][0]["graph"]
    # An endpoint would be one of the container; an empty list outlives its author in server-side apply.
    del graph["endpoint"], graph["children"]
    return obj


def with_server(implementation: str) -> Object:
    obj = plain()
    del obj["spec"]["predictors"][0]["componentSpecs"]
    graph = {"name": "classifier", "implementation": implementation, "modelUri": "gs://models/iris"}
    obj["spec"]["predictors"][0]["graph"] = graph
    return obj


def with_another_predictor() -> Object:
    obj = plain()
    canary = copy.deepcopy(obj["spec"]["predictors"][0]) | {"name": "canary", "replicas": 2}
    obj["spec"]["predictors"].append(canary)
    return obj


def with_transport() -> Object:
    obj = plain()
    obj["spec"]["transport"] = "rest"
    return obj


def with_node(implementation: str) -> Object:
    obj = plain()
    predictor = obj["spec"]["predictors"][0]
    predictor["graph"] = {"name": "join", "implementation": implementation, "children": [{"name": "a"}, {"name": "b"}]}
    containers = [{"name": name, "image": "seldonio/mock_classifier:1.0"} for name in "ab"]
    predictor["componentSpecs"] = [{"spec": {"containers": containers}}]
    return obj


CHANGES = {
    "adding a predictor": (plain(), with_another_predictor()),
    "writing the transport": (plain(), with_transport()),
    "a server in place of a container": (plain(), with_server("SKLEARN_SERVER")),
    "another server": (with_server("SKLEARN_SERVER"), with_server("XGBOOST_SERVER")),
    "another built-in": (with_node("SIMPLE_ROUTER"), with_node("AVERAGE_COMBINER")),
}


class User:
    """A user with kubectl, of a webhook that defaults graphs or does not."""

    def __init__(self, installation: Installation, replica: Replica, directory: Path, *, graph: bool) -> None:
        self.installation = installation
        self.replica = replica
        self.graph = graph
        self._directory = directory

    async def kubectl(self, *arguments: str, obj: Object | None = None, editor: str = "") -> str:
        command = [str(find("kubectl")), "-n", self.installation.namespace, *arguments]
        environment = {**self.installation.environment, "HOME": str(self._directory), "KUBE_EDITOR": editor}
        done = await asyncio.to_thread(
            subprocess.run, command, input=json.dumps(obj) if obj else None, env=environment, text=True,
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    async def stored(self) -> Object:
        return await self.installation.client.get(SELDONDEPLOYMENTS, "seldon-model", self.installation.namespace)

    async def apply(self, obj: Object) -> str:
        return await self.kubectl("apply", "-f", "-", obj=obj)

    async def apply_server_side(self, obj: Object) -> str:
        return await self.kubectl("apply", "--server-side", "-f", "-", obj=obj)

    async def merge(self, obj: Object) -> str:
        """Replace what changed, as far as a merge patch can: lists as a whole."""
        patch = json.dumps({"spec": obj["spec"]})
        return await self.kubectl("patch", "seldondeployment", "seldon-model", "--type", "merge", "-p", patch)

    async def edit(self, obj: Object) -> str:
        """Open an editor that replaces the spec and saves."""
        wanted, script = self._directory / "wanted.json", self._directory / "edit.py"
        wanted.write_text(json.dumps(obj["spec"]))
        script.write_text(
            "import json, sys\nfile = sys.argv[1]\nobj = json.load(open(file))\n"
            f"obj['spec'] = json.load(open({str(wanted)!r}))\njson.dump(obj, open(file, 'w'))\n"
        )
        editor = shlex.join([sys.executable, str(script)])
        return await self.kubectl("edit", "seldondeployment", "seldon-model", "-o", "json", editor=editor)


WAYS: dict[str, Callable[[User, Object], Any]] = {
    "apply": User.apply,
    "server-side apply": User.apply_server_side,
    "merge patch": User.merge,
    "edit": User.edit,
}


@pytest.fixture(params=[True, False], ids=["all defaults", "defaults of the spec"])
async def user(request: pytest.FixtureRequest, installation: Installation, tmp_path: Path) -> AsyncIterator[User]:
    async with installation.replica(f"--defaulting-graph={str(request.param).lower()}") as replica:
        await until(replica.ready)
        await installation.lead_to(replica)
        yield User(installation, replica, tmp_path, graph=request.param)


def without_stale_types(spec: Object) -> Object:
    """A type that was stored for the implementation before stays with lists that are merged; nothing depends on it."""
    spec = copy.deepcopy(spec)
    for predictor in spec["predictors"]:
        if "implementation" in predictor["graph"]:
            predictor["graph"].pop("type", None)
    return spec


async def test_every_change_works_in_every_way(user: User) -> None:
    for what, (before, after) in CHANGES.items():
        for how, change in WAYS.items():
            first = WAYS["server-side apply"] if how == "server-side apply" else WAYS["apply"]
            await first(user, before)
            assert (await user.stored())["spec"] == stored_defaults(before, graph=user.graph)["spec"], (what, how)
            await change(user, after)
            stored = (await user.stored())["spec"]
            expected = stored_defaults(after, graph=user.graph)["spec"]
            assert without_stale_types(stored) == without_stale_types(expected), (what, how)
            await user.kubectl("delete", "seldondeployment", "seldon-model")


@pytest.mark.parametrize("how", ["apply", "server-side apply"])
async def test_a_second_identical_apply_changes_nothing(user: User, how: str) -> None:
    await WAYS[how](user, plain())
    first = await user.stored()
    printed = await WAYS[how](user, plain())
    assert await user.stored() == first
    if how == "apply" and not user.graph:  # kubectl compares lists of custom resources as a whole
        assert printed.endswith("unchanged\n")


async def test_a_name_that_another_makes_is_refused_until_it_is_free(user: User) -> None:
    """The second would make the Service of the first; what the index does not know yet, the controller finds later."""
    client, namespace = user.installation.client, user.installation.namespace
    first = user.installation.model()
    await client.create(first)
    second = user.installation.model()
    second["metadata"]["name"] = "other"
    second["spec"]["predictors"][0]["annotations"] = {"seldon.io/svc-name": "seldon-model-example"}

    async def refusal() -> str:
        try:
            await client.create(second, dry_run=True)
        except Invalid as refused:
            return refused.message
        return ""

    await until(refusal)
    assert (
        'spec.predictors[0].annotations[seldon.io/svc-name]: "seldon-model-example": makes a Service named '
        '"seldon-model-example", as SeldonDeployment "seldon-model" does; rename one of the two'
    ) in await refusal()
    await client.apply(first, field_manager="user")  # an object does not collide with itself
    await client.delete(SELDONDEPLOYMENTS, "seldon-model", namespace)

    async def free() -> bool:
        return not await refusal()

    await until(free)


@pytest.mark.parametrize("user", [True], indirect=True, ids=["all defaults"])
async def test_pod_templates_are_checked_by_the_types_of_the_cluster(user: User) -> None:
    await until(lambda: user.replica.logged("pod templates are checked by the types of this cluster"))
    misspelt = user.installation.model()
    misspelt["spec"]["predictors"][0]["componentSpecs"][0]["spec"]["containers"][0]["imagePullPolcy"] = "Always"
    with pytest.raises(Invalid, match=r"imagePullPolcy.*imagePullPolicy"):
        await user.installation.client.create(misspelt)
