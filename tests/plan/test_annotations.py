"""Every annotation that is a setting changes something that is planned, or is refused at the door."""

import json
from dataclasses import replace
from typing import Any

import pytest

from seldon_core.api.rules import annotations as rules
from seldon_core.api.validate import validate

from .build import CONFIG, Object, component, container, node, planned, predictor, sdep

# Certificates, gRPC and the logging of requests are planned, and refused at the door until the engine serves them.
ROUTED = replace(
    CONFIG,
    gateway_enabled=True,
    gateways=(("infra", "public", ""),),
    istio_enabled=True,
    ambassador_enabled=True,
)
POD = ("Deployment", "m-p-0-a")
SERVICE = ("Service", "m-p")
ROUTE = ("HTTPRoute", "m")
VIRTUAL = ("VirtualService", "m")
MAPPING = ("Mapping", "seldon-n-m-p-rest")
LOGGED = {"logger": {"mode": "all"}}


def annotated(place: str, key: str, value: str, *, beside: Object, **fields: Any) -> Object:
    """One predictor with annotations in one place."""
    part = component(container("a"))
    obj = sdep(predictor("p", node("a", **fields), part))
    holders = {
        "spec": obj["spec"],
        "metadata": obj["metadata"],
        "predictor": obj["spec"]["predictors"][0],
        "pod": part.setdefault("metadata", {}),
    }
    for name, holder in holders.items():
        if given := {**(beside if name == "spec" else {}), **({key: value} if name == place else {})}:
            holder["annotations"] = given
    return obj


# Key, value, the object that it changes, the words that then stand in it; what else it takes.
EFFECTS: list[tuple[str, str, tuple[str, str], str, Object]] = [
    ("seldon.io/rest-timeout", "5000", ROUTE, '"timeouts": {"request": "5s"', {}),
    ("seldon.io/rest-timeout", "5000", MAPPING, '"timeout_ms": 5000', {}),
    ("seldon.io/rest-timeout", "5000", POD, '"seldon.io/rest-timeout": "5000"', {}),
    ("seldon.io/grpc-timeout", "5000", POD, '"seldon.io/grpc-timeout": "5000"', {}),
    ("seldon.io/grpc-max-message-size", "9", POD, '"seldon.io/grpc-max-message-size": "9"', {}),
    ("seldon.io/rest-max-body-size", "9", POD, '"seldon.io/rest-max-body-size": "9"', {}),
    ("seldon.io/executor-logger-queue-size", "7", POD, '"--log_work_buffer_size", "7"', LOGGED),
    ("seldon.io/executor-logger-write-timeout-ms", "7", POD, '"--log_write_timeout_ms", "7"', LOGGED),
    ("seldon.io/istio-retries", "3", VIRTUAL, '"attempts": 3', {}),
    ("seldon.io/istio-retries-timeout", "4", VIRTUAL, '"perTryTimeout": "4s"', {"seldon.io/istio-retries": "3"}),
    ("seldon.io/istio-gateway", "other/gate", VIRTUAL, '"gateways": ["other/gate"]', {}),
    ("seldon.io/istio-host", "a.example.com, b.example.com", VIRTUAL, '["a.example.com", "b.example.com"]', {}),
    ("seldon.io/ambassador-retries", "3", MAPPING, '"num_retries": 3', {}),
    ("seldon.io/ambassador-circuit-breakers-max-connections", "7", MAPPING, '"max_connections": 7', {}),
    ("seldon.io/ambassador-circuit-breakers-max-pending-requests", "7", MAPPING, '"max_pending_requests": 7', {}),
    ("seldon.io/ambassador-circuit-breakers-max-requests", "7", MAPPING, '"max_requests": 7', {}),
    ("seldon.io/ambassador-circuit-breakers-max-retries", "7", MAPPING, '"max_retries": 7', {}),
    ("seldon.io/ambassador-header", "team: blue", MAPPING, '"team": "blue"', {}),
    ("seldon.io/ambassador-header", "team: blue", ROUTE, '"value": "blue"', {}),
    ("seldon.io/ambassador-regex-header", "team: b.*", MAPPING, '"team": "b.*"', {}),
    ("seldon.io/ambassador-regex-header", "team: b.*", ROUTE, '"RegularExpression"', {}),
    ("seldon.io/ambassador-id", "outer", MAPPING, '"outer"', {}),
    ("seldon.io/ambassador-service-name", "front", MAPPING, '"/seldon/n/front/"', {}),
    ("seldon.io/headless-svc", "true", SERVICE, '"clusterIP": "None"', {}),
    ("seldon.io/engine-separate-pod", "true", ("Deployment", "m-p-svc-orch"), "seldon-container-engine", {}),
    ("seldon.io/engine-log-level", "DEBUG", POD, '"LOG_LEVEL", "value": "DEBUG"', {}),
    ("seldon.io/no-engine", "true", SERVICE, '"port": 9000', {}),
    ("seldon.io/svc-name", "chosen", ("Service", "chosen"), '"name": "chosen"', {}),
]
# Where each is looked for first, if not in the spec.
OF_PREDICTOR = {"seldon.io/no-engine", "seldon.io/svc-name"}
IDS = [f"{key.partition('/')[2]}-{place[0]}" for key, _, place, _, _ in EFFECTS]


def said(obj: Object, place: tuple[str, str]) -> str:
    """The object as text, without what is only carried along for the next pass."""
    found = planned(obj, ROUTED).get(place, {})
    annotations = {**found.get("metadata", {}).get("annotations", {})}
    annotations.pop("seldon.io/built", None)
    return json.dumps({**found, "metadata": {**found.get("metadata", {}), "annotations": annotations}})


@pytest.mark.parametrize(("key", "value", "place", "words", "beside"), EFFECTS, ids=IDS)
def test_an_annotation_has_its_effect(key: str, value: str, place: Any, words: str, beside: Object) -> None:
    fields = LOGGED if beside is LOGGED else {}
    others = {} if beside is LOGGED else beside
    where = "predictor" if key in OF_PREDICTOR else "spec"
    assert words in said(annotated(where, key, value, beside=others, **fields), place)
    assert words not in said(annotated("nowhere", key, value, beside=others, **fields), place)


@pytest.mark.parametrize(("key", "value", "place", "words", "beside"), EFFECTS, ids=IDS)
def test_it_is_let_in(key: str, value: str, place: Any, words: str, beside: Object) -> None:
    where = "predictor" if key in OF_PREDICTOR else "spec"
    obj = annotated(where, key, value, beside={} if beside is LOGGED else beside)
    assert [found for found in validate(obj, installation=ROUTED.installation) if found.severity == "error"] == []


def test_the_storage_initializer_is_left_out_where_triton_reads_by_itself() -> None:
    key = "seldon.io/no-storage-initializer"
    served = {"implementation": "TRITON_SERVER", "modelUri": "s3://models/a"}
    for value, initialised in (("true", False), ("false", True)):
        obj = annotated("spec", key, value, beside={}, **served)
        obj["spec"]["protocol"] = "v2"
        assert ("initContainers" in said(obj, POD)) == initialised


def test_each_setting_that_is_checked_is_one_that_does_something() -> None:
    shown = {key for key, *_ in EFFECTS} | {"seldon.io/no-storage-initializer", "seldon.io/ambassador-config"}
    assert set(rules._SETTINGS) <= shown


@pytest.mark.parametrize("key", sorted(key for key, one in rules._SETTINGS.items() if one.severity == "error"))
def test_what_cannot_be_read_is_refused(key: str) -> None:
    found = validate(annotated("spec", key, " : \n,", beside={}), installation=ROUTED.installation)
    assert [one.path for one in found if one.severity == "error"] == [f"spec.annotations[{key}]"]


def test_the_text_of_ambassadors_older_version_has_no_effect_and_that_is_said() -> None:
    found = validate(annotated("spec", "seldon.io/ambassador-config", "x", beside={}), installation=ROUTED.installation)
    assert [(one.path, one.severity) for one in found] == [("spec.annotations[seldon.io/ambassador-config]", "warning")]
