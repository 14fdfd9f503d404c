"""`python -m controller` as a process: its probes, its Lease, its end, and what it says when it cannot start."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seldon_core.kube.client import MERGE_PATCH
from seldon_core.kube.resources import SELDONDEPLOYMENTS
from tests.integration.faults import Fault, FaultProxy, Hold, is_list, is_watch, status_body
from tests.integration.processes import Start, fetch, holder, scrape
from tests.integration.world import World, eventually
from tests.plan.build import single

pytestmark = pytest.mark.xdist_group("crd")

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def unreachable(operator: Path, tmp_path: Path) -> Callable[[int], Path]:
    """Writes a kubeconfig for an API server at another port."""

    def write(port: int) -> Path:
        config = tmp_path / "kubeconfig"
        config.write_text(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", operator.read_text()))
        return config

    return write


async def test_it_works_until_told_to_stop_and_leaves_the_lease_free(
    start: Start, world: World, kubeconfig: Path
) -> None:
    one = await start()
    await world.create(single())
    await world.roll_out()
    await world.state("Available")
    url = await one.url()
    for path in ("/healthz", "/readyz"):
        assert await asyncio.to_thread(fetch, url + path) == (200, "ok\n")
    metrics = (await asyncio.to_thread(fetch, f"{url}/metrics"))[1]
    assert "seldon_controller_leader 1.0" in metrics
    assert re.search(r'seldon_controller_reconciles_total\{result="done"\} [1-9]', metrics)
    assert "seldon_controller_queue_depth 0.0" in metrics
    assert "seldon_controller_reconcile_seconds_bucket" in metrics
    assert await holder(kubeconfig, world.namespace) == "one"

    assert await one.end() == 0
    assert await holder(kubeconfig, world.namespace) == ""
    assert "Traceback" not in one.said


async def test_a_follower_is_ready_writes_nothing_and_takes_over(start: Start, world: World, kubeconfig: Path) -> None:
    one = await start("one")
    await one.says("one leads")
    two = await start("two")
    await two.says("one holds the lease")
    url = await two.url()
    assert (await asyncio.to_thread(fetch, f"{url}/readyz"))[0] == 200
    assert "seldon_controller_leader 0.0" in (await asyncio.to_thread(fetch, f"{url}/metrics"))[1]
    assert await one.end() == 0
    await world.create(single())
    await two.says("two leads")
    await world.roll_out()
    await world.state("Available")
    assert await two.end(signal.SIGINT) == 0


async def test_one_that_waits_for_the_lease_stops_at_once(start: Start) -> None:
    one = await start("one")
    await one.says("one leads")
    two = await start("two")
    await two.says("one holds the lease")
    assert await two.end() == 0
    assert "Traceback" not in two.said


async def test_one_that_cannot_reach_the_api_server_is_not_ready_and_stops_at_once(
    start: Start, unreachable: Callable[[int], Path]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and never listens
        one = await start(KUBECONFIG=str(unreachable(unused.getsockname()[1])))
        url = await one.url()
        code, text = await asyncio.to_thread(fetch, f"{url}/readyz")
        assert (code, text) == (503, "the first lists are not complete\n")
        assert (await asyncio.to_thread(fetch, f"{url}/healthz"))[0] == 200
        assert await one.end() == 0
        assert "Traceback" not in one.said


async def test_a_dry_run_says_what_would_be_done_and_does_none_of_it(
    operator: Path, world: World, start: Start
) -> None:
    async def dry_run() -> list[str]:
        env = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(operator),
            "WATCH_NAMESPACE": world.namespace,
            "EXECUTOR_CONTAINER_IMAGE_AND_VERSION": "engine:1",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "controller", "--dry-run", cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        assert process.returncode == 0
        return said.decode().splitlines()

    await world.create(single())
    before = await world.versions()
    assert await dry_run() == [
        f"{world.namespace}/m: {line}"
        for line in ("create Service m-p-a", "create Service m-p", "create Deployment m-p-0-a")
    ]
    assert await world.versions() == before
    one = await start()
    await world.roll_out()
    await world.state("Available")
    assert await dry_run() == [f"{world.namespace}/m: nothing to do"]
    assert await one.end() == 0

    # What cannot be changed in place is made anew, and here not even deleted.
    headless = {"metadata": {"annotations": {"seldon.io/headless-svc": "true"}}}
    await world.client.patch(SELDONDEPLOYMENTS, "m", world.namespace, headless, content_type=MERGE_PATCH)
    before = await world.versions()
    assert await dry_run() == [f"{world.namespace}/m: {line} Service m-p" for line in ("delete", "create")]
    assert await world.versions() == before


async def test_a_port_that_is_taken_is_said(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        one = await start(SELDON_METRICS_PORT=str(port))
        assert await one.process.wait() == 2
        await one.says(f"python -m controller: cannot listen on port {port}: ")
        assert "Traceback" not in one.said


async def test_a_kubeconfig_that_does_not_exist_is_said(start: Start) -> None:
    one = await start(KUBECONFIG="/nowhere/kubeconfig")
    assert await one.process.wait() == 2
    await one.says("/nowhere/kubeconfig: no such kubeconfig file")
    assert "Traceback" not in one.said


async def test_what_it_has_done_is_counted(start: Start, proxy: FaultProxy, world: World) -> None:
    refused = single("refused")
    refused["spec"]["predictors"][0]["graph"]["name"] = "wrong"
    theirs = {"seldon.io/controller-id": "another"}
    proxy.faults.append(
        Fault(
            503, status_body(503, "ServiceUnavailable"), matches=lambda r: r.method == "PATCH" and "/m-p-0-a" in r.path
        )
    )
    one = await start(KUBECONFIG=str(proxy.kubeconfig))
    await one.says("one leads")
    await world.create(single())
    await world.create(refused)
    await world.create({**single("theirs"), "metadata": {"name": "theirs", "labels": theirs}})
    await world.roll_out()
    await world.state("Available")
    await world.state("Failed", "refused")

    async def counted() -> dict[str, float] | None:
        found = await scrape(one)
        passes = {key: value for key, value in found.items() if key.startswith("seldon_controller_reconciles_total")}
        results = [passes.get(f"seldon_controller_reconciles_total{{result={one}}}", 0) for one in RESULTS]
        done = found["seldon_controller_ready_seconds_count"] == 1 and found["seldon_controller_queue_depth"] == 0
        timed = found["seldon_controller_reconcile_seconds_count"] == sum(passes.values())
        return found if all(results) and done and timed else None

    found = await eventually("every result to be counted", counted)
    assert found["seldon_controller_retries_total"] == found["seldon_controller_reconciles_total{result=retry}"] == 1
    assert "seldon_controller_reconciles_total{result=error}" not in found
    assert found["seldon_controller_leader"] == 1
    assert found["seldon_controller_outdated"] == 0
    assert found["seldon_controller_api_requests_total{verb=create}"] == 2  # an Event for each end
    assert found["seldon_controller_reconcile_seconds_sum"] > 0
    assert await one.end() == 0

    two = await start(EXECUTOR_CONTAINER_IMAGE_AND_VERSION="engine:2")

    async def outdated() -> bool:
        return (await scrape(two))["seldon_controller_outdated"] == 1

    await two.says("one leads")
    await eventually("the older pods to be counted", outdated)


RESULTS = ("done", "refused", "retry", "skipped")


async def test_one_that_hears_nothing_is_not_alive_until_it_hears_again(
    start: Start, proxy: FaultProxy, world: World
) -> None:
    one = await start(module="tests.integration.hurried", KUBECONFIG=str(proxy.kubeconfig))
    await one.says("one leads")
    await world.create(single())
    await world.state("Creating")
    url = await one.url()
    assert (await asyncio.to_thread(fetch, f"{url}/healthz"))[0] == 200

    # Its streams stay open and say nothing, and whatever it asks next is not answered.
    proxy.flowing.clear()
    deaf = Hold(lambda request: is_watch(request) or is_list(request))
    proxy.holds.append(deaf)

    async def health() -> tuple[int, str]:
        return await asyncio.to_thread(fetch, f"{url}/healthz")

    async def is_deaf() -> bool:
        code, text = await health()
        return code == 503 and text.startswith("a watch has heard nothing for ")

    async def hears() -> bool:
        return await health() == (200, "ok\n")

    await eventually("the deafness to be noticed", is_deaf)
    await world.create(single("other"))
    proxy.holds.remove(deaf)
    deaf.release.set()
    proxy.flowing.set()
    await eventually("it to hear again", hears)
    await world.state("Creating", "other")
