"""Reviews in, answers out."""

import base64
import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seldon_core.api import constants
from seldon_core.api.findings import ABSENT, Finding
from tests.webhook.reviews import EXAMPLE, review
from tests.webhook.test_patch import apply
from webhook.admission import SHOWN, BadReview, Decision, Request, answer, check, mutate, parse


def asked(obj: Any = None, **request: Any) -> Request:
    return parse(json.dumps(review(obj, **request)).encode())


def patched(request: Request, decision: Decision) -> Any:
    response = answer(request, decision)["response"]
    if "patch" not in response:
        return request.object
    assert response["patchType"] == "JSONPatch"
    return apply(request.object, json.loads(base64.b64decode(response["patch"])))


@pytest.mark.parametrize("version", constants.VERSIONS)
def test_the_example_is_admitted_with_defaults_in_every_version(version: str) -> None:
    obj = {**copy.deepcopy(EXAMPLE), "apiVersion": f"{constants.GROUP}/{version}"}
    request = asked(obj)
    decision = mutate(request, graph=True)
    assert answer(request, decision)["response"]["allowed"] is True
    spec = patched(request, decision)["spec"]
    assert (spec["protocol"], spec["transport"], spec["serverType"]) == ("seldon", "rest", "rpc")
    assert spec["predictors"][0]["labels"]["version"] == "example"


def test_defaulting_the_spec_only_leaves_the_predictors_alone() -> None:
    request = asked()
    spec = patched(request, mutate(request, graph=False))["spec"]
    assert spec["protocol"] == "seldon"
    assert spec["predictors"] == EXAMPLE["spec"]["predictors"]


def test_a_second_pass_changes_nothing_and_sends_no_patch() -> None:
    first = asked()
    second = asked(patched(first, mutate(first, graph=True)))
    for decision in (mutate(second, graph=True), check(second)):
        assert answer(second, decision)["response"].keys() - {"warnings"} == {"uid", "allowed"}


@pytest.mark.parametrize("decide", [lambda request: mutate(request, graph=True), check], ids=["mutate", "validate"])
def test_all_errors_are_in_the_refusal(decide: Any) -> None:
    obj = copy.deepcopy(EXAMPLE)
    obj["spec"]["transport"] = "carrier pigeon"
    obj["spec"]["predictors"][0]["graph"]["name"] = "nobody"
    obj["spec"]["predictors"][0]["replicas"] = -1
    request = asked(obj)
    decision = decide(request)
    response = answer(request, decision)["response"]
    assert response["allowed"] is False
    assert "patch" not in response
    status = response["status"]
    assert (status["code"], status["reason"], status["status"]) == (422, "Invalid", "Failure")
    fields = [cause["field"] for cause in status["details"]["causes"]]
    assert {"spec.transport", "spec.predictors[0].graph.name", "spec.predictors[0].replicas"} <= set(fields)
    assert len(fields) == len(decision.errors)
    for cause in status["details"]["causes"]:
        assert not cause["message"].startswith("spec.")
        assert f"- {cause['field']}: {cause['message']}" in status["message"].splitlines()
    assert status["message"].startswith(f"{len(fields)} errors:\n")
    assert status["details"]["name"] == "m"
    assert status["details"]["kind"] == "SeldonDeployment"


def test_a_dry_run_is_answered_like_any_other_request() -> None:
    for obj in (None, {"spec": {}}):
        real, dry = asked(obj), asked(obj, dryRun=True)
        assert (real.dry_run, dry.dry_run) == (False, True)
        assert answer(dry, mutate(dry, graph=True)) == answer(real, mutate(real, graph=True))


def test_what_is_null_counts_as_left_out() -> None:
    assert mutate(asked(dryRun=None, subResource=None, oldObject=None), graph=True).patch


def finding(number: int, severity: Any = "error", value: Any = 1) -> Finding:
    return Finding(f"spec.x[{number}]", value, "is wrong", "repair it", severity)


def test_a_single_error_is_the_message() -> None:
    status = answer(asked(), Decision([finding(0)]))["response"]["status"]
    assert status["message"] == "spec.x[0]: 1: is wrong; repair it"
    assert status["details"]["causes"] == [
        {"reason": "FieldValueInvalid", "field": "spec.x[0]", "message": "1: is wrong; repair it"}
    ]


def test_a_missing_field_is_a_required_one() -> None:
    (cause,) = answer(asked(), Decision([finding(0, value=ABSENT)]))["response"]["status"]["details"]["causes"]
    assert cause == {"reason": "FieldValueRequired", "field": "spec.x[0]", "message": "is wrong; repair it"}


@pytest.mark.parametrize(("more", "text"), [(1, "1 more error not shown"), (7, "7 more errors not shown")])
def test_errors_are_capped_with_a_count(more: int, text: str) -> None:
    status = answer(asked(), Decision([finding(i) for i in range(SHOWN + more)]))["response"]["status"]
    assert status["message"].startswith(f"{SHOWN + more} errors:\n")
    assert status["message"].splitlines()[-1] == f"- {text}"
    assert len(status["details"]["causes"]) == SHOWN + 1
    assert status["details"]["causes"][-1]["message"] == text


def test_warnings_are_passed_on_whether_admitted_or_not() -> None:
    warning = finding(0, "warning")
    assert answer(asked(), Decision([warning]))["response"] == {
        "uid": "u-1",
        "allowed": True,
        "warnings": ["spec.x[0]: 1: is wrong; repair it"],
    }
    refused = answer(asked(), Decision([finding(1), warning]))["response"]
    assert refused["warnings"] == ["spec.x[0]: 1: is wrong; repair it"]
    assert [cause["field"] for cause in refused["status"]["details"]["causes"]] == ["spec.x[1]"]
    many = answer(asked(), Decision([finding(i, "warning") for i in range(SHOWN + 3)]))["response"]["warnings"]
    assert len(many) == SHOWN + 1
    assert many[-1] == "3 more warnings not shown"


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
def test_what_is_being_deleted_is_always_admitted(operation: str) -> None:
    obj = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": "garbage"}
    request = asked(obj, operation=operation)
    for decision in (mutate(request, graph=True), check(request)):
        assert answer(request, decision)["response"] == {"uid": "u-1", "allowed": True}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"operation": "DELETE", "object": None}, id="delete"),
        pytest.param({"operation": "CONNECT", "object": None}, id="connect"),
        pytest.param({"operation": "UPDATE", "subResource": "status", "object": {"spec": 1}}, id="status"),
    ],
)
def test_what_is_not_ours_to_judge_is_admitted(changes: dict[str, Any]) -> None:
    request = asked(**changes)
    for decision in (mutate(request, graph=True), check(request)):
        assert answer(request, decision)["response"] == {"uid": "u-1", "allowed": True}


def test_other_kinds_are_admitted_with_a_warning() -> None:
    request = asked({"spec": 1}, kind={"group": "", "version": "v1", "kind": "Pod"})
    for decision in (mutate(request, graph=True), check(request)):
        response = answer(request, decision)["response"]
        assert response["allowed"] is True
        assert response["warnings"] == ["Pod was sent to the webhook for SeldonDeployments: ignored"]


def without(path: str) -> dict[str, Any]:
    body = review()
    *parents, last = path.split(".")
    target = body
    for parent in parents:
        target = target[parent]
    del target[last]
    return body


def inside(obj: bytes) -> bytes:
    """Return a review of an object that is written as it is."""
    return json.dumps(review(obj={"here": 0})).encode().replace(b'{"here": 0}', obj)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(b"", "is no AdmissionReview.*: Input data was truncated", id="empty"),
        pytest.param(b"{", "Input data was truncated", id="half"),
        pytest.param(b"\xff\xfe", "malformed", id="bytes"),
        pytest.param(inside(b'{"\xff": 1}'), "utf-8", id="bytes in a key"),
        pytest.param(inside(b'{"a":' * 100_000), "recursion", id="deep in the object"),
        pytest.param(b"[" * 100_000, "Expected `object`, got `array`", id="deep"),
        pytest.param(b"[]", "Expected `object`, got `array`", id="a list"),
        pytest.param(b"{}", "missing required field `kind`", id="an empty object"),
        pytest.param(
            {**review(), "apiVersion": "admission.k8s.io/v1beta1"},
            "'admission.k8s.io/v1beta1' - at `.\\.apiVersion`",
            id="v1beta1",
        ),
        pytest.param(without("request"), "missing required field `request`", id="no request"),
        pytest.param(without("request.uid"), "field `uid` - at `.\\.request`", id="no uid"),
        pytest.param(review(uid=""), "length >= 1 - at `.\\.request\\.uid`", id="empty uid"),
        pytest.param(review(uid=7), "Expected `str`, got `int` - at `.\\.request\\.uid`", id="uid is a number"),
        pytest.param(without("request.operation"), "field `operation` - at `.\\.request`", id="no operation"),
        pytest.param(review(operation="PATCH"), "'PATCH' - at `.\\.request\\.operation`", id="unknown operation"),
        pytest.param(without("request.object"), "request.object", id="no object"),
        pytest.param(review(obj=[]), "got `array` - at `.\\.request\\.object`", id="object is a list"),
    ],
)
def test_what_is_no_review_is_a_bad_request(body: Any, message: str) -> None:
    with pytest.raises(BadReview, match=message):
        parse(body if isinstance(body, bytes) else json.dumps(body).encode())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] + [place for key, each in inner for place in places(each, (*path, key))]


@given(place=st.sampled_from(places(EXAMPLE)[1:]), value=json_values)
def test_any_object_gets_an_answer_that_the_api_server_can_read(place: tuple[Any, ...], value: Any) -> None:
    obj = copy.deepcopy(EXAMPLE)
    target = obj
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    request = asked(obj)
    for decide in (lambda: mutate(request, graph=True), lambda: check(request)):
        decision = decide()
        response = json.loads(msgspec.json.encode(answer(request, decision)))["response"]
        assert response["uid"] == "u-1"
        assert response["allowed"] is (not decision.errors)
        assert response["allowed"] or response["status"]["details"]["causes"]
        patched(request, decision)


@pytest.mark.parametrize("decide", [lambda request: mutate(request, graph=True), check], ids=["mutate", "validate"])
def test_an_update_is_held_up_only_by_what_it_makes_wrong(decide: Any) -> None:
    old = copy.deepcopy(EXAMPLE)
    old["spec"]["predictors"][0]["graph"]["name"] = "nobody"
    new = copy.deepcopy(old)
    new["spec"]["replicas"] = 3
    request = asked(new, operation="UPDATE", oldObject=old)
    response = answer(request, decide(request))["response"]
    assert response["allowed"] is True
    assert [warning for warning in response["warnings"] if '"nobody"' in warning]
    worse = copy.deepcopy(new)
    worse["spec"]["replicas"] = -3
    response = answer(request, decide(asked(worse, operation="UPDATE", oldObject=old)))["response"]
    assert [cause["field"] for cause in response["status"]["details"]["causes"]] == ["spec.replicas"]
    request = asked(old, operation="CREATE", oldObject=old)
    assert answer(request, decide(request))["response"]["allowed"] is False
