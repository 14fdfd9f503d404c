"""What Helm prints at the end: what happened, and what to type next."""

import re
from typing import Any

import pytest
import yaml

from seldon_core.api.validate import validate
from tests.chart.conftest import Notes
from tests.chart.rendering import OPERATOR_KEY
from tests.chart.test_upstream_values import warnings

DEFAULT: dict[str, Any] = {}


def _manifest(text: str) -> dict[str, Any]:
    match = re.search(r"-f - <<EOF\n(.*?)\nEOF\n", text, re.DOTALL)
    assert match is not None
    return dict(yaml.safe_load(match[1]))


def test_off_says_that_nothing_was_installed_and_how_to_install_it(notes: Notes) -> None:
    text = notes({OPERATOR_KEY: {"enabled": False}})
    assert text.startswith("Nothing was installed: seldon-core-operator.enabled is false.\n")
    assert (
        "\n  helm upgrade seldon <this chart> --namespace seldon-system --reset-then-reuse-values --wait"
        " --set seldon-core-operator.enabled=true\n" in text
    )


def test_on_says_what_is_installed_where_and_for_whom(notes: Notes) -> None:
    text = notes(DEFAULT)
    assert text.startswith(
        "Seldon Core 0.1.0 is installed in namespace seldon-system."
        " The API server reaches its webhook: SeldonDeployments can be applied now.\n"
        "It serves SeldonDeployments without the label seldon.io/controller-id in all namespaces without that label.\n"
    )
    assert warnings(text) == []
    assert "  kubectl delete customresourcedefinition seldondeployments.machinelearning.seldon.io" in text


def test_it_promises_nothing_that_was_not_checked(notes: Notes) -> None:
    assert "can be applied now" not in notes({OPERATOR_KEY: {"webhook": {"check": {"enabled": False}}}})


EVERYWHERE = "in all namespaces without that label"
MODES: dict[str, tuple[dict[str, Any], str, str | None, str]] = {
    "cluster-wide": (
        {},
        "models",
        None,
        "without the label seldon.io/controller-id in all namespaces without that label",
    ),
    "single namespace": (
        {"singleNamespace": True},
        "seldon-system",
        None,
        "without the label seldon.io/controller-id in namespace seldon-system only",
    ),
    "by id": (
        {"controllerId": "x"},
        "models",
        "x",
        f"with the label seldon.io/controller-id=x {EVERYWHERE}",
    ),
}


@pytest.mark.parametrize(("values", "namespace", "label", "scope"), MODES.values(), ids=MODES)
def test_the_first_model_is_one_that_this_operator_serves(
    notes: Notes, values: dict[str, Any], namespace: str, label: str | None, scope: str
) -> None:
    text = notes({OPERATOR_KEY: values})
    assert f"It serves SeldonDeployments {scope}." in text
    assert f"\nkubectl apply --namespace {namespace} -f - <<EOF\n" in text
    assert (f"kubectl create namespace {namespace}\n" in text) == (namespace == "models")
    assert _manifest(text)["metadata"].get("labels", {}).get("seldon.io/controller-id") == label


def test_the_first_model_is_valid(notes: Notes) -> None:
    assert validate(_manifest(notes(DEFAULT))) == []


def test_a_single_namespace_is_to_be_labelled_beside_a_cluster_wide_operator(notes: Notes) -> None:
    (warning,) = warnings(notes({OPERATOR_KEY: {"singleNamespace": True}}))
    assert warning.endswith("kubectl label namespace seldon-system seldon.io/controller-id=seldon-system")


def test_ports_are_those_that_are_set(notes: Notes) -> None:
    text = notes({OPERATOR_KEY: {"executor": {"port": 8001}, "webhook": {"port": 8443}}})
    assert "service/seldon-model-example 8001 &" in text
    assert "http://localhost:8001/api/v1.0/predictions" in text
    assert "port 8443 of the pods in seldon-system" in text
