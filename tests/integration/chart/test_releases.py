"""Install, upgrade and removal on a real API server, which admits and stores but runs no pod: without the hooks."""

import copy
import shutil
from pathlib import Path

import pytest
import yaml

from tests.chart.rendering import OPERATOR, OPERATOR_KEY, ROOT, Object
from tests.integration.chart.releases import (
    ADMISSION,
    COLLECTIONS,
    CRD,
    CRD_FILE,
    CRD_NAME,
    CREATED,
    NOT_FOUND,
    OK,
    VERSIONS,
    WEBHOOKS,
    Cluster,
    Release,
    manifest,
    object_path,
    refused_by_webhook,
    wait_for,
)


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
