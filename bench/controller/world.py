"""An API server with the CRD, a controller process before it, and whoever else would act in a cluster."""

import asyncio
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from hack.controlplane import ControlPlane
from seldon_core.kube.cache import Key, Reflector
from seldon_core.kube.client import MERGE_PATCH, Client
from seldon_core.kube.resources import DEPLOYMENTS, SELDONDEPLOYMENTS, SERVICES

Object = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent.parent
NAMESPACE = "bench"
MUTATING = ("create", "update", "patch", "delete")
# Deployment, Service of the container, Service of the predictor.
CHILDREN_EACH = 3
_CRD = "seldondeployments.machinelearning.seldon.io"
_TIMEOUT = 900.0
_AT_ONCE = 16
# Servers that use less of a core than this, in so many seconds, are at rest.
_BUSY, _LOOK = 0.15, 1.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


class BenchmarkError(Exception):
    """The benchmark cannot say anything."""


@dataclass(frozen=True)
class Usage:
    """What a controller has used up.

    Attributes:
        cpu: Seconds of CPU since its start.
        resident: Bytes of memory that it has now.
        requests: What it has asked of the API server, by verb.
    """

    cpu: float
    resident: int
    requests: dict[str, int]

    @property
    def mutating(self) -> int:
        """How many requests have changed, or could have changed, something."""
        return sum(self.requests.get(verb, 0) for verb in MUTATING)


class Controller:
    """A running `python -m controller` with one namespace to watch."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log
        port = self._wait_for(r"probes and metrics are served on port (\d+)")
        self._wait_for("leads by the lease")
        self._url = f"http://127.0.0.1:{port}/metrics"

    def usage(self) -> Usage:
        """Return what it has used up so far."""
        if self._process.poll() is not None:
            raise BenchmarkError(f"the controller ended: {self._log.read_text()[-2000:]}")
        resident = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * _PAGE
        return Usage(cpu(self._process.pid), resident, self._requests())

    def _requests(self) -> dict[str, int]:
        with urllib.request.urlopen(self._url, timeout=60) as answer:
            text = answer.read().decode()
        found = re.findall(r'^seldon_controller_api_requests_total\{verb="(\w+)"\} ([0-9.e+]+)', text, re.M)
        return {verb: int(float(count)) for verb, count in found}

    def _wait_for(self, pattern: str) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            if found := re.search(pattern, self._log.read_text()):
                return found.group(found.re.groups)
            time.sleep(0.05)
        raise BenchmarkError(f"the controller did not start: {self._log.read_text()[-2000:]}")


def cpu(pid: int) -> float:
    """Return the seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def control_plane() -> Iterator[ControlPlane]:
    """An API server that knows SeldonDeployments."""
    with ControlPlane() as running:
        crd = yaml.safe_load((ROOT / "crds" / f"{_CRD}.yaml").read_text())
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{_CRD}"
        running.access.call("PATCH", f"{path}?fieldManager=bench", crd)
        deadline = time.monotonic() + 60
        while not _established(running.access.call("GET", path)[1]):
            if time.monotonic() > deadline:
                raise BenchmarkError("the API server does not take the CRD")
            time.sleep(0.05)
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        running.access.call("POST", "/api/v1/namespaces", namespace)
        # The API server has whoever creates the first objects of a new CRD wait for two seconds.
        path = SELDONDEPLOYMENTS.path(NAMESPACE)
        status, answer = running.access.call("POST", f"{path}?dryRun=All", manifest(0))
        if status >= 300:
            raise BenchmarkError(f"the API server does not take what is measured: {answer}")
        _rest(running)
        yield running


def _rest(plane: ControlPlane) -> None:
    """Wait until the servers have nothing more to do for their start."""
    deadline = time.monotonic() + 60
    used = 0.0
    while (now := sum(map(cpu, plane.pids))) - used > _BUSY * _LOOK:
        if time.monotonic() > deadline:
            raise BenchmarkError("the API server does not come to rest")
        used = now
        time.sleep(_LOOK)


def _established(crd: Object) -> bool:
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return any((one["type"], one["status"]) == ("Established", "True") for one in conditions)


@contextmanager
def controller(plane: ControlPlane) -> Iterator[Controller]:
    """A controller that leads, until the block ends."""
    log = plane.directory / "controller.log"
    server = urlsplit(plane.url)
    environ = {
        "PATH": os.environ["PATH"],
        "KUBERNETES_SERVICE_HOST": str(server.hostname),
        "KUBERNETES_SERVICE_PORT": str(server.port),
        "BENCH_SERVICE_ACCOUNT": str(_service_account(plane)),
        "POD_NAME": "bench",
        "POD_NAMESPACE": NAMESPACE,
        "WATCH_NAMESPACE": NAMESPACE,
        "SELDON_METRICS_PORT": "0",
        "EXECUTOR_CONTAINER_IMAGE_AND_VERSION": "engine:1",
    }
    with log.open("w") as output:
        command = [sys.executable, "-m", "bench.controller.in_pod"]
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=output, stderr=output)
    try:
        yield Controller(process, log)
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _service_account(plane: ControlPlane) -> Path:
    """Return a folder with what a pod with an almighty service account finds in it."""
    call = plane.access.call
    base = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    call("POST", base, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bench"}})
    rbac = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "bench"},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "bench", "namespace": NAMESPACE}],
    }
    call("POST", f"/apis/{rbac}/v1/clusterrolebindings", binding)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200}}
    status, answer = call("POST", f"{base}/bench/token", request)
    if status >= 300:
        raise BenchmarkError(f"no token: {answer}")
    directory = plane.directory / "service-account"
    directory.mkdir()
    (directory / "token").write_text(answer["status"]["token"])
    (directory / "ca.crt").write_bytes(plane.access.authority.read_bytes())
    return directory


def manifest(number: int) -> Object:
    """One predictor with one component, as most have it."""
    container = {
        "name": "classifier",
        "image": "registry.example/models/classifier:1.2.3",
        "resources": {"requests": {"cpu": "100m", "memory": "200Mi"}, "limits": {"memory": "1Gi"}},
        "env": [{"name": "MODEL_VERSION", "value": "7"}, {"name": "LOG_LEVEL", "value": "INFO"}],
    }
    predictor = {
        "name": "main",
        "replicas": 1,
        "labels": {"team": "risk"},
        "graph": {"name": "classifier", "type": "MODEL", "children": []},
        "componentSpecs": [{"spec": {"containers": [container]}}],
    }
    return {
        "apiVersion": SELDONDEPLOYMENTS.api_version,
        "kind": SELDONDEPLOYMENTS.kind,
        "metadata": {"name": f"model-{number:05}", "namespace": NAMESPACE},
        "spec": {"predictors": [predictor]},
    }


class Watcher:
    """What there is in the namespace, from watches, and the nodes that make Deployments available on demand."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._changed = asyncio.Event()
        self._deployments = self._reflector(DEPLOYMENTS, lambda obj: (obj["metadata"]["generation"],))
        self._services = self._reflector(SERVICES, lambda obj: ())
        self._sdeps = self._reflector(SELDONDEPLOYMENTS, lambda obj: ((obj.get("status") or {}).get("state"),))
        self._reflectors = (self._deployments, self._services, self._sdeps)

    def _reflector(self, resource: Any, trim: Any) -> Reflector[tuple[Any, ...]]:
        return Reflector(self._client, resource, NAMESPACE, trim=trim, on_change=self._change)

    def _change(self, key: Key, old: Any, new: Any) -> None:
        self._changed.set()

    def __len__(self) -> int:
        """How many objects there are of the kinds that children have."""
        return len(self._deployments) + len(self._services)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Watcher"]:
        """Watch until the block ends."""
        tasks = [asyncio.create_task(reflector.run()) for reflector in self._reflectors]
        try:
            for reflector in self._reflectors:
                await reflector.synced.wait()
            yield self
        finally:
            for task in tasks:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks)

    async def children(self, count: int) -> None:
        """Wait until there are so many children."""
        await self._until(lambda: len(self) >= count, f"{count} children")

    async def available(self, count: int) -> None:
        """Wait until so many SeldonDeployments are available."""
        await self._until(
            lambda: sum(state == "Available" for _, (state,) in self._sdeps.items()) >= count, f"{count} available"
        )

    async def serve(self) -> None:
        """Play the nodes: all Deployments have the pod that they want."""
        status: Object = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
        status["conditions"] = [
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "it has"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": "it has"},
        ]

        async def one(key: Key, generation: int) -> None:
            body = {"status": {**status, "observedGeneration": generation}}
            await self._client.patch(DEPLOYMENTS, key[1], key[0], body, content_type=MERGE_PATCH, subresource="status")

        await at_once([one(key, generation) for key, (generation,) in self._deployments.items()])

    async def _until(self, holds: Any, what: str) -> None:
        async with asyncio.timeout(_TIMEOUT):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


async def at_once(work: list[Any]) -> None:
    """Await all of it, so many at a time."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Any) -> None:
        async with room:
            await item

    async with asyncio.TaskGroup() as group:
        for item in work:
            group.create_task(one(item))
