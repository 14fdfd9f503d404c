"""What real API servers say of Kubernetes' types: the bundled schemas are theirs, the oldest one's are understood."""

from typing import Any

import pytest
import yaml

from hack import generate_schemas
from hack.controlplane import ControlPlane
from hack.tools.catalogue import KUBERNETES_VERSION
from seldon_core.api.installation import Installation
from seldon_core.api.kubernetes import OPENAPI_PATHS, KubernetesTypes, bundled
from seldon_core.api.validate import validate
from tests.integration.test_crd import EXAMPLE


def documents(control_plane: ControlPlane) -> list[Any]:
    return [control_plane.access.call("GET", path)[1] for path in OPENAPI_PATHS]


def test_the_bundle_is_what_the_pinned_api_server_says(control_plane: ControlPlane) -> None:
    assert KubernetesTypes.from_openapi(documents(control_plane)) is bundled()
    definitions = generate_schemas.fetch(control_plane)
    assert generate_schemas.FILE.read_text() == generate_schemas.render(KUBERNETES_VERSION, definitions)


@pytest.mark.xdist_group("crd")
def test_the_types_of_the_oldest_kubernetes_decide_there() -> None:
    with ControlPlane(program="kube-apiserver-oldest") as oldest:
        types = KubernetesTypes.from_openapi(documents(oldest))
    assert types is not bundled()
    installation = Installation(kubernetes=types)
    example = yaml.safe_load(EXAMPLE.read_text())
    del example["spec"]["name"]
    assert validate(example, None, installation) == []
    # A field of Kubernetes 1.34.
    container = example["spec"]["predictors"][0]["componentSpecs"][0]["spec"]["containers"][0]
    container["env"] = [{"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": "a", "path": "b", "key": "c"}}}]
    assert validate(example) == []
    (finding,) = validate(example, None, installation)
    assert finding.path.endswith(".env[0].valueFrom.fileKeyRef")
    assert finding.severity == "error"
