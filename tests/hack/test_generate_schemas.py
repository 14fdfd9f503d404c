"""The bundled schemas of Kubernetes: their version is checked without an API server, their text can be read back."""

import pytest

from hack import generate_schemas
from hack.console import Failure
from seldon_core.api.kubernetes import BUNDLED_VERSION, bundled


def test_the_module_holds_what_was_rendered() -> None:
    text = generate_schemas.render("v9.9.9", {"A": {"x-kubernetes-int-or-string": True}, "B": {"enum": ["a", ""]}})
    module: dict[str, object] = {}
    exec(text, module)
    assert module["VERSION"] == "v9.9.9"
    assert module["DEFINITIONS"] == {"A": {"x-kubernetes-int-or-string": True}, "B": {"enum": ["a", ""]}}


def test_the_file_is_in_its_generated_form() -> None:
    assert generate_schemas.FILE.read_text() == generate_schemas.render(BUNDLED_VERSION, bundled().definitions)
    assert generate_schemas.main(["--check"]) == 0


def test_a_bundle_of_another_kubernetes_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate_schemas, "KUBERNETES_VERSION", "v9.9.9")
    with pytest.raises(Failure, match=r"is of v1\.\d+\.\d+, not of v9\.9\.9; run `make generate`"):
        generate_schemas.main(["--check"])
