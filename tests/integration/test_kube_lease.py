"""Leader election against a real API server: one leader at a time, and the next soon."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from seldon_core.kube.client import MERGE_PATCH, Client
from seldon_core.kube.lease import Leadership, LeadershipLost, Terms, boottime
from seldon_core.kube.resources import LEASES, NAMESPACES
from tests.integration.faults import Fault, FaultProxy, status_body

TERMS = Terms(duration=2.0, renew_within=1.0, retry=0.2)


@pytest.fixture
async def client(kubeconfig: Path) -> AsyncIterator[Client]:
    async with Client(str(kubeconfig)) as client:
        yield client


class Clock:
    """A clock that can be pushed ahead, as a suspended machine finds it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return boottime() + self.ahead


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)


async def test_a_missing_lease_is_created_and_released_at_the_end(client: Client, namespace: str) -> None:
    async with Leadership(client, namespace, "lead", "one", terms=TERMS) as leadership:
        leadership.require()
        spec = (await client.get(LEASES, "lead", namespace))["spec"]
        assert spec["holderIdentity"] == "one"
        assert spec["leaseDurationSeconds"] == 2
        assert spec["leaseTransitions"] == 1
        assert spec["acquireTime"] == spec["renewTime"]
    assert (await client.get(LEASES, "lead", namespace))["spec"]["holderIdentity"] == ""
    assert not leadership.held()
    with pytest.raises(LeadershipLost):
        leadership.require()


async def test_a_lease_that_is_released_is_taken_without_waiting_for_it_to_expire(
    client: Client, namespace: str
) -> None:
    patient = Terms(duration=600, renew_within=300, retry=0.1)
    leads: list[str] = []

    async def lead(identity: str, until: asyncio.Event) -> None:
        async with Leadership(client, namespace, "lead", identity, terms=patient):
            leads.append(identity)
            await until.wait()

    stop, done = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(lead("one", stop))
    await until(lambda: bool(leads))
    second = asyncio.create_task(lead("two", done))
    stop.set()
    done.set()
    async with asyncio.timeout(20):
        await asyncio.gather(first, second)
    assert leads == ["one", "two"]
    assert (await client.get(LEASES, "lead", namespace))["spec"]["leaseTransitions"] == 2


async def test_many_candidates_one_leader_at_a_time(client: Client, namespace: str) -> None:
    leading: set[str] = set()
    led: list[str] = []

    async def candidate(identity: str) -> None:
        async with Leadership(client, namespace, "lead", identity, terms=TERMS):
            assert not leading
            leading.add(identity)
            await client.get(NAMESPACES, "default")
            led.append(identity)
            leading.discard(identity)

    async with asyncio.timeout(60):
        await asyncio.gather(*(candidate(f"c{number}") for number in range(5)))
    assert sorted(led) == [f"c{number}" for number in range(5)]


async def test_the_lease_is_renewed_for_as_long_as_the_body_runs(client: Client, namespace: str) -> None:
    async with Leadership(client, namespace, "lead", "one", terms=TERMS) as leadership:
        before = (await client.get(LEASES, "lead", namespace))["spec"]
        client.requests.clear()
        await until(lambda: client.requests["update"] > 10)  # longer than the lease lasts without renewal
        after = (await client.get(LEASES, "lead", namespace))["spec"]
        assert leadership.held()
    assert after["renewTime"] > before["renewTime"]
    assert after["acquireTime"] == before["acquireTime"]
    assert after["leaseTransitions"] == before["leaseTransitions"]


async def test_a_leader_that_cannot_renew_stops_before_the_next_one_starts(
    client: Client, proxy: FaultProxy, namespace: str
) -> None:
    times: dict[str, float] = {}
    held: list[bool] = []

    async def deposed() -> None:
        async with (
            Client(str(proxy.kubeconfig)) as shaky,
            Leadership(shaky, namespace, "lead", "one", terms=TERMS) as leadership,
        ):
            leading.set()
            try:
                await asyncio.Event().wait()
            finally:
                held.append(leadership.held())
                times["one stopped"] = time.monotonic()

    leading = asyncio.Event()
    task = asyncio.create_task(deposed())
    await asyncio.wait_for(leading.wait(), 20)
    await proxy.down()
    async with Leadership(client, namespace, "lead", "two", terms=TERMS):
        times["two started"] = time.monotonic()
    with pytest.raises(LeadershipLost, match="not renewed within 1"):
        await task
    assert held == [False]
    assert times["one stopped"] < times["two started"]


@pytest.mark.parametrize("status", [500, 409, 403])
async def test_a_failed_renewal_is_tried_again_while_there_is_time(
    proxy: FaultProxy, namespace: str, status: int
) -> None:
    async with (
        Client(str(proxy.kubeconfig)) as shaky,
        Leadership(shaky, namespace, "lead", "one", terms=TERMS) as leadership,
    ):
        proxy.faults.append(Fault(status, status_body(status, ""), times=2))
        await until(lambda: not proxy.faults)
        shaky.requests.clear()
        await until(lambda: shaky.requests["update"] > 0)
        assert leadership.held()


async def test_a_leader_whose_lease_was_taken_by_force_stops_at_once(client: Client, namespace: str) -> None:
    with pytest.raises(LeadershipLost):  # noqa: PT012
        async with Leadership(client, namespace, "lead", "one", terms=TERMS):
            body = {"spec": {"holderIdentity": "two"}}
            await client.patch(LEASES, "lead", namespace, body, content_type=MERGE_PATCH)
            await asyncio.wait_for(asyncio.Event().wait(), 20)
    assert (await client.get(LEASES, "lead", namespace))["spec"]["holderIdentity"] == "two"


async def test_a_lease_that_was_deleted_is_created_again(client: Client, namespace: str) -> None:
    async with Leadership(client, namespace, "lead", "one", terms=TERMS) as leadership:
        await client.delete(LEASES, "lead", namespace)
        client.requests.clear()
        await until(lambda: client.requests["create"] > 0)
        assert leadership.held()


async def test_a_machine_that_was_suspended_does_not_write_when_it_wakes(client: Client, namespace: str) -> None:
    clock = Clock()
    woke = False
    with pytest.raises(LeadershipLost):  # noqa: PT012
        async with Leadership(client, namespace, "lead", "one", terms=TERMS, clock=clock) as leadership:
            client.before_write = leadership.require
            await client.create(a_lease(namespace, "before"))
            clock.ahead = 60
            with pytest.raises(LeadershipLost):
                await client.create(a_lease(namespace, "after"))
            woke = True
            await asyncio.wait_for(asyncio.Event().wait(), 20)
    assert woke
    items, _ = await client.list(LEASES, namespace)
    assert {item["metadata"]["name"] for item in items} == {"lead", "before"}


def a_lease(namespace: str, name: str) -> dict[str, object]:
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name, "namespace": namespace}}


async def test_an_error_of_the_body_stays_its_own_and_releases_the_lease(client: Client, namespace: str) -> None:
    with pytest.raises(ZeroDivisionError):
        async with Leadership(client, namespace, "lead", "one", terms=TERMS):
            raise ZeroDivisionError
    assert (await client.get(LEASES, "lead", namespace))["spec"]["holderIdentity"] == ""


async def test_cancelling_the_leader_from_outside_is_no_loss(client: Client, namespace: str) -> None:
    leading = asyncio.Event()

    async def lead() -> None:
        async with Leadership(client, namespace, "lead", "one", terms=TERMS):
            leading.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(lead())
    await asyncio.wait_for(leading.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await client.get(LEASES, "lead", namespace))["spec"]["holderIdentity"] == ""


async def test_the_tasks_of_a_deposed_leader_are_cancelled_with_it(client: Client, namespace: str) -> None:
    ended: list[str] = []

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    with pytest.raises(LeadershipLost):  # noqa: PT012
        async with Leadership(client, namespace, "lead", "one", terms=TERMS), asyncio.TaskGroup() as group:
            group.create_task(work("a"))
            group.create_task(work("b"))
            body = {"spec": {"holderIdentity": "two"}}
            await client.patch(LEASES, "lead", namespace, body, content_type=MERGE_PATCH)
    assert sorted(ended) == ["a", "b"]
