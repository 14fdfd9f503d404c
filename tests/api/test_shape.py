"""The compiled shapes say yes only where the words find nothing."""

import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seldon_core.api.kubernetes import POD_SPEC, bundled
from seldon_core.api.rules.shape import check_shape
from seldon_core.api.shape import Shape, fits, node_shape, spec_shape
from tests.api.samples import JSON, broken, sdep

SCHEMA = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "kind": {"type": "string", "enum": ["A", "B"]},
        "count": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 9},
        "size": {"type": "integer", "format": "int64"},
        "on": {"type": "boolean"},
        "share": {"x-kubernetes-int-or-string": True},
        "rest": {"x-kubernetes-preserve-unknown-fields": True},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "free": {"type": "object"},
        "amount": {"format": "quantity"},
        "ratio": {"type": "number"},
        "open": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"a": {"type": "string"}},
        },
        "list": {"type": "array", "minItems": 1, "example": ["x"], "items": {"type": "string"}},
    },
}
SHAPE = Shape.of(SCHEMA)
POD = bundled().shapes[POD_SPEC]


def in_words(value: Any, shape: Shape) -> list[str]:
    """What is found where the compiled shape is not asked."""
    return [finding.path for finding in check_shape(value, Shape(shape.schema, None), "x")]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"kind": "A", "count": 9, "size": 2**62, "on": True, "share": "50%", "rest": [{}], "list": ["a"]},
        {"kind": None, "count": None, "share": None, "map": {"a": None, "b": "c"}, "list": None},
        {"count": 3.0, "share": 3, "ratio": 0.5, "open": {"a": "", "unknown": object()}},
        {"free": {"a": 1}, "map": {}},
        *({"amount": amount} for amount in (1, 0.5, "1", "-1.5Gi", ".5", "5.", "100m", "1e3", "+2E-1", "3n")),
    ],
    ids=["required", "all", "nulls", "whole-float", "empty", *map("amount-{}".format, range(10))],
)
def test_fitting(fields: dict[str, Any]) -> None:
    value = {"name": "n", **fields}
    assert list(check_shape(value, SHAPE, "x")) == []
    assert in_words(value, SHAPE) == []


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ([], "x"),
        ({}, "x.name"),
        ({"name": None}, "x.name"),
        ({"name": datetime.date(2026, 1, 1)}, "x.name"),
        *[
            ({"name": "n", key: value}, f"x.{key}")
            for key, value in (
                ("kind", "a"), ("kind", ""), ("kind", "\ud800"), ("count", -1), ("count", 10), ("count", 1.5),
                ("count", True), ("count", "1"), ("size", 2**63), ("on", 1), ("on", "true"), ("share", 1.5),
                ("share", []), ("map", []), ("free", "x"), ("list", []), ("list", "x"), ("nam", "x"),
                ("amount", "1 Gi"), ("amount", "1GB"), ("amount", ""), ("amount", True), ("amount", "1Gi\n"),
                ("ratio", "1"), ("ratio", False), ("open", {"a": 1}),
            )
        ],
        ({"name": "n", "list": [None]}, "x.list[0]"),
        ({"name": "n", "map": {"k": 1}}, "x.map[k]"),
    ],
)  # fmt: skip
def test_not_fitting(value: Any, path: str) -> None:
    assert not fits(value, SHAPE)
    assert [finding.path.removesuffix(".a") for finding in check_shape(value, SHAPE, "x")] == [path]


@given(JSON | broken(), st.sampled_from([spec_shape(), node_shape(), POD, SHAPE]))
@settings(max_examples=200)
def test_what_fits_has_no_finding(value: Any, shape: Shape) -> None:
    part = value.get("spec", value) if isinstance(value, dict) else value
    if fits(part, shape):
        assert in_words(part, shape) == []


def test_what_is_right_fits() -> None:
    """Else all objects would be looked at twice."""
    spec = sdep()["spec"]
    assert fits(spec, spec_shape())
    assert fits(spec["predictors"][0]["graph"], node_shape())
    assert fits(spec["predictors"][0]["componentSpecs"][0]["spec"], POD)
