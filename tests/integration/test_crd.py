"""The CRD on real API servers, the oldest one that is served too: what it accepts, keeps, refuses and shows."""

import copy
import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.controlplane import ControlPlane
from hack.tools import find
from seldon_core.api.crd import CRD_NAME
from seldon_core.api.schema import GRAPH_LEVELS

pytestmark = pytest.mark.xdist_group("crd")

ROOT = Path(__file__).resolve().parent.parent.parent
CRD_FILE = ROOT / "crds" / f"{CRD_NAME}.yaml"
EXAMPLE = ROOT / "examples" / "seldon-model.yaml"
CRD_URL = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{CRD_NAME}"

Object = dict[str, Any]
Kubectl = Callable[..., subprocess.CompletedProcess[str]]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true within a minute"
        time.sleep(0.02)


@pytest.fixture(scope="module", params=["kube-apiserver", "kube-apiserver-oldest"])
def control_plane(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    with ControlPlane(program=request.param) as running:
        yield running


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    name = f"test-{uuid.uuid4().hex[:12]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    assert control_plane.access.call("POST", "/api/v1/namespaces", body)[0] == 201
    return name


@pytest.fixture(scope="module")
def kubectl(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    program = find("kubectl")
    home = tmp_path_factory.mktemp("home")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "KUBECONFIG": str(control_plane.kubeconfig), "HOME": str(home)}
        return subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture(scope="module")
def established(control_plane: ControlPlane, kubectl: Kubectl) -> Iterator[Object]:
    """The CRD, applied as a user would without Helm, and gone afterwards."""
    call = control_plane.access.call
    applied = kubectl("apply", "-f", str(CRD_FILE))
    assert applied.returncode == 0, applied.stderr

    def conditions() -> dict[str, str]:
        found = call("GET", CRD_URL)[1]["status"].get("conditions") or []
        return {condition["type"]: condition["status"] for condition in found}

    wait_for(lambda: conditions().get("Established") == "True")
    wait_for(lambda: all(call("GET", f"/apis/machinelearning.seldon.io/{v}")[0] == 200 for v in ("v1", "v1alpha2")))
    assert "NonStructuralSchema" not in conditions()
    yield call("GET", CRD_URL)[1]
    call("DELETE", CRD_URL)
    wait_for(lambda: call("GET", CRD_URL)[0] == 404)


class Store:
    """SeldonDeployments of one namespace."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self.call = control_plane.access.call
        self._namespace = namespace

    def url(self, name: str = "", version: str = "v1") -> str:
        collection = f"/apis/machinelearning.seldon.io/{version}/namespaces/{self._namespace}/seldondeployments"
        return f"{collection}/{name}" if name else collection

    def create(self, obj: Object, version: str = "v1") -> tuple[int, Any]:
        """Create it as strictly as kubectl does."""
        body = {**obj, "apiVersion": f"machinelearning.seldon.io/{version}"}
        return self.call("POST", f"{self.url(version=version)}?fieldValidation=Strict", body)

    def get(self, name: str, version: str = "v1") -> Object:
        status, answer = self.call("GET", self.url(name, version))
        assert status == 200, answer
        found: Object = answer
        return found

    def set_status(self, name: str, status: Object) -> None:
        body = {**self.get(name), "status": status}
        code, answer = self.call("PUT", f"{self.url(name)}/status", body)
        assert code == 200, answer


@pytest.fixture
def store(established: Object, control_plane: ControlPlane, namespace: str) -> Store:
    return Store(control_plane, namespace)


@pytest.fixture
def example() -> Object:
    loaded: Object = yaml.safe_load(EXAMPLE.read_text())
    return loaded


def test_three_versions_are_served_and_v1_is_stored(established: Object) -> None:
    assert [(v["name"], v["served"], v["storage"]) for v in established["spec"]["versions"]] == [
        ("v1", True, True),
        ("v1alpha2", True, False),
        ("v1alpha3", True, False),
    ]
    assert established["spec"]["names"]["shortNames"] == ["sdep"]
    assert established["spec"]["names"]["categories"] == ["seldon"]


def test_a_client_side_apply_of_the_crd_leaves_room(established: Object) -> None:
    annotations = established["metadata"]["annotations"]
    assert sum(map(len, annotations.values())) < 128 * 1024


def test_the_api_server_keeps_the_schema_as_it_is_generated(established: Object) -> None:
    generated = yaml.safe_load(CRD_FILE.read_text())
    kept = [version["schema"] for version in established["spec"]["versions"]]
    assert kept == [version["schema"] for version in generated["spec"]["versions"]]


def test_the_example_is_applied_and_applied_again(kubectl: Kubectl, store: Store, namespace: str) -> None:
    first = kubectl("-n", namespace, "apply", "-f", str(EXAMPLE))
    assert (first.stdout, first.stderr) == ("seldondeployment.machinelearning.seldon.io/seldon-model created\n", "")
    again = kubectl("-n", namespace, "apply", "-f", str(EXAMPLE))
    assert (again.stdout, again.stderr) == ("seldondeployment.machinelearning.seldon.io/seldon-model unchanged\n", "")
    assert store.get("seldon-model")["spec"] == yaml.safe_load(EXAMPLE.read_text())["spec"]


@pytest.mark.parametrize("version", ["v1", "v1alpha2", "v1alpha3"])
def test_every_version_stores_the_same_object(store: Store, example: Object, version: str) -> None:
    assert store.create(example, version)[0] == 201
    specs = [store.get("seldon-model", served)["spec"] for served in ("v1", "v1alpha2", "v1alpha3")]
    assert specs == [example["spec"]] * 3


def test_fields_of_kubernetes_are_kept_whatever_they_are(store: Store, example: Object) -> None:
    """A newer Kubernetes may have them; the webhook checks them."""
    predictor = example["spec"]["predictors"][0]
    predictor["svcOrchSpec"] = {"resources": {"later": 1}, "env": [{"name": "A", "later": 1}]}
    predictor["engineResources"] = {"later": 1}
    predictor["explainer"] = {"type": "", "containerSpec": {"later": [1, {"b": None}]}}
    component = predictor["componentSpecs"][0]
    component["metadata"] = {"creationTimestamp": None, "labels": {"a": "b"}}
    component["spec"] |= {"later": [1], "nodeSelector": {"a": "b"}}
    component["spec"]["containers"][0]["later"] = {"a": [1]}
    component["hpaSpec"] = {"maxReplicas": 2, "metricsv2": [{"later": 1}]}
    assert store.create(example)[0] == 201
    assert store.get("seldon-model")["spec"] == example["spec"]


TYPOS = {
    "spec": lambda spec: spec.update(replica=1),
    "spec.predictors[0]": lambda spec: spec["predictors"][0].update(trafic=100),
    "spec.predictors[0].svcOrchSpec": lambda spec: spec["predictors"][0].update(svcOrchSpec={"envs": []}),
    "spec.predictors[0].componentSpecs[0]": lambda spec: spec["predictors"][0]["componentSpecs"][0].update(hpa={}),
    "spec.predictors[0].graph": lambda spec: spec["predictors"][0]["graph"].update(modelURI="gs://a"),
    "spec.predictors[0].graph.children[0]": lambda spec: spec["predictors"][0]["graph"].update(
        children=[{"name": "b", "kind": "MODEL"}]
    ),
}


@pytest.mark.parametrize("where", TYPOS)
def test_strict_validation_names_a_misspelt_field(store: Store, example: Object, where: str) -> None:
    TYPOS[where](example["spec"])
    status, answer = store.create(example)
    assert status == 400
    assert f'unknown field "{where}.' in answer["message"]


def test_kubectl_refuses_a_misspelt_field(
    kubectl: Kubectl, store: Store, example: Object, namespace: str, tmp_path: Path
) -> None:
    example["spec"]["predictors"][0]["trafic"] = 100
    file = tmp_path / "sdep.json"
    file.write_text(json.dumps(example))
    for how in ("--server-side=false", "--server-side"):
        refused = kubectl("-n", namespace, "apply", how, "-f", str(file))
        assert refused.returncode == 1
        assert "trafic" in refused.stderr


def test_a_graph_deeper_than_the_schema_is_kept_whole(store: Store, example: Object) -> None:
    depth = GRAPH_LEVELS + 20
    graph: Object = {"name": f"n{depth}", "later": {"a": [1]}, "parameters": [{"name": "a"}]}
    for index in reversed(range(depth)):
        graph = {"name": f"n{index}", "type": "TRANSFORMER", "children": [graph]}
    example["spec"]["predictors"][0]["graph"] = graph
    assert store.create(example)[0] == 201
    assert store.get("seldon-model")["spec"]["predictors"][0]["graph"] == graph


def at_levels(graph: Object, levels: int) -> Object:
    """The node `levels` below the root of a chain that is made for it."""
    node = graph
    for index in range(levels):
        node["children"] = [{"name": f"n{index}"}]
        node = node["children"][0]
    return node


@pytest.mark.parametrize(
    ("break_it", "path"),
    [
        pytest.param(lambda spec: spec.update(protocol="abc"), "spec.protocol", id="protocol"),
        pytest.param(lambda spec: spec.update(transport="http"), "spec.transport", id="transport"),
        pytest.param(lambda spec: spec.update(serverType="x"), "spec.serverType", id="server-type"),
        pytest.param(lambda spec: spec.update(replicas=-1), "spec.replicas", id="negative-replicas"),
        pytest.param(lambda spec: spec.update(replicas="1"), "spec.replicas", id="text-for-replicas"),
        pytest.param(lambda spec: spec.update(predictors=[]), "spec.predictors", id="no-predictors"),
        pytest.param(lambda spec: spec.pop("predictors"), "spec.predictors", id="predictors-missing"),
        pytest.param(
            lambda spec: spec["predictors"].append(copy.deepcopy(spec["predictors"][0])),
            "spec.predictors[1]",
            id="E1-predictor-name-twice",
        ),
        pytest.param(lambda spec: spec["predictors"][0].pop("graph"), "spec.predictors[0].graph", id="E1-no-graph"),
        pytest.param(
            lambda spec: spec["predictors"][0].update(traffic=101), "spec.predictors[0].traffic", id="traffic"
        ),
        pytest.param(
            lambda spec: spec["predictors"][0]["graph"].update(type="model"), "spec.predictors[0].graph.type", id="type"
        ),
        pytest.param(
            lambda spec: at_levels(spec["predictors"][0]["graph"], GRAPH_LEVELS).update(type="model"),
            "spec.predictors[0].graph" + ".children[0]" * GRAPH_LEVELS + ".type",
            id="type-of-the-deepest-level",
        ),
    ],
)
def test_what_the_schema_alone_refuses(
    store: Store, example: Object, break_it: Callable[[Object], object], path: str
) -> None:
    break_it(example["spec"])
    status, answer = store.create(example, "v1alpha2")
    assert status == 422
    assert path in [cause["field"] for cause in answer["details"]["causes"]]


def test_scale_reads_and_writes_spec_replicas(kubectl: Kubectl, store: Store, example: Object, namespace: str) -> None:
    example["spec"]["replicas"] = 1
    assert store.create(example)[0] == 201
    store.set_status("seldon-model", {"replicas": 1, "selector": "app=x,seldon-deployment-id=seldon-model"})
    scaled = kubectl("-n", namespace, "scale", "sdep/seldon-model", "--replicas=3")
    assert scaled.returncode == 0, scaled.stderr
    assert store.get("seldon-model")["spec"]["replicas"] == 3
    shown = kubectl("-n", namespace, "get", "--raw", f"{store.url('seldon-model')}/scale")
    scale = json.loads(shown.stdout)
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 1, "selector": "app=x,seldon-deployment-id=seldon-model"}


def test_a_write_of_the_object_does_not_touch_its_status(store: Store, example: Object) -> None:
    assert store.create({**example, "status": {"state": "Available"}})[0] == 201
    assert "status" not in store.get("seldon-model")
    store.set_status("seldon-model", {"state": "Creating"})
    assert store.get("seldon-model")["status"] == {"state": "Creating"}


def test_get_shows_the_state(kubectl: Kubectl, store: Store, example: Object, namespace: str) -> None:
    assert store.create(example)[0] == 201
    status = {
        "state": "Available",
        "predictors": 1,
        "replicas": 2,
        "address": {"url": "http://seldon-model-example"},
        "conditions": [
            {"type": "DeploymentsReady", "status": "Unknown"},
            {"type": "Ready", "status": "True", "reason": "AllReady", "message": ""},
        ],
    }
    store.set_status("seldon-model", status)
    for kind in ("seldondeployments", "seldondeployment", "sdep", "seldon"):
        header, row = (line.split() for line in kubectl("-n", namespace, "get", kind).stdout.splitlines())
        assert header == ["NAME", "STATE", "READY", "PREDICTORS", "REPLICAS", "URL", "AGE"]
        assert row[:-1] == ["seldon-model", "Available", "True", "1", "2", "http://seldon-model-example"]


def test_explain_describes_the_fields(kubectl: Kubectl, established: Object) -> None:
    text = kubectl("explain", "sdep.spec.predictors.traffic").stdout
    assert "Share of the requests, in percent" in text
    assert "FIELD: traffic <integer>" in text


def test_predictors_are_merged_by_name(kubectl: Kubectl, store: Store, example: Object, namespace: str) -> None:
    """Two appliers can each own a predictor."""
    assert store.create(example)[0] == 201
    other = {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": "seldon-model", "namespace": namespace},
        "spec": {"predictors": [{"name": "canary", "graph": {"name": "b"}}]},
    }
    status, answer = store.call("PATCH", f"{store.url('seldon-model')}?fieldManager=other", other)
    assert status == 200, answer
    assert [each["name"] for each in answer["spec"]["predictors"]] == ["example", "canary"]
