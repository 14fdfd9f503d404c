"""The webhook when its pods are replaced, gone, or no longer asked: nothing else in the cluster feels it."""

import copy
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml

from .kube import Shell, engine_image, wait_for
from .test_main_path import EXAMPLES
from .test_resilience import operator_pods
from .test_uninstall import RELEASE, WEBHOOKS, install, webhook_configurations

pytestmark = pytest.mark.e2e
MODEL: dict[str, Any] = yaml.safe_load((EXAMPLES / "seldon-model.yaml").read_text())
WEBHOOK = "seldon-webhook"


@pytest.fixture
def operator(shell: Shell) -> Shell:
    """The shell in the operator's namespace."""
    return replace(shell, namespace=RELEASE[2])


def model(**metadata: Any) -> str:
    return json.dumps({**MODEL, "metadata": {**MODEL["metadata"], **metadata}})


class Applying:
    """Dry runs of `kubectl apply` one after the other, as a user or a pipeline sends them."""

    def __init__(self, shell: Shell) -> None:
        self.done = 0
        self.failures: list[str] = []
        self._shell = shell
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(2)]

    def __enter__(self) -> "Applying":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        command = ["kubectl", "-n", self._shell.namespace, "apply", "--dry-run=server", "-f", "-"]
        while not self._stop.is_set():
            outcome = self._shell.run(*command, stdin=model())
            if outcome.returncode:
                self.failures.append(outcome.stderr)
            self.done += 1


def test_a_rolling_restart_loses_no_review(shell: Shell, operator: Shell) -> None:
    before = operator_pods(shell, WEBHOOK)
    with Applying(shell) as applying:
        wait_for("the first dry runs", lambda: applying.done > 2)
        operator.kubectl("rollout", "restart", f"deployment/{WEBHOOK}")
        operator.kubectl("rollout", "status", f"deployment/{WEBHOOK}", "--timeout=170s")
        wait_for("the old pods to be gone", lambda: not before & operator_pods(shell, WEBHOOK))
        so_far = applying.done
        wait_for("dry runs through the new pods", lambda: applying.done > so_far + 4)
    assert applying.failures == []
    assert applying.done > 10


@pytest.fixture
def without_webhook(shell: Shell, operator: Shell) -> Iterator[Shell]:
    """A model that is served, and then no pod of the webhook at all; they are back afterwards."""
    shell.kubectl("apply", "-f", "-", stdin=model(finalizers=["example.com/wait"]))
    shell.wait_available("seldon-model")
    operator.kubectl("scale", f"deployment/{WEBHOOK}", "--replicas=0")
    labels = f"control-plane={WEBHOOK}"
    try:
        wait_for("no pod of the webhook", lambda: not operator.get("pods", "-l", labels)["items"])
        yield shell
    finally:
        operator.kubectl("scale", f"deployment/{WEBHOOK}", "--replicas=2")
        operator.kubectl("rollout", "status", f"deployment/{WEBHOOK}", "--timeout=170s")


def test_without_any_replica_only_writes_of_seldondeployments_wait(without_webhook: Shell) -> None:
    shell = without_webhook
    refused = shell.run("kubectl", "-n", shell.namespace, "apply", "-f", "-", stdin=model(name="another"))
    assert refused.returncode != 0
    assert "failed calling webhook" in refused.stderr

    # Pods, nodes and other groups are written as ever.
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
    security |= {"runAsUser": 8888, "seccompProfile": {"type": "RuntimeDefault"}}
    container = {"name": "c", "image": engine_image(), "command": ["python3", "-c", ""], "securityContext": security}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "other"},
        "spec": {"containers": [container], "restartPolicy": "Never"},
    }
    shell.kubectl("apply", "-f", "-", stdin=json.dumps(pod))
    wait_for("the pod to end", lambda: shell.get("pod", "other")["status"].get("phase") == "Succeeded")
    (node, *_) = shell.get("nodes")["items"]
    name = node["metadata"]["name"]
    shell.kubectl("annotate", "node", name, "example.com/touched=yes", "--overwrite")
    shell.kubectl("annotate", "node", name, "example.com/touched-")
    shell.kubectl("create", "deployment", "other", f"--image={engine_image()}", "--replicas=0")

    # What runs goes on, can be scaled down, and can be deleted, with finalizers and in the foreground.
    assert shell.get("seldondeployment", "seldon-model")["status"]["state"] == "Available"
    shell.kubectl("delete", "seldondeployment", "seldon-model", "--cascade=foreground", "--wait=false")
    wait_for("the children to be gone", lambda: not shell.get("deployments", "-l", "seldon-deployment-id")["items"])
    left = shell.get("seldondeployment", "seldon-model")["metadata"]["finalizers"]
    assert "example.com/wait" in left
    drop = json.dumps([{"op": "remove", "path": "/metadata/finalizers"}])
    shell.kubectl("patch", "seldondeployment", "seldon-model", "--type", "json", "-p", drop)
    wait_for("the object to be gone", lambda: not shell.get("seldondeployments")["items"])


def wrong(**changes: Any) -> dict[str, Any]:
    obj = copy.deepcopy(MODEL)
    predictor = obj["spec"]["predictors"][0]
    for place, value in changes.items():
        {"spec": obj["spec"], "predictor": predictor, "graph": predictor["graph"]}[place].update(value)
    return obj


def twice() -> dict[str, Any]:
    obj = copy.deepcopy(MODEL)
    obj["spec"]["predictors"] *= 2
    return obj


@pytest.fixture
def without_configurations(shell: Shell) -> Iterator[Shell]:
    """A cluster whose API server asks no webhook; it does again afterwards."""
    for kind in WEBHOOKS.split(","):
        verb = kind.removesuffix("webhookconfigurations")
        names = [name for name in webhook_configurations(shell) if verb in name]
        shell.check("kubectl", "delete", kind, *names)
    yield shell
    install(shell)


def test_without_the_configurations_the_crd_refuses_what_its_own_rules_cover(without_configurations: Shell) -> None:
    shell = without_configurations
    for what, obj, message in (
        ("an unknown transport", wrong(spec={"transport": "pigeon"}), "spec.transport"),
        ("an unknown protocol", wrong(spec={"protocol": "smoke"}), "spec.protocol"),
        ("no predictor", wrong(spec={"predictors": []}), "spec.predictors"),
        ("a negative number of replicas", wrong(predictor={"replicas": -1}), "spec.predictors[0].replicas"),
        ("one name twice", twice(), "spec.predictors[1]"),
        ("an unknown type of node", wrong(graph={"type": "ORACLE"}), "spec.predictors[0].graph.type"),
    ):
        command = ["kubectl", "-n", shell.namespace, "create", "--dry-run=server", "-f", "-"]
        refused = shell.run(*command, stdin=json.dumps(obj))
        assert refused.returncode != 0, what
        assert message in refused.stderr, what
        assert "webhook" not in refused.stderr, what
    # What is right is served without the webhook: the controller fills in the same defaults.
    shell.kubectl("apply", "-f", "-", stdin=model())
    assert "protocol" not in shell.wait_available("seldon-model")["spec"]
