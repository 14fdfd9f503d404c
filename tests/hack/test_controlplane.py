"""The tests' control plane is a real API server with RBAC and admission, and leaves nothing behind."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack import controlplane
from hack.apiserver import Access
from hack.certificates import Pair
from hack.console import Failure
from hack.controlplane import ControlPlane


@pytest.fixture(scope="module")
def running() -> Iterator[ControlPlane]:
    with ControlPlane(audit=True) as control_plane:
        yield control_plane


def access_of(kubeconfig: Path, running: ControlPlane, tmp_path: Path) -> Access:
    """Return the access that a kubeconfig gives, read back from the file itself."""
    user = json.loads(kubeconfig.read_text())["users"][0]["user"]
    pair = Pair(tmp_path / "client.crt", tmp_path / "client.key")
    pair.certificate.write_bytes(base64.b64decode(user["client-certificate-data"]))
    pair.key.write_bytes(base64.b64decode(user["client-key-data"]))
    return Access(running.url, running.access.authority, pair)


def test_administrator_may_do_everything(running: ControlPlane) -> None:
    status, answer = running.access.call("GET", "/api/v1/namespaces")
    assert status == 200
    assert "default" in {item["metadata"]["name"] for item in answer["items"]}


def test_user_has_no_rights_until_rbac_grants_them(running: ControlPlane, tmp_path: Path) -> None:
    jane = access_of(running.kubeconfig_for("jane", ["readers", "odd/name+1"]), running, tmp_path)
    assert jane.call("GET", "/api/v1/namespaces")[0] == 403
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    _, who = jane.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    assert who["status"]["userInfo"]["username"] == "jane"
    assert {"readers", "odd/name+1"} <= set(who["status"]["userInfo"]["groups"])

    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "readers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "readers"}],
    }
    assert running.access.call("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)[0] == 201
    deadline = time.monotonic() + 30
    while (status := jane.call("GET", "/api/v1/namespaces")[0]) != 200 and time.monotonic() < deadline:
        pass  # the authorizer learns of the binding by its own watch
    assert status == 200


def test_restricted_namespace_refuses_privileged_pods(running: ControlPlane) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "restricted", "labels": labels},
    }
    assert running.access.call("POST", "/api/v1/namespaces", namespace)[0] == 201
    container = {"name": "c", "image": "i", "securityContext": {"privileged": True}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}}
    status, answer = running.access.call("POST", "/api/v1/namespaces/restricted/pods", pod)
    assert status == 403
    assert "PodSecurity" in answer["message"]


def test_requests_are_in_the_audit_log(running: ControlPlane) -> None:
    running.access.call("GET", "/api/v1/namespaces/named-in-the-audit-log")
    events = [json.loads(line) for line in running.audit_log.read_text().splitlines()]
    assert any(event["requestURI"] == "/api/v1/namespaces/named-in-the-audit-log" for event in events)


def test_two_run_side_by_side_and_leave_nothing(running: ControlPlane) -> None:
    with ControlPlane() as second:
        assert second.url != running.url
        processes = [process.pid for process in second._processes]
        directory = second.directory
    assert not directory.exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in processes)
    assert running.access.ready()


def test_processes_die_with_a_killed_parent() -> None:
    program = (
        "import time; from hack.controlplane import ControlPlane\n"
        "with ControlPlane() as running:\n"
        "    print(running.directory, *[process.pid for process in running._processes], flush=True)\n"
        "    time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    directory, *pids = parent.stdout.readline().split()
    parent.stdout.close()
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 30
    while any(_runs(int(pid)) for pid in pids) and time.monotonic() < deadline:
        pass
    try:
        assert [pid for pid in pids if _runs(int(pid))] == []
    finally:
        subprocess.run(["rm", "-rf", directory], check=True)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_failure_shows_the_end_of_the_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "etcd"
    program.write_text("#!/bin/sh\necho the disk is full\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(controlplane, "find", lambda name: program)
    control_plane = ControlPlane()
    with pytest.raises(Failure, match=r"(?s)etcd ended with exit code 3.*the disk is full"), control_plane:
        pass
    assert not control_plane.directory.exists()
