"""When pods are looked at, and how often."""

from typing import Any, cast

import pytest

from controller.pods import Pods
from seldon_core.kube.client import Client
from seldon_core.plan import LiveDeployment, Observed
from tests.plan.build import live, unready
from tests.plan.test_causes import crashing, pod

KEY = ("n", "m")


class FakeClient:
    """Answers with one crashing pod, and notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def list(self, resource: Any, namespace: str, *, label_selector: str, most: int) -> Any:
        assert (resource.plural, namespace) == ("pods", "n")
        self.asked.append(label_selector)
        return [pod(crashing(1))], "1"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pods(client: FakeClient, clock: Clock) -> Pods:
    return Pods(cast(Client, client), clock)


def observed(deployment: LiveDeployment) -> Observed:
    return Observed(deployments={"d": deployment})


async def test_the_pods_of_a_deployment_that_is_not_ready_tell_why(pods: Pods, client: FakeClient) -> None:
    causes, again = await pods.causes(KEY, ["d"], observed(unready()))
    assert causes["d"].reason == "CrashLoopBackOff"
    assert again == 2.0
    assert client.asked == ["app=d,seldon-deployment-id"]


@pytest.mark.parametrize(
    "deployment",
    [
        pytest.param(live(), id="ready"),
        pytest.param(live(0), id="scaled-to-nothing"),
        pytest.param(unready(generation=2), id="not-yet-observed"),
        pytest.param(unready(terminating=True), id="going"),
        pytest.param(unready(status={"replicas": 0}), id="without-pods"),
    ],
)
async def test_pods_of_all_others_are_not_read(pods: Pods, client: FakeClient, deployment: LiveDeployment) -> None:
    assert await pods.causes(KEY, ["d", "absent"], observed(deployment)) == ({}, None)
    assert client.asked == []


async def test_the_pauses_grow_and_many_passes_are_one_look(pods: Pods, client: FakeClient, clock: Clock) -> None:
    waits = []
    for _ in range(8):
        for _ in range(3):
            causes, again = await pods.causes(KEY, ["d"], observed(unready()))
            assert set(causes) == {"d"}
        assert again is not None
        waits.append(again)
        clock.now += again
    assert waits == [2.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 60.0]
    assert len(client.asked) == 8


async def test_a_new_rollout_is_looked_at_afresh(pods: Pods, client: FakeClient) -> None:
    await pods.causes(KEY, ["d"], observed(unready()))
    fresh = unready(generation=2, status={"observedGeneration": 2})
    assert (await pods.causes(KEY, ["d"], observed(fresh)))[1] == 2.0
    assert len(client.asked) == 2
    await pods.causes(KEY, ["d"], observed(live()))
    pods.forget(KEY)
    assert pods._looks == {}
