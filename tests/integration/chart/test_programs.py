"""The chart's arguments, environment, permissions and hook, proven with the real programs against a real API server."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chart.rendering import OPERATOR_KEY, Object, Rendered
from tests.chart.test_rbac import OPTIONAL
from tests.integration.chart.programs import Calls, Programs, free_ports
from tests.integration.chart.releases import (
    ADMISSION,
    CREATED,
    OK,
    VERSIONS,
    WEBHOOKS,
    Cluster,
    Release,
    manifest,
    object_path,
    wait_for,
)

CONTROLLER, WEBHOOK, CHECK = "seldon-controller-manager", "seldon-webhook", "seldon-webhook-check"
OPERATORS = {CONTROLLER, WEBHOOK, "seldon-webhook-service"}
INVALID = 422


@dataclass(frozen=True)
class Installed:
    """A release whose programs can be run here."""

    cluster: Cluster
    programs: Programs
    namespace: str
    metrics_port: int


@pytest.fixture
def operator_values() -> Object:
    """What is set besides the ports."""
    return {}


@pytest.fixture
def installed(cluster: Cluster, release: Release, tmp_path: Path, operator_values: Object) -> Installed:
    """A release on free ports, with its hook's permissions, whose Service leads to this machine."""
    port, metrics_port = free_ports(2)
    values = {OPERATOR_KEY: {"webhook": {"port": port}, "metrics": {"port": metrics_port}, **operator_values}}
    release.install(values=values)
    rendered = cluster.helm.template(values, namespace=release.namespace)
    _install_hook_permissions(cluster, rendered, release.namespace)
    _lead_here(cluster, release.namespace, port)
    programs = Programs(cluster, rendered, release.namespace, tmp_path)
    return Installed(cluster, programs, release.namespace, metrics_port)


def _install_hook_permissions(cluster: Cluster, rendered: Rendered, namespace: str) -> None:
    for kind, plural in (("Role", "roles"), ("RoleBinding", "rolebindings")):
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/{plural}"
        cluster.check("POST", path, rendered.one(kind, CHECK))


def _lead_here(cluster: Cluster, namespace: str, port: int) -> None:
    """Without nodes no Service has endpoints: one by name is resolved by the API server itself."""
    path = f"/api/v1/namespaces/{namespace}/services/seldon-webhook-service"
    service = cluster.check("GET", path)
    service["spec"] = {"type": "ExternalName", "externalName": "localhost"}
    cluster.check("PUT", path, service)
    for plural in WEBHOOKS:
        (found,) = cluster.check("GET", f"{ADMISSION}/{plural}")["items"]
        found["webhooks"][0]["clientConfig"]["service"]["port"] = port
        cluster.check("PUT", f"{ADMISSION}/{plural}/{found['metadata']['name']}", found)


def _calls(installed: Installed, owner: str) -> Calls:
    return Calls.of(installed.cluster.control_plane.audit_log, installed.programs.user(owner))


def _granted(rendered: Rendered, account: str) -> set[tuple[str, str]]:
    """What the roles bound to an account permit, as verb and resource."""
    granted = set()
    for binding in rendered.of("ClusterRoleBinding") + rendered.of("RoleBinding"):
        if binding["subjects"][0]["name"] == account:
            for rule in rendered.one(binding["roleRef"]["kind"], binding["roleRef"]["name"])["rules"]:
                granted |= {
                    (verb, f"{group}/{resource}")
                    for verb in rule["verbs"]
                    for group in rule["apiGroups"]
                    for resource in rule["resources"]
                }
    return granted


def test_webhook_and_check_work_as_the_chart_starts_them(installed: Installed) -> None:
    cluster, programs = installed.cluster, installed.programs
    namespace = cluster.namespace()
    with programs.running(WEBHOOK, installed.metrics_port):
        checked = programs.run(CHECK)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        for version in VERSIONS:
            status, stored = cluster.post(namespace, manifest(version, name=version))
            assert status == CREATED, stored
            assert stored["spec"]["protocol"] == "seldon", "the defaults are the webhook's"
        broken = manifest()
        broken["spec"]["predictors"][0]["graph"]["name"] = "nobody"
        status, refusal = cluster.post(namespace, broken)
        assert status == INVALID, refusal
        assert "spec.predictors[0].graph" in refusal["message"]
    for found in cluster.webhook_configurations():
        assert found["webhooks"][0]["clientConfig"]["caBundle"]
        assert [owner["name"] for owner in found["metadata"]["ownerReferences"]] == [installed.namespace]


def test_what_the_webhook_and_the_check_call_is_what_they_may(installed: Installed) -> None:
    programs = installed.programs
    with programs.running(WEBHOOK, installed.metrics_port):
        assert programs.run(CHECK).returncode == 0
    calls = _calls(installed, WEBHOOK)
    assert calls.forbidden() == []
    assert _granted(programs.rendered, "seldon-webhook") - calls.made() == {
        # The authority is replaced once in years, and when somebody spoils its Secret.
        ("update", "/secrets"),
        # Asked for by OwnerReferencesPermissionEnforcement, which is on here.
        ("delete", "admissionregistration.k8s.io/mutatingwebhookconfigurations"),
        ("delete", "admissionregistration.k8s.io/validatingwebhookconfigurations"),
    }
    assert _calls(installed, CHECK).forbidden() == []
    assert _calls(installed, CHECK).made() == _granted(programs.rendered, CHECK)


def _rename_predictor(cluster: Cluster, path: str) -> bool:
    """Whether it could be stored before somebody else, the controller, wrote the object."""
    found = cluster.check("GET", path)
    found["spec"]["predictors"][0]["name"] = "renamed"
    return cluster.call("PUT", path, found)[0] == OK


@pytest.mark.parametrize("operator_values", [{}, {"singleNamespace": True}], ids=["cluster-wide", "single namespace"])
def test_what_the_controller_calls_is_what_it_may(installed: Installed, operator_values: Object) -> None:
    cluster, programs = installed.cluster, installed.programs
    for plural in WEBHOOKS:  # nobody answers for them in this test
        cluster.check("DELETE", f"{ADMISSION}/{plural}")
    namespace = installed.namespace if operator_values else cluster.namespace()
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    services = f"/api/v1/namespaces/{namespace}/services"

    def built(plural: str = deployments) -> set[str]:
        found = [item["metadata"] for item in cluster.check("GET", plural)["items"]]
        return {item["name"] for item in found} - OPERATORS

    with programs.running(CONTROLLER, installed.metrics_port):
        wait_for(lambda: cluster.post(namespace, _scaled(manifest()))[0] == CREATED)
        wait_for(lambda: built() == {"model-example-0-classifier"})
        _report(cluster, f"{deployments}/model-example-0-classifier", available=0)
        wait_for(lambda: _rename_predictor(cluster, object_path(namespace)))
        wait_for(lambda: "model-renamed-0-classifier" in built())
        _report(cluster, f"{deployments}/model-renamed-0-classifier", available=1)
        wait_for(lambda: _collect_garbage(cluster, f"{deployments}/model-example-0-classifier"))
        wait_for(lambda: built() == {"model-renamed-0-classifier"})
        wait_for(lambda: built(services) == {"model-renamed", "model-renamed-classifier"})
    calls = _calls(installed, CONTROLLER)
    assert calls.forbidden() == []
    assert _granted(programs.rendered, "seldon-manager") - calls.made() == {
        # Server-side apply is a PATCH, and needs the first where it creates. What has the name of one to be made
        # is looked at; nothing has, here.
        *itertools.product(
            ("create", "get"),
            (
                "apps/deployments",
                "/services",
                "autoscaling/horizontalpodautoscalers",
                "policy/poddisruptionbudgets",
            ),
        ),
        # Asked for by OwnerReferencesPermissionEnforcement, which is on here.
        ("update", "machinelearning.seldon.io/seldondeployments/finalizers"),
        # To delete objects of what was switched off; this cluster knows none of these kinds.
        *itertools.product(("list", "watch", "delete"), itertools.chain(*OPTIONAL.values())),
    }


def _scaled(sdep: Object) -> Object:
    """The same with an autoscaler and a disruption budget."""
    sdep["spec"]["predictors"][0]["componentSpecs"][0] |= {
        "hpaSpec": {"maxReplicas": 2},
        "pdbSpec": {"minAvailable": 1},
    }
    return sdep


def _report(cluster: Cluster, deployment: str, *, available: int) -> None:
    """Say of a Deployment what its controller would, with as many of its one pod available."""
    found = cluster.check("GET", deployment)
    found["status"] = {
        "observedGeneration": found["metadata"]["generation"],
        "replicas": 1,
        "updatedReplicas": 1,
        "readyReplicas": available,
        "availableReplicas": available,
        "unavailableReplicas": 1 - available,
    }
    cluster.check("PUT", f"{deployment}/status", found)


def _collect_garbage(cluster: Cluster, path: str) -> bool:
    """Finish a foreground deletion, once it is asked for, as the garbage collector would."""
    found = cluster.check("GET", path)
    if "deletionTimestamp" not in found["metadata"]:
        return False
    found["metadata"]["finalizers"] = []
    return cluster.call("PUT", path, found)[0] == OK
