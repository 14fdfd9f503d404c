"""Why a Deployment is not ready, from the pods that it has: the deepest cause, in plain words and with a remedy.

Pods are plain data as the API server returns them; one in which nothing is wrong is no cause.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seldon_core.api.constants import ENGINE_CONTAINER_NAME
from seldon_core.api.objects import as_list, as_map

Object = Mapping[str, Any]

_HASH = "pod-template-hash"
_LONGEST_DETAIL = 1000
# The exit code of a process that a signal ended is this plus the signal's number.
_SIGNALLED = 128
_SIGNALS = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}
# How sure it is that a pod waits for the user to act, not for time to pass.
_BROKEN, _STUCK, _WAITING, _STARTING = 3, 2, 1, 0


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a pod is not ready.

    Attributes:
        reason: One CamelCase word.
        message: The pod, the container, what is wrong and what to do.
        weight: The higher, the likelier it is the cause of all others.
    """

    reason: str
    message: str
    weight: int


def cause(pods: Iterable[Object]) -> Cause | None:
    """Return the deepest cause among the pods of one Deployment, or None where they tell of none.

    Pods of an older template count only where there are none of the newest. Among causes of the same depth it is that
    of the pod that has been there longest.

    Args:
        pods: The pods.
    """
    found = [reason for pod in _newest(list(pods)) for reason in _of_pod(pod)]
    return max(found, key=lambda one: one.weight, default=None)


def _newest(pods: Sequence[Object]) -> list[Object]:
    """Return the pods of the newest template, oldest first, those that are going away only if there are no others."""
    ordered = sorted(pods, key=lambda pod: str(as_map(pod.get("metadata")).get("creationTimestamp") or ""))
    staying = [pod for pod in ordered if "deletionTimestamp" not in pod["metadata"]] or ordered
    if not staying:
        return []
    newest = _template(staying[-1])
    return [pod for pod in staying if _template(pod) == newest]


def _template(pod: Object) -> Any:
    return as_map(pod["metadata"].get("labels")).get(_HASH)


def _of_pod(pod: Object) -> Iterator[Cause]:
    name = f'pod "{pod["metadata"]["name"]}"'
    status = as_map(pod.get("status"))
    conditions = {entry.get("type"): entry for entry in as_list(status.get("conditions"))}
    if "deletionTimestamp" in pod["metadata"]:
        yield Cause("PodTerminating", f"{name} is shutting down; another takes its place once it is gone", _WAITING)
        return
    if status.get("phase") == "Failed":
        yield _failed(name, status)
        return
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        yield _unscheduled(name, scheduled)
        return
    if found := list(_of_containers(name, pod, status)):
        yield from found
        return
    gates = [as_map(gate).get("conditionType") for gate in as_list(as_map(pod.get("spec")).get("readinessGates"))]
    if closed := [gate for gate in gates if conditions.get(gate, {}).get("status") != "True"]:
        message = f"{name} waits for its readiness gate {', '.join(map(str, closed))}: look at what is to open it"
        yield Cause("ReadinessGateClosed", message, _WAITING)


def _failed(name: str, status: Object) -> Cause:
    """Say why the cluster gave a whole pod up."""
    reason = status.get("reason") or "PodFailed"
    detail = _detail(status.get("message"))
    remedies = {
        "Evicted": "the node ran short of memory or disk; raise the requests of its containers to what they use",
        "UnexpectedAdmissionError": "a device of the node is taken or broken; look at the node",
        "NodeAffinity": "the node's labels changed; look at nodeSelector and affinity",
        "DeadlineExceeded": "it ran longer than its activeDeadlineSeconds; remove that field",
        "Terminated": "the node shut down; another pod takes its place",
        "NodeLost": "the node does not answer; look at the node",
    }
    remedy = remedies.get(reason, "kubectl describe pod tells more")
    return Cause(str(reason), f"{name} failed: {detail or reason}; {remedy}", _STUCK)


def _unscheduled(name: str, condition: Object) -> Cause:
    detail = _detail(condition.get("message"))
    if condition.get("reason") == "SchedulingGated":
        return Cause("SchedulingGated", f"{name} waits for its scheduling gates: {detail}; remove them", _WAITING)
    # In the order in which one hides another: what no node has at all before what is merely in use.
    remedies = (
        ("persistentvolumeclaim", "create that claim, or correct its name"),
        ("unbound immediate", "look at the claim and its storage class"),
        ("node affinity", "label a node accordingly, or change nodeSelector or affinity"),
        ("untolerated taint", "add a toleration, or nodes without the taint"),
        ("Insufficient", "lower resources.requests, or add nodes"),
        ("Too many pods", "add nodes"),
        ("free ports", "remove hostPort from the containers"),
    )
    remedy = next((remedy for word, remedy in remedies if word in detail), "kubectl describe pod tells more")
    return Cause("Unschedulable", f"no node can take {name}: {detail or 'no reason is given'}; {remedy}", _STUCK)


def _of_containers(name: str, pod: Object, status: Object) -> Iterator[Cause]:
    """Yield what is wrong with the containers of a pod that has a node."""
    init = as_list(status.get("initContainerStatuses"))
    restartable = {
        as_map(one).get("name")
        for one in as_list(as_map(pod.get("spec")).get("initContainers"))
        if as_map(one).get("restartPolicy") == "Always"
    }
    pending = [one for one in init if not _initialised(one, restartable)]
    if pending:
        found = _of_container(name, pending[0], init=True)
        if found is not None:
            yield found
        return
    containers = as_list(status.get("containerStatuses"))
    if not containers:
        yield Cause("PodStarting", f"{name} has a node, which has not begun to start it", _STARTING)
    for one in containers:
        if not one.get("ready") and (found := _of_container(name, one, init=False)) is not None:
            yield found


def _initialised(status: Object, restartable: Iterable[Any]) -> bool:
    if status.get("name") in restartable:
        return bool(status.get("started"))
    return as_map(as_map(status.get("state")).get("terminated")).get("exitCode") == 0


def _of_container(pod: str, status: Object, *, init: bool) -> Cause | None:
    """Say what is wrong with one container that is not ready, or has not finished if it is an init container."""
    name = status.get("name")
    title = f'{pod}, {"init container" if init else "container"} "{name}"'
    state = as_map(status.get("state"))
    waiting, ended = as_map(state.get("waiting")), as_map(state.get("terminated"))
    last = as_map(as_map(status.get("lastState")).get("terminated"))
    reason = str(waiting.get("reason") or "")
    if reason in _WAITING_FOR:
        said = _WAITING_FOR[reason](status, _detail(waiting.get("message")))
        return Cause(_SAME.get(reason, reason), f"{title}: {said}", _BROKEN)
    if reason == "CrashLoopBackOff" or (waiting and last and reason not in ("ContainerCreating", "PodInitializing")):
        return _crash(title, last, status, init=init)
    if ended:
        return _crash(title, ended, status, init=init)
    if "running" in state:
        return _running(title, status, last, init=init)
    if reason == "PodInitializing":
        return Cause(reason, f"{title} waits for the init containers", _STARTING)
    if reason == "ContainerCreating":
        message = (
            f"{title} is being created: its image is pulled and its volumes are mounted; if that lasts, a Secret, "
            "ConfigMap or claim that it mounts may be missing: kubectl describe pod tells"
        )
        return Cause(reason, message, _STARTING)
    return Cause(reason or "ContainerWaiting", f"{title} waits: {_detail(waiting.get('message')) or reason}", _WAITING)


def _running(title: str, status: Object, last: Object, *, init: bool) -> Cause:
    if init:
        restarts = f" (restarted {_times(status)})" if status.get("restartCount") else ""
        message = f"{title} is still running{restarts}; a large model takes its time: kubectl logs shows how far it is"
        return Cause("Initializing", message, _WAITING)
    # The engine is ready only once its components are, so that what is wrong with one of them comes first.
    weight = _STARTING if status.get("name") == ENGINE_CONTAINER_NAME else _WAITING
    if last and status.get("restartCount"):
        crashed = _crash(title, last, status, init=False)
        return Cause(crashed.reason, crashed.message, _STUCK)
    if status.get("started") is False:
        message = (
            f"{title} runs and has not passed its startup probe yet: it is loading, or does not listen on its port"
        )
        return Cause("ContainerStarting", f"{message}; kubectl logs shows which", weight)
    message = f"{title} runs and its readiness probe fails: kubectl logs shows why it refuses"
    return Cause("ContainerNotReady", message, weight)


def _crash(title: str, ended: Object, status: Object, *, init: bool) -> Cause:
    """Say how a container ended, and what to do about it."""
    code = ended.get("exitCode")
    detail = _detail(ended.get("message"))
    said = f': "{detail}"' if detail else ""
    times = f", restarted {_times(status)}" if status.get("restartCount") else ""
    reason = ended.get("reason")
    if reason == "OOMKilled":
        message = f"{title} ran out of memory and was killed{times}: raise resources.limits.memory"
        return Cause("OOMKilled", message, _BROKEN)
    if reason in ("StartError", "ContainerCannotRun") or code in (126, 127):
        message = f"{title} could not be started{said}: the command, or what it needs, is not in the image{times}"
        return Cause("ContainerCannotRun", message, _BROKEN)
    if init:
        message = (
            f"{title} failed with exit code {code}{said}{times}: a model initializer fails where modelUri is wrong or "
            "its credentials (envSecretRefName) do not admit it; kubectl logs shows which"
        )
        return Cause("InitContainerFailed", message, _BROKEN)
    if code == 0:
        message = (
            f"{title} ended by itself with exit code 0{times}: a component has to keep serving; look at its command"
        )
        return Cause("ContainerExited", message, _BROKEN)
    by_signal = _SIGNALS.get(code - _SIGNALLED) if isinstance(code, int) else None
    how = f"was ended by {by_signal} (exit code {code})" if by_signal else f"ended with exit code {code}"
    probed = "; a failing liveness or startup probe ends a container so" if by_signal in ("SIGKILL", "SIGTERM") else ""
    message = f"{title} {how}{said}{times}{probed}: kubectl logs --previous shows why"
    return Cause("CrashLoopBackOff", message, _BROKEN)


def _pull(status: Object, detail: str) -> str:
    """Say why an image cannot be pulled."""
    image = status.get("image")
    lowered = detail.lower()
    if "not found" in lowered or "manifest unknown" in lowered:
        remedy = "no registry has it: correct the image's name or tag"
    elif any(word in lowered for word in ("unauthorized", "denied", "authentication", "forbidden", "401", "403")):
        remedy = (
            "the registry does not admit the cluster, or does not have it: correct the name or set imagePullSecrets"
        )
    elif any(word in lowered for word in ("no such host", "dial tcp", "timeout", "refused", "tls", "x509")):
        remedy = "the nodes cannot reach the registry: look at their network, proxy and certificates"
    elif "no match for platform" in lowered or "architecture" in lowered:
        remedy = "it is not built for the processors of the nodes: choose another image or other nodes"
    else:
        remedy = "correct the image, or see to the registry"
    # What is said while it waits to try again begins with that; the cause follows.
    detail = detail.removeprefix(f'Back-off pulling image "{image}"').removeprefix(": ErrImagePull: ")
    said = f": {detail}" if detail else ""
    return f'image "{image}" cannot be pulled{said}; {remedy}'


def _configuration(_: Object, detail: str) -> str:
    if "non-root" in detail or "runAsNonRoot" in detail:
        remedy = "set securityContext.runAsUser to a number other than 0, or use an image with such a user"
    elif "couldn't find key" in detail:
        remedy = "add that key to the Secret or ConfigMap, or correct its name in env"
    elif "not found" in detail:
        remedy = "create the Secret or ConfigMap that it names, or correct the name in env or envFrom"
    else:
        remedy = "correct env, envFrom or securityContext"
    return f"its configuration cannot be used: {detail}; {remedy}"


def _simply(said: str, remedy: str) -> Callable[[Object, str], str]:
    return lambda status, detail: f"{said.format(image=status.get('image'))}{': ' if detail else ''}{detail}; {remedy}"


# Reason for waiting, of those that do not pass by themselves -> what to say of it.
_WAITING_FOR: dict[str, Callable[[Object, str], str]] = {
    "ErrImagePull": _pull,
    "ImagePullBackOff": _pull,
    "RegistryUnavailable": _pull,
    "ImageInspectError": _simply('image "{image}" cannot be inspected', "look at the node's disk and runtime"),
    "SignatureValidationFailed": _simply(
        'the signature of image "{image}" is not accepted', "sign it, or use one that is signed"
    ),
    "InvalidImageName": _simply('image "{image}" is not a valid name', "write registry/repository:tag in lower case"),
    "ErrImageNeverPull": _simply(
        'image "{image}" is not on the node and imagePullPolicy is Never',
        "load it onto the nodes, or use IfNotPresent",
    ),
    "CreateContainerConfigError": _configuration,
    "CreateContainerError": _simply("the container cannot be created", "look at its command and mounts"),
    "RunContainerError": _simply("the container cannot be run", "look at its command and mounts"),
    "PostStartHookError": _simply("its postStart hook failed", "correct lifecycle.postStart"),
}
# The cluster goes back and forth between the two.
_SAME = {"ErrImagePull": "ImagePullBackOff"}


def _times(status: Object) -> str:
    count = status.get("restartCount")
    return "once" if count == 1 else f"{count} times"


def _detail(message: Any) -> str:
    """Return what the cluster said as one line of bounded length; of a long one the end, which tells most."""
    text = " ".join(str(message or "").split())
    return text if len(text) <= _LONGEST_DETAIL else f"...{text[3 - _LONGEST_DETAIL :]}"
