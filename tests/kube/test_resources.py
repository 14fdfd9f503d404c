"""Where objects live on the API server."""

import pytest

from seldon_core.kube import resources
from seldon_core.kube.resources import resource_for


@pytest.mark.parametrize(
    ("resource", "arguments", "path"),
    [
        pytest.param(resources.PODS, (), "/api/v1/pods", id="core, all namespaces"),
        pytest.param(resources.PODS, ("n", "p"), "/api/v1/namespaces/n/pods/p", id="core, one"),
        pytest.param(resources.DEPLOYMENTS, ("n",), "/apis/apps/v1/namespaces/n/deployments", id="group"),
        pytest.param(
            resources.SELDONDEPLOYMENTS,
            ("n", "m", "status"),
            "/apis/machinelearning.seldon.io/v1/namespaces/n/seldondeployments/m/status",
            id="subresource",
        ),
        pytest.param(resources.NAMESPACES, (None, "n"), "/api/v1/namespaces/n", id="cluster-wide"),
        pytest.param(resources.NAMESPACES, ("other", "n"), "/api/v1/namespaces/n", id="cluster-wide in a namespace"),
        pytest.param(resources.PODS, ("a/b", "c?d"), "/api/v1/namespaces/a%2Fb/pods/c%3Fd", id="escaped"),
    ],
)
def test_paths(resource: resources.Resource, arguments: tuple[str | None, ...], path: str) -> None:
    assert resource.path(*arguments) == path


def test_one_namespaced_object_needs_its_namespace() -> None:
    with pytest.raises(ValueError, match="Pod 'p' needs a namespace"):
        resources.PODS.path(None, "p")


def test_an_object_names_its_resource_and_version() -> None:
    assert resource_for({"apiVersion": "v1", "kind": "Secret"}) is resources.SECRETS
    assert resource_for({"apiVersion": "apps/v1", "kind": "Deployment"}) is resources.DEPLOYMENTS
    alpha = resource_for({"apiVersion": "machinelearning.seldon.io/v1alpha2", "kind": "SeldonDeployment"})
    assert alpha.path("n") == "/apis/machinelearning.seldon.io/v1alpha2/namespaces/n/seldondeployments"
    assert alpha.api_version == "machinelearning.seldon.io/v1alpha2"


@pytest.mark.parametrize("obj", [{}, {"apiVersion": "v1"}, {"apiVersion": "apps/v1", "kind": "Secret"}])
def test_an_unknown_kind_is_refused(obj: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="unknown kind of object"):
        resource_for(obj)
