"""AdmissionReviews: what the API server asks, and what it is answered. Pure.

Three ways to fail are kept apart. An object that breaks the rules is an answer like any other: not allowed, with
all findings. A request that is no AdmissionReview is a `BadReview`. Anything else is our own mistake and surfaces.
"""

import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

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


Verb = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


class Kind(msgspec.Struct, frozen=True):
    """Of what kind an object is; a configuration may send us more than ours."""

    kind: str = ""


class User(msgspec.Struct, frozen=True):
    """Who asks."""

    username: str = ""


class Request(
    msgspec.Struct,
    frozen=True,
    rename={"subresource": "subResource", "dry_run": "dryRun", "old": "oldObject", "user": "userInfo"},
):
    """The part of an AdmissionReview that a decision depends on.

    The source is the type AdmissionRequest of `admission.k8s.io/v1`:
    https://kubernetes.io/docs/reference/config-api/apiserver-admission.v1/.

    Attributes:
        uid: the id that the answer must carry.
        operation: what is asked for.
        kind: the kind of the object.
        subresource: such as ``status``; None for the object itself.
        namespace: the object's namespace.
        name: the object's name; empty where the server is to make one up.
        user: who asks.
        dry_run: whether nothing will be stored whatever is answered; the answer is the same.
        object: the object as it would be stored; None where the operation is neither CREATE nor UPDATE.
        old: what is stored now, where there is something.
    """

    uid: Annotated[str, msgspec.Meta(min_length=1)]
    operation: Verb
    kind: Kind = Kind()
    subresource: str | None = None
    namespace: str = ""
    name: str = ""
    user: User = User()
    dry_run: bool | None = False
    object: dict[str, Any] | None = None
    old: Any = None

    @property
    def old_object(self) -> Any:
        """What an update starts from; None where the operation is another one."""
        return self.old if self.operation == "UPDATE" else None


class Review(msgspec.Struct, frozen=True):
    """An AdmissionReview, as it is asked."""

    kind: Literal["AdmissionReview"]
    apiVersion: Literal["admission.k8s.io/v1"]  # noqa: N815 - the name in the API
    request: Request


_decoder = msgspec.json.Decoder(Review)


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
        request = _decoder.decode(body).request
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadReview(f"the body is no {KIND} of {API_VERSION}: {error}") from error
    if request.object is None and request.operation in ("CREATE", "UPDATE"):
        raise BadReview(f"request.object: must be an object when the operation is {request.operation}")
    return request


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
    findings = find(request)
    if findings and (decision := Decision(findings)).errors:
        return decision
    assert request.object is not None, "it is exempt"
    return Decision(findings, diff(request.object, stored_defaults(request.object, graph=graph)))


def check(request: Request, *, find: Find = find) -> Decision:
    """Check the object as it would be stored, after all mutating webhooks.

    Args:
        request: what is asked.
        find: returns what is wrong with the object.
    """
    return _exempt(request) or Decision(find(request))


def _exempt(request: Request) -> Decision | None:
    """Return the decision on what is admitted whatever it says, or None for what has to be looked at."""
    if request.kind.kind != constants.KIND:
        return Decision(
            notice=f"{request.kind.kind or 'the object'} was sent to the webhook for {constants.KIND}s: ignored"
        )
    if request.object is None or request.operation not in ("CREATE", "UPDATE") or request.subresource:
        return Decision()
    # Removing a finalizer is an update: what is going away must be able to go.
    metadata = request.object.get("metadata")
    return Decision() if isinstance(metadata, dict) and metadata.get("deletionTimestamp") else None


def answer(request: Request, decision: Decision) -> dict[str, Any]:
    """Return the AdmissionReview that tells the API server the decision."""
    response: dict[str, Any] = {"uid": request.uid, "allowed": True}
    if (decision.findings or decision.notice) and (warnings := decision.warnings):
        response["warnings"] = warnings[:SHOWN] + _more(len(warnings), "warning")
    if decision.findings and (errors := decision.errors):
        response["allowed"] = False
        response["status"] = _status(request, errors)
    elif decision.patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = binascii.b2a_base64(msgspec.json.encode(decision.patch), newline=False).decode()
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
