"""Three years of certificates: whatever happens to clocks, machines, Secret and bundles, every call succeeds.

Replicas look as soon as something changes, and the API server calls at all other times: what is left out is the moment
between somebody's overwriting of the bundle and the repair.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest
from OpenSSL import SSL

from tests.webhook.simulation import World, call, world
from webhook.certificates import AUTHORITY_LIFE, LEAF_LIFE, bundle_of, make_authority

DAY = timedelta(days=1)
Event = Callable[[World], Coroutine[Any, Any, None]]


async def nothing(world: World) -> None:
    """A day like any other."""


async def the_clock_jumps_ahead(world: World) -> None:
    world.now += 3 * DAY
    await world.request()


async def the_clock_jumps_back(world: World) -> None:
    world.now -= 3 * DAY
    await world.request()


async def one_clock_is_slow(world: World) -> None:
    await skewed(world, -2 * DAY)


async def one_clock_is_fast(world: World) -> None:
    await skewed(world, 2 * DAY)


async def skewed(world: World, skew: timedelta) -> None:
    world.replicas[0].skew = skew
    for _ in range(4):
        world.pass_time(DAY)
        await world.settle()
    world.replicas[0].skew = timedelta(0)
    await world.request()


async def all_machines_are_suspended(world: World) -> None:
    """The first thing that happens after it is a call: no timer has gone off yet."""
    world.now += 100 * DAY
    await world.request()


async def one_machine_is_suspended(world: World) -> None:
    """Its node is not ready when it wakes up, so it is called only after it has looked."""
    world.replicas[0].suspended = True
    for _ in range(20):
        world.pass_time(5 * DAY)
        await world.settle()
    world.replicas[0].suspended = False
    await asyncio.gather(*(replica.check() for replica in world.replicas))
    await world.request()


async def the_secret_is_deleted(world: World) -> None:
    world.store.remove("Secret", "seldon-webhook-ca")
    await world.request()


async def the_secret_is_damaged(world: World) -> None:
    secret = world.store.secret()
    world.store.put({**secret, "data": {**secret["data"], "tls.key": "eA=="}})
    await world.request()


async def the_bundle_is_wiped(world: World) -> None:
    world.store.set_bundle(b"")


async def the_authority_is_replaced(world: World) -> None:
    world.store.set_bundle(bundle_of([make_authority(world.now).certificate]))


async def the_first_bundle_is_restored(world: World) -> None:
    world.store.set_bundle(bundle_of([make_authority(world.now - 300 * DAY).certificate]))


async def a_replica_starts_again(world: World) -> None:
    await world.replicas[0].start()
    await world.replicas[0].check()


async def both_replicas_race_for_a_new_authority(world: World) -> None:
    world.store.remove("Secret", "seldon-webhook-ca")
    await asyncio.gather(*(replica.check() for replica in world.replicas))
    await world.request()


async def the_api_server_is_out_of_reach(world: World) -> None:
    """Nothing can be read for five days, longer than a certificate has left when it is due; it is renewed without."""
    world.store.reachable = False
    for _ in range(5):
        world.pass_time(DAY)
        await asyncio.gather(*(replica.check() for replica in world.replicas))
        await world.request()
    world.store.reachable = True


EVENTS: list[Event] = [
    the_clock_jumps_ahead,
    the_clock_jumps_back,
    one_clock_is_slow,
    one_clock_is_fast,
    all_machines_are_suspended,
    one_machine_is_suspended,
    the_secret_is_deleted,
    the_secret_is_damaged,
    the_bundle_is_wiped,
    the_authority_is_replaced,
    the_first_bundle_is_restored,
    a_replica_starts_again,
    both_replicas_race_for_a_new_authority,
    the_api_server_is_out_of_reach,
]


@pytest.mark.timeout(300)  # a safety limit for machines with other things to do
async def test_three_years_without_a_failed_call() -> None:
    """Something happens every third week, each thing several times; a call every day, and while things settle."""
    async with world(replicas=2) as cluster:
        begin, happened = cluster.now, 0
        while cluster.now < begin + 3 * 365 * DAY:
            for _ in range(20):
                cluster.pass_time(DAY)
                await cluster.settle()
            await EVENTS[happened % len(EVENTS)](cluster)
            happened += 1
            await cluster.settle()
        assert happened > 2 * len(EVENTS)
        assert cluster.failures == []
        assert cluster.requests > 1200


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
async def test_it_does_not_matter_when_in_the_life_of_an_authority_something_happens(event: Event) -> None:
    async with world(replicas=2) as cluster:
        for age in (0.0, 0.3, 0.66, 0.7):
            cluster.pass_time(AUTHORITY_LIFE * age / 4)
            await cluster.settle()
            await event(cluster)
            await cluster.settle()
        assert cluster.failures == []
        assert cluster.requests > 8


async def test_the_client_of_the_simulation_refuses_what_an_api_server_refuses() -> None:
    async with world(replicas=1) as cluster:
        port, now = cluster.replicas[0].port, cluster.now
        bundle = cluster.store.bundle("mutating")
        await asyncio.to_thread(call, port, bundle, now)
        for wrong, time in (
            (bundle_of([make_authority(now).certificate]), now),
            (b"", now),
            (bundle, now + LEAF_LIFE + DAY),
            (bundle, now - 30 * DAY),
        ):
            with pytest.raises((ValueError, SSL.Error)):
                await asyncio.to_thread(call, port, wrong, time)


async def test_without_the_look_at_the_clock_during_the_handshake_a_suspension_is_felt() -> None:
    async with world(replicas=1) as cluster:
        cluster.replicas[0].trust._context.sni_callback = None
        await all_machines_are_suspended(cluster)
        assert "certificate verify failed" in cluster.failures[0]
