"""Where the engine runs: beside a node, in pods of its own, or nowhere."""

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
    told,
)

SEPARATE = {"seldon.io/engine-separate-pod": "true"}
ABSENT = {"seldon.io/no-engine": "true"}
ENGINE = "m-p-svc-orch"


def one(settings: dict[str, str] | None = None, **fields: Any) -> Object:
    """Annotations of the spec come first; what is given by name goes into the predictor."""
    return sdep(predictor("p", node("a"), component(container("a")), **fields), annotations=settings or {})


def test_an_engine_in_pods_of_its_own() -> None:
    obj = one(
        {**SEPARATE, "seldon.io/rest-timeout": "9"}, annotations={"team": "x"}, svcOrchSpec={"replicas": 2}, replicas=4
    )
    objects = planned(obj)
    made = objects["Deployment", ENGINE]
    template = made["spec"]["template"]
    assert list(objects) == [
        ("Service", "m-p-a"),
        ("Service", "m-p"),
        ("Deployment", ENGINE),
        ("Deployment", "m-p-0-a"),
    ]
    assert template["metadata"]["labels"] == {
        "app": ENGINE,
        "app.kubernetes.io/managed-by": "seldon-core",
        "fluentd": "true",
        "seldon-app": "m-p",
        "seldon-deployment-id": "m",
        "version": "p",
    }
    assert made["metadata"]["labels"]["seldon-deployment-contains-svcorch"] == "true"
    assert template["metadata"]["annotations"] == {
        "prometheus.io/path": "/prometheus",
        "prometheus.io/scrape": "true",
        **SEPARATE,
        "seldon.io/rest-timeout": "9",
        "team": "x",
    }
    assert made["spec"]["selector"]["matchLabels"] == {"seldon-deployment-id": "m", "app": ENGINE}
    assert made["spec"]["replicas"] == 2
    assert list(containers(made)) == ["seldon-container-engine"]
    assert template["spec"]["serviceAccountName"] == "default"
    assert template["spec"]["securityContext"] == {"runAsUser": 8888}
    assert [volume["name"] for volume in template["spec"]["volumes"]] == ["seldon-podinfo"]
    assert told(made)["graph"]["endpoint"]["service_host"] == "m-p-a.n.svc.cluster.local"


def test_components_do_not_answer_for_the_predictor_then() -> None:
    made = planned(one(SEPARATE))["Deployment", "m-p-0-a"]
    assert list(containers(made)) == ["a"]
    assert "seldon-app" not in made["spec"]["template"]["metadata"]["labels"]
    assert "seldon-deployment-contains-svcorch" not in made["metadata"]["labels"]


def test_a_graph_that_the_engine_serves_all_alone_has_pods_for_it() -> None:
    obj = sdep({"name": "p", "graph": {"name": "a", "implementation": "SIMPLE_MODEL", "children": []}})
    assert list(planned(obj)) == [("Service", "m-p"), ("Deployment", ENGINE)]


def test_without_an_engine_the_model_answers() -> None:
    objects = planned(one(annotations=ABSENT))
    made, service = objects["Deployment", "m-p-0-a"], objects["Service", "m-p"]
    assert list(containers(made)) == ["a"], "R14"
    assert service["spec"]["selector"].items() <= made["spec"]["template"]["metadata"]["labels"].items()
    assert [port["port"] for port in service["spec"]["ports"]] == [9000, 9500]
    assert service["metadata"]["labels"]["seldon.io/model"] == "true"


@pytest.mark.parametrize("value", ["false", "False", ""])
def test_no_engine_means_what_it_says(value: str) -> None:
    assert list(containers(deployment(one(annotations={"seldon.io/no-engine": value})))) == [
        "a",
        "seldon-container-engine",
    ]


@pytest.mark.parametrize(
    ("spec", "metadata", "headless"),
    [
        pytest.param({"seldon.io/headless-svc": "true"}, {}, True, id="spec"),
        pytest.param({"seldon.io/headless-svc": "yes"}, {}, True, id="any-value"),
        pytest.param({}, {"seldon.io/headless-svc": ""}, True, id="metadata"),
        pytest.param({"seldon.io/headless-svc": "false"}, {"seldon.io/headless-svc": "true"}, False, id="spec-wins"),
        pytest.param({}, {}, False, id="not"),
    ],
)
def test_headless_services_of_predictors_and_explainers(
    spec: dict[str, str], metadata: dict[str, str], headless: bool
) -> None:
    obj = one(spec, explainer={"type": "ALE"})
    obj["metadata"]["annotations"] = metadata
    found = {name: item["spec"].get("clusterIP") for (kind, name), item in planned(obj).items() if kind == "Service"}
    expected = "None" if headless else None
    assert found == {"m-p-a": None, "m-p": expected, "m-p-explainer": expected}


def test_the_engine_serves_over_tls_where_it_has_a_certificate() -> None:
    made = deployment(one(ssl={"certSecretName": "certificate"}))
    mount = {"name": "seldon-cert-volume", "mountPath": "/cert/", "readOnly": True}
    for each in containers(made).values():
        assert mount in each["volumeMounts"]
        assert env(each)["SELDON_CERT_MOUNT_PATH"] == "/cert/"
    assert {"name": "seldon-cert-volume", "secret": {"secretName": "certificate"}} in made["spec"]["template"]["spec"][
        "volumes"
    ]
    probes = [engine(made)[kind]["httpGet"]["scheme"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert probes == ["HTTPS"] * 3


def test_tls_where_the_root_is_built_into_the_engine() -> None:
    root = {"name": "r", "implementation": "RANDOM_ABTEST", "children": [node("a"), node("b")]}
    parts = (component(container("a")), component(container("b")))
    objects = planned(sdep(predictor("p", root, *parts, ssl={"certSecretName": "c"})))
    mounts = {
        name: "seldon-cert-volume" in {volume["name"] for volume in item["spec"]["template"]["spec"]["volumes"]}
        for (kind, name), item in objects.items()
        if kind == "Deployment"
    }
    assert mounts == {"m-p-0-a": True, "m-p-1-b": False}


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param({}, ("10000", "2000"), id="G5-defaults"),
        pytest.param(
            {"seldon.io/executor-logger-queue-size": "22", "seldon.io/executor-logger-write-timeout-ms": "5"},
            ("22", "5"),
            id="G7-annotations",
        ),
    ],
)
def test_the_engine_is_told_how_to_log_requests(annotations: dict[str, str], expected: tuple[str, str]) -> None:
    obj = sdep(predictor("p", node("a", logger={"mode": "all"}), component(container("a"))))
    obj["metadata"]["annotations"] = annotations
    arguments = engine(deployment(obj))["args"]
    flags = dict(zip(arguments[::2], arguments[1::2], strict=False))
    assert (flags["--log_work_buffer_size"], flags["--log_write_timeout_ms"]) == expected
    configured = replace(CONFIG, logger_endpoint="http://sink")
    assert env(engine(deployment(obj, configured)))["REQUEST_LOGGER_DEFAULT_ENDPOINT"] == "http://sink"


def test_the_engine_is_told_no_secret() -> None:
    parameters = [{"name": "password", "value": "secret-1", "type": "STRING"}]
    served = node(
        "a",
        parameters=parameters,
        modelUri="s3://bucket/secret-2",
        envSecretRefName="secret-3",
        logger={"mode": "all", "url": "http://sink"},
    )
    root = {
        "name": "r",
        "implementation": "RANDOM_ABTEST",
        "parameters": [{"name": "ratioA", "value": "0.5", "type": "FLOAT"}],
        "children": [served, node("b")],
    }
    secret = [{"name": "KEY", "value": "secret-4"}]
    obj = sdep(predictor("p", root, component(container("a", env=secret), container("b"))))
    found = told(deployment(obj))
    assert "secret" not in str(found)
    assert found["graph"]["parameters"][0]["name"] == "ratioA", "the engine itself runs this one"
    assert found["graph"]["children"][0]["logger"] == {"mode": "all", "url": "http://sink"}


def test_what_the_engine_is_told_does_not_change_with_replicas_traffic_or_explainer() -> None:
    plain = told(deployment(one()))
    changed = one(replicas=7, traffic=100, explainer={"type": "ALE"})
    assert told(deployment(changed)) == plain
