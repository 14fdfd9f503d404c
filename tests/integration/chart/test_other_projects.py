"""The controller's permissions for objects of other projects, where those are installed: all are used, and suffice."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.controlplane import ControlPlane
from hack.tools import find
from tests.chart.rendering import OPERATOR_KEY, Helm, Object
from tests.chart.test_rbac import OPTIONAL
from tests.integration.chart.programs import Calls, Programs, free_ports
from tests.integration.chart.releases import (
    ADMISSION,
    CREATED,
    OK,
    WEBHOOKS,
    Cluster,
    Release,
    manifest,
    object_path,
    wait_for,
)
from tests.integration.chart.test_programs import CONTROLLER, _granted, _report
from tests.integration.projects import FOREIGN, install_projects

ON: Object = {
    "gatewayApi": {"enabled": True, "gateways": ["infra/public/web"], "grpcGateways": ["infra/public/grpc"]},
    "istio": {"enabled": True},
    "ambassador": {"enabled": True},
    "keda": {"enabled": True},
}
KEDA = {"maxReplicaCount": 3, "triggers": [{"type": "cpu", "metadata": {"value": "60"}}]}
# Of those that a predictor's certificate would need, which is not served.
UNUSED = "getambassador.io/tlscontexts"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with ControlPlane(audit=True) as running:
        install_projects(running)
        yield Cluster(running, Helm(find("helm"), tmp_path_factory.mktemp("helm"), running.kubeconfig))


def _shared() -> Object:
    """A predictor under KEDA and a canary."""
    obj = manifest()
    (main,) = obj["spec"]["predictors"]
    (part,) = main["componentSpecs"]
    canary = {**main, "name": "canary", "traffic": 25, "componentSpecs": [{"spec": part["spec"]}]}
    obj["spec"]["predictors"] = [{**main, "traffic": 75, "componentSpecs": [{**part, "kedaSpec": KEDA}]}, canary]
    return obj


def test_what_the_controller_calls_is_what_it_may(cluster: Cluster, release: Release, tmp_path: Path) -> None:
    port, metrics_port = free_ports(2)
    ports = {"webhook": {"port": port}, "metrics": {"port": metrics_port}}
    off, on = {OPERATOR_KEY: ports}, {OPERATOR_KEY: {**ports, **ON}}
    namespace = cluster.namespace()
    paths = {f"{one.group}/{one.plural}": f"/apis/{one.api_version}/namespaces/{{}}/{one.plural}" for one in FOREIGN}

    def names(resource: str) -> set[str]:
        found = cluster.check("GET", paths[resource].format(namespace))["items"]
        return {item["metadata"]["name"] for item in found}

    kinds = sorted(set(itertools.chain(*OPTIONAL.values())) - {UNUSED})
    release.install(values=on)
    for plural in WEBHOOKS:  # nobody answers for them in this test
        cluster.check("DELETE", f"{ADMISSION}/{plural}")
    programs = Programs(cluster, cluster.helm.template(on, namespace=release.namespace), release.namespace, tmp_path)
    granted = _granted(programs.rendered, "seldon-manager")
    with programs.running(CONTROLLER, metrics_port):
        wait_for(lambda: cluster.post(namespace, _shared())[0] == CREATED)
        for name in ("example", "canary"):
            path = f"/apis/apps/v1/namespaces/{namespace}/deployments/model-{name}-0-classifier"
            wait_for(lambda path=path: cluster.call("GET", path)[0] == OK)  # type: ignore[misc]
            _report(cluster, path, available=1)
        wait_for(lambda: all(names(kind) for kind in kinds))
    # The chart without them: what was made goes, with no more rights than that takes.
    release.upgrade(values=off)
    programs = Programs(cluster, cluster.helm.template(off, namespace=release.namespace), release.namespace, tmp_path)
    assert _granted(programs.rendered, "seldon-manager") < granted
    with programs.running(CONTROLLER, metrics_port):
        wait_for(lambda: not any(names(kind) for kind in kinds))
    assert cluster.call("GET", object_path(namespace))[0] == OK
    calls = Calls.of(cluster.control_plane.audit_log, programs.user(CONTROLLER))
    assert calls.forbidden() == []
    foreign = {(verb, kind) for verb, kind in granted - calls.made() if kind in itertools.chain(*OPTIONAL.values())}
    assert foreign == {
        # Server-side apply is a PATCH, and needs this where it creates.
        *(("create", kind) for kind in kinds),
        # What has the name of one that is to be made is looked at; nothing has, here.
        *(("get", kind) for kind in kinds),
        *((verb, UNUSED) for verb in ("get", "create", "patch", "delete")),
    }
