"""The planned objects, held against worked examples and tables of the reference implementation's behaviour."""

from dataclasses import replace
from typing import Any

import pytest

from seldon_core.plan import Config, Observed

from .build import (
    CONFIG,
    Object,
    component,
    container,
    containers,
    deployment,
    engine,
    env,
    live,
    node,
    planned,
    predictor,
    sdep,
    single,
    told,
)


def worked_example() -> Object:
    clf = predictor("default", node("clf"), component(container("clf", image="i:1")), replicas=1)
    return sdep(clf, name="mymodel", namespace="seldon")


def test_the_worked_example_has_these_services_and_no_other_objects() -> None:
    objects = planned(worked_example())
    assert list(objects) == [
        ("Service", "mymodel-default-clf"),
        ("Service", "mymodel-default"),
        ("Deployment", "mymodel-default-0-clf"),
    ]
    ports = [
        {"name": "http", "port": 9000, "targetPort": 9000, "protocol": "TCP"},
        {"name": "grpc", "port": 9500, "targetPort": 9500, "protocol": "TCP"},
    ]
    owner = {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "name": "mymodel",
        "uid": "uid-of-m",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    assert objects["Service", "mymodel-default-clf"] == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "mymodel-default-clf",
            "namespace": "seldon",
            "labels": {
                "seldon-app-svc-clf": "mymodel-default-clf",
                "seldon-deployment-id": "mymodel",
                "seldon-app": "mymodel-default",
                "seldon.io/model": "true",
                "app.kubernetes.io/managed-by": "seldon-core",
            },
            "ownerReferences": [owner],
        },
        "spec": {
            "type": "ClusterIP",
            "sessionAffinity": "None",
            "selector": {"seldon-app-svc-clf": "mymodel-default-clf"},
            "ports": ports,
        },
    }
    service = objects["Service", "mymodel-default"]
    assert service["spec"]["selector"] == {"seldon-app": "mymodel-default"}
    assert [(p["name"], p["port"], p["targetPort"]) for p in service["spec"]["ports"]] == [
        ("http", 8000, 8000),
        ("grpc", 5001, 5001),
    ]
    assert service["metadata"]["labels"] == {
        "seldon-app": "mymodel-default",
        "seldon-deployment-id": "mymodel",
        "app.kubernetes.io/managed-by": "seldon-core",
    }


def test_the_worked_example_has_this_deployment() -> None:
    made = deployment(worked_example())
    template = made["spec"]["template"]
    assert made["metadata"]["labels"] == {
        **template["metadata"]["labels"],
        "seldon-deployment-contains-svcorch": "true",
    }
    assert list(made["metadata"]["annotations"]) == ["seldon.io/built"]
    assert {key: value for key, value in made["spec"].items() if key != "template"} == {
        "replicas": 1,
        "selector": {"matchLabels": {"seldon-deployment-id": "mymodel", "app": "mymodel-default-0-clf"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
    }
    assert template["metadata"] == {
        "labels": {
            "seldon-deployment-id": "mymodel",
            "app": "mymodel-default-0-clf",
            "fluentd": "true",
            "version": "default",
            "seldon.io/model": "true",
            "app.kubernetes.io/managed-by": "seldon-core",
            "seldon-app-svc-clf": "mymodel-default-clf",
            "seldon-app": "mymodel-default",
        },
        "annotations": {"prometheus.io/path": "/prometheus", "prometheus.io/scrape": "true"},
    }
    pod = template["spec"]
    assert pod["terminationGracePeriodSeconds"] == 20
    assert pod["securityContext"] == {"runAsUser": 8888}
    annotations = {"path": "annotations", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.annotations"}}
    assert pod["volumes"] == [{"name": "seldon-podinfo", "downwardAPI": {"defaultMode": 420, "items": [annotations]}}]
    assert list(containers(made)) == ["clf", "seldon-container-engine"]


def test_the_component_of_the_worked_example() -> None:
    made = dict(containers(deployment(worked_example()))["clf"])
    assert env(made) == {
        "PREDICTIVE_UNIT_SERVICE_PORT": "9000",
        "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": "9000",
        "MLSERVER_HTTP_PORT": "9000",
        "PREDICTIVE_UNIT_GRPC_SERVICE_PORT": "9500",
        "MLSERVER_GRPC_PORT": "9500",
        "PREDICTIVE_UNIT_ID": "clf",
        "MLSERVER_MODEL_NAME": "clf",
        "PREDICTIVE_UNIT_IMAGE": "i:1",
        "PREDICTOR_ID": "default",
        "PREDICTOR_LABELS": '{"version":"default"}',
        "SELDON_DEPLOYMENT_ID": "mymodel",
        "SELDON_EXECUTOR_ENABLED": "true",
        "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": "6000",
        "PREDICTIVE_UNIT_METRICS_ENDPOINT": "/prometheus",
        "MLSERVER_METRICS_PORT": "6000",
        "MLSERVER_METRICS_ENDPOINT": "/prometheus",
    }
    del made["env"]
    tcp = {"tcpSocket": {"port": 9000}, "timeoutSeconds": 1}
    assert made == {
        "name": "clf",
        "image": "i:1",
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [{"name": "seldon-podinfo", "mountPath": "/etc/podinfo"}],
        "ports": [
            {"name": "metrics", "containerPort": 6000, "protocol": "TCP"},
            {"name": "http", "containerPort": 9000, "protocol": "TCP"},
            {"name": "grpc", "containerPort": 9500, "protocol": "TCP"},
        ],
        "startupProbe": {**tcp, "periodSeconds": 1, "failureThreshold": 300},
        "readinessProbe": {**tcp, "periodSeconds": 1, "failureThreshold": 3},
        "livenessProbe": {**tcp, "periodSeconds": 5, "failureThreshold": 3},
        "lifecycle": {"preStop": {"sleep": {"seconds": 10}}},
        "securityContext": {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def test_the_engine_of_the_worked_example() -> None:
    made = engine(deployment(worked_example()))
    assert made["image"] == "engine:1"
    assert made["args"] == [
        "--sdep", "mymodel", "--namespace", "seldon", "--predictor", "default",
        "--http_port", "8000", "--grpc_port", "5001", "--metrics_port", "5002",
        "--protocol", "seldon", "--transport", "rest", "--prometheus_path", "/prometheus", "--server_type", "rpc",
        "--graceful_timeout", "6s", "--full_health_checks=false",
    ]  # fmt: skip
    assert [(port["name"], port["containerPort"]) for port in made["ports"]] == [
        ("http", 8000),
        ("grpc", 5001),
        ("metrics", 5002),
    ]
    assert {kind: made[kind]["httpGet"]["path"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")} == {
        "startupProbe": "/live",
        "readinessProbe": "/ready",
        "livenessProbe": "/live",
    }
    assert made["resources"] == {
        "requests": {"cpu": "100m", "memory": "128Mi"},
        "limits": {"cpu": "500m", "memory": "512Mi"},
    }
    assert made["lifecycle"] == {"preStop": {"sleep": {"seconds": 3}}}
    assert made["volumeMounts"] == [{"name": "seldon-podinfo", "mountPath": "/etc/podinfo"}]
    assert list(env(made)) == ["ENGINE_PREDICTOR", "REQUEST_LOGGER_DEFAULT_ENDPOINT"]
    assert told(deployment(worked_example())) == {
        "name": "default",
        "graph": {
            "name": "clf",
            "type": "MODEL",
            "children": [],
            "endpoint": {"service_host": "localhost", "service_port": 9000, "httpPort": 9000, "grpcPort": 9500},
        },
        "labels": {"version": "default"},
        "annotations": {},
        "componentSpecs": [{"spec": {"containers": [{"name": "clf", "image": "i:1"}]}}],
    }


def two_pods() -> Object:
    graph = node("a", node("b"), kind="TRANSFORMER")
    return sdep(predictor("p", graph, component(container("a")), component(container("b")), replicas=2))


def test_two_pods_have_two_deployments_and_one_engine() -> None:
    objects = planned(two_pods())
    assert [name for kind, name in objects if kind == "Service"] == ["m-p-a", "m-p-b", "m-p"]
    first, second = objects["Deployment", "m-p-0-a"], objects["Deployment", "m-p-1-b"]
    assert list(containers(first)) == ["a", "seldon-container-engine"]
    assert list(containers(second)) == ["b"]
    assert first["spec"]["replicas"] == second["spec"]["replicas"] == 2
    labels = second["spec"]["template"]["metadata"]["labels"]
    assert labels["seldon-app-svc-b"] == "m-p-b"
    assert "seldon-app" not in labels
    assert "seldon-deployment-contains-svcorch" not in second["metadata"]["labels"]
    ports = [p["port"] for p in objects["Service", "m-p-b"]["spec"]["ports"]]
    assert ports == [9001, 9501]
    graph = told(first)["graph"]
    assert graph["endpoint"]["service_host"] == "localhost"
    assert graph["children"][0]["endpoint"] == {
        "service_host": "m-p-b.n.svc.cluster.local",
        "service_port": 9001,
        "httpPort": 9001,
        "grpcPort": 9501,
    }


def test_the_engine_stands_beside_the_first_container_of_the_graph() -> None:
    graph = node("root", node("leaf"), kind="TRANSFORMER")
    pods = (component(container("log")), component(container("leaf")), component(container("root")))
    objects = planned(sdep(predictor("p", graph, *pods)))
    with_engine = [name for (kind, name), o in objects.items() if kind == "Deployment" and len(containers(o)) == 2]
    assert with_engine == ["m-p-1-leaf"]
    graph = told(objects["Deployment", "m-p-1-leaf"])["graph"]
    assert graph["endpoint"]["service_host"] == "m-p-root.n.svc.cluster.local"
    assert graph["children"][0]["endpoint"]["service_host"] == "localhost"


def test_a_container_outside_the_graph_is_left_as_it_is() -> None:
    log = container("log", env=[{"name": "A", "value": "1"}], ports=[{"containerPort": 24224}])
    made = containers(deployment(sdep(predictor("p", node("a"), component(log, container("a"))))))["log"]
    del made["securityContext"]
    assert made == log


def test_a_component_spec_without_containers_makes_nothing() -> None:
    objects = planned(sdep(predictor("p", node("a"), {"spec": {"containers": []}}, component(container("a")))))
    assert [name for kind, name in objects if kind == "Deployment"] == ["m-p-1-a"]


def test_several_predictors_are_kept_apart() -> None:
    objects = planned(
        sdep(
            predictor("main", node("a"), component(container("a")), traffic=75),
            predictor("canary", node("a"), component(container("a")), traffic=25),
        )
    )
    assert [name for kind, name in objects if kind == "Deployment"] == ["m-main-0-a", "m-canary-0-a"]
    assert objects["Service", "m-canary"]["spec"]["selector"] == {"seldon-app": "m-canary"}
    canary = objects["Deployment", "m-canary-0-a"]
    assert canary["spec"]["template"]["metadata"]["labels"]["seldon-app"] == "m-canary"
    assert env(containers(canary)["a"])["PREDICTIVE_UNIT_HTTP_SERVICE_PORT"] == "9000"


def test_names_that_are_too_long_are_hashed_everywhere() -> None:
    name = "seldon-model-" + "-".join(["1234567890"] * 5)
    name += "1234"
    made = predictor("p1", node("classifier"), component(container("classifier")))
    objects = planned(sdep(made, name=name))
    assert all(len(n) <= 63 for _, n in objects)
    for item in objects.values():
        assert all(len(value) <= 63 for value in item["metadata"]["labels"].values())
        assert all(len(key.split("/")[-1]) <= 63 for key in item["metadata"]["labels"])


def test_a_long_container_name_fits_into_the_key_of_its_label() -> None:
    name = "c" * 63
    objects = planned(sdep(predictor("p", node(name), component(container(name)))))
    service = next(o for (kind, n), o in objects.items() if kind == "Service" and n != "m-p")
    made = next(o for (kind, _), o in objects.items() if kind == "Deployment")
    ((key, value),) = service["spec"]["selector"].items()
    assert len(key) <= 63
    assert made["spec"]["template"]["metadata"]["labels"][key] == value


@pytest.mark.parametrize(
    ("spec", "predictor_", "component_", "expected"),
    [
        (None, 4, None, 4),
        (3, 4, None, 4),
        (3, 4, 5, 5),
        (3, None, None, 3),
        (None, None, None, None),
        (3, 0, None, 0),
        (0, None, None, 0),
    ],
)
def test_replicas_come_from_the_most_specific_place(
    spec: int | None, predictor_: int | None, component_: int | None, expected: int | None
) -> None:
    fields = {"replicas": component_} if component_ is not None else {}
    made = predictor("p", node("a"), component(container("a"), **fields), replicas=predictor_)
    assert deployment(sdep(made, replicas=spec))["spec"].get("replicas") == expected


@pytest.mark.parametrize(
    ("stated", "before", "expected"),
    [
        pytest.param(None, live(5, sole_owner_of_replicas=True), 5, id="ours-alone-is-applied-again"),
        pytest.param(None, live(5), None, id="another-owner-keeps-it"),
        pytest.param(2, live(5), 2, id="the-manifest-wins"),
        pytest.param(None, None, None, id="new"),
    ],
)
def test_omitted_replicas_never_reset_a_deployment(stated: int | None, before: Any, expected: int | None) -> None:
    observed = Observed(deployments={"m-p-0-a": before} if before else {})
    assert deployment(single(replicas=stated), observed=observed)["spec"].get("replicas") == expected


def test_labels_and_annotations_are_layered() -> None:
    obj = sdep(
        predictor(
            "p",
            node("a"),
            component(container("a"), metadata={"annotations": {"key3": "c", "both": "c"}, "labels": {"key2": "c"}}),
            annotations={"key2": "p", "both": "p"},
            labels={"key1": "p", "key2": "p"},
        ),
        annotations={"key1": "s", "both": "s", "prometheus.io/path": "/mine"},
    )
    made = deployment(obj)
    layered = {"key1": "s", "key2": "p", "key3": "c", "both": "c", "prometheus.io/path": "/mine"}
    own = {key: value for key, value in made["metadata"]["annotations"].items() if key != "seldon.io/built"}
    assert own == layered
    assert made["spec"]["template"]["metadata"]["annotations"] == {**layered, "prometheus.io/scrape": "true"}
    for labels in (made["metadata"]["labels"], made["spec"]["template"]["metadata"]["labels"]):
        assert (labels["key1"], labels["key2"], labels["version"]) == ("p", "c", "p")
    service = planned(obj)["Service", "m-p"]
    assert service["metadata"]["annotations"] == {"key2": "p", "both": "p"}


def test_labels_that_selectors_rely_on_win_over_the_users() -> None:
    stolen = {"app": "x", "seldon-app": "x", "seldon-app-svc-a": "x", "seldon-deployment-id": "x", "fluentd": "false"}
    graph = node("a", node("b"), kind="TRANSFORMER")
    pods = (component(container("a")), component(container("b"), metadata={"labels": {"seldon-app": "m-p"}}))
    objects = planned(sdep(predictor("p", graph, *pods, labels=stolen)))
    labels = objects["Deployment", "m-p-0-a"]["spec"]["template"]["metadata"]["labels"]
    assert labels["app"] == "m-p-0-a"
    assert labels["seldon-app"] == "m-p"
    assert labels["seldon-app-svc-a"] == "m-p-a"
    assert labels["seldon-deployment-id"] == "m"
    assert labels["fluentd"] == "false"
    assert "seldon-app" not in objects["Deployment", "m-p-1-b"]["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        ("ROUTER", "router"),
        ("COMBINER", "combiner"),
        ("MODEL", "model"),
        ("TRANSFORMER", "transformer"),
        ("OUTPUT_TRANSFORMER", "output-transformer"),
    ],
)
def test_the_role_of_a_node_is_a_label(kind: str, label: str) -> None:
    objects = planned(sdep(predictor("p", node("a", kind=kind), component(container("a")))))
    for key in (("Deployment", "m-p-0-a"), ("Service", "m-p-a")):
        assert objects[key]["metadata"]["labels"][f"seldon.io/{label}"] == "true"
    assert f"seldon.io/{label}" not in objects["Service", "m-p"]["metadata"]["labels"]


@pytest.mark.parametrize(
    ("pod", "user_id", "expected"),
    [
        pytest.param({"securityContext": {"runAsUser": 5555}}, None, {"runAsUser": 5555}, id="users"),
        pytest.param({}, 5556, {"runAsUser": 5556}, id="operators"),
        pytest.param({"securityContext": {"runAsUser": 5555}}, 5556, {"runAsUser": 5555}, id="both"),
        pytest.param({}, None, None, id="none"),
    ],
)
def test_the_security_context_of_a_pod(pod: Object, user_id: int | None, expected: Object | None) -> None:
    obj = sdep(predictor("p", node("a"), component(container("a"), pod=pod)))
    made = deployment(obj, replace(CONFIG, user_id=user_id))
    assert made["spec"]["template"]["spec"].get("securityContext") == expected
    filled = "securityContext" in containers(made)["a"]
    assert filled == (user_id is not None and not pod)


def test_a_security_context_of_the_users_is_never_added_to() -> None:
    own = {"runAsUser": 0}
    pod = {"initContainers": [container("i")]}
    obj = sdep(predictor("p", node("a"), component(container("a", securityContext=own), pod=pod)))
    spec = deployment(obj)["spec"]["template"]["spec"]
    assert spec["containers"][0]["securityContext"] == own
    assert spec["initContainers"][0]["securityContext"]["runAsNonRoot"] is True


def test_the_engine_meets_the_restricted_level_whatever_the_user_set() -> None:
    pod = {"securityContext": {"runAsUser": 0}}
    obj = sdep(predictor("p", node("a"), component(container("a"), pod=pod)))
    assert engine(deployment(obj))["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 8888,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
        "readOnlyRootFilesystem": True,
    }
    own_user = engine(deployment(obj, replace(CONFIG, engine_user=None)))["securityContext"]
    assert "runAsUser" not in own_user


def test_one_setting_moves_the_engine_and_everything_that_points_to_it() -> None:
    config = Config(engine_image="e", engine_http_port=9001, engine_grpc_port=9002, engine_metrics_port=9003)
    objects = planned(single(), config)
    assert [p["port"] for p in objects["Service", "m-p"]["spec"]["ports"]] == [9001, 9002]
    made = engine(objects["Deployment", "m-p-0-a"])
    assert [p["containerPort"] for p in made["ports"]] == [9001, 9002, 9003]
    assert made["args"][6:12] == ["--http_port", "9001", "--grpc_port", "9002", "--metrics_port", "9003"]
    assert made["readinessProbe"]["httpGet"]["port"] == 9001


def test_a_component_never_gets_a_port_of_the_engine_beside_it() -> None:
    made = deployment(single(), replace(CONFIG, http_port=8000, metrics_port=5002))
    assert {port["name"]: port["containerPort"] for port in containers(made)["a"]["ports"]} == {
        "metrics": 5003,
        "http": 8001,
        "grpc": 9500,
    }


def test_the_engine_settings_of_a_predictor() -> None:
    orchestrator = {
        "env": [{"name": "SELDON_LOG_LEVEL", "value": "DEBUG"}, {"name": "BOTH", "value": "env"}],
        "resources": {"requests": {"cpu": "1"}},
    }
    obj = single(svcOrchSpec=orchestrator)
    obj["spec"]["annotations"] = {
        "seldon.io/engine-separate-pod": "false",
        "seldon.io/engine-log-messages-externally": "true",
        "seldon.io/engine-both": "annotation",
    }
    made = engine(deployment(obj))
    assert made["resources"] == {"requests": {"cpu": "1"}}
    found = env(made)
    del found["ENGINE_PREDICTOR"]
    del found["REQUEST_LOGGER_DEFAULT_ENDPOINT"]
    assert found == {"SELDON_LOG_LEVEL": "DEBUG", "BOTH": "env", "LOG_MESSAGES_EXTERNALLY": "true"}


def test_the_users_environment_wins_and_is_never_doubled() -> None:
    own = [
        {"name": "FIRST", "value": "1"},
        {"name": "PREDICTIVE_UNIT_HTTP_SERVICE_PORT", "value": "mine"},
        {"name": "TWICE", "value": "old"},
        {"name": "PREDICTIVE_UNIT_ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "TWICE", "value": "new"},
    ]
    made = containers(deployment(sdep(predictor("p", node("a"), component(container("a", env=own))))))["a"]
    found = env(made)
    assert (found["FIRST"], found["PREDICTIVE_UNIT_HTTP_SERVICE_PORT"], found["TWICE"]) == ("1", "mine", "new")
    assert found["PREDICTIVE_UNIT_ID"] is None
    assert found["MLSERVER_HTTP_PORT"] == "9000"
    assert [entry["name"] for entry in made["env"]][:4] == [
        "FIRST",
        "PREDICTIVE_UNIT_HTTP_SERVICE_PORT",
        "PREDICTIVE_UNIT_ID",
        "TWICE",
    ]


def test_parameters_reach_the_component_as_json() -> None:
    parameters = [{"type": "FLOAT", "value": "0.5", "name": "ratio"}, {"name": "s", "value": "é<", "type": "STRING"}]
    obj = sdep(predictor("p", node("a", parameters=parameters), component(container("a"))))
    assert env(containers(deployment(obj))["a"])["PREDICTIVE_UNIT_PARAMETERS"] == (
        '[{"name":"ratio","value":"0.5","type":"FLOAT"},{"name":"s","value":"é<","type":"STRING"}]'
    )


def test_ports_that_the_user_declares_are_used() -> None:
    own = [{"name": "http", "containerPort": 5678}, {"name": "metrics", "containerPort": 1234, "protocol": "TCP"}]
    obj = sdep(predictor("p", node("a"), component(container("a", ports=own))))
    objects = planned(obj)
    assert [p["port"] for p in objects["Service", "m-p-a"]["spec"]["ports"]] == [5678, 9500]
    made = containers(objects["Deployment", "m-p-0-a"])["a"]
    assert made["ports"] == [
        *own,
        {"name": "grpc", "containerPort": 9500, "protocol": "TCP"},
    ]
    assert env(made)["PREDICTIVE_UNIT_METRICS_SERVICE_PORT"] == "1234"


def test_a_grpc_endpoint_moves_probes_and_service_port() -> None:
    obj = sdep(predictor("p", node("a", endpoint={"type": "GRPC"}), component(container("a"))))
    made = containers(deployment(obj))["a"]
    assert made["readinessProbe"]["tcpSocket"] == {"port": 9500}
    assert env(made)["PREDICTIVE_UNIT_SERVICE_PORT"] == "9500"


def test_the_service_name_of_a_predictor_can_be_chosen() -> None:
    obj = single(annotations={"seldon.io/svc-name": "custom"})
    objects = planned(obj)
    assert objects["Service", "custom"]["spec"]["selector"] == {"seldon-app": "custom"}
    assert objects["Deployment", "m-p-0-a"]["spec"]["template"]["metadata"]["labels"]["seldon-app"] == "custom"


def test_the_progress_deadline_is_passed_on() -> None:
    assert deployment(single(progressDeadlineSeconds=7))["spec"]["progressDeadlineSeconds"] == 7
    assert "progressDeadlineSeconds" not in deployment(single())["spec"]


def test_what_the_user_wrote_about_a_pod_stays() -> None:
    pod = {
        "serviceAccountName": "me",
        "nodeSelector": {"a": "b"},
        "tolerations": [{"key": "gpu"}],
        "volumes": [{"name": "v", "emptyDir": {}}],
        "terminationGracePeriodSeconds": 1,
        "hostAliases": None,
    }
    spec = deployment(sdep(predictor("p", node("a"), component(container("a"), pod=pod))))["spec"]["template"]["spec"]
    assert {key: spec[key] for key in ("serviceAccountName", "nodeSelector", "tolerations")} == {
        key: pod[key] for key in ("serviceAccountName", "nodeSelector", "tolerations")
    }
    assert [volume["name"] for volume in spec["volumes"]] == ["v", "seldon-podinfo"]
    assert "hostAliases" not in spec, "a null means nothing"


@pytest.mark.parametrize("field", ["replicas", "traffic"])
def test_what_does_not_concern_the_engine_does_not_restart_it(field: str) -> None:
    before, after = deployment(single()), deployment(single(**{field: 7}))
    assert before["spec"]["template"] == after["spec"]["template"]


def test_the_engine_is_told_no_secret() -> None:
    secret = container("a", env=[{"name": "PASSWORD", "value": "hunter2"}], args=["--token=hunter2"])
    made = deployment(sdep(predictor("p", node("a"), component(secret))))
    assert "hunter2" not in str(told(made))


def test_a_manifest_that_was_never_stored_is_planned_without_owner() -> None:
    obj = single()
    del obj["metadata"]["uid"], obj["metadata"]["namespace"]
    made = deployment(obj)
    assert "ownerReferences" not in made["metadata"]
    assert made["metadata"]["namespace"] == "default"
