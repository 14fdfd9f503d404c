"""Counters, gauges and histograms as plain numbers, grouped by label values that are bound once, ahead of use.

    registry = Registry()
    requests = registry.histogram("requests_seconds", "Time per request.", ("code",))
    ok = requests.labels("200")      # bind once, keep
    ok.observe(0.003)                # what a request costs: a bisection and two additions
    registry.render()                # when somebody scrapes

Count from one thread at a time: additions on plain numbers are not atomic across threads.
"""

import os
import re
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, MutableSequence, Sequence
from typing import Generic, Protocol, TypeVar

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
_LABEL_NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*\Z")
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})

# The suffix of the name, further labels, and the value.
Sample = tuple[str, tuple[tuple[str, str], ...], float]


class Metric(Protocol):
    """The numbers of one set of label values."""

    def samples(self) -> Iterator[Sample]:
        """What is shown of them."""


class Counter:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def inc(self, amount: float = 1) -> None:
        """Add `amount`, which must not be negative."""
        self.value += amount

    def samples(self) -> Iterator[Sample]:
        """What is shown of it."""
        yield "", (), self.value


class Gauge:
    """A number that goes up and down; assign to `value`."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def samples(self) -> Iterator[Sample]:
        """What is shown of it."""
        yield "", (), self.value


class Histogram:
    """How many observations fell into which bucket, and their sum.

    Attributes:
        bounds: upper bounds of the buckets; one without a bound follows.
        cells: the number of observations in each bucket, and at the end the sum of all.
    """

    __slots__ = ("bounds", "cells")

    def __init__(self, bounds: Sequence[float] = DEFAULT_BUCKETS, cells: MutableSequence[float] | None = None) -> None:
        self.bounds = bounds
        self.cells: MutableSequence[float] = [0.0] * (len(bounds) + 2) if cells is None else cells

    def observe(self, value: float) -> None:
        """Count `value`; a bucket holds the values up to and including its bound."""
        cells = self.cells
        cells[bisect_left(self.bounds, value)] += 1
        cells[-1] += value

    @property
    def count(self) -> int:
        """Number of observations."""
        return int(sum(self.cells[:-1]))

    def samples(self) -> Iterator[Sample]:
        """What is shown of it: cumulative buckets, count and sum."""
        *counts, total = self.cells  # at once: another thread may be counting
        number = 0.0
        for bound, count in zip((*self.bounds, float("inf")), counts, strict=True):
            number += count
            yield "_bucket", (("le", _number(bound)),), number
        yield "_count", (), int(number)
        yield "_sum", (), total

    def totals(self) -> Iterator[Sample]:
        """Count and sum alone, which is what a summary without quantiles shows."""
        yield "_count", (), self.count
        yield "_sum", (), self.cells[-1]


M = TypeVar("M", bound=Metric)


class Numbers(Protocol):
    """Numbers that several processes count on, each on its own."""

    def take(self, name: str, values: tuple[str, ...], count: int) -> MutableSequence[float]:
        """Where this process counts: `count` numbers for a metric and its label values."""

    def totals(self, name: str) -> Mapping[tuple[str, ...], MutableSequence[float]]:
        """The sums over all processes, by label values."""


class Family(Generic[M]):
    """All metrics of one name, told apart by the values of their labels.

    The number of metrics is the number of different label values ever bound: bind only what is bounded.
    """

    def __init__(
        self,
        name: str,
        help_text: str,
        kind: str,
        labels: Sequence[str],
        make: Callable[[tuple[str, ...]], M],
        totals: Callable[[], Mapping[tuple[str, ...], M]] | None = None,
    ) -> None:
        if not _METRIC_NAME.match(name):
            raise ValueError(f"{name!r} is not a metric name")
        for label in labels:
            if not _LABEL_NAME.match(label):
                raise ValueError(f"{label!r} is not a label name")
        self.name = name
        self.help_text = help_text
        self.kind = kind
        self.label_names = tuple(labels)
        self.metrics: dict[tuple[str, ...], M] = {}
        self._make = make
        self._totals = totals

    def shown(self) -> Mapping[tuple[str, ...], M]:
        """What is rendered: the metrics, or their sums over all processes that share them."""
        return self.metrics if self._totals is None else self._totals()

    def labels(self, *values: str) -> M:
        """The metric of these label values, in the order of the label names; made when it is new."""
        metric = self.metrics.get(values)
        if metric is None:
            if len(values) != len(self.label_names):
                raise ValueError(f"{self.name} has the labels {self.label_names}, got the values {values}")
            metric = self.metrics[values] = self._make(values)
        return metric


class Registry:
    """The metric families of a process, in the order in which they were made.

    Attributes:
        process: what stands for the process in labels.
        lock: to be held by who adds families or labels, where that may be another thread than the one that renders.
    """

    def __init__(self, numbers: Numbers | None = None) -> None:
        """Make it.

        Args:
            numbers: where histograms are counted when several processes share the registry; each renders the sums.
        """
        self.process = str(os.getpid())
        self.lock = threading.Lock()
        self._numbers = numbers
        self._shown: dict[str, Callable[[], str]] = {}

    def counter(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Family[Counter]:
        """Add a family of counters; by convention the name ends in `_total`."""
        return self._add(Family(name, help_text, "counter", labels, lambda _: Counter()))

    def gauge(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Family[Gauge]:
        """Add a family of gauges."""
        return self._add(Family(name, help_text, "gauge", labels, lambda _: Gauge()))

    def sum(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Family[Counter]:
        """Add a family of numbers to which anything is added, also what is negative: shown as gauges."""
        return self._add(Family(name, help_text, "gauge", labels, lambda _: Counter()))

    def histogram(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str] = (),
        *,
        buckets: Sequence[float] = DEFAULT_BUCKETS,
        summary: str | None = None,
    ) -> Family[Histogram]:
        """Add a family of histograms.

        Args:
            name: of the family.
            help_text: one line for whoever reads the metrics.
            labels: names of the labels.
            buckets: upper bounds, rising; infinity is implied.
            summary: name under which count and sum are shown once more, as a summary without quantiles.
        """
        bounds = tuple(buckets)
        numbers = self._numbers
        if numbers is None:
            family = Family(name, help_text, "histogram", labels, lambda _: Histogram(bounds))
        else:
            family = Family(
                name,
                help_text,
                "histogram",
                labels,
                lambda values: Histogram(bounds, numbers.take(name, values, len(bounds) + 2)),
                lambda: {values: Histogram(bounds, cells) for values, cells in numbers.totals(name).items()},
            )
        self._add(family)
        if summary is not None:
            self._show(summary, lambda: _render(family, name=summary, kind="summary", sample=Histogram.totals))
        return family

    def collect(self, name: str, render: Callable[[], str]) -> None:
        """Add lines in the text format that are made when somebody scrapes.

        Args:
            name: what they are called here; two collectors cannot share a name.
            render: gives the lines, each ended by a line feed.
        """
        self._show(name, render)

    def render(self) -> bytes:
        """Everything in the Prometheus text format (`CONTENT_TYPE`)."""
        with self.lock:
            return "".join(render() for render in self._shown.values()).encode()

    def _add(self, family: Family[M]) -> Family[M]:
        self._show(family.name, lambda: _render(family, name=family.name, kind=family.kind))
        return family

    def _show(self, name: str, render: Callable[[], str]) -> None:
        if name in self._shown:
            raise ValueError(f"there is a metric called {name!r} already")
        self._shown[name] = render


def _render(family: Family[M], *, name: str, kind: str, sample: Callable[[M], Iterator[Sample]] | None = None) -> str:
    lines = [f"# HELP {name} {family.help_text.translate(_HELP_ESCAPES)}\n# TYPE {name} {kind}\n"]
    for values, metric in list(family.shown().items()):  # another thread may be adding to them
        bound = tuple(zip(family.label_names, values, strict=True))
        for suffix, further, value in sample(metric) if sample else metric.samples():
            lines.append(f"{name}{suffix}{_labels(bound + further)} {_number(value)}\n")
    return "".join(lines)


def _labels(pairs: tuple[tuple[str, str], ...]) -> str:
    if not pairs:
        return ""
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs) + "}"


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    if value == float("-inf"):
        return "-Inf"
    return "NaN" if value != value else repr(float(value))
