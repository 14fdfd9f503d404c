"""A release of the charts on a real API server, and asking that server about it."""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.controlplane import ControlPlane
from tests.chart.rendering import ROOT, Helm, Object

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
            # Null until the API server has looked at it.
            conditions = self.check("GET", CRD).get("status", {}).get("conditions") or []
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
