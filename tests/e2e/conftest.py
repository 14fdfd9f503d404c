"""The cluster of `make demo`, and a namespace of its own for each test, labelled with the restricted level."""

import json
import uuid
from collections.abc import Callable, Iterator

import pytest

from hack.cluster import kill_container as kill_by_id
from hack.cluster import user_environment

from .kube import Shell


@pytest.fixture
def shell() -> Iterator[Shell]:
    """A user's shell whose namespace is deleted afterwards."""
    shell = Shell(user_environment(), f"e2e-{uuid.uuid4().hex[:8]}")
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": shell.namespace, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    shell.check("kubectl", "apply", "--filename", "-", stdin=json.dumps(namespace))
    yield shell
    shell.check("kubectl", "delete", "namespace", shell.namespace, "--ignore-not-found", "--wait=false")


@pytest.fixture
def kill_container(shell: Shell) -> Callable[[str, str, str], None]:
    """Kills a container of a pod with SIGKILL, as a crash of its process would end it."""

    def kill(namespace: str, pod: str, container: str) -> None:
        found = json.loads(shell.check("kubectl", "-n", namespace, "get", "pod", pod, "-o", "json"))
        (status,) = [s for s in found["status"]["containerStatuses"] if s["name"] == container]
        kill_by_id(status["containerID"].partition("://")[2])

    return kill
