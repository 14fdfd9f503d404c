"""The CRD on real API servers, the oldest one that is served too: what it accepts, keeps, refuses and shows."""

import copy
import json
import os
import re
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

    def remove(self, name: str) -> bool:
        """Delete it; False, so that a condition that is waited for goes on to be waited for."""
        self.call("DELETE", self.url(name))
        return False

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
            lambda spec: spec["predictors"][0]["graph"].update(logger={"mode": "some"}),
            "spec.predictors[0].graph.logger.mode",
            id="logger-mode",
        ),
        pytest.param(
            lambda spec: spec["predictors"][0].update(explainer={"type": "Guess"}),
            "spec.predictors[0].explainer.type",
            id="explainer-type",
        ),
        pytest.param(
            lambda spec: spec["predictors"][0]["componentSpecs"][0].update(hpaSpec={"minReplicas": 1}),
            "spec.predictors[0].componentSpecs[0].hpaSpec.maxReplicas",
            id="hpa-without-maximum",
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


def with_predictors(spec: Object, *changes: Object) -> None:
    """Give a spec a predictor for each of the changes."""
    first = spec["predictors"][0]
    spec["predictors"] = [{**copy.deepcopy(first), "name": f"p{at}", **change} for at, change in enumerate(changes)]


KAFKA_ENV = [{"name": f"KAFKA_{name}", "value": "x"} for name in ("BROKER", "INPUT_TOPIC", "OUTPUT_TOPIC")]
CHILDREN = {"name": "a", "children": [{"name": "b"}]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param([{"traffic": 50}, {"traffic": 30}], "weights of the non-shadow predictors", id="80-percent"),
        pytest.param([{"traffic": 50}, {}], "weights of the non-shadow predictors", id="one-without-weight"),
        pytest.param([{"traffic": 50}], "has all the traffic", id="half-of-the-only-one"),
        pytest.param([{"traffic": 50}, {"shadow": True}], "has all the traffic", id="half-beside-a-shadow"),
        pytest.param([{"shadow": True}], "a shadow needs a predictor", id="only-a-shadow"),
        pytest.param([{}, {"shadow": True}, {"shadow": True}], "one shadow only", id="two-shadows"),
        pytest.param(
            [{"annotations": {"seldon.io/no-engine": "true"}, "graph": CHILDREN}], "graph of one node", id="no-engine"
        ),
    ],
)
def test_what_the_rules_in_the_crd_refuse(store: Store, example: Object, changes: list[Object], message: str) -> None:
    """Where no webhook is asked."""
    with_predictors(example["spec"], *changes)
    status, answer = store.create(example)
    assert status == 422
    assert message in answer["message"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([{}, {}], id="split-evenly"),
        pytest.param([{"traffic": 100}], id="all-of-the-only-one"),
        pytest.param([{"traffic": 60}, {"traffic": 40}, {"shadow": True, "traffic": 10}], id="shadow"),
        pytest.param([{"annotations": {"seldon.io/no-engine": "false"}, "graph": CHILDREN}], id="engine"),
        pytest.param([{"annotations": {"a": "b"}, "graph": CHILDREN}], id="annotations"),
        pytest.param([{"traffic": 1} for _ in range(100)], id="a-hundred-predictors"),
    ],
)
def test_what_the_rules_in_the_crd_admit(store: Store, example: Object, changes: list[Object]) -> None:
    with_predictors(example["spec"], *changes)
    status, answer = store.create(example)
    assert status == 201, answer


def test_kafka_needs_its_variables_without_a_webhook_too(store: Store, example: Object) -> None:
    example["spec"]["serverType"] = "kafka"
    status, answer = store.create(example)
    assert status == 422
    assert "KAFKA_BROKER" in answer["message"]
    example["spec"]["predictors"][0]["svcOrchSpec"] = {"env": KAFKA_ENV}
    assert store.create(example)[0] == 201


@pytest.fixture
def outdated(control_plane: ControlPlane, established: Object, store: Store, example: Object) -> Object:
    """What was stored before the schema became as strict as it is: wrong in one predictor, and in the weights."""
    call = control_plane.access.call
    strict = yaml.safe_load(CRD_FILE.read_text())
    loose = copy.deepcopy(strict)
    for version in loose["spec"]["versions"]:
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        del spec["x-kubernetes-validations"]
        del spec["properties"]["predictors"]["items"]["properties"]["graph"]["properties"]["type"]["enum"]
    obj = copy.deepcopy(example)
    with_predictors(obj["spec"], {"traffic": 50}, {"traffic": 30})
    obj["spec"]["predictors"][0]["graph"]["type"] = "model"
    apply = f"{CRD_URL}?fieldManager=kubectl&force=true"
    assert call("PATCH", apply, loose)[0] == 200
    wait_for(lambda: store.create(obj)[0] == 201)
    assert call("PATCH", apply, strict)[0] == 200
    obj["metadata"]["name"] = "another"
    wait_for(lambda: store.create(obj)[0] == 422 or store.remove("another"))
    return store.get("seldon-model")


def test_an_old_error_holds_up_no_edit_elsewhere_no_scaling_and_no_deletion(
    kubectl: Kubectl, store: Store, outdated: Object, namespace: str
) -> None:
    def edit(*operations: Object) -> int:
        patch = json.dumps([{"op": "replace", **operation} for operation in operations])
        return kubectl("-n", namespace, "patch", "sdep/seldon-model", "--type=json", "-p", patch).returncode

    assert edit({"path": "/spec/predictors/1/graph/type", "value": "MODEL"}) == 0
    swapped = list(reversed(store.get("seldon-model")["spec"]["predictors"]))
    assert edit({"path": "/spec/predictors", "value": swapped}) == 0
    assert kubectl("-n", namespace, "scale", "sdep/seldon-model", "--replicas=3").returncode == 0
    assert store.get("seldon-model")["spec"]["replicas"] == 3
    # What an edit makes wrong is refused.
    assert edit({"path": "/spec/predictors/0/graph/type", "value": "models"}) == 1
    assert edit({"path": "/spec/predictors/1/graph/type", "value": "models"}) == 1
    # Nothing here finishes a foreground deletion: to remove the finalizer is the last update.
    deleted = kubectl("-n", namespace, "delete", "sdep/seldon-model", "--cascade=foreground", "--wait=false")
    assert deleted.returncode == 0
    assert store.get("seldon-model")["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert edit({"path": "/metadata/finalizers", "value": []}) == 0
    assert store.call("GET", store.url("seldon-model"))[0] == 404


def test_weights_that_were_wrong_may_change_and_right_ones_stay_right(store: Store, outdated: Object) -> None:
    changed = copy.deepcopy(outdated)
    changed["spec"]["predictors"][0]["graph"]["type"] = "MODEL"
    changed["spec"]["predictors"][0]["traffic"] = 60
    assert store.call("PUT", store.url("seldon-model"), changed)[0] == 200
    for traffic, status in ((70, 200), (50, 422)):
        changed = store.get("seldon-model")
        changed["spec"]["predictors"][0]["traffic"] = traffic
        assert store.call("PUT", store.url("seldon-model"), changed)[0] == status


@pytest.mark.parametrize("how", ["--server-side=false", "--server-side"])
def test_the_crd_and_an_object_are_applied_in_both_ways(
    kubectl: Kubectl, established: Object, store: Store, namespace: str, how: str
) -> None:
    force = ["--force-conflicts"] if how == "--server-side" else []
    assert kubectl("apply", how, *force, "-f", str(CRD_FILE)).returncode == 0
    first, again = (kubectl("-n", namespace, "apply", how, "-f", str(EXAMPLE)) for _ in range(2))
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert store.get("seldon-model")["metadata"]["generation"] == 1


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


@pytest.mark.parametrize(
    ("field", "kind", "text"),
    [
        ("predictors.traffic", "integer", "Share of the requests, in percent"),
        ("predictors.graph.logger.mode", "string", "What is sent."),
        ("predictors.componentSpecs.hpaSpec.maxReplicas", "integer", "Greatest number of pods."),
        ("predictors.componentSpecs.kedaSpec.triggers.metadata", "map\\[string\\]string", "Settings of the scaler."),
        ("predictors.componentSpecs.pdbSpec.minAvailable", "Object", "Pods that must be available"),
        ("predictors.explainer.initParameters", "string", "Parameters of the explainer as a JSON object"),
        ("predictors.svcOrchSpec.env", "\\[\\]Object", "Environment, with the fields of a Kubernetes container."),
        ("predictors.ssl.certSecretName", "string", "Secret with the certificate"),
    ],
)
def test_explain_describes_the_fields(kubectl: Kubectl, established: Object, field: str, kind: str, text: str) -> None:
    # The API server publishes a schema some time after it has taken it.
    wait_for(lambda: text in kubectl("explain", f"sdep.spec.{field}").stdout)
    assert re.search(f"FIELD: {field.rpartition('.')[2]} <{kind}>", kubectl("explain", f"sdep.spec.{field}").stdout)


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
