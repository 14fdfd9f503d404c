"""What is in the package, how large it is, and what Helm's linter says."""

import tarfile
from pathlib import Path

import pytest
import yaml

from seldon_core import __version__
from tests.chart.rendering import OPERATOR, ROOT, Helm, Rendered

SIZE_LIMIT = 200 * 1024  # a release stores the chart in a Secret of at most 1 MiB
CRD = "seldondeployments.machinelearning.seldon.io"


def _names(text: str) -> set[str]:
    return set(text.split())


UMBRELLA = _names("""
Chart.yaml LICENSE README.md values.schema.json values.yaml
templates/NOTES.txt templates/_operator-keys.tpl templates/validate.yaml
""")
OPERATOR_FILES = _names(f"""
Chart.yaml README.md values.schema.json values.yaml
files/crds/{CRD}.yaml files/not-served.yaml
templates/NOTES.txt templates/_image.tpl templates/_labels.tpl templates/_names.tpl templates/_not-served.tpl
templates/_notes.tpl templates/_pod.tpl templates/crd.yaml templates/rbac-users.yaml templates/validate.yaml
templates/controller/_env.tpl templates/controller/deployment.yaml templates/controller/rbac.yaml
templates/controller/service-account.yaml
templates/webhook/_check.tpl templates/webhook/_configuration.tpl templates/webhook/cert-manager.yaml
templates/webhook/check.yaml
templates/webhook/configurations.yaml templates/webhook/deployment.yaml templates/webhook/disruption-budget.yaml
templates/webhook/rbac.yaml templates/webhook/service-account.yaml templates/webhook/service.yaml
""")


def test_the_package_holds_exactly_the_charts(package: Path) -> None:
    with tarfile.open(package) as archive:
        members = archive.getmembers()
    assert {member.name for member in members} == {f"seldon-core/{name}" for name in UMBRELLA} | {
        f"seldon-core/charts/seldon-core-operator/{name}" for name in OPERATOR_FILES
    }
    assert all(member.isfile() for member in members), "a link would lead out of the package"


def test_the_package_is_small(package: Path) -> None:
    assert package.stat().st_size < SIZE_LIMIT


def test_the_crd_in_the_package_is_the_generated_one(package: Path) -> None:
    with tarfile.open(package) as archive:
        packed = archive.extractfile(f"seldon-core/charts/seldon-core-operator/files/crds/{CRD}.yaml")
        assert packed is not None
        assert packed.read() == (ROOT / "crds" / f"{CRD}.yaml").read_bytes()


def test_the_rendered_crd_is_the_generated_one_with_metadata_added(default: Rendered) -> None:
    rendered = default.one("CustomResourceDefinition", CRD)
    generated = yaml.safe_load((ROOT / "crds" / f"{CRD}.yaml").read_text())
    assert {key: rendered[key] for key in rendered if key != "metadata"} == {
        key: generated[key] for key in generated if key != "metadata"
    }
    assert rendered["metadata"].items() >= {"name": CRD}.items()
    assert rendered["metadata"]["annotations"].items() >= generated["metadata"].get("annotations", {}).items()


def test_the_crd_is_kept_on_uninstall_whatever_its_annotations(helm: Helm) -> None:
    annotations = {"helm.sh/resource-policy": "delete", "team": "ml"}
    rendered = helm.operator({"crd": {"annotations": annotations}}).one("CustomResourceDefinition", CRD)
    assert rendered["metadata"]["annotations"].items() >= {"helm.sh/resource-policy": "keep", "team": "ml"}.items()


@pytest.mark.parametrize("chart", [ROOT, OPERATOR], ids=["umbrella", "operator"])
def test_helm_lint_has_nothing_to_say(helm: Helm, chart: Path) -> None:
    done = helm.run("lint", "--strict", chart)
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout
    assert "[ERROR]" not in done.stdout


def test_the_versions_agree() -> None:
    umbrella, operator = (yaml.safe_load((folder / "Chart.yaml").read_text()) for folder in (ROOT, OPERATOR))
    (dependency,) = umbrella["dependencies"]
    assert umbrella["version"] == operator["version"] == dependency["version"]
    assert umbrella["appVersion"] == operator["appVersion"] == __version__
    assert umbrella["kubeVersion"] == operator["kubeVersion"]


def test_the_operator_chart_is_found_by_links_that_stay_inside() -> None:
    assert (ROOT / "charts" / "seldon-core-operator").resolve() == OPERATOR
    assert (OPERATOR / "files" / "crds").resolve() == ROOT / "crds"
