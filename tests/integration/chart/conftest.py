"""An API server for the charts alone.

A release's webhook refuses what nobody checks: on a shared server it would refuse the objects of other tests.
"""

from collections.abc import Iterator

import pytest

from hack.controlplane import ControlPlane
from hack.tools import find
from tests.chart.rendering import Helm
from tests.integration.chart.releases import CRD, NOT_FOUND, Cluster, Release, wait_for


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with ControlPlane(audit=True) as running:
        yield Cluster(running, Helm(find("helm"), tmp_path_factory.mktemp("helm"), running.kubeconfig))


@pytest.fixture
def release(cluster: Cluster) -> Iterator[Release]:
    """A release that is not installed yet; whatever is installed is gone afterwards, the CRD included."""
    namespace = cluster.namespace({"pod-security.kubernetes.io/enforce": "restricted"})
    yield Release(cluster, namespace)
    cluster.helm.run("uninstall", "seldon", "--namespace", namespace, "--no-hooks")
    cluster.call("DELETE", CRD)
    wait_for(lambda: cluster.call("GET", CRD)[0] == NOT_FOUND)
