"""Names and namespaces: any namespace will do, and no name is longer than Kubernetes allows."""

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.chart.rendering import Helm, Object

NAME_LIMIT, CLUSTER_NAME_LIMIT = 63, 253  # of what becomes a label or host name; of the rest
CLUSTER_WIDE = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
}
WITHOUT_CRD = {"crd": {"create": False}}
namespaces = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)


def _references(tree: Any, key: str) -> set[str]:
    """Every value under a key, wherever it is."""
    if isinstance(tree, dict):
        own = {tree[key]} if isinstance(tree.get(key), str) else set()
        return own.union(*(_references(value, key) for value in tree.values()))
    return set().union(*(_references(value, key) for value in tree)) if isinstance(tree, list) else set()


def _labels(found: Object) -> dict[str, str]:
    template = found.get("spec", {}).get("template", {})
    return {**found["metadata"]["labels"], **template.get("metadata", {}).get("labels", {})}


@given(namespace=namespaces)
@example("123")
@example("1e3")
@example("null")
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_everything_goes_to_the_namespace_of_the_release(helm: Helm, namespace: str) -> None:
    rendered = helm.operator(WITHOUT_CRD, namespace=namespace)
    for found in rendered.objects:
        metadata = found["metadata"]
        assert (found["kind"] in CLUSTER_WIDE) == ("namespace" not in metadata)
        limit = CLUSTER_NAME_LIMIT if found["kind"] in CLUSTER_WIDE else NAME_LIMIT
        assert len(metadata["name"]) <= limit
        assert all(len(value) <= NAME_LIMIT for value in _labels(found).values())
    assert _references(list(rendered.objects), "namespace") == {namespace}


def test_an_override_of_the_namespace_holds_everywhere(helm: Helm) -> None:
    rendered = helm.operator({**WITHOUT_CRD, "namespaceOverride": "elsewhere"}, namespace="release")
    assert _references(list(rendered.objects), "namespace") == {"elsewhere"}
    assert rendered.text == helm.operator(WITHOUT_CRD, namespace="elsewhere").text


@pytest.mark.parametrize("release", ["a", "1", "true", "r" * 53])
def test_any_release_name_will_do(helm: Helm, release: str) -> None:
    rendered = helm.operator(WITHOUT_CRD, release=release)
    assert {_labels(found)["app.kubernetes.io/instance"] for found in rendered.objects} == {release}
    names = {found["metadata"]["name"] for found in rendered.objects}
    assert names == {found["metadata"]["name"] for found in helm.operator(WITHOUT_CRD).objects}
