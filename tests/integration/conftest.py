"""A real API server for the whole session (one per pytest-xdist worker), and a fresh namespace for each test."""

import asyncio
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.controlplane import ControlPlane
from seldon_core.kube.client import Client
from tests.integration.faults import FaultProxy
from tests.integration.processes import Process, Start
from tests.integration.world import RULES, USER, World

ROOT = Path(__file__).resolve().parent.parent.parent
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/seldondeployments.machinelearning.seldon.io"


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    with ControlPlane(audit=True) as running:
        yield running


@pytest.fixture
def kubeconfig(control_plane: ControlPlane) -> Path:
    return control_plane.kubeconfig


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    """The name of a new namespace: nothing removes it, because without a controller manager none ever goes away."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    status, answer = control_plane.access.call("POST", "/api/v1/namespaces", body)
    assert status == 201, answer
    return name


@pytest.fixture(scope="module")
def crd(control_plane: ControlPlane) -> Iterator[None]:
    """The CRD, in place for the tests of this module."""
    body = yaml.safe_load((ROOT / "crds" / "seldondeployments.machinelearning.seldon.io.yaml").read_text())
    call = control_plane.access.call
    deadline = time.monotonic() + 60
    while True:
        # A CRD that another module just deleted is still going.
        code, found = call("GET", CRD)
        listed = found["status"].get("conditions") or () if code == 200 else ()
        conditions = {entry["type"]: entry["status"] for entry in listed}
        if conditions.get("Established") == "True" and conditions.get("Terminating", "False") == "False":
            break
        call("PATCH", f"{CRD}?fieldManager=tests&force=true", body)
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    yield
    call("DELETE", CRD)


@pytest.fixture(scope="module")
def operator(control_plane: ControlPlane, crd: None) -> Path:
    """The kubeconfig of a user with the rights that the chart gives the controller."""
    call = control_plane.access.call
    base = "/apis/rbac.authorization.k8s.io/v1"
    rules = [{"apiGroups": [group], "resources": [name], "verbs": verbs} for group, name, verbs in RULES]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "controller"}}
    call("PATCH", f"{base}/clusterroles/controller?fieldManager=tests&force=true", {**role, "rules": rules})
    binding = {
        **role,
        "kind": "ClusterRoleBinding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "controller"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}],
    }
    call("PATCH", f"{base}/clusterrolebindings/controller?fieldManager=tests&force=true", binding)
    return control_plane.kubeconfig_for(USER)


@pytest.fixture
async def world(kubeconfig: Path, namespace: str, crd: None) -> AsyncIterator[World]:
    async with Client(str(kubeconfig)) as client:
        yield World(client, namespace)


@pytest.fixture
async def proxy(control_plane: ControlPlane, tmp_path: Path) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(control_plane, tmp_path) as proxy:
        yield proxy


@pytest.fixture
async def start(operator: Path, namespace: str, control_plane: ControlPlane) -> AsyncIterator[Start]:
    """Starts controllers that share a Lease; they are ended with the test."""
    base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    meta = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "election"}}
    leases: dict[str, Any] = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    rules = [{**leases, "verbs": ["create"]}, {**leases, "verbs": ["get", "update"], "resourceNames": ["elected"]}]
    call = control_plane.access.call
    assert call("POST", f"{base}/roles", {**meta, "kind": "Role", "rules": rules})[0] == 201
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "election"}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}]
    binding = {**meta, "kind": "RoleBinding", "roleRef": ref, "subjects": subjects}
    assert call("POST", f"{base}/rolebindings", binding)[0] == 201
    started: list[Process] = []

    async def start(identity: str = "one", *, module: str = "controller", **environ: str) -> Process:
        env = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(operator),
            "POD_NAME": identity,
            "POD_NAMESPACE": namespace,
            "WATCH_NAMESPACE": namespace,
            "LEADER_ELECTION_ID": "elected",
            "SELDON_METRICS_PORT": "0",
            "EXECUTOR_CONTAINER_IMAGE_AND_VERSION": "engine:1",
        }
        process = Process(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, cwd=ROOT, env=env | environ, stderr=asyncio.subprocess.PIPE
            )
        )
        started.append(process)
        return process

    yield start
    for process in started:
        await process.end(signal.SIGKILL)
