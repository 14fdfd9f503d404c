"""Why a Deployment is not ready: what is said of its pods."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seldon_core.plan.causes import cause

from .build import Object


def pod(*containers: Object, name: str = "x", init: tuple[Object, ...] = (), **fields: Any) -> Object:
    """A pod that has a node, with the statuses of its containers; what is given by name goes into its status."""
    metadata = {"name": name, "creationTimestamp": "2030-01-01T00:00:00Z", "labels": {"pod-template-hash": "1"}}
    metadata |= fields.pop("metadata", {})
    spec = fields.pop("spec", {})
    scheduled = {"type": "PodScheduled", "status": "True"}
    status = {
        "phase": "Pending",
        "conditions": [scheduled],
        "containerStatuses": list(containers),
        "initContainerStatuses": list(init),
        **fields,
    }
    return {"metadata": metadata, "spec": spec, "status": status}


def container(name: str = "a", image: str = "registry/a:1", **fields: Any) -> Object:
    return {"name": name, "image": image, "ready": False, "restartCount": 0, **fields}


def waiting(reason: str, message: str = "", name: str = "a", **fields: Any) -> Object:
    return container(name, state={"waiting": {"reason": reason, "message": message}}, **fields)


def running(name: str = "a", **fields: Any) -> Object:
    return container(name, state={"running": {}}, **fields)


def ended(code: int, reason: str = "Error", message: str = "", name: str = "a", **fields: Any) -> Object:
    state = {"terminated": {"exitCode": code, "reason": reason, "message": message}}
    return container(name, state=state, **fields)


def crashing(code: int, reason: str = "Error", message: str = "", restarts: int = 3, name: str = "a") -> Object:
    last = {"terminated": {"exitCode": code, "reason": reason, "message": message}}
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}
    return container(name, state=state, lastState=last, restartCount=restarts)


def unscheduled(message: str, reason: str = "Unschedulable") -> Object:
    condition = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
    return pod(conditions=[condition])


READY = container(ready=True, state={"running": {}})
FAILED = {"phase": "Failed", "containerStatuses": []}


def test_an_image_that_no_registry_has_is_said_with_what_to_do() -> None:
    message = 'Back-off pulling image "registry/a:1": ErrImagePull: rpc error: code = NotFound desc = not found'
    found = cause([pod(waiting("ImagePullBackOff", message))])
    assert found is not None
    assert found.reason == "ImagePullBackOff"
    assert found.message == (
        'pod "x", container "a": image "registry/a:1" cannot be pulled: rpc error: code = NotFound desc = not found; '
        "no registry has it: correct the image's name or tag"
    )


@pytest.mark.parametrize(
    ("observed", "reason", "words", "remedy"),
    [
        pytest.param(
            unscheduled("0/3 nodes are available: 3 Insufficient cpu."),
            "Unschedulable",
            "3 Insufficient cpu",
            "lower resources.requests",
            id="no-room",
        ),
        pytest.param(
            unscheduled("0/1 nodes are available: 1 node(s) had untolerated taint {gpu: }."),
            "Unschedulable",
            "taint {gpu: }",
            "add a toleration",
            id="tainted",
        ),
        pytest.param(
            unscheduled("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."),
            "Unschedulable",
            "affinity/selector",
            "change nodeSelector",
            id="no-such-node",
        ),
        pytest.param(
            unscheduled('persistentvolumeclaim "models" not found'),
            "Unschedulable",
            '"models"',
            "create that claim",
            id="no-such-claim",
        ),
        pytest.param(
            unscheduled("pod has unbound immediate PersistentVolumeClaims"),
            "Unschedulable",
            "unbound",
            "storage class",
            id="claim-not-bound",
        ),
        pytest.param(unscheduled("gated", "SchedulingGated"), "SchedulingGated", "gated", "remove them", id="gated"),
        pytest.param(pod(), "PodStarting", "has a node", "", id="not-begun"),
        pytest.param(
            pod(waiting("ErrImagePull", "pull access denied, repository does not exist")),
            "ImagePullBackOff",
            "access denied",
            "imagePullSecrets",
            id="not-admitted",
        ),
        pytest.param(
            pod(waiting("ErrImagePull", "dial tcp: lookup registry: no such host")),
            "ImagePullBackOff",
            "no such host",
            "network",
            id="no-registry",
        ),
        pytest.param(
            pod(waiting("ErrImagePull", "no match for platform in manifest")),
            "ImagePullBackOff",
            "platform",
            "processors",
            id="other-architecture",
        ),
        pytest.param(
            pod(waiting("InvalidImageName", image="A:1")), "InvalidImageName", '"A:1"', "lower case", id="bad-name"
        ),
        pytest.param(
            pod(waiting("ErrImageNeverPull")), "ErrImageNeverPull", '"registry/a:1"', "IfNotPresent", id="never-pull"
        ),
        pytest.param(
            pod(waiting("CreateContainerConfigError", 'secret "keys" not found')),
            "CreateContainerConfigError",
            'secret "keys"',
            "create the Secret",
            id="no-such-secret",
        ),
        pytest.param(
            pod(waiting("CreateContainerConfigError", "couldn't find key k in Secret n/keys")),
            "CreateContainerConfigError",
            "key k",
            "add that key",
            id="no-such-key",
        ),
        pytest.param(
            pod(waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")),
            "CreateContainerConfigError",
            "as root",
            "runAsUser",
            id="root",
        ),
        pytest.param(
            pod(waiting("CreateContainerError", "mkdir /x: read-only")),
            "CreateContainerError",
            "/x",
            "mounts",
            id="mount",
        ),
        pytest.param(
            pod(waiting("RunContainerError", "exec failed")), "RunContainerError", "exec failed", "command", id="run"
        ),
        pytest.param(
            pod(waiting("PostStartHookError", "x")), "PostStartHookError", "postStart", "lifecycle", id="post-start"
        ),
        pytest.param(
            pod(waiting("ContainerCreating")), "ContainerCreating", "volumes are mounted", "describe", id="creating"
        ),
        pytest.param(
            pod(crashing(1, message="ModuleNotFoundError: No module named 'x'")),
            "CrashLoopBackOff",
            "exit code 1: \"ModuleNotFoundError: No module named 'x'\", restarted 3 times",
            "kubectl logs --previous",
            id="crash",
        ),
        pytest.param(
            pod(crashing(137, "OOMKilled", restarts=1)), "OOMKilled", "restarted once", "limits.memory", id="memory"
        ),
        pytest.param(pod(crashing(139)), "CrashLoopBackOff", "SIGSEGV", "--previous", id="segmentation-fault"),
        pytest.param(pod(crashing(137)), "CrashLoopBackOff", "SIGKILL", "liveness", id="killed-by-a-probe"),
        pytest.param(
            pod(crashing(0, "Completed")), "ContainerExited", "by itself", "keep serving", id="ends-by-itself"
        ),
        pytest.param(pod(crashing(127)), "ContainerCannotRun", "could not be started", "command", id="no-command"),
        pytest.param(
            pod(crashing(128, "StartError", "exec: no such file")),
            "ContainerCannotRun",
            "no such file",
            "not in the image",
            id="start-error",
        ),
        pytest.param(pod(ended(2)), "CrashLoopBackOff", "exit code 2", "--previous", id="just-ended"),
        pytest.param(
            pod(running(lastState={"terminated": {"exitCode": 3}}, restartCount=2)),
            "CrashLoopBackOff",
            "exit code 3, restarted 2 times",
            "--previous",
            id="between-two-crashes",
        ),
        pytest.param(pod(running(started=False)), "ContainerStarting", "startup probe", "kubectl logs", id="loading"),
        pytest.param(
            pod(running(started=True)), "ContainerNotReady", "readiness probe fails", "kubectl logs", id="refusing"
        ),
        pytest.param(
            pod(waiting("PodInitializing"), init=(running("a-model-initializer"),)),
            "Initializing",
            'init container "a-model-initializer" is still running',
            "kubectl logs",
            id="loading-the-model",
        ),
        pytest.param(
            pod(waiting("PodInitializing"), init=(crashing(1, message="NoSuchBucket", name="a-model-initializer"),)),
            "InitContainerFailed",
            'exit code 1: "NoSuchBucket", restarted 3 times',
            "modelUri",
            id="no-model",
        ),
        pytest.param(
            pod(waiting("PodInitializing"), init=(waiting("ImagePullBackOff", "x: not found", name="i"),)),
            "ImagePullBackOff",
            'init container "i"',
            "correct the image",
            id="no-image-for-an-init-container",
        ),
        pytest.param(pod(waiting("PodInitializing")), "PodInitializing", "init containers", "", id="initialised"),
        pytest.param(pod(waiting("SomethingNew", "odd")), "SomethingNew", "odd", "", id="unknown-reason"),
        pytest.param(
            pod(READY, spec={"readinessGates": [{"conditionType": "lb"}]}),
            "ReadinessGateClosed",
            "readiness gate lb",
            "open it",
            id="readiness-gate",
        ),
        pytest.param(
            pod(**FAILED, reason="Evicted", message="low on memory"), "Evicted", "low on memory", "raise", id="evicted"
        ),
        pytest.param(pod(**FAILED, reason="NodeLost"), "NodeLost", "failed", "look at the node", id="node-lost"),
        pytest.param(pod(**FAILED), "PodFailed", "failed", "describe", id="failed"),
        pytest.param(
            pod(READY, metadata={"deletionTimestamp": "now"}), "PodTerminating", "shutting down", "", id="terminating"
        ),
    ],
)
def test_what_is_said_of_a_pod(observed: Object, reason: str, words: str, remedy: str) -> None:
    found = cause([observed])
    assert found is not None
    assert found.reason == reason
    assert words in found.message
    assert remedy in found.message
    assert found.message.startswith(('pod "x"', 'no node can take pod "x"'))


@pytest.mark.parametrize("pods", [[], [pod(READY)], [pod(READY), pod(READY)]], ids=["none", "one", "two"])
def test_nothing_is_said_of_pods_that_are_well(pods: list[Object]) -> None:
    assert cause(pods) is None


def test_a_crash_is_a_deeper_cause_than_the_engine_that_waits_for_it() -> None:
    engine = running("seldon-container-engine", started=True)
    for containers in ((crashing(1), engine), (engine, crashing(1)), (engine, running(started=True))):
        found = cause([pod(*containers)])
        assert found is not None
        assert 'container "a"' in found.message


def test_the_worst_pod_decides_and_of_equals_the_oldest() -> None:
    starting, broken = pod(running(started=False), name="s"), pod(crashing(1), name="b")
    younger = pod(crashing(2), name="y", metadata={"name": "y", "creationTimestamp": "2030-01-01T00:00:01Z"})
    found = cause([younger, starting, broken])
    assert found is not None
    assert found.message.startswith('pod "b"')


def test_pods_of_an_older_template_do_not_count() -> None:
    old = pod(crashing(1), metadata={"name": "old", "creationTimestamp": "2029", "labels": {"pod-template-hash": "0"}})
    assert cause([old, pod(READY)]) is None
    going = pod(running(started=False), metadata={"name": "going", "deletionTimestamp": "now"})
    found = cause([going, pod(running(started=False))])
    assert found is not None
    assert 'pod "x"' in found.message


def test_a_sidecar_that_runs_does_not_hold_its_pod_up() -> None:
    sidecar = running("s", started=True, ready=True)
    spec = {"initContainers": [{"name": "s", "restartPolicy": "Always"}]}
    found = cause([pod(crashing(1), init=(sidecar,), spec=spec)])
    assert found is not None
    assert found.reason == "CrashLoopBackOff"


def test_a_long_message_is_cut_and_put_on_one_line() -> None:
    found = cause([pod(crashing(1, message="line\n" * 1000 + "ValueError: the end"))])
    assert found is not None
    assert "\n" not in found.message
    assert len(found.message) < 1500
    assert "ValueError: the end" in found.message


@given(st.lists(st.sampled_from([READY, crashing(1), running(), waiting("ContainerCreating"), ended(0)]), max_size=4))
def test_the_order_of_containers_does_not_change_how_deep_the_cause_is(containers: list[Object]) -> None:
    one, other = cause([pod(*containers)]), cause([pod(*reversed(containers))])
    assert (one and one.weight) == (other and other.weight)
