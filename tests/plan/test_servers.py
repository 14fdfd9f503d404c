"""Prepackaged servers, models from storage, and explainers."""

import json
from dataclasses import replace
from typing import Any

import pytest

from .build import (
    CONFIG,
    Object,
    component,
    container,
    containers,
    deployment,
    engine,
    env,
    node,
    planned,
    predictor,
    sdep,
)

TENSORFLOW = "TENSORFLOW_SERVER"
CPU = {"limits": {"cpu": "2"}}


def served(
    implementation: str, *components: Object, protocol: str = "seldon", uri: str = "gs://b/x", **fields: Any
) -> Object:
    root = {"name": "a", "implementation": implementation, "children": [], **fields}
    return sdep(predictor("p", {**root, **({"modelUri": uri} if uri else {})}, *components), protocol=protocol)


def pod(obj: Object, **config: Any) -> Object:
    spec: Object = deployment(obj, replace(CONFIG, **config))["spec"]["template"]["spec"]
    return spec


def a(obj: Object, **config: Any) -> Object:
    """The container of the node."""
    return containers(deployment(obj, replace(CONFIG, **config)))["a"]


def parameters(container_: Object) -> dict[str, str]:
    found = json.loads(env(container_)["PREDICTIVE_UNIT_PARAMETERS"])
    assert len({item["name"] for item in found}) == len(found)
    return {item["name"]: item["value"] for item in found}


def test_a_server_whose_model_is_fetched() -> None:
    made = pod(served("SKLEARN_SERVER", envSecretRefName="sec"))
    assert [each["name"] for each in made["containers"]] == ["a", "seldon-container-engine"], "P1"
    found = made["containers"][0]
    assert found["image"] == "seldonio/sklearnserver:1.18.2"
    assert parameters(found) == {"model_uri": "/mnt/models"}
    assert env(found)["MLSERVER_MODEL_URI"] == "/mnt/models"
    assert found["volumeMounts"] == [
        {"name": "seldon-podinfo", "mountPath": "/etc/podinfo"},
        {"name": "a-provision-location", "mountPath": "/mnt/models", "readOnly": True},
    ]
    assert made["initContainers"] == [
        {
            "name": "a-model-initializer",
            "image": "seldonio/rclone-storage-initializer:1.18.2",
            "imagePullPolicy": "IfNotPresent",
            "args": ["gs://b/x", "/mnt/models"],
            "envFrom": [{"secretRef": {"name": "sec"}}],
            "volumeMounts": [{"name": "a-provision-location", "mountPath": "/mnt/models"}],
            "resources": {
                "limits": {"cpu": "1", "memory": "1Gi"},
                "requests": {"cpu": "100m", "memory": "100Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "terminationMessagePolicy": "FallbackToLogsOnError",
        }
    ]
    assert {"name": "a-provision-location", "emptyDir": {}} in made["volumes"]


def test_probes_ask_servers_whose_image_is_ours_and_connect_to_others() -> None:
    ours = a(served("SKLEARN_SERVER"))
    assert ours["startupProbe"]["httpGet"] == {"path": "/health/status", "port": 9000, "scheme": "HTTP"}
    assert ours["startupProbe"]["failureThreshold"] == 1800
    assert ours["readinessProbe"]["tcpSocket"] == {"port": 9000}, "requests must not keep the pod from being ready"
    users = a(served("SKLEARN_SERVER", component(container("a", image="mine:1"))))
    assert users["startupProbe"]["tcpSocket"] == {"port": 9000}
    assert users["image"] == "mine:1"
    own = {"readinessProbe": {"exec": {"command": ["true"]}}}
    kept = a(served("SKLEARN_SERVER", component({"name": "a", **own}), protocol="v2"))
    assert kept["readinessProbe"] == own["readinessProbe"], "M3: the user's probe wins"
    assert "startupProbe" not in kept


@pytest.mark.parametrize("protocol", ["v2", "kfserving"])
def test_mlserver_for_v2(protocol: str) -> None:
    found = a(
        served("SKLEARN_SERVER", component({"name": "a", "env": [{"name": "FOO", "value": "x"}]}), protocol=protocol)
    )
    assert found["image"] == "seldonio/mlserver:1.3.5-sklearn", "P8"
    values = env(found)
    assert values["FOO"] == "x"
    assert {key: values[key] for key in values if key.startswith("MLSERVER_")} == {
        "MLSERVER_HTTP_PORT": "9000",
        "MLSERVER_GRPC_PORT": "9500",
        "MLSERVER_METRICS_PORT": "6000",
        "MLSERVER_METRICS_ENDPOINT": "/prometheus",
        "MLSERVER_MODEL_NAME": "a",
        "MLSERVER_MODEL_VERSION": "v1",
        "MLSERVER_MODEL_URI": "/mnt/models",
        "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_sklearn.SKLearnModel",
    }
    assert [found[kind]["httpGet"]["path"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")] == [
        "/v2/health/ready",
        "/v2/health/ready",
        "/v2/health/live",
    ]
    assert {port["name"] for port in found["ports"]} == {"metrics", "http", "grpc"}, "T21"


def test_the_users_environment_wins_over_the_servers() -> None:
    own = [{"name": "TEMPO_RUNTIME_OPTIONS", "value": "mine"}, {"name": "MLSERVER_HTTP_PORT", "value": "1"}]
    values = env(a(served("SKLEARN_SERVER", component({"name": "a", "env": own}), protocol="v2")))
    assert (values["TEMPO_RUNTIME_OPTIONS"], values["MLSERVER_HTTP_PORT"]) == ("mine", "1"), "M1"


@pytest.mark.parametrize(
    ("implementation", "runtime"),
    [
        ("SKLEARN_SERVER", "mlserver_sklearn.SKLearnModel"),
        ("XGBOOST_SERVER", "mlserver_xgboost.XGBoostModel"),
        ("MLFLOW_SERVER", "mlserver_mlflow.MLflowRuntime"),
        ("HUGGINGFACE_SERVER", "mlserver_huggingface.HuggingFaceRuntime"),
        ("TEMPO_SERVER", "tempo.mlserver.InferenceRuntime"),
    ],
)
def test_the_runtimes_of_mlserver(implementation: str, runtime: str) -> None:
    assert env(a(served(implementation, protocol="v2")))["MLSERVER_MODEL_IMPLEMENTATION"] == runtime, "M7"


def test_a_model_that_is_named_by_parameters_alone_is_not_fetched() -> None:
    task = [{"name": "task", "value": "text-generation", "type": "STRING"}]
    made = pod(served("HUGGINGFACE_SERVER", protocol="v2", uri="", parameters=task))
    assert "initContainers" not in made
    values = env(made["containers"][0])
    assert (values["MLSERVER_PARALLEL_WORKERS"], values["XDG_CACHE_HOME"]) == ("0", "/opt/mlserver")
    assert "MLSERVER_MODEL_URI" not in values


def test_triton() -> None:
    found = a(served("TRITON_SERVER", protocol="v2"))
    assert found["args"] == [
        "/opt/tritonserver/bin/tritonserver",
        "--grpc-port=9500",
        "--http-port=9000",
        "--metrics-port=6000",
        "--model-repository=/mnt/models",
        "--strict-model-config=false",
    ]
    assert found["readinessProbe"]["httpGet"]["path"] == "/v2/health/ready"
    own = a(served("TRITON_SERVER", component({"name": "a", "args": ["mine"]}), protocol="v2"))
    assert own["args"] == ["mine"]


def test_triton_that_fetches_its_models_itself() -> None:
    told = [
        {"name": "model_control_mode", "value": "explicit", "type": "STRING"},
        {"name": "load_model", "value": "one", "type": "STRING"},
        {"name": "load_model", "value": "two", "type": "STRING"},
        {"name": "strict_model_config", "value": "true", "type": "STRING"},
    ]
    obj = served("TRITON_SERVER", protocol="v2", uri="s3://b/m", envSecretRefName="sec", parameters=told)
    obj["spec"]["annotations"] = {"seldon.io/no-storage-initializer": "True"}
    obj["spec"]["predictors"][0]["annotations"] = {"seldon.io/no-engine": "true"}
    made = pod(obj)
    assert "initContainers" not in made
    (found,) = made["containers"]
    assert found["args"][4:] == [
        "--model-repository=s3://b/m",
        "--model-control-mode=explicit",
        "--load-model=one",
        "--load-model=two",
        "--strict-model-config=true",
    ], "P12"
    assert found["envFrom"] == [{"secretRef": {"name": "sec"}}]


@pytest.mark.parametrize("transport", ["rest", "grpc"])
def test_tensorflow_serving_itself(transport: str) -> None:
    obj = served(TENSORFLOW, component({"name": "a", "resources": CPU}), protocol="tensorflow")
    obj["spec"]["transport"] = transport
    made = pod(obj)
    assert [each["name"] for each in made["containers"]] == ["a", "seldon-container-engine"], "P4, P6"
    found = made["containers"][0]
    assert (found["image"], found["resources"]) == ("tensorflow/serving:2.1.0", CPU), "P5"
    assert found["args"] == ["--port=9500", "--rest_api_port=9000", "--model_name=a", "--model_base_path=/mnt/models"]


def test_tensorflow_serving_behind_a_proxy() -> None:
    made = containers(
        deployment(
            served(TENSORFLOW, component({"name": "a", "resources": CPU}, {"name": "tfserving", "resources": CPU}))
        )
    )
    assert list(made) == ["a", "tfserving", "seldon-container-engine"], "P2"
    proxy, behind = made["a"], made["tfserving"]
    assert (proxy["image"], behind["image"]) == ("seldonio/tfserving-proxy:1.18.2", "tensorflow/serving:2.1.0")
    assert (proxy["resources"], behind["resources"]) == (CPU, CPU), "P3"
    assert parameters(proxy) == {
        "rest_endpoint": "http://0.0.0.0:2001",
        "grpc_endpoint": "0.0.0.0:2000",
        "model_name": "a",
    }
    assert behind["args"] == ["--port=2000", "--rest_api_port=2001", "--model_name=a", "--model_base_path=/mnt/models"]
    assert [port["containerPort"] for port in behind["ports"]] == [2000, 2001]
    assert {"name": "tfserving-provision-location", "mountPath": "/mnt/models", "readOnly": True} in behind[
        "volumeMounts"
    ]
    assert ("Service", "m-p-tfserving") not in planned(served(TENSORFLOW))


def test_a_proxy_is_told_what_the_user_says() -> None:
    own = [
        {"name": "model_name", "value": "mine", "type": "STRING"},
        {"name": "rest_endpoint", "value": "http://elsewhere", "type": "STRING"},
    ]
    assert parameters(a(served(TENSORFLOW, parameters=own))) == {
        "model_name": "mine",
        "rest_endpoint": "http://elsewhere",
    }
    users = a(served(TENSORFLOW, component(container("a", image="mine:1"))))
    assert users["image"] == "mine:1"


def test_two_of_them_in_one_pod_serve_two_models() -> None:
    root = {
        "name": "a",
        "implementation": TENSORFLOW,
        "modelUri": "gs://b/1",
        "children": [{"name": "b", "implementation": TENSORFLOW, "modelUri": "gs://b/2", "children": []}],
    }
    made = containers(deployment(sdep({"name": "p", "graph": root})))
    assert list(made) == ["a", "b", "tfserving", "tfserving-b", "seldon-container-engine"]
    assert parameters(made["b"])["rest_endpoint"] == "http://0.0.0.0:2003"
    assert made["tfserving-b"]["args"][:3] == ["--port=2002", "--rest_api_port=2003", "--model_name=b"]


def test_a_server_of_the_installations_own() -> None:
    servers = {"MY_SERVER": {"seldon": "custom:0.1"}}
    assert a(served("MY_SERVER"), servers=servers)["image"] == "custom:0.1", "D9"


def test_a_model_for_a_container_of_the_users() -> None:
    made = pod(sdep(predictor("p", node("a", modelUri="gs://abc"), component(container("a")))))
    assert [each["name"] for each in made["initContainers"]] == ["a-model-initializer"], "P14"


def test_claims_are_mounted_once_each() -> None:
    def model(name: str, uri: str) -> Object:
        return node(name, modelUri=uri)

    root = model("a", "pvc://one/x/y")
    root["children"] = [model("b", "pvc://two/z"), model("c", "pvc://one/w")]
    made = pod(sdep(predictor("p", root, component(container("a"), container("b"), container("c")))))
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in made["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert claims == {"kfserving-pvc-source": "one", "b-pvc-provision-location": "two"}
    assert [each["args"][0] for each in made["initContainers"]] == ["/mnt/pvc/x/y", "/mnt/pvc/z", "/mnt/pvc/w"]
    for each in (made["containers"][0], made["initContainers"][0]):
        assert {"name": "kfserving-pvc-source", "mountPath": "/mnt/pvc", "readOnly": True} in each["volumeMounts"]


def test_an_init_container_of_the_users_takes_the_place_of_ours() -> None:
    own = {"name": "a-model-initializer", "image": "mine:1"}
    made = pod(served("SKLEARN_SERVER", component({"name": "a"}, pod={"initContainers": [own]})))
    assert [each["image"] for each in made["initContainers"]] == ["mine:1"]
    assert "a-provision-location" in {mount["name"] for mount in made["containers"][0]["volumeMounts"]}


@pytest.mark.parametrize(
    ("own", "default", "expected"),
    [("own", "default", "own"), ("own", "", "own"), ("", "default", "default"), ("", "", None)],
    ids=["P16", "P17", "P18", "P19"],
)
def test_where_credentials_come_from(own: str, default: str, expected: str | None) -> None:
    secret = {"envSecretRefName": own} if own else {}
    source = [{"secretRef": {"name": expected}}] if expected else None
    (model,) = pod(served("SKLEARN_SERVER", **secret), env_secret=default)["initContainers"]
    assert model.get("envFrom") == source
    explained = sdep(
        predictor("p", node("a"), component(container("a")), explainer={"type": "ALE", "modelUri": "gs://e", **secret})
    )
    made = planned(explained, replace(CONFIG, env_secret=default))["Deployment", "m-p-explainer"]
    assert made["spec"]["template"]["spec"]["initContainers"][0].get("envFrom") == source


def test_the_image_and_the_service_account_of_a_node() -> None:
    made = pod(served("SKLEARN_SERVER", storageInitializerImage="abc:1.3", serviceAccountName="robot"))
    assert made["initContainers"][0]["image"] == "abc:1.3", "I3"
    assert made["serviceAccountName"] == "robot"
    assert pod(served("SKLEARN_SERVER"), storage_image="abc:1.2")["initContainers"][0]["image"] == "abc:1.2", "I2"


def explained(protocol: str = "seldon", **fields: Any) -> tuple[Object, Object]:
    """The explainer's Deployment and Service."""
    explainer = {"type": "AnchorTabular", "modelUri": "gs://e/x", **fields}
    obj = sdep(predictor("p", node("a"), component(container("a")), explainer=explainer), protocol=protocol)
    objects = planned(obj)
    return objects["Deployment", "m-p-explainer"], objects["Service", "m-p-explainer"]


def test_an_explainer() -> None:
    made, service = explained(replicas=2, config={"b": "gs://e/x/y", "a": "1"})
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert labels["seldon.io/explainer"] == "true"
    assert service["spec"]["selector"] == {"seldon-app": "m-p-explainer"}
    assert service["spec"]["selector"].items() <= labels.items()
    assert service["metadata"]["labels"]["seldon-app"] == "m-p"
    assert made["spec"]["selector"]["matchLabels"] == {"seldon-deployment-id": "m", "app": "m-p-explainer"}
    assert made["spec"]["replicas"] == 2
    (found,) = containers(made).values()
    assert (found["name"], found["image"]) == ("m-p-explainer", "seldonio/alibiexplainer:1.18.2")
    assert found["args"] == [
        "--model_name=a",
        "--predictor_host=m-p.n:8000",
        "--protocol=seldon.http",
        "--http_port=9000",
        "--storage_uri=/mnt/models",
        "AnchorTabular",
        "--a=1",
        "--b=/mnt/models/y",
    ]
    assert (
        "annotations" not in made["spec"]["template"]["metadata"]
        or not made["spec"]["template"]["metadata"]["annotations"]
    )


@pytest.mark.parametrize(
    ("kind", "parameters_", "expected"),
    [
        pytest.param("AnchorTabular", "", {"explainer_type": "anchor_tabular"}, id="M8-none"),
        pytest.param("AnchorImages", "{}", {"explainer_type": "anchor_image", "init_parameters": {}}, id="M8-empty"),
        pytest.param(
            "AnchorTabular", '{"v":2}', {"explainer_type": "anchor_tabular", "init_parameters": {"v": 2}}, id="M8-some"
        ),
        pytest.param("ALE", "", {"explainer_type": "ALE"}, id="M9-ale"),
        pytest.param("TreeShap", "", {"explainer_type": "tree_shap"}, id="M9-tree"),
    ],
)
def test_an_explainer_for_v2(kind: str, parameters_: str, expected: Object) -> None:
    own = {"env": [{"name": "MLSERVER_MODEL_NAME", "value": "mine"}, {"name": "MORE", "value": "1"}]}
    made, _ = explained("v2", type=kind, initParameters=parameters_, containerSpec={"name": "x", **own})
    found = containers(made)["x"]
    assert found["image"] == "seldonio/mlserver:1.3.5-alibi-explain"
    values = env(found)
    assert (values["MLSERVER_MODEL_NAME"], values["MORE"]) == ("mine", "1"), "the user's environment is kept"
    url = "http://m-p.n:8000/v2/models/a/infer"
    assert json.loads(str(values["MLSERVER_MODEL_EXTRA"])) == {"infer_uri": url, **expected}


def test_an_explainers_own_port_is_led_to() -> None:
    ports = [{"name": "http", "containerPort": 9777}]
    made, service = explained(containerSpec={"name": "x", "ports": ports}, endpoint={"service_port": 9100})
    assert service["spec"]["ports"] == [{"name": "http", "port": 9100, "targetPort": 9777, "protocol": "TCP"}], "T20"
    assert "--http_port=9777" in containers(made)["x"]["args"]


def test_nothing_explains_a_predictor_without_pods() -> None:
    obj = sdep(
        predictor("p", node("a"), component(container("a")), explainer={"type": "ALE", "replicas": 3}), replicas=0
    )
    assert planned(obj)["Deployment", "m-p-explainer"]["spec"]["replicas"] == 0, "X6"


@pytest.mark.parametrize("explainer", [None, {}, {"type": ""}], ids=["X3-none", "X3-empty", "without-a-type"])
def test_an_explainer_without_a_type_is_none(explainer: Any) -> None:
    obj = sdep(predictor("p", node("a"), component(container("a")), explainer=explainer))
    assert not [name for _, name in planned(obj) if "explainer" in name]


def test_containers_that_the_operator_adds_are_restricted_whatever_the_pod_says() -> None:
    obj = served(TENSORFLOW, component({"name": "a"}, pod={"securityContext": {"runAsUser": 0}}))
    made = pod(obj)
    assert made["securityContext"] == {"runAsUser": 0}, "R13: the user's own is kept"
    for each in [*made["initContainers"], *made["containers"]]:
        context = each["securityContext"]
        assert (context["runAsNonRoot"], context["allowPrivilegeEscalation"]) == (True, False), each["name"]
        assert context["runAsUser"] == 8888, each["name"]
    assert engine(deployment(obj))["securityContext"]["capabilities"] == {"drop": ["ALL"]}
