"""AdmissionReviews: what the API server asks, and what it is answered. Pure.

Three ways to fail are kept apart. An object that breaks the rules is an answer like any other: not allowed, with
all findings. A request that is no AdmissionReview is a `BadReview`. Anything else is our own mistake and surfaces.
"""

import base64
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from seldon_core.api import constants
from seldon_core.api.defaults import stored_defaults
from seldon_core.api.findings import ABSENT, Finding
from seldon_core.api.validate import validate
from webhook.patch import Operation, diff

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"

# More findings than this help nobody; the rest is counted.
SHOWN = 20


class BadReview(ValueError):  # noqa: N818 - says what came in, not that we failed
    """The request is not an AdmissionReview that can be answered."""


class Request(msgspec.Struct, frozen=True):
    """The part of an AdmissionReview that a decision depends on.

    Attributes:
        uid: the id that the answer must carry.
        operation: CREATE, UPDATE, DELETE or CONNECT.
        kind: the kind of the object, or another one's where a configuration sends us more than ours.
        subresource: such as ``status``; empty for the object itself.
        namespace: the object's namespace.
        name: the object's name; empty where the server is to make one up.
        user: who asks.
        dry_run: whether nothing will be stored whatever is answered; the answer is the same.
        object: the object as it would be stored.
        old_object: what is stored now, where the operation is UPDATE; None otherwise.
    """

    uid: str
    operation: str
    kind: str
    subresource: str
    namespace: str
    name: str
    user: str
    dry_run: bool
    object: Any
    old_object: Any


class Decision(msgspec.Struct, frozen=True):
    """What is answered.

    Attributes:
        findings: what is wrong with the object; it is refused if there is an error among them.
        patch: what to change before storing it.
        notice: a remark for the user that is no finding.
    """

    findings: Sequence[Finding] = ()
    patch: Sequence[Operation] = ()
    notice: str | None = None

    @property
    def errors(self) -> list[Finding]:
        """The findings that refuse the object."""
        return [finding for finding in self.findings if finding.severity == "error"]

    @property
    def warnings(self) -> list[str]:
        """What to tell the user in any case."""
        texts = [str(finding) for finding in self.findings if finding.severity == "warning"]
        return ([self.notice] if self.notice else []) + texts

    @property
    def code(self) -> Literal[200, 422]:
        """The HTTP status that the user's request gets, as far as it is up to us."""
        return 422 if self.errors else 200


Decide = Callable[[Request], Decision]
Find = Callable[[Request], Sequence[Finding]]


def find(request: Request) -> Sequence[Finding]:
    """Return what is wrong with an object by what it says alone."""
    return validate(request.object, request.old_object)


def respond(body: bytes, decide: Decide) -> tuple[Request, Decision, bytes]:
    """Read a review, decide on it, and write the answer.

    Raises:
        BadReview: it is no review that can be answered.
    """
    request = parse(body)
    decision = decide(request)
    return request, decision, msgspec.json.encode(answer(request, decision))


def parse(body: bytes) -> Request:
    """Read an AdmissionReview.

    Raises:
        BadReview: it is none, or one that lacks what the answer depends on.
    """
    try:
        review = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadReview(f"the body is not JSON: {error}") from error
    if not isinstance(review, dict) or review.get("kind") != KIND:
        raise BadReview(f"the body is not an {KIND}")
    if review.get("apiVersion") != API_VERSION:
        raise BadReview(f"apiVersion: {review.get('apiVersion')!r}: only {API_VERSION} is understood")
    request = review.get("request")
    if not isinstance(request, dict):
        raise BadReview("request: must be an object")
    uid, operation = request.get("uid"), request.get("operation")
    if not isinstance(uid, str) or not uid:
        raise BadReview("request.uid: must be a string that is not empty")
    if operation not in ("CREATE", "UPDATE", "DELETE", "CONNECT"):
        raise BadReview(f"request.operation: {operation!r}: must be CREATE, UPDATE, DELETE or CONNECT")
    if operation in ("CREATE", "UPDATE") and not isinstance(request.get("object"), dict):
        raise BadReview(f"request.object: must be an object when the operation is {operation}")
    return Request(
        uid=uid,
        operation=operation,
        kind=_text(_map(request.get("kind")).get("kind")),
        subresource=_text(request.get("subResource")),
        namespace=_text(request.get("namespace")),
        name=_text(request.get("name")),
        user=_text(_map(request.get("userInfo")).get("username")),
        dry_run=request.get("dryRun") is True,
        object=request.get("object"),
        old_object=request.get("oldObject") if operation == "UPDATE" else None,
    )


def mutate(request: Request, *, graph: bool, find: Find = find) -> Decision:
    """Check the object as the user wrote it and fill in the defaults that are stored.

    Args:
        request: what is asked.
        graph: whether defaults are stored inside the predictors too.
        find: returns what is wrong with the object.
    """
    exempt = _exempt(request)
    if exempt is not None:
        return exempt
    decision = Decision(find(request))
    if decision.errors:
        return decision
    return Decision(decision.findings, diff(request.object, stored_defaults(request.object, graph=graph)))


def check(request: Request, *, find: Find = find) -> Decision:
    """Check the object as it would be stored, after all mutating webhooks.

    Args:
        request: what is asked.
        find: returns what is wrong with the object.
    """
    return _exempt(request) or Decision(find(request))


def _exempt(request: Request) -> Decision | None:
    """Return the decision on what is admitted whatever it says, or None for what has to be looked at."""
    if request.kind != constants.KIND:
        return Decision(notice=f"{request.kind or 'the object'} was sent to the webhook for {constants.KIND}s: ignored")
    if request.operation not in ("CREATE", "UPDATE") or request.subresource:
        return Decision()
    # Removing a finalizer is an update: what is going away must be able to go.
    return Decision() if _map(request.object.get("metadata")).get("deletionTimestamp") else None


def answer(request: Request, decision: Decision) -> dict[str, Any]:
    """Return the AdmissionReview that tells the API server the decision."""
    errors = decision.errors
    response: dict[str, Any] = {"uid": request.uid, "allowed": not errors}
    if warnings := decision.warnings:
        response["warnings"] = warnings[:SHOWN] + _more(len(warnings), "warning")
    if errors:
        response["status"] = _status(request, errors)
    elif decision.patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(msgspec.json.encode(decision.patch)).decode()
    return {"apiVersion": API_VERSION, "kind": KIND, "response": response}


def _status(request: Request, errors: Sequence[Finding]) -> dict[str, Any]:
    """Return the Status that the user's client shows: some print the message, others the causes."""
    more = _more(len(errors), "error")
    lines = [str(finding) for finding in errors[:SHOWN]] + more
    causes = [
        {
            "reason": "FieldValueRequired" if finding.value is ABSENT else "FieldValueInvalid",
            "field": finding.path,
            "message": str(finding).removeprefix(f"{finding.path}: "),
        }
        for finding in errors[:SHOWN]
    ]
    causes += [
        {"reason": "FieldValueInvalid", "field": "spec", "message": text} for text in _more(len(errors), "error")
    ]
    return {
        "status": "Failure",
        "code": 422,
        "reason": "Invalid",
        "message": lines[0] if len(lines) == 1 else "\n".join([f"{len(errors)} errors:", *(f"- {x}" for x in lines)]),
        "details": {"group": constants.GROUP, "kind": constants.KIND, "name": request.name, "causes": causes},
    }


def _more(count: int, what: str) -> list[str]:
    left = count - SHOWN
    return [f"{left} more {what}{'s' if left > 1 else ''} not shown"] if left > 0 else []


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
