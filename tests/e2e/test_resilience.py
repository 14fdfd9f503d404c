"""Parts are killed while predictions go on: what must not be felt is not felt, and everything heals by itself."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from .kube import Shell, engine_image, steady_traffic, wait_for
from .test_main_path import EXAMPLES, PREDICTIONS, ROWS, ndarray

pytestmark = pytest.mark.e2e
KillContainer = Callable[[str, str, str], None]
JSON = {"Content-Type": "application/json"}


def url(shell: Shell) -> str:
    return f"http://seldon-model-example.{shell.namespace}:8000{PREDICTIONS}"


@pytest.fixture
def served(shell: Shell) -> Shell:
    shell.apply(EXAMPLES / "seldon-model.yaml")
    shell.wait_available("seldon-model")
    return shell


def predicting(shell: Shell, pod: str) -> list[str]:
    """A command that asks for a prediction through the Service, from the model's container."""
    body = json.dumps(ndarray(ROWS))
    ask = f"import urllib.request as r; r.urlopen(r.Request({url(shell)!r}, {body!r}.encode(), {JSON!r}), timeout=10)"
    return ["kubectl", "-n", shell.namespace, "exec", pod, "-c", "classifier", "--", "python3", "-c", ask]


def operator_pods(shell: Shell, deployment: str) -> set[str]:
    """The names of the ready pods of a Deployment in the release's namespace."""
    operator = replace(shell, namespace="seldon-system")
    labels = operator.get("deployment", deployment)["spec"]["selector"]["matchLabels"]
    pods = operator.get("pods", "-l", ",".join(f"{key}={value}" for key, value in labels.items()))["items"]
    return {
        pod["metadata"]["name"]
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp")
        and all(status["ready"] for status in pod["status"].get("containerStatuses", [{"ready": False}]))
    }


@pytest.mark.parametrize("deployment", ["seldon-controller-manager", "seldon-webhook"])
def test_killing_a_pod_of_the_operator_fails_no_prediction_and_heals(served: Shell, deployment: str) -> None:
    before = operator_pods(served, deployment)
    victim = min(before)
    annotate = ["kubectl", "-n", served.namespace, "annotate", "seldondeployment", "seldon-model", "touched=yes"]
    two = json.dumps([{"op": "replace", "path": "/spec/predictors/0/replicas", "value": 2}])

    def healed() -> bool:
        now = operator_pods(served, deployment)
        return len(now) == len(before) and victim not in now

    with steady_traffic(served, url(served), ndarray(ROWS), engine_image()) as traffic:
        served.check("kubectl", "-n", "seldon-system", "delete", "pod", victim, "--grace-period=0", "--force")
        wait_for("a successor", healed)
        # It works again, and does not merely run: an edit goes through webhook and controller to the pods.
        wait_for("the webhook to admit an edit", lambda: served.run(*annotate, "--overwrite").returncode == 0)
        served.kubectl("patch", "seldondeployment", "seldon-model", "--type", "json", "--patch", two)
        wait_for("two pods beside the client", lambda: len(served.pod_uids()) == 3)
        served.wait_available("seldon-model")
    assert traffic.failures == []
    assert traffic.sent > 10


def test_a_killed_engine_fails_only_requests_in_flight_and_the_same_pod_serves_again(
    served: Shell, kill_container: KillContainer
) -> None:
    name = served.get("pods")["items"][0]["metadata"]["name"]
    with steady_traffic(served, url(served), ndarray(ROWS), engine_image()) as traffic:
        kill_container(served.namespace, name, "seldon-container-engine")

        def restarted() -> bool:
            statuses = {s["name"]: s for s in served.get("pod", name)["status"]["containerStatuses"]}
            engine = statuses["seldon-container-engine"]
            assert statuses["classifier"]["restartCount"] == 0, "the model is not touched"
            return bool(engine["restartCount"] == 1 and engine["ready"])

        wait_for("the engine to be back in the same pod", restarted)
        served.wait_available("seldon-model")
    # What failed lost its connection or found nobody to connect to; nobody was answered with an error.
    lost = ("ConnectionRefusedError", "ConnectionResetError", "RemoteDisconnected")
    assert [failure for failure in traffic.failures if not any(name in failure for name in lost)] == []
    assert traffic.sent > len(traffic.failures)
    wait_for("the Service to lead to it again", lambda: served.run(*predicting(served, name)).returncode == 0)
    with steady_traffic(served, url(served), ndarray(ROWS), engine_image()) as after:
        pass
    assert after.failures == []
    assert after.sent >= 10
