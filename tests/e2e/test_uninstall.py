"""Removing the release with SeldonDeployments still there: everything ends by itself and nothing stands in the way."""

import json
from collections.abc import Iterator

import pytest

from .kube import Shell, wait_for
from .test_main_path import EXAMPLES

pytestmark = pytest.mark.e2e
RELEASE = ["seldon", "--namespace", "seldon-system"]
WEBHOOKS = "validatingwebhookconfigurations,mutatingwebhookconfigurations"


def install(shell: Shell) -> None:
    shell.check(
        "helm",
        "upgrade",
        "--install",
        "seldon",
        ".",
        "--namespace",
        "seldon-system",
        "--create-namespace",
        "--wait",
    )


@pytest.fixture
def reinstalled(shell: Shell) -> Iterator[Shell]:
    """The shell; whatever the test does to the release, it is there again afterwards."""
    yield shell
    install(shell)


def webhook_configurations(shell: Shell) -> list[str]:
    found = json.loads(shell.check("kubectl", "get", WEBHOOKS, "--output", "json"))["items"]
    return [item["metadata"]["name"] for item in found if "seldon" in item["metadata"]["name"]]


def delete_namespace(shell: Shell, namespace: str) -> None:
    shell.check("kubectl", "delete", "namespace", namespace, "--timeout=120s")


def test_the_first_apply_works_when_install_returns(reinstalled: Shell) -> None:
    reinstalled.check("helm", "uninstall", *RELEASE, "--wait")
    install(reinstalled)
    reinstalled.apply(EXAMPLES / "seldon-model.yaml")
    reinstalled.wait_available("seldon-model")


def test_uninstall_then_deleting_the_namespaces_ends_without_intervention(reinstalled: Shell) -> None:
    reinstalled.apply(EXAMPLES / "seldon-model.yaml")
    reinstalled.wait_available("seldon-model")
    reinstalled.check("helm", "uninstall", *RELEASE, "--wait")
    assert webhook_configurations(reinstalled) == []
    delete_namespace(reinstalled, reinstalled.namespace)
    delete_namespace(reinstalled, "seldon-system")
    assert webhook_configurations(reinstalled) == []


def test_deleting_the_release_namespace_without_an_uninstall_leaves_no_webhook_configuration(
    reinstalled: Shell,
) -> None:
    reinstalled.apply(EXAMPLES / "seldon-model.yaml")
    reinstalled.wait_available("seldon-model")
    delete_namespace(reinstalled, "seldon-system")
    wait_for("the webhook configurations to be gone", lambda: not webhook_configurations(reinstalled))
    # The objects can still be edited and deleted, as nothing stands in the way.
    reinstalled.kubectl("annotate", "seldondeployment", "seldon-model", "touched=yes")
    reinstalled.kubectl("delete", "seldondeployment", "seldon-model", "--timeout=60s")
