"""What API server and etcd need for the same objects, written by a client that decides nothing."""

import asyncio
import time

from bench.controller import world
from seldon_core.kube.children import FIELD_MANAGER
from seldon_core.kube.client import Client
from seldon_core.plan import Config, Observed, plan, status


async def measure(count: int) -> float:
    """Return the seconds in which so many SeldonDeployments with their children and a status are written.

    Before a new API server, and by as many at a time as the benchmark creates: no controller that makes the same
    objects on this machine is much faster.
    """
    with world.control_plane() as plane:
        async with Client(str(plane.kubeconfig)) as client, world.Watcher(client).running() as watcher:
            present = len(watcher)
            begun = time.monotonic()
            await world.at_once([_write(client, number) for number in range(count)])
            await watcher.children(present + world.CHILDREN_EACH * count)
            return time.monotonic() - begun


async def _write(client: Client, number: int) -> None:
    sdep = await client.create(world.manifest(number))
    config = Config(engine_image="engine:1")
    made = plan(sdep, config, Observed())
    await asyncio.gather(*(client.apply(obj, field_manager=FIELD_MANAGER, new=True) for obj in made.objects))
    reported = status(made, config, Observed(), problems=[], causes={}, now="2026-01-01T00:00:00Z")
    metadata = {name: sdep["metadata"][name] for name in ("name", "namespace", "uid")}
    body = {"apiVersion": sdep["apiVersion"], "kind": sdep["kind"], "metadata": metadata, "status": reported}
    await client.apply(body, field_manager=FIELD_MANAGER, subresource="status")
