"""A real API server for the whole session (one per pytest-xdist worker), and a fresh namespace for each test."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.controlplane import ControlPlane


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
