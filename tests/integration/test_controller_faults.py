"""What becomes of SeldonDeployments while requests fail, streams break and the API server goes away."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bench.controller.world import NAMESPACE, control_plane
from seldon_core.kube.client import Client
from seldon_core.kube.resources import SERVICES
from tests.integration.faults import Fault, FaultProxy, is_watch, status_body
from tests.integration.world import World, condition, controlling, eventually, has_replicas, passes
from tests.plan.build import single

pytestmark = pytest.mark.xdist_group("crd")


def shaky(proxy: FaultProxy) -> Client:
    return Client(str(proxy.kubeconfig), request_timeout=5, watch_timeout=5, watch_grace=0.5)


@pytest.mark.parametrize(
    ("code", "reason", "path"),
    [
        (500, "InternalError", "/deployments/"),
        (503, "ServiceUnavailable", "/services/"),
        (409, "Conflict", "/deployments/"),
        (409, "Conflict", "/status"),
        (429, "TooManyRequests", "/services/"),
    ],
)
async def test_a_failed_write_is_repeated_and_nobody_is_told_of_a_failure(
    proxy: FaultProxy, world: World, code: int, reason: str, path: str
) -> None:
    body = status_body(code, reason)
    proxy.faults.append(Fault(code, body, times=2, matches=lambda r: r.method == "PATCH" and path in r.path_qs))
    async with controlling(proxy.kubeconfig, world.namespace, client=shaky(proxy)):
        await world.create(single())
        await world.roll_out()
        await world.state("Available")
    assert not proxy.faults
    events = await world.events()
    assert [event["reason"] for event in events] == ["Available"]


async def test_a_missing_right_is_said_and_heals_when_it_is_granted(proxy: FaultProxy, world: World) -> None:
    body = status_body(403, "Forbidden", "exceeded quota: no more Services")
    refusal = Fault(403, body, times=10**6, matches=lambda r: r.method == "PATCH" and "/services/m-p?" in r.path_qs)
    proxy.faults.append(refusal)
    async with controlling(proxy.kubeconfig, world.namespace, client=shaky(proxy)):
        await world.create(single())
        made = await world.state("Failed")
        assert made["status"]["description"] == "exceeded quota: no more Services"
        assert condition(made, "ServicesReady")["reason"] == "Forbidden"
        proxy.faults.remove(refusal)
        await world.roll_out()
        await world.state("Available")


async def cut(proxy: FaultProxy) -> None:
    await proxy.cut()


async def cut_half_way(proxy: FaultProxy) -> None:
    await proxy.cut(b'{"type":"MODIFIED","obj')


async def forget(proxy: FaultProxy) -> None:
    event = b'{"type":"ERROR","object":' + status_body(410, "Expired") + b"}\n"
    await proxy.say(event)


async def fall_silent(proxy: FaultProxy) -> None:
    proxy.flowing.clear()


def refuse(code: int, reason: str, **headers: str) -> Callable[[FaultProxy], Awaitable[None]]:
    async def refused(proxy: FaultProxy) -> None:
        proxy.faults.append(Fault(code, status_body(code, reason), headers, times=4, matches=is_watch))
        await proxy.cut()

    return refused


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(cut, id="cut"),
        pytest.param(cut_half_way, id="cut-in-an-event"),
        pytest.param(forget, id="410-in-the-stream"),
        pytest.param(fall_silent, id="silent"),
        pytest.param(refuse(410, "Expired"), id="410"),
        pytest.param(refuse(429, "TooManyRequests", **{"Retry-After": "1"}), id="429"),
        pytest.param(refuse(500, "InternalError"), id="500"),
        pytest.param(refuse(403, "Forbidden"), id="403"),
    ],
)
async def test_whatever_happens_to_watches_nothing_is_missed(
    proxy: FaultProxy, world: World, harm: Callable[[FaultProxy], Awaitable[None]]
) -> None:
    client = Client(str(proxy.kubeconfig), request_timeout=5, watch_timeout=2, watch_grace=0.5)
    async with controlling(proxy.kubeconfig, world.namespace, client=client) as (controller, _):
        await world.create(single())
        await world.roll_out()
        await world.state("Available")
        await harm(proxy)
        await world.edit("/predictors/0/replicas", 2)
        await world.delete(SERVICES, "m-p")
        await world.create(single("other"))
        if not proxy.flowing.is_set():
            # What is silent is left after a while, whatever becomes of it; the next one speaks.
            seen = len(proxy.seen)
            await eventually("watches to be begun anew", lambda: any("watch=true" in one for one in proxy.seen[seen:]))
            proxy.flowing.set()
        await eventually("two replicas", lambda: has_replicas(world, 2))
        await eventually("the Service to be back", world.service)
        await world.state("Creating", "other")
        assert controller.not_alive() is None


async def test_an_api_server_that_goes_away_and_comes_back(proxy: FaultProxy, world: World) -> None:
    async with controlling(proxy.kubeconfig, world.namespace, client=shaky(proxy)) as (controller, _):
        await world.create(single())
        await world.state("Creating")
        await proxy.down()
        await world.roll_out()
        await world.delete(SERVICES, "m-p")
        await proxy.listen(proxy.port)
        await world.state("Available")
        await eventually("the Service to be back", world.service)
        assert controller.not_alive() is None


async def test_a_fault_of_ours_with_one_does_not_stop_the_others(
    operator: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from controller import reconciler

    real = reconciler.plan

    def plan(obj: dict[str, Any], *args: Any, **settings: Any) -> Any:
        if obj["metadata"]["name"] == "cursed":
            raise ZeroDivisionError
        return real(obj, *args, **settings)

    monkeypatch.setattr(reconciler, "plan", plan)
    async with controlling(operator, world.namespace) as (controller, _):
        await world.create(single("cursed"))
        await world.create(single())
        await world.roll_out()
        await world.state("Available")
        await eventually("a retry", lambda: passes(controller, "error") > 1)


async def test_a_restart_of_the_api_server_is_outlived() -> None:
    with control_plane() as plane:
        async with (
            controlling(plane.kubeconfig, NAMESPACE, client=Client(str(plane.kubeconfig), watch_grace=0.5)) as (
                _,
                client,
            ),
            Client(str(plane.kubeconfig)) as user,
        ):
            world = World(user, NAMESPACE)
            await world.create(single())
            await world.roll_out()
            await world.state("Available")
            before = await world.versions()
            plane.kill_api_server()
            unheard = client.requests["watch"]
            await eventually("watches that are tried again", lambda: client.requests["watch"] > unheard)
            await asyncio.to_thread(plane.start_api_server_again)
            assert await world.versions() == before
            await world.edit("/predictors/0/replicas", 2)
            await eventually("two replicas", lambda: has_replicas(world, 2))
