"""The status of a SeldonDeployment, from what is observed of its children."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from seldon_core.api import constants as c
from seldon_core.api.findings import Finding
from seldon_core.api.names import explainer_name, predictor_service_name
from seldon_core.api.objects import as_list, as_map, as_number

from .causes import Cause
from .config import Config
from .explainers import has_explainer
from .kinds import KINDS
from .metadata import sdep_name
from .modes import has_tls
from .observed import LiveDeployment, Observed
from .planner import Plan
from .rollouts import selector

Object = dict[str, Any]

AVAILABLE, CREATING, FAILED = "Available", "Creating", "Failed"
OUTDATED = "ConfigurationOutdated"
_LONGEST_MESSAGE = 32 * 1024  # the limit that Kubernetes sets for the message of a condition


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an object cannot be as planned.

    Attributes:
        kind: The object's kind, one of `KINDS`.
        reason: One CamelCase word for it.
        message: The whole of it, with a remedy.
    """

    kind: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class _Verdict:
    """How a Deployment, or a group of objects, is: the state, and the words for a condition."""

    state: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class _Condition:
    """A condition without what depends on the one before it."""

    kind: str
    value: str
    reason: str
    message: str

    @classmethod
    def of(cls, kind: str, verdict: _Verdict) -> "_Condition":
        return cls(kind, "True" if verdict.state == AVAILABLE else "False", verdict.reason, verdict.message)


def status(
    plan: Plan,
    config: Config,
    observed: Observed,
    *,
    problems: Sequence[Problem] = (),
    causes: Mapping[str, Cause] = MappingProxyType({}),
    now: str,
) -> Object:
    """Return the status of a planned SeldonDeployment.

    Args:
        plan: The plan; the status that its SeldonDeployment has tells since when a condition holds.
        config: The operator's configuration.
        observed: The children as they are after the plan was applied.
        problems: What kept the plan from being applied.
        causes: Why Deployments are not ready, by their names, as far as their pods tell.
        now: The time, for conditions that changed.
    """
    sdep = plan.sdep
    services = _services(plan, observed)
    parts = _concerns(plan, observed, problems, causes)
    overall = _overall(parts.values())
    stated = [_Condition.of(kind, verdict) for kind, verdict in {**parts, "Ready": overall}.items()]
    deployments = {
        name: {**{key: live.count(key) for key in ("replicas", "availableReplicas")}, **_explains(plan, name)}
        for name in plan.names("Deployment")
        if (live := observed.deployments.get(name)) is not None
    }
    maps = {"deploymentStatus": deployments, "serviceStatus": services}
    result: Object = {
        "state": overall.state,
        "description": overall.message,
        "observedGeneration": sdep["metadata"].get("generation", 0),
        "predictors": len(sdep["spec"]["predictors"]),
        **_scale(plan, observed),
        # Server-side apply makes null, which the schema refuses, of a map whose last key goes.
        **{key: value for key, value in maps.items() if value},
        "conditions": _conditions(sdep, [*stated, *_ineffective_scale(plan), *_outdated(plan)], now),
    }
    if url := _url(plan, services, config):
        result["address"] = {"url": url}
    return result


def invalid_status(sdep: Object, findings: Iterable[Finding], *, now: str) -> Object:
    """Return the status of a SeldonDeployment that breaks rules: as it was, failed, with the findings.

    Args:
        sdep: The SeldonDeployment as it is stored.
        findings: What is wrong with it, in the words in which the webhook would have refused it.
        now: The time, for conditions that changed.
    """
    message = _cut("\n".join(map(str, findings)))
    known = as_map(sdep.get("status"))
    invalid = _Condition("Ready", "False", "InvalidSpec", message)
    kept = [condition for kind, condition in _known_conditions(sdep).items() if kind != "Ready"]
    conditions = [*kept, *_conditions(sdep, [invalid], now)]
    return {
        "replicas": 0,
        **known,
        "state": FAILED,
        "description": message,
        "observedGeneration": sdep["metadata"].get("generation", 0),
        "predictors": len(as_list(as_map(sdep.get("spec")).get("predictors"))),
        "conditions": sorted(conditions, key=lambda condition: condition["type"]),
    }


def _concerns(
    plan: Plan, observed: Observed, problems: Sequence[Problem], causes: Mapping[str, Cause]
) -> dict[str, _Verdict]:
    """Return, by condition, how the objects are that it tells of."""
    verdicts: dict[str, list[_Verdict]] = {child.condition: [] for child in KINDS}
    conditions = {child.kind: child.condition for child in KINDS}
    for obj in plan.objects:
        kind, name = obj["kind"], obj["metadata"]["name"]
        if kind == "Deployment":
            held = (kind, name) in plan.waiting
            verdict = _verdict(name, observed.deployments.get(name), causes.get(name), held=held)
        else:
            verdict = _presence(kind, name, plan, observed)
        verdicts[conditions[kind]].append(verdict)
    for name in plan.moving:
        message = f'the engine of predictor "{name}" stands beside the component until it can go where it is wanted'
        verdicts["DeploymentsReady"].append(_Verdict(CREATING, "EngineMoves", message))
    failed: dict[str, list[_Verdict]] = {condition: [] for condition in verdicts}
    for problem in problems:
        failed[conditions[problem.kind]].append(_Verdict(FAILED, problem.reason, problem.message))
    fine = {"DeploymentsReady": "AllAvailable"}
    return {
        condition: _worst(failed[condition], found, fine.get(condition, "AllCreated") if found else "NoneDefined")
        for condition, found in verdicts.items()
    }


def _presence(kind: str, name: str, plan: Plan, observed: Observed) -> _Verdict:
    """Say whether an object that is not a Deployment is there, as planned."""
    live = observed.services.get(name) if kind == "Service" else observed.others.get((kind, name))
    if (kind, name) in plan.waiting:
        return _Verdict(CREATING, "WaitingForPods", f'{kind} "{name}" waits until the pods that it leads to can answer')
    if live is None:
        return _Verdict(CREATING, "Creating", f'{kind} "{name}" does not exist yet')
    if live.terminating:
        return _Verdict(CREATING, "Terminating", f'{kind} "{name}" is being deleted and will be made again')
    return _Verdict(AVAILABLE, "", "")


def _verdict(name: str, live: LiveDeployment | None, cause: Cause | None, *, held: bool) -> _Verdict:
    """Say how a Deployment is, with the deepest cause that its own status or its pods hold."""
    title = f'Deployment "{name}"'
    if held:
        message = f"{title} keeps its pods until those that their successors call, or that take their place, can answer"
        return _Verdict(CREATING, "WaitingForOthers", message)
    if live is None:
        return _Verdict(CREATING, "Creating", f"{title} does not exist yet")
    if live.terminating:
        return _Verdict(CREATING, "Terminating", f"{title} is being deleted and will be made again")
    if live.ready:
        return _Verdict(AVAILABLE, "", "")
    failure, progress = live.condition("ReplicaFailure"), live.condition("Progressing")
    # Conditions are those of an earlier generation until the cluster has seen the current one.
    stuck = live.current and progress.get("status") == "False"
    state = FAILED if stuck and live.condition("Available").get("status") == "False" else CREATING
    if live.current and failure.get("status") == "True":
        return _Verdict(state, failure.get("reason", "FailedCreate"), f"{title}: {failure.get('message', '')}")
    counted = (
        f"{title}: {live.count('availableReplicas')} of {live.wanted} pods are available, "
        f"{live.count('updatedReplicas')} up to date"
    )
    if cause is not None:
        return _Verdict(state, cause.reason, f"{counted}; {cause.message}")
    if stuck:
        return _Verdict(state, progress.get("reason", "NotProgressing"), f"{counted}; {progress.get('message', '')}")
    unavailable = live.condition("Available")
    reason = unavailable.get("reason") if unavailable.get("status") == "False" else None
    return _Verdict(CREATING, reason or "RolloutInProgress", counted)


def _worst(problems: Sequence[_Verdict], verdicts: Iterable[_Verdict], fine: str) -> _Verdict:
    """Return one verdict for a group: failed before creating before available, all messages of the worst kind."""
    for group in (problems, verdicts):
        group = list(group)
        for state in (FAILED, CREATING):
            if bad := [verdict for verdict in group if verdict.state == state]:
                return _Verdict(state, bad[0].reason, _cut("\n".join(verdict.message for verdict in bad)))
    return _Verdict(AVAILABLE, fine, "")


def _overall(parts: Iterable[_Verdict]) -> _Verdict:
    parts = list(parts)
    for state in (FAILED, CREATING):
        for part in parts:
            if part.state == state:
                return part
    return _Verdict(AVAILABLE, "AllReady", "")


def _ineffective_scale(plan: Plan) -> list[_Condition]:
    """Return the condition that says that `kubectl scale` changes nothing, where that is so."""
    if plan.scaled or as_number(plan.sdep["spec"].get("replicas")) is None:
        return []
    message = (
        "spec.replicas has no effect: every predictor or componentSpec has replicas of its own; "
        "remove those, and kubectl scale changes the pods"
    )
    return [_Condition("ScaleIneffective", "True", "ReplicasOverridden", message)]


def _outdated(plan: Plan) -> list[_Condition]:
    """Return the condition that says that pods are not as they would be built now, where that is so."""
    if not plan.outdated:
        return []
    names = ", ".join(f'"{name}"' for name in plan.outdated)
    message = (
        f"the pods of predictor {names} are as an earlier operator or configuration built them; change the annotation "
        f"{c.ANNOTATION_REFRESH}, or anything about the predictor, and they are built anew"
    )
    return [_Condition(OUTDATED, "True", "BuiltEarlier", message)]


def _conditions(sdep: Object, conditions: Iterable[_Condition], now: str) -> list[Object]:
    """Return conditions as they are stored, sorted by type; the time of one changes only with its status."""
    known = _known_conditions(sdep)

    def stored(condition: _Condition) -> Object:
        before = known.get(condition.kind, {})
        unchanged = before.get("status") == condition.value
        return {
            "type": condition.kind,
            "status": condition.value,
            "reason": condition.reason,
            "message": condition.message,
            "lastTransitionTime": (before.get("lastTransitionTime") if unchanged else None) or now,
            "observedGeneration": sdep["metadata"].get("generation", 0),
        }

    return [stored(condition) for condition in sorted(conditions, key=lambda condition: condition.kind)]


def _known_conditions(sdep: Object) -> dict[str, Object]:
    return {
        condition["type"]: condition
        for condition in as_list(as_map(sdep.get("status")).get("conditions"))
        if isinstance(condition, dict) and isinstance(condition.get("type"), str)
    }


def _services(plan: Plan, observed: Observed) -> dict[str, Object]:
    """Return the addresses of those Services that exist."""
    namespace = plan.sdep["metadata"]["namespace"]
    entries = {}
    for obj in plan.objects:
        name = obj["metadata"]["name"]
        if obj["kind"] == "Service" and name in observed.services:
            ports = obj["spec"]["ports"]
            endpoints = {f"{port['name']}Endpoint": f"{name}.{namespace}:{port['port']}" for port in ports}
            entries[name] = {"svcName": name, **endpoints, **_explains(plan, name)}
    return entries


def _explains(plan: Plan, name: str) -> Object:
    """Return which predictor's Service a child explains, where it is one of an explainer."""
    for predictor in plan.sdep["spec"]["predictors"]:
        if has_explainer(predictor) and name == explainer_name(sdep_name(plan.sdep), predictor["name"]):
            return {"explainerFor": predictor_service_name(sdep_name(plan.sdep), predictor)}
    return {}


def _url(plan: Plan, services: Mapping[str, Object], config: Config) -> str | None:
    """Return the URL of the first predictor that answers callers, once its Service exists."""
    predictors = plan.sdep["spec"]["predictors"]
    main = next((predictor for predictor in predictors if not predictor.get("shadow")), predictors[0])
    name = predictor_service_name(sdep_name(plan.sdep), main)
    if name not in services:
        return None
    host = f"{name}.{plan.sdep['metadata']['namespace']}.svc.{config.cluster_domain}"
    scheme = "https" if has_tls(main) else "http"
    port = services[name]["httpEndpoint"].rpartition(":")[2]
    return f"{scheme}://{host}:{port}{_path(plan.sdep, main)}"


def _path(sdep: Object, predictor: Object) -> str:
    protocol, root = sdep["spec"]["protocol"], predictor["graph"].get("name")
    if protocol in c.V2_PROTOCOLS:
        return f"/v2/models/{root}/infer"
    return f"/v1/models/{root}:predict" if protocol == "tensorflow" else "/api/v1.0/predictions"


def _scale(plan: Plan, observed: Observed) -> Object:
    """Return `replicas` and `selector`, which describe the same pods: those that follow `spec.replicas`.

    Where none do, they are those of the first Deployment.
    """
    names = plan.scaled or plan.names("Deployment")[:1]
    lives = [live for name in names if (live := observed.deployments.get(name)) is not None]
    labels = selector(plan.sdep, names[0])
    app = f"={names[0]}" if len(names) == 1 else f" in ({','.join(sorted(names))})"
    identity = f"{c.LABEL_SELDON_ID}={labels[c.LABEL_SELDON_ID]}"
    return {"replicas": sum(live.count("replicas") for live in lives), "selector": f"{c.LABEL_APP}{app},{identity}"}


def _cut(message: str) -> str:
    return message if len(message) <= _LONGEST_MESSAGE else message[: _LONGEST_MESSAGE - 3] + "..."
