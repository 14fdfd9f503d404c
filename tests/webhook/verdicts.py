"""What holds for the answer to any body whatsoever."""

import base64
import copy
import json
from typing import Any

from tests.webhook.test_patch import apply
from webhook.admission import BadReview, Request, check, mutate, parse, respond


def hold(body: bytes) -> None:
    """Send a body through both webhooks; nothing but an answer that explains itself may come out."""
    try:
        request = parse(body)
    except BadReview:
        return
    before = copy.deepcopy(request.object)
    for graph in (True, False):
        response = _response(body, request, lambda asked, graph=graph: mutate(asked, graph=graph))
        assert request.object == before
        if response["allowed"] and "patch" in response:
            _settled(request, response, graph=graph)
        # Both judge alike: what is filled in decides nothing.
        verdict = _response(body, request, check)
        assert "patch" not in verdict
        assert {**verdict, "patch": 0, "patchType": 0} == {**response, "patch": 0, "patchType": 0}


def _response(body: bytes, request: Request, decide: Any) -> dict[str, Any]:
    _, decision, encoded = respond(body, decide)
    review = json.loads(encoded)
    assert (review["kind"], review["apiVersion"]) == ("AdmissionReview", "admission.k8s.io/v1")
    response: dict[str, Any] = review["response"]
    assert response["uid"] == request.uid
    assert all(isinstance(warning, str) and warning for warning in response.get("warnings", []))
    if response["allowed"]:
        assert not decision.errors
        return response
    assert "patch" not in response
    assert (response["status"]["code"], response["status"]["reason"]) == (422, "Invalid")
    causes = response["status"]["details"]["causes"]
    assert causes
    for finding in decision.errors:
        assert finding.path
        assert finding.rule
        assert finding.remedy
    return response


def _settled(request: Request, response: dict[str, Any], *, graph: bool) -> None:
    """The patched object is admitted by both webhooks, and nothing is left to fill in."""
    patched = apply(request.object, json.loads(base64.b64decode(response["patch"])))
    review = {"uid": "again", "kind": {"kind": request.kind.kind}, "operation": request.operation, "object": patched}
    if request.operation == "UPDATE":
        review["oldObject"] = request.old_object
    body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": review}).encode()
    for decide in (lambda asked: mutate(asked, graph=graph), check):
        again = _response(body, parse(body), decide)
        assert again["allowed"]
        assert "patch" not in again
