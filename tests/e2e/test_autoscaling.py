"""An autoscaler of a SeldonDeployment sees the load of its pods, and nobody takes back the pods that it adds."""

import json

import pytest

from .kube import Shell, engine_image, steady_traffic, wait_for
from .test_main_path import PREDICTIONS, ROWS, ndarray

pytestmark = pytest.mark.e2e
NAME = "busy"
MANIFEST = {
    "apiVersion": "machinelearning.seldon.io/v1",
    "kind": "SeldonDeployment",
    "metadata": {"name": NAME},
    "spec": {
        "predictors": [
            {
                "name": "default",
                "graph": {"name": "classifier", "type": "MODEL"},
                "componentSpecs": [
                    {
                        "hpaSpec": {
                            "minReplicas": 1,
                            "maxReplicas": 2,
                            "metricsv2": [
                                {
                                    "type": "Resource",
                                    "resource": {
                                        "name": "cpu",
                                        "target": {"type": "Utilization", "averageUtilization": 5},
                                    },
                                }
                            ],
                        },
                        "spec": {
                            "containers": [
                                {
                                    "name": "classifier",
                                    "image": "seldonio/mock_classifier:1.0",
                                    "resources": {"requests": {"cpu": "50m"}},
                                }
                            ]
                        },
                    }
                ],
            }
        ]
    },
}


@pytest.mark.timeout(300)
def test_load_adds_a_pod_and_an_edit_does_not_take_it_back(shell: Shell) -> None:
    shell.kubectl("apply", "--filename", "-", stdin=json.dumps(MANIFEST))
    shell.wait_available(NAME)
    (deployment,) = [item["metadata"]["name"] for item in shell.get("deployments")["items"]]

    def replicas() -> int:
        status = shell.get("deployment", deployment)["status"]
        return int(status.get("readyReplicas", 0))

    url = f"http://{NAME}-default.{shell.namespace}:8000{PREDICTIONS}"
    with steady_traffic(shell, url, ndarray(ROWS), engine_image()) as traffic:
        wait_for("a second pod", lambda: replicas() == 2)
        shell.kubectl("annotate", "seldondeployment", NAME, "touched=yes")
        shell.wait_available(NAME)
        assert shell.get("deployment", deployment)["spec"]["replicas"] == 2
    assert traffic.failures == []
