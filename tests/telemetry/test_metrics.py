"""The metrics that we render are what Prometheus reads back, to the last observation."""

import math
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from seldon_core.telemetry.metrics import DEFAULT_BUCKETS, Counter, Family, Registry, Sample
from seldon_core.telemetry.process import render_process_metrics

SampleKey = tuple[str, frozenset[tuple[str, str]]]


def read_back(registry: Registry) -> dict[SampleKey, float]:
    """Every sample that another implementation's parser finds in what the registry renders."""
    families = text_string_to_metric_families(registry.render().decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_counter_and_a_gauge_are_read_back() -> None:
    registry = Registry()
    requests = registry.counter("requests_total", "Requests.", ("code", "path"))
    requests.labels("200", "/a").inc()
    requests.labels("200", "/a").inc(2)
    requests.labels("500", "/b").inc()
    registry.gauge("temperature", "Degrees.").labels().value = -2.5
    assert read_back(registry) == {
        ("requests_total", frozenset({("code", "200"), ("path", "/a")})): 3,
        ("requests_total", frozenset({("code", "500"), ("path", "/b")})): 1,
        ("temperature", frozenset()): -2.5,
    }


@given(st.lists(st.floats(min_value=0, max_value=20) | st.sampled_from(DEFAULT_BUCKETS)))
def test_a_histogram_counts_every_observation_in_its_cumulative_buckets(values: list[float]) -> None:
    registry = Registry()
    histogram = registry.histogram("seconds", "Time.", summary="seconds_summary").labels()
    for value in values:
        histogram.observe(value)
    samples = read_back(registry)
    for bound in DEFAULT_BUCKETS:
        key = ("seconds_bucket", frozenset({("le", repr(bound))}))
        assert samples[key] == sum(value <= bound for value in values)
    assert samples["seconds_bucket", frozenset({("le", "+Inf")})] == len(values)
    for name in ("seconds", "seconds_summary"):
        assert samples[f"{name}_count", frozenset()] == len(values)
        assert samples[f"{name}_sum", frozenset()] == pytest.approx(math.fsum(values))


@given(st.text())
def test_any_label_value_survives(value: str) -> None:
    registry = Registry()
    registry.counter("things_total", 'A "help"\nwith \\ in it.', ("kind",)).labels(value).inc()
    escaped = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    assert f'things_total{{kind="{escaped}"}} 1.0\n' in registry.render().decode()


@pytest.mark.parametrize("value", ["", "a b", 'say "x"', "back\\slash", "line\nfeed", "ümläut", "{},="])
def test_label_values_are_read_back(value: str) -> None:
    registry = Registry()
    registry.counter("things_total", "Things.", ("kind",)).labels(value).inc()
    assert read_back(registry) == {("things_total", frozenset({("kind", value)})): 1}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN"), (1, "1.0"), (0.1, "0.1"), (1e300, "1e+300")],
)
def test_numbers_are_shown_as_prometheus_writes_them(value: float, shown: str) -> None:
    registry = Registry()
    registry.gauge("number", "A number.").labels().value = value
    assert registry.render().decode().endswith(f"number {shown}\n")


def test_a_binding_is_one_object() -> None:
    family = Registry().counter("things_total", "Things.", ("kind",))
    assert family.labels("a") is family.labels("a")
    assert family.labels("a") is not family.labels("b")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        pytest.param(lambda r: r.counter("not a name", ""), "'not a name' is not a metric name", id="name"),
        pytest.param(lambda r: r.counter("a", "", ("b-c",)), "'b-c' is not a label name", id="label"),
        pytest.param(lambda r: r.counter("a", "", ("__b",)), "'__b' is not a label name", id="reserved label"),
        pytest.param(lambda r: [r.gauge("a", ""), r.counter("a", "")], "called 'a' already", id="twice"),
        pytest.param(lambda r: r.gauge("a", "", ("b",)).labels(), r"labels \('b',\), got the values \(\)", id="values"),
    ],
)
def test_mistakes_are_refused(wrong: Callable[[Registry], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong(Registry())


def test_the_process_describes_itself() -> None:
    registry = Registry()
    registry.collect("process", render_process_metrics)
    samples = {name: value for (name, _), value in read_back(registry).items()}
    assert samples["process_cpu_seconds_total"] > 0
    assert samples["process_resident_memory_bytes"] > 1_000_000
    assert samples["process_open_fds"] > 2
    assert samples["process_start_time_seconds"] > 1_600_000_000


def test_families_can_be_walked() -> None:
    family: Family = Registry().counter("things_total", "Things.", ("kind",))
    family.labels("a").inc(3)
    assert {values: metric.value for values, metric in family.metrics.items()} == {("a",): 3}


def test_metrics_may_appear_while_they_are_rendered() -> None:
    """As when another thread answers the first request of a kind."""
    registry = Registry()
    family = registry.counter("seen_total", "Seen.", ("kind",))

    class Growing(Counter):
        def samples(self) -> Iterator[Sample]:
            family.labels("new").inc()
            yield from super().samples()

    family.metrics["old",] = Growing()
    assert b'seen_total{kind="old"} 0.0' in registry.render()
    assert b'seen_total{kind="new"} 2.0' in registry.render()
