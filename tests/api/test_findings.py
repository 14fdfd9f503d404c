import datetime

import pytest
from hypothesis import given

from seldon_core.api.findings import ABSENT, Finding, short
from tests.api.samples import JSON


def test_a_finding_names_path_value_rule_and_remedy() -> None:
    rule = "weights of the non-shadow predictors add up to 80, must be 100"
    finding = Finding("spec.predictors[1].traffic", 30, rule, 'raise "main" to 70')
    assert str(finding) == f'spec.predictors[1].traffic: 30: {rule}; raise "main" to 70'
    assert finding.severity == "error"


def test_an_absent_value_is_left_out() -> None:
    assert str(Finding("spec", ABSENT, "is required", "add it")) == "spec: is required; add it"
    assert str(Finding("spec", None, "is required", "add it")) == "spec: null: is required; add it"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("a\nb", r'"a\nb"', id="one-line"),
        pytest.param("ü", '"ü"', id="as-typed"),
        pytest.param(True, "true", id="boolean"),
        pytest.param({"a": [1, None]}, '{"a": [1, null]}', id="mapping"),
        pytest.param("x" * 10**6, '"' + "x" * 59 + "...", id="long-text"),
        pytest.param(
            list(range(10**6)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1...", id="long-list"
        ),
        pytest.param(datetime.date(2024, 1, 2), '"2024-01-02"', id="yaml-date"),
        pytest.param({(1, 2): 3}, "{}", id="yaml-key"),
    ],
)
def test_values_are_shown_as_json_and_cut(value: object, expected: str) -> None:
    assert short(value) == expected


def test_a_deep_value_costs_nothing() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert short(deep) == "[" * 60 + "..."


@given(JSON)
def test_every_finding_can_be_sent(value: object) -> None:
    text = str(Finding("spec", value, "rule", "remedy"))
    assert text.encode()
    assert "\n" not in text


def test_half_a_surrogate_pair_can_be_sent() -> None:
    assert str(Finding("spec", "\ud800", "rule", "remedy")).encode() == rb'spec: "\ud800": rule; remedy'
