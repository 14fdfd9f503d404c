"""What the schema of the CRD must be like; how the API server treats it is tested on a real one."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from seldon_core.api import constants as c
from seldon_core.api import schema
from seldon_core.api.crd import custom_resource_definition

KIB = 1024


def schemas(part: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, part
    for key, value in part.get("properties", {}).items():
        yield from schemas(value, f"{path}.{key}")
    for key in ("items", "additionalProperties"):
        if key in part:
            yield from schemas(part[key], f"{path}[]")


def at(path: str) -> dict[str, Any]:
    return dict(schemas(schema.crd_schema()))[path]


def test_all_versions_share_one_schema_and_convert_without_a_webhook() -> None:
    spec = custom_resource_definition()["spec"]
    assert spec["conversion"] == {"strategy": "None"}
    assert {json.dumps(version["schema"]) for version in spec["versions"]} == {
        json.dumps({"openAPIV3Schema": schema.crd_schema()})
    }
    assert [(v["name"], v["served"], v["storage"]) for v in spec["versions"]] == [
        ("v1", True, True),
        ("v1alpha2", True, False),
        ("v1alpha3", True, False),
    ]


def test_a_client_side_apply_fits() -> None:
    """kubectl stores the whole object in an annotation of at most 256 KiB."""
    assert len(json.dumps(custom_resource_definition())) < 128 * KIB


def test_what_users_write_is_described_in_full_and_types_of_kubernetes_are_kept_as_they_are() -> None:
    component = ".spec.predictors[].componentSpecs[]"
    opened = [
        path
        for path, part in schemas(schema.crd_schema())
        if part.get("x-kubernetes-preserve-unknown-fields") and not path.startswith(".status")
    ]
    assert set(opened) == {
        f"{component}.spec",
        *(f"{component}.hpaSpec.metrics[].{kind}.selector" for kind in ("pods", "object")),
        f"{component}.hpaSpec.metrics[].external.metricSelector",
        f"{component}.hpaSpec.metricsv2[]",
        f"{component}.kedaSpec.advanced.horizontalPodAutoscalerConfig.behavior",
        ".spec.predictors[].svcOrchSpec.resources",
        ".spec.predictors[].svcOrchSpec.env[]",
        ".spec.predictors[].engineResources",
        ".spec.predictors[].explainer.containerSpec",
        ".spec.predictors[].graph" + ".children[]" * (schema.GRAPH_LEVELS + 1),
    }


def test_every_field_is_described_and_every_level_of_the_graph_typed() -> None:
    undescribed = [
        path
        for path, part in schemas(schema.crd_schema())
        if "description" not in part and not path.endswith("[]") and ".children[]" not in path
    ]
    assert undescribed == [".metadata"]
    deepest = ".spec.predictors[].graph" + ".children[]" * schema.GRAPH_LEVELS
    assert at(deepest)["properties"]["type"]["enum"] == list(c.NODE_TYPES)
    below = at(f"{deepest}.children[]")
    assert below["x-kubernetes-preserve-unknown-fields"]
    assert below["properties"] == {"name": {"type": "string"}}


@pytest.mark.parametrize("path", [".spec.predictors", ".spec.predictors[].graph.children", ".status.conditions"])
def test_lists_that_are_merged_by_key(path: str) -> None:
    part = at(path)
    assert part["x-kubernetes-list-type"] == "map"
    (key,) = part["x-kubernetes-list-map-keys"]
    assert key in part["items"]["required"]


def test_lists_that_may_repeat_a_name_are_not_merged_by_key() -> None:
    assert "x-kubernetes-list-type" not in at(".spec.predictors[].graph.parameters")
    assert "x-kubernetes-list-type" not in at(".spec.predictors[].svcOrchSpec.env")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (".spec.protocol", c.PROTOCOLS),
        (".spec.transport", c.TRANSPORTS),
        (".spec.serverType", c.SERVER_TYPES),
        (".spec.predictors[].graph.type", c.NODE_TYPES),
        (".spec.predictors[].graph.endpoint.type", c.ENDPOINT_TYPES),
    ],
)
def test_the_enums_are_those_of_the_constants(path: str, words: tuple[str, ...]) -> None:
    assert at(path)["enum"] == list(words)


@pytest.mark.parametrize(
    ("path", "low", "high"),
    [
        (".spec.replicas", 0, None),
        (".spec.predictors[].replicas", 0, None),
        (".spec.predictors[].componentSpecs[].replicas", 0, None),
        (".spec.predictors[].traffic", 0, 100),
        (".spec.predictors[].graph.endpoint.httpPort", 0, 65535),
    ],
)
def test_numbers_have_bounds(path: str, low: int, high: int | None) -> None:
    assert (at(path)["minimum"], at(path).get("maximum")) == (low, high)
