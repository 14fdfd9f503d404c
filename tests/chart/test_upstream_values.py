"""A values file written for Seldon Core v1 installs unchanged, and the notes say what of it has no effect."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from seldon_core.plan.reading import DEFAULT_SERVERS, servers
from tests.chart.conftest import Notes
from tests.chart.rendering import OPERATOR, OPERATOR_KEY, Helm, Object, RefusedError, Rendered
from tests.chart.test_values import leaves, nested

UPSTREAM: Object = yaml.safe_load((Path(__file__).parent / "upstream-values.yaml").read_text())
UPSTREAM_LEASE = "a33bd623.machinelearning.seldon.io"
IMAGE_WARNINGS = [
    "executor.image names an image of the reference implementation (seldonio/seldon-core-executor:1.18.2);"
    " this chart's own image is used instead",
    "image names an image of the reference implementation (seldonio/seldon-core-operator:1.18.2);"
    " this chart's own image is used instead",
]


def merged(base: Object, path: str, value: Any) -> Object:
    result = copy.deepcopy(base)
    section = result
    *parents, last = path.split(".")
    for key in parents:
        section = section[key]
    section[last] = value
    return result


def warnings(text: str) -> list[str]:
    """The items below "Warnings:" in the notes."""
    _, _, after = text.partition("\nWarnings:\n")
    block, _, _ = after.strip("\n").partition("\n\n")
    return [line.removeprefix("  - ") for line in block.splitlines()]


def test_upstreams_defaults_render_what_ours_do_but_for_what_we_chose_otherwise(helm: Helm) -> None:
    chosen = {
        "manager": {"leaderElectionID": UPSTREAM_LEASE},
        "executor": {"resources": {"cpuRequest": "500m", "memoryRequest": "512Mi"}},
        "predictor_servers": UPSTREAM["predictor_servers"],
    }
    assert helm.template(UPSTREAM, chart=OPERATOR).text == helm.template(chosen, chart=OPERATOR).text


def test_upstreams_prepackaged_servers_are_those_that_we_know() -> None:
    assert servers(json.dumps(UPSTREAM["predictor_servers"])) == DEFAULT_SERVERS


def test_they_do_so_below_the_umbrellas_key_as_well(helm: Helm) -> None:
    assert list(helm.operator(UPSTREAM).objects) == list(helm.template(UPSTREAM, chart=OPERATOR).objects)


def test_at_the_umbrellas_top_level_every_key_is_refused_with_its_new_name(helm: Helm) -> None:
    with pytest.raises(RefusedError) as refused:
        helm.template(UPSTREAM)
    findings = str(refused.value).splitlines()
    for key in UPSTREAM:
        expected = f"  - {key}: a value of the operator, ignored at the top level; write {OPERATOR_KEY}.{key} "
        assert any(finding.startswith(expected) for finding in findings)


def test_upstreams_defaults_give_no_warning_but_for_the_images(notes: Notes) -> None:
    assert warnings(notes({OPERATOR_KEY: UPSTREAM})) == IMAGE_WARNINGS


NOT_SERVED = list(leaves(yaml.safe_load((OPERATOR / "files" / "not-served.yaml").read_text())))


def _other(value: Any) -> Any:
    return not value if isinstance(value, bool) else f"not {value}"


def test_everything_that_is_not_served_is_named_when_it_is_set(notes: Notes) -> None:
    values: Object = copy.deepcopy(UPSTREAM)
    expected = []
    for path, value in NOT_SERVED:
        values = merged(values, path, _other(value))
        expected.append(f"{path} has no effect in this version")
    assert sorted(warnings(notes({OPERATOR_KEY: values}))) == sorted(expected + IMAGE_WARNINGS)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kubeflow", True),
        ("credentials.gcs.gcsCredentialFileName", "other.json"),
        ("manager.leaderElectionLeaseDurationSecs", 60),
    ],
)
def test_one_that_is_set_alone_is_named_alone(notes: Notes, path: str, value: Any) -> None:
    assert warnings(notes({OPERATOR_KEY: nested(path, value)})) == [f"{path} has no effect in this version"]


def test_what_upstream_never_had_below_its_own_sections_is_not_our_business(helm: Helm, default: Rendered) -> None:
    assert helm.operator({"credentials": {"anything": {"at": "all"}}}).text == default.text


OPERATOR_IMAGE, ENGINE_IMAGE = "seldonio/seldon-core-operator", "seldonio/seldon-core-engine"
UPSTREAM_EXECUTOR = "seldonio/seldon-core-executor"
DIGEST = "sha256:" + "0" * 64
# What is asked for, and what is used.
IMAGES = {
    "upstream's operator": ((OPERATOR_IMAGE, "1.18.2", ""), f"{OPERATOR_IMAGE}:0.1.0"),
    "a development version of it": ((OPERATOR_IMAGE, "1.18.0-dev", ""), f"{OPERATOR_IMAGE}:0.1.0"),
    "our operator": ((OPERATOR_IMAGE, "0.2.0", ""), f"{OPERATOR_IMAGE}:0.2.0"),
    "our operator by digest": ((OPERATOR_IMAGE, "1.18.2", DIGEST), f"{OPERATOR_IMAGE}:1.18.2@{DIGEST}"),
    "a mirror of ours": (("mirror/operator", "1.18.2", ""), "mirror/operator:1.18.2"),
    "upstream's executor": ((UPSTREAM_EXECUTOR, "1.18.2", ""), f"{ENGINE_IMAGE}:0.1.0"),
    "upstream's executor without a tag": ((UPSTREAM_EXECUTOR, "", ""), f"{ENGINE_IMAGE}:0.1.0"),
    "our engine": ((ENGINE_IMAGE, "0.2.0", ""), f"{ENGINE_IMAGE}:0.2.0"),
}


@pytest.mark.parametrize(("asked", "used"), IMAGES.values(), ids=IMAGES)
def test_upstreams_images_and_no_others_give_way_to_ours(helm: Helm, asked: tuple[str, str, str], used: str) -> None:
    image = dict(zip(("repository", "tag", "digest"), asked, strict=True))
    if "operator" in used:
        found = helm.operator({"image": image}).container("seldon-webhook")["image"]
    else:
        rendered = helm.operator({"executor": {"image": image}})
        found = rendered.environment("seldon-controller-manager")["EXECUTOR_CONTAINER_IMAGE_AND_VERSION"]
    assert found == f"docker.io/{used}"


def test_our_own_version_is_not_mistaken_for_upstreams(default: Rendered) -> None:
    assert not default.container("seldon-webhook")["image"].split(":")[-1].startswith("1."), (
        "from 1.0 on the chart must tell its own versions from upstream's in another way (_image.tpl)"
    )
