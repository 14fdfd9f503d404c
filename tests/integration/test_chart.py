"""The charts on a real API server, which admits, stores and matches but runs no pod: hooks are left out.

The server is one of its own: a release's webhook, for which nobody answers, would refuse the objects of other tests.
"""

import copy
import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.controlplane import ControlPlane
from hack.tools import find
from tests.chart.rendering import OPERATOR, OPERATOR_KEY, ROOT, Helm, Object

CRD_NAME = "seldondeployments.machinelearning.seldon.io"
CRD_FILE = f"{CRD_NAME}.yaml"
CRD = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{CRD_NAME}"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
WEBHOOKS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
VERSIONS = ("v1", "v1alpha2", "v1alpha3")
CREATED, OK, NOT_FOUND, SERVER_ERROR = 201, 200, 404, 500
SAFETY_LIMIT = 60.0  # seconds; a test that needs this long has failed

# The collection that an object is posted to, by its kind.
COLLECTIONS = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
}


@dataclass(frozen=True)
class Cluster:
    """An API server and the helm that talks to it."""

    control_plane: ControlPlane
    helm: Helm

    def call(self, method: str, path: str, body: Object | None = None) -> tuple[int, Any]:
        return self.control_plane.access.call(method, path, body)

    def check(self, method: str, path: str, body: Object | None = None) -> Any:
        status, answer = self.call(method, path, body)
        assert status in (OK, CREATED), answer
        return answer

    def namespace(self, labels: dict[str, str] | None = None) -> str:
        name = f"test-{uuid.uuid4().hex[:12]}"
        metadata = {"name": name, "labels": labels or {}}
        self.check("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        return name

    def webhook_configurations(self) -> list[Object]:
        return [found for plural in WEBHOOKS for found in self.check("GET", f"{ADMISSION}/{plural}")["items"]]

    def established(self) -> None:
        def ready() -> bool:
            conditions = self.check("GET", CRD).get("status", {}).get("conditions", [])
            return {"Established": "True"}.items() <= {found["type"]: found["status"] for found in conditions}.items()

        wait_for(ready)

    def post(self, namespace: str, manifest: Object) -> tuple[int, Any]:
        version = manifest["apiVersion"]
        return self.call("POST", f"/apis/{version}/namespaces/{namespace}/seldondeployments", manifest)


@dataclass(frozen=True)
class Release:
    """A release named `seldon` in a namespace of its own."""

    cluster: Cluster
    namespace: str

    def run(self, command: str, *arguments: str | Path, values: Object | None = None, fails: bool = False) -> str:
        options: list[str | Path] = ["--namespace", self.namespace, "--no-hooks"]
        if values is not None:
            options += ["--values", "-"]
        done = self.cluster.helm.run(command, "seldon", *arguments, *options, stdin=json.dumps(values or {}))
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def install(self, chart: Path = ROOT, **options: Any) -> str:
        output = self.run("install", chart, **options)
        self.cluster.established()
        return output

    def upgrade(self, chart: Path = ROOT, **options: Any) -> str:
        return self.run("upgrade", chart, **options)

    def uninstall(self) -> str:
        return self.run("uninstall")


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SAFETY_LIMIT
    while not holds():
        assert time.monotonic() < deadline, "did not come to hold"
        time.sleep(0.05)


def manifest(version: str = "v1", **metadata: Any) -> Object:
    graph = {"name": "classifier", "type": "MODEL"}
    containers = [{"name": "classifier", "image": "seldonio/mock_classifier:1.0"}]
    predictor = {"name": "example", "graph": graph, "componentSpecs": [{"spec": {"containers": containers}}]}
    return {
        "apiVersion": f"machinelearning.seldon.io/{version}",
        "kind": "SeldonDeployment",
        "metadata": {"name": "model", **metadata},
        "spec": {"predictors": [predictor]},
    }


def object_path(namespace: str, name: str = "model") -> str:
    return f"/apis/machinelearning.seldon.io/v1/namespaces/{namespace}/seldondeployments/{name}"


def refused_by_webhook(answer: tuple[int, Any]) -> bool:
    status, body = answer
    return status == SERVER_ERROR and "failed calling webhook" in body["message"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with ControlPlane() as running:
        yield Cluster(running, Helm(find("helm"), tmp_path_factory.mktemp("helm"), running.kubeconfig))


@pytest.fixture
def release(cluster: Cluster) -> Iterator[Release]:
    """A release that is not installed yet; whatever is installed is gone afterwards, the CRD included."""
    namespace = cluster.namespace({"pod-security.kubernetes.io/enforce": "restricted"})
    yield Release(cluster, namespace)
    cluster.helm.run("uninstall", "seldon", "--namespace", namespace, "--no-hooks")
    cluster.call("DELETE", CRD)
    wait_for(lambda: cluster.call("GET", CRD)[0] == NOT_FOUND)


@pytest.fixture
def older_chart(tmp_path: Path) -> Path:
    """The operator chart with a CRD that does not know `spec.predictors` yet."""
    copied = tmp_path / "older"
    shutil.copytree(OPERATOR, copied)
    file = copied / "files" / "crds" / CRD_FILE
    crd = yaml.load(file.read_text(), yaml.CSafeLoader)
    for version in crd["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"].pop("predictors")
        version["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-preserve-unknown-fields"] = True
        version["schema"]["openAPIV3Schema"]["properties"]["spec"].pop("x-kubernetes-validations", None)
    file.write_text(yaml.safe_dump(crd))
    return copied


def spec_fields(cluster: Cluster, version: str) -> set[str]:
    (found,) = [found for found in cluster.check("GET", CRD)["spec"]["versions"] if found["name"] == version]
    return set(found["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"])


def test_install_says_what_to_do_next_and_every_object_is_there(cluster: Cluster, release: Release) -> None:
    assert f"is installed in namespace {release.namespace}" in release.install()
    stored = cluster.helm.run("get", "manifest", "seldon", "--namespace", release.namespace)
    kinds = [found["kind"] for found in yaml.load_all(stored.stdout, yaml.CSafeLoader)]
    assert len(kinds) == 19
    assert len(cluster.webhook_configurations()) == 2
    deployments = cluster.check("GET", f"/apis/apps/v1/namespaces/{release.namespace}/deployments")["items"]
    assert {found["metadata"]["name"] for found in deployments} == {"seldon-controller-manager", "seldon-webhook"}


def test_the_objects_of_the_hook_are_accepted(cluster: Cluster, release: Release) -> None:
    rendered = cluster.helm.template(namespace=release.namespace)
    hooks = [found for found in rendered.objects if "helm.sh/hook" in found["metadata"].get("annotations", {})]
    assert len(hooks) == 4
    for found in hooks:
        cluster.check("POST", COLLECTIONS[found["kind"]].format(release.namespace) + "?dryRun=All", found)


def test_a_namespace_that_enforces_restricted_pod_security_takes_every_pod(cluster: Cluster, release: Release) -> None:
    pods = cluster.helm.template(namespace=release.namespace).pods()
    assert len(pods) == 3
    for owner, template in pods.items():
        pod = {"apiVersion": "v1", "kind": "Pod", **copy.deepcopy(template)}
        pod["metadata"]["name"] = owner
        cluster.check("POST", COLLECTIONS["Pod"].format(release.namespace) + "?dryRun=All", pod)


def test_off_installs_no_object_and_switching_off_removes_all_but_the_crd(cluster: Cluster, release: Release) -> None:
    off = {OPERATOR_KEY: {"enabled": False}}
    assert "Nothing was installed" in release.run("install", ROOT, values=off)
    assert cluster.call("GET", CRD)[0] == NOT_FOUND
    release.upgrade(values={OPERATOR_KEY: {"enabled": True}})
    cluster.established()
    assert len(cluster.webhook_configurations()) == 2
    assert "Nothing was installed" in release.upgrade(values=off)
    assert cluster.webhook_configurations() == []
    assert cluster.check("GET", f"/apis/apps/v1/namespaces/{release.namespace}/deployments")["items"] == []
    assert cluster.call("GET", CRD)[0] == OK


@pytest.mark.parametrize("version", VERSIONS)
def test_without_an_answer_of_the_webhook_nothing_is_stored(cluster: Cluster, release: Release, version: str) -> None:
    release.install()
    namespace = cluster.namespace()
    wait_for(lambda: refused_by_webhook(cluster.post(namespace, manifest(version))))


def test_what_is_another_operators_passes_by_the_webhook(cluster: Cluster, release: Release) -> None:
    release.install()
    others = cluster.namespace({"seldon.io/controller-id": "other"})
    assert cluster.post(others, manifest())[0] == CREATED
    ours = cluster.namespace()
    assert cluster.post(ours, manifest(labels={"seldon.io/controller-id": "other"}))[0] == CREATED
    wait_for(lambda: refused_by_webhook(cluster.post(ours, manifest())))


def test_what_is_being_deleted_can_go_without_the_webhook(cluster: Cluster, release: Release) -> None:
    release.install()
    namespace = cluster.namespace({"seldon.io/controller-id": "other"})
    assert cluster.post(namespace, manifest(finalizers=["example.com/hold"]))[0] == CREATED
    found = cluster.check("GET", f"/api/v1/namespaces/{namespace}")
    del found["metadata"]["labels"]["seldon.io/controller-id"]
    cluster.check("PUT", f"/api/v1/namespaces/{namespace}", found)

    held = cluster.check("GET", object_path(namespace))
    held["metadata"]["finalizers"] = []
    wait_for(lambda: refused_by_webhook(cluster.call("PUT", object_path(namespace) + "?dryRun=All", held)))
    assert cluster.call("DELETE", object_path(namespace))[0] == OK
    held = cluster.check("GET", object_path(namespace))
    held["metadata"]["finalizers"] = []
    cluster.check("PUT", object_path(namespace), held)
    assert cluster.call("GET", object_path(namespace))[0] == NOT_FOUND


def test_an_upgrade_brings_the_fields_of_the_new_crd(cluster: Cluster, release: Release, older_chart: Path) -> None:
    release.install(older_chart)
    assert "predictors" not in spec_fields(cluster, "v1")
    namespace = cluster.namespace({"seldon.io/controller-id": "other"})
    assert cluster.post(namespace, manifest("v1alpha2"))[0] == CREATED
    release.upgrade(OPERATOR)
    for version in VERSIONS:
        assert "predictors" in spec_fields(cluster, version)
    stored = cluster.check("GET", object_path(namespace))
    assert stored["spec"] == manifest()["spec"]


def test_an_upgrade_keeps_what_the_running_webhook_owns(cluster: Cluster, release: Release) -> None:
    release.install()
    bundle = "Y2VydGlmaWNhdGU="  # any text in base64: the API server looks at it only when it calls
    uid = cluster.check("GET", f"/api/v1/namespaces/{release.namespace}")["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Namespace", "name": release.namespace, "uid": uid}
    for plural in WEBHOOKS:
        (found,) = cluster.check("GET", f"{ADMISSION}/{plural}")["items"]
        found["webhooks"][0]["clientConfig"]["caBundle"] = bundle
        found["metadata"]["ownerReferences"] = [owner]
        cluster.check("PUT", f"{ADMISSION}/{plural}/{found['metadata']['name']}", found)
    release.upgrade(values={OPERATOR_KEY: {"controllerId": "x", "commonLabels": {"team": "ml"}}})
    for found in cluster.webhook_configurations():
        assert found["webhooks"][0]["clientConfig"]["caBundle"] == bundle
        assert found["metadata"]["ownerReferences"] == [owner]
        assert found["webhooks"][0]["objectSelector"] == {"matchLabels": {"seldon.io/controller-id": "x"}}


def test_an_upgrade_that_changes_nothing_writes_nothing(cluster: Cluster, release: Release) -> None:
    release.install()
    before = [found["metadata"]["resourceVersion"] for found in cluster.webhook_configurations()]
    crd = cluster.check("GET", CRD)["metadata"]["generation"]
    release.upgrade()
    assert [found["metadata"]["resourceVersion"] for found in cluster.webhook_configurations()] == before
    assert cluster.check("GET", CRD)["metadata"]["generation"] == crd


def test_uninstall_keeps_crd_and_objects_and_leaves_nothing_in_their_way(cluster: Cluster, release: Release) -> None:
    release.install()
    namespace = cluster.namespace({"seldon.io/controller-id": "other"})
    assert cluster.post(namespace, manifest())[0] == CREATED
    assert f"[CustomResourceDefinition] {CRD_NAME}" in release.uninstall()
    assert cluster.webhook_configurations() == []
    assert cluster.call("GET", object_path(namespace))[0] == OK
    elsewhere = cluster.namespace()
    wait_for(lambda: cluster.post(elsewhere, manifest())[0] == CREATED)
    assert "is installed in namespace" in release.install(), "the same release adopts what it left behind"


def foreign_crd() -> Object:
    crd: Object = yaml.load((ROOT / "crds" / CRD_FILE).read_text(), yaml.CSafeLoader)
    return crd


def test_a_crd_of_somebody_else_is_adopted_on_demand(cluster: Cluster, release: Release) -> None:
    cluster.check("POST", CRD.rsplit("/", 1)[0], foreign_crd())
    refused = release.run("install", ROOT, fails=True)
    assert "invalid ownership metadata" in refused
    assert cluster.webhook_configurations() == []
    release.run("install", ROOT, "--take-ownership")
    assert cluster.check("GET", CRD)["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


def test_a_crd_of_somebody_else_is_adopted_by_a_label_and_two_annotations(cluster: Cluster, release: Release) -> None:
    crd = foreign_crd()
    crd["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    crd["metadata"]["annotations"] = {
        "meta.helm.sh/release-name": "seldon",
        "meta.helm.sh/release-namespace": release.namespace,
    }
    cluster.check("POST", CRD.rsplit("/", 1)[0], crd)
    release.install()
    assert cluster.check("GET", CRD)["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
