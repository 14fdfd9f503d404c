"""The metrics that a model makes, as Prometheus sees them."""

import os
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from seldon_core.metrics import create_counter, create_gauge, create_timer
from seldon_core.microservice.custom_metrics import CustomMetrics
from seldon_core.microservice.errors import SeldonMicroserviceException
from seldon_core.microservice.identity import Identity, split_image
from seldon_core.telemetry.metrics import Registry

IDENTITY = Identity(unit="node", image="a/b:0.1", deployment="dep", predictor="p", predictor_version="v1")


class Collected:
    """Custom metrics, and what a scrape of them gives."""

    def __init__(self, identity: Identity = IDENTITY) -> None:
        self.registry = Registry()
        self.metrics = CustomMetrics(self.registry, identity)

    def record(self, *metrics: Any, method: str = "predict") -> "Collected":
        self.metrics.record(method, self.metrics.check(list(metrics)))
        return self

    def value(self, name: str, **labels: str) -> float | None:
        """The value of the one sample with these labels."""
        found = [
            sample.value
            for family in text_string_to_metric_families(self.registry.render().decode())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert len(found) <= 1
        return found[0] if found else None


def test_a_counter_adds_up_a_gauge_shows_the_last_a_timer_counts_seconds() -> None:
    collected = Collected()
    for gauge in (1, 100):
        collected.record(create_counter("c", 1), create_gauge("g", gauge), create_timer("t", 20.2))
    assert collected.value("c_total") == 2
    assert collected.value("g") == 100
    assert collected.value("t_count") == 2
    assert collected.value("t_sum") == pytest.approx(0.0404)
    assert collected.value("t_bucket", le="0.001") == 0
    assert collected.value("t_bucket", le="30.0") == 2


def test_a_timer_has_fifty_buckets_from_a_millisecond_to_half_a_minute() -> None:
    text = Collected().record(create_timer("t", 1)).registry.render().decode()
    bounds = [line.split('le="')[1].split('"')[0] for line in text.splitlines() if line.startswith("t_bucket")]
    assert len(bounds) == 51
    assert (bounds[0], bounds[-2], bounds[-1]) == ("0.001", "30.0", "+Inf")
    steps = np.diff(np.log([float(bound) for bound in bounds[:-1]]))
    assert np.allclose(steps, steps[0])


def test_every_metric_carries_the_labels_of_its_component() -> None:
    text = Collected().record(create_gauge("g", 1), method="inputtransform").registry.render().decode()
    [family] = text_string_to_metric_families(text)
    assert family.samples[0].labels == {
        "method": "inputtransform",
        "deployment_name": "dep",
        "seldon_deployment_name": "dep",
        "model_name": "node",
        "model_image": "a/b",
        "image_name": "a/b",
        "model_version": "0.1",
        "image_version": "0.1",
        "predictor_name": "p",
        "predictor_version": "v1",
        "worker_id": str(os.getpid()),
    }


def test_what_is_not_known_says_so() -> None:
    assert set(Identity().labels().values()) == {"NOT_IMPLEMENTED"}


def test_tags_tell_series_apart_and_never_change_the_metric() -> None:
    collected = Collected()
    tagged = {"type": "GAUGE", "key": "g", "value": 2, "tags": {"mytag": "x", "method": "mine", "a-b": 1, "9": 0}}
    before = {**tagged, "tags": dict(tagged["tags"])}  # type: ignore[call-overload]
    collected.record(create_gauge("g", 1), tagged, {**tagged, "value": 3, "tags": {"mytag": "y"}})
    collected.record(create_gauge("g", 4))
    assert tagged == before
    assert collected.value("g", mytag="x", method="predict", a_b="1", _9="0") == 2
    assert collected.value("g", mytag="y") == 3
    assert collected.value("g", mytag="") == 4


@pytest.mark.parametrize(
    ("kind", "sample", "expected"),
    [
        pytest.param("COUNTER", "k_total", 2, id="counter"),
        pytest.param("GAUGE", "k", 1, id="gauge"),
        pytest.param("TIMER", "k_count", 2, id="timer"),
    ],
)
def test_equal_tags_in_another_order_are_one_series(kind: str, sample: str, expected: float) -> None:
    collected = Collected()
    for tags in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"}):
        collected.record({"type": kind, "key": "k", "value": 1, "tags": tags})
    assert collected.value(sample) == expected, "there is no other series"
    assert collected.value(sample, a="1", b="2") == expected


def test_a_tag_never_takes_the_place_of_the_edge_of_a_bucket() -> None:
    timer = {"type": "TIMER", "key": "t", "value": 1, "tags": {"le": "mine", "worker_id": "mine"}}
    text = Collected().record(timer).registry.render().decode()
    assert "t_bucket{" in text
    assert "mine" not in text


def test_names_are_made_fit_for_prometheus() -> None:
    collected = Collected().record(
        create_gauge("my-gauge", 1), create_counter("9lives", 1), create_counter("x_total", 1)
    )
    assert collected.value("my_gauge") == 1
    assert collected.value("_9lives_total") == 1
    assert collected.value("x_total") == 1


@pytest.mark.parametrize(
    ("metrics", "problem"),
    [
        pytest.param({}, "{}: must be a list", id="no-list"),
        pytest.param(["x"], "'x': must be a dict with key, type and value", id="no-dict"),
        pytest.param([{"key": "k", "value": 1}], "type must be COUNTER, GAUGE or TIMER", id="no-type"),
        pytest.param([{"key": "k", "type": "BAD", "value": 1}], "type must be COUNTER, GAUGE or TIMER", id="bad-type"),
        pytest.param([{"type": "GAUGE", "value": 1}], "key must be a text", id="no-key"),
        pytest.param([{"key": "k", "type": "GAUGE"}], "value must be a number", id="no-value"),
        pytest.param([{"key": "k", "type": "GAUGE", "value": "1"}], "value must be a number", id="text-value"),
        pytest.param([{"key": "k", "type": "GAUGE", "value": 1, "tags": [1]}], "tags must be a dict", id="bad-tags"),
        pytest.param(
            [create_gauge("k", 1), create_timer("k", 1)],
            "k was a GAUGE before; give the TIMER another key",
            id="two-types",
        ),
    ],
)
def test_invalid_metrics_are_refused(metrics: Any, problem: str) -> None:
    with pytest.raises(SeldonMicroserviceException) as caught:
        Collected().metrics.check(metrics)
    assert str(caught.value).startswith("Bad metric created during request: ")
    assert problem in str(caught.value)
    assert (caught.value.status_code, caught.value.reason) == (500, "MICROSERVICE_BAD_METRIC")


@pytest.mark.parametrize("value", [np.float32(1.5), np.int64(2), True])
def test_numbers_of_numpy_are_numbers(value: Any) -> None:
    assert Collected().record(create_gauge("g", value)).value("g") == float(value)


@pytest.mark.parametrize("create", [create_counter, create_gauge, create_timer])
def test_a_value_that_is_no_number_is_a_type_error(create: Any) -> None:
    with pytest.raises(TypeError, match="must be a number, not 'invalid'"):
        create("k", "invalid")


@pytest.mark.parametrize(
    ("image", "name", "version"),
    [
        ("seldonio/sklearn-iris:0.1", "seldonio/sklearn-iris", "0.1"),
        ("localhost:32000/sklearn-iris:0.1", "localhost:32000/sklearn-iris", "0.1"),
        ("localhost:32000/sklearn-iris", "localhost:32000/sklearn-iris", "latest"),
        ("a/b", "a/b", "latest"),
        ("a/b@sha256:123", "a/b", "sha256:123"),
        ("a/b:0.1@sha256:123", "a/b", "0.1"),
    ],
)
def test_split_image(image: str, name: str, version: str) -> None:
    assert split_image(image) == (name, version)
