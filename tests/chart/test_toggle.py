"""The one switch of the umbrella chart: off is nothing at all, on is everything, and both the same every time."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.chart.rendering import OPERATOR_KEY, ROOT, Helm, RefusedError, Rendered

OFF = {OPERATOR_KEY: {"enabled": False}}

EVERYTHING = [
    ("ClusterRole", "seldon-deployments-edit-seldon-system"),
    ("ClusterRole", "seldon-deployments-view-seldon-system"),
    ("ClusterRole", "seldon-manager-role-seldon-system"),
    ("ClusterRole", "seldon-webhook-role-seldon-system"),
    ("ClusterRoleBinding", "seldon-manager-role-seldon-system"),
    ("ClusterRoleBinding", "seldon-webhook-role-seldon-system"),
    ("CustomResourceDefinition", "seldondeployments.machinelearning.seldon.io"),
    ("Deployment", "seldon-controller-manager"),
    ("Deployment", "seldon-webhook"),
    ("Job", "seldon-webhook-check"),
    ("MutatingWebhookConfiguration", "seldon-mutating-webhook-configuration-seldon-system"),
    ("PodDisruptionBudget", "seldon-webhook"),
    ("Role", "seldon-leader-election-role"),
    ("Role", "seldon-webhook-ca-role"),
    ("Role", "seldon-webhook-check"),
    ("RoleBinding", "seldon-leader-election-role"),
    ("RoleBinding", "seldon-webhook-ca-role"),
    ("RoleBinding", "seldon-webhook-check"),
    ("Service", "seldon-webhook-service"),
    ("ServiceAccount", "seldon-manager"),
    ("ServiceAccount", "seldon-webhook"),
    ("ServiceAccount", "seldon-webhook-check"),
    ("ValidatingWebhookConfiguration", "seldon-validating-webhook-configuration-seldon-system"),
]


@pytest.fixture(params=["folder", "package"])
def chart(request: pytest.FixtureRequest) -> Path:
    return ROOT if request.param == "folder" else Path(request.getfixturevalue("package"))


def test_off_renders_no_object_at_all(helm: Helm, chart: Path) -> None:
    assert helm.template(OFF, chart=chart).text.strip() == ""


def test_off_renders_nothing_whatever_else_is_set(helm: Helm) -> None:
    values = {OPERATOR_KEY: {"enabled": False, "singleNamespace": True, "crd": {"create": True}}}
    assert helm.template(values).text.strip() == ""


def test_the_toggle_is_on_as_shipped() -> None:
    assert yaml.safe_load((ROOT / "values.yaml").read_text()) == {OPERATOR_KEY: {"enabled": True}}


def test_on_renders_everything(default: Rendered) -> None:
    assert sorted((found["kind"], found["metadata"]["name"]) for found in default.objects) == EVERYTHING


def test_two_renders_are_equal_to_the_byte(helm: Helm, default: Rendered) -> None:
    assert helm.template().text == default.text


def test_the_package_renders_what_the_folder_renders(helm: Helm, default: Rendered, package: Path) -> None:
    assert helm.template(chart=package).text == default.text


def test_the_operator_chart_alone_renders_what_the_umbrella_renders(helm: Helm, default: Rendered) -> None:
    alone = helm.template(chart=ROOT / "chart")
    assert list(alone.objects) == list(default.objects)


def test_there_is_no_empty_document_and_no_object_twice(default: Rendered) -> None:
    assert default.text.count("\n---\n") + 1 == len(default.objects)
    seen = Counter(
        (found["kind"], found["metadata"].get("namespace"), found["metadata"]["name"]) for found in default.objects
    )
    assert seen.most_common(1)[0][1] == 1


@pytest.mark.parametrize(
    "arguments", [("--set-string", f"{OPERATOR_KEY}.enabled=false"), ("--set", f"{OPERATOR_KEY}.enabled=0")]
)
def test_a_toggle_that_helm_would_ignore_is_refused(helm: Helm, arguments: tuple[str, str]) -> None:
    with pytest.raises(RefusedError, match="want boolean"):
        helm.template(arguments=arguments)


def test_the_operator_chart_alone_has_no_toggle(helm: Helm) -> None:
    with pytest.raises(RefusedError, match="enabled: false: the toggle belongs to the chart seldon-core; install that"):
        helm.template({"enabled": False}, chart=ROOT / "chart")


def test_an_older_kubernetes_is_refused(helm: Helm) -> None:
    with pytest.raises(RefusedError, match=r"requires kubeVersion: >=1\.30\.0-0"):
        helm.template(arguments=("--kube-version", "1.29.9"))


def test_a_vendors_version_suffix_is_accepted(helm: Helm) -> None:
    assert helm.template(OFF, arguments=("--kube-version", "v1.30.4-gke.1")).text.strip() == ""
