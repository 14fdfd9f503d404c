"""Leaders that lose their Lease in the middle of a pass: they write no more, and another comes to the same end."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from tests.integration.faults import Fault, FaultProxy, Hold, status_body
from tests.integration.processes import Process, Start, holder
from tests.integration.world import World, eventually
from tests.plan.build import single

pytestmark = pytest.mark.xdist_group("processes")

IMAGE = "/predictors/0/componentSpecs/0/spec/containers/0/image"


async def hurried(start: Start, identity: str, proxy: FaultProxy | None = None) -> Process:
    environ = {} if proxy is None else {"KUBECONFIG": str(proxy.kubeconfig)}
    process: Process = await start(identity, module="tests.integration.hurried", **environ)
    return process


def write_to(part: str) -> Callable[[web.BaseRequest], bool]:
    return lambda request: request.method == "PATCH" and part in request.path


async def image(world: World) -> str:
    child = await world.deployment()
    assert child is not None
    found: str = child["spec"]["template"]["spec"]["containers"][0]["image"]
    return found


async def cut_renewals(proxy: FaultProxy) -> None:
    """Refuse all that concerns the Lease from now on."""
    refused = status_body(500, "InternalError")
    proxy.faults.append(Fault(500, refused, times=10**6, matches=lambda request: "/leases" in request.path))


async def replaced(one: Process, two: Process, proxy: FaultProxy) -> list[str]:
    """Wait until one leader has ended and the other has begun; return what the first has written up to then."""
    assert await one.process.wait() == 1
    written = proxy.written()
    await two.says("two leads")
    assert "was not renewed within" in one.said
    assert "Traceback (most recent call last)" not in one.said.splitlines()[-1]
    return written


@pytest.mark.parametrize("held", ["/services/m-p-a", "/services/m-p", "/deployments/"])
async def test_a_leader_deposed_in_the_middle_of_a_pass_leaves_the_rest_to_its_successor(
    start: Start, proxy: FaultProxy, world: World, held: str
) -> None:
    hold = Hold(write_to(held))
    proxy.holds.append(hold)
    one = await hurried(start, "one", proxy)
    await one.says("one leads")
    two = await hurried(start, "two")
    await two.says("one holds the lease")
    await world.create(single())
    await asyncio.wait_for(hold.caught.wait(), 20)
    await cut_renewals(proxy)
    written = await replaced(one, two, proxy)
    await world.roll_out()
    made = await world.state("Available")

    # What the first had sent arrives only now, and changes nothing.
    before = await world.versions()
    hold.release.set()
    await eventually("the last request to be answered", lambda: not proxy.under_way)
    assert await world.versions() == before
    assert proxy.written() == written
    assert (await world.sdep())["status"] == made["status"]
    assert await two.end() == 0


async def _change_held_up(start: Start, proxy: FaultProxy, world: World) -> Hold:
    """Have a leader replaced while its change of a Deployment, to another image, is on the way."""
    one = await hurried(start, "one", proxy)
    await one.says("one leads")
    two = await hurried(start, "two")
    await world.create(single())
    await world.roll_out()
    await world.state("Available")
    hold = Hold(write_to("/deployments/"))
    proxy.holds.append(hold)
    await world.edit(IMAGE, "a:2")
    await asyncio.wait_for(hold.caught.wait(), 20)
    await cut_renewals(proxy)
    await replaced(one, two, proxy)
    return hold


async def test_a_change_that_both_make_is_made_once(start: Start, proxy: FaultProxy, world: World) -> None:
    hold = await _change_held_up(start, proxy, world)
    await eventually("the change", lambda: _has(world, "a:2"))
    await world.roll_out()
    await world.state("Available")
    before = await world.versions()
    hold.release.set()
    await eventually("the last request to be answered", lambda: not proxy.under_way)
    assert await world.versions() == before


async def test_what_arrives_after_a_newer_change_is_put_right(start: Start, proxy: FaultProxy, world: World) -> None:
    hold = await _change_held_up(start, proxy, world)
    await world.edit(IMAGE, "a:3")
    await eventually("the newer change", lambda: _has(world, "a:3"))
    generation = (await world.deployment() or {})["metadata"]["generation"]
    hold.release.set()
    await eventually("the older change to arrive, and to go", lambda: _has(world, "a:3", generation + 2))
    await world.roll_out()
    await world.state("Available")


async def test_a_status_that_arrives_late_is_put_right(start: Start, proxy: FaultProxy, world: World) -> None:
    hold = Hold(write_to("/status"))
    proxy.holds.append(hold)
    one = await hurried(start, "one", proxy)
    await one.says("one leads")
    two = await hurried(start, "two")
    await world.create(single())
    await asyncio.wait_for(hold.caught.wait(), 20)
    await cut_renewals(proxy)
    await replaced(one, two, proxy)
    await world.roll_out()
    made = await world.state("Available")
    hold.release.set()
    await eventually("the last request to be answered", lambda: not proxy.under_way)

    async def as_before() -> bool:
        found = await world.sdep()
        return bool(found["status"]["state"] == "Available") and found["metadata"] != made["metadata"]

    await eventually("the status to be right again", as_before)


async def _has(world: World, wanted: str, generation: int = 0) -> bool:
    child = await world.deployment()
    return child is not None and await image(world) == wanted and child["metadata"]["generation"] >= generation


async def test_a_leader_that_was_suspended_writes_nothing_when_it_wakes(
    start: Start, proxy: FaultProxy, world: World, kubeconfig: Path
) -> None:
    hold = Hold(write_to("/services/m-p-a"))
    proxy.holds.append(hold)
    one = await hurried(start, "one", proxy)
    await one.says("one leads")
    two = await hurried(start, "two")
    await two.says("one holds the lease")
    await world.create(single())
    await asyncio.wait_for(hold.caught.wait(), 20)
    one.process.send_signal(signal.SIGSTOP)
    await two.says("two leads")
    await world.roll_out()
    await world.state("Available")
    # The answer that it waits for in the middle of its pass is there when it wakes, and so is a change of the spec.
    hold.release.set()
    await eventually("the last request to be answered", lambda: not proxy.under_way)
    await world.edit(IMAGE, "a:2")
    await eventually("the change", lambda: _has(world, "a:2"))
    await world.state("Creating")
    before, written = await world.versions(), proxy.written()

    one.process.send_signal(signal.SIGCONT)
    assert await one.process.wait() == 1
    assert proxy.written() == written
    assert await world.versions() == before
    assert await holder(kubeconfig, world.namespace) == "two"
    await world.roll_out()
    await world.state("Available")
