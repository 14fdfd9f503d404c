"""Metrics of several workers as if they were one: each counts in memory that the process that shows them can read.

An entry describes itself, because the families of custom metrics are made in the workers. Counters and histograms are
added up over all workers, those included that have ended; of a gauge each worker that lives shows its own.
"""

import json
import logging
from collections.abc import Iterator, MutableSequence, Sequence
from typing import Any

from seldon_core.telemetry.metrics import DEFAULT_BUCKETS, Counter, Family, Gauge, Histogram, Registry
from seldon_core.telemetry.shared import SharedMemory, SharedNumbers

__all__ = ["WorkerRegistry", "render"]

log = logging.getLogger(__name__)

_COUNTER, _GAUGE, _SUM, _HISTOGRAM = "counter", "gauge", "sum", "histogram"
WORKER = "worker_id"


class _SharedCounter(Counter):
    """A counter whose number others can see."""

    __slots__ = ("_cells",)

    def __init__(self, cells: MutableSequence[float]) -> None:
        self._cells = cells

    @property
    def value(self) -> float:
        """The number."""
        return self._cells[0]

    @value.setter
    def value(self, value: float) -> None:
        self._cells[0] = value

    def inc(self, amount: float = 1) -> None:
        """Add `amount`."""
        self._cells[0] += amount


class _SharedGauge(Gauge):
    """A gauge whose number others can see, as long as this process lives."""

    __slots__ = ("_cells", "_pid")

    def __init__(self, cells: MutableSequence[float], pid: int) -> None:
        self._cells = cells
        self._pid = pid

    @property
    def value(self) -> float:
        """The number."""
        return self._cells[0]

    @value.setter
    def value(self, value: float) -> None:
        self._cells[0] = value
        self._cells[1] = self._pid


class WorkerRegistry(Registry):
    """The families of one worker.

    Args:
        numbers: the worker's place in the shared memory.
        pid: of the worker.
        service: of the process that shows the metrics, which stands for all of them.
    """

    def __init__(self, numbers: SharedNumbers, pid: int, service: int) -> None:
        super().__init__()
        self.process = str(service)
        self._place = numbers
        self._pid = pid
        self._full = False

    def counter(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Family[Counter]:
        """Add a family of counters."""
        return self._family(name, help_text, _COUNTER, labels, (), 1, _SharedCounter)

    def sum(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Family[Counter]:
        """Add a family of numbers to which anything is added."""
        return self._family(name, help_text, _SUM, labels, (), 1, _SharedCounter)

    def gauge(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Family[Gauge]:
        """Add a family of gauges."""
        return self._family(name, help_text, _GAUGE, labels, (), 2, lambda cells: _SharedGauge(cells, self._pid))

    def histogram(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str] = (),
        *,
        buckets: Sequence[float] = DEFAULT_BUCKETS,
        summary: str | None = None,
    ) -> Family[Histogram]:
        """Add a family of histograms, without a summary."""
        bounds = tuple(buckets)
        return self._family(
            name, help_text, _HISTOGRAM, labels, bounds, len(bounds) + 2, lambda cells: Histogram(bounds, cells)
        )

    def _family(
        self,
        name: str,
        help_text: str,
        kind: str,
        labels: Sequence[str],
        bounds: Sequence[float],
        count: int,
        make: Any,
    ) -> Family[Any]:
        described = json.dumps([name, help_text, kind, bounds])

        def new(values: tuple[str, ...]) -> Any:
            named = dict(zip(family.label_names, values, strict=True))
            return make(self._cells(described, {key: value for key, value in named.items() if value}, count))

        shown = "gauge" if kind == _SUM else kind
        family: Family[Any] = Family(name, help_text, shown, labels, new)
        return self._add(family)

    def _cells(self, described: str, labels: dict[str, str], count: int) -> MutableSequence[float]:
        try:
            return self._place.take(described, (json.dumps(labels),), count)
        except MemoryError as error:
            if not self._full:
                self._full = True
                log.error("further metrics of this worker are not shown: %s; use fewer tags", error)
            return [0.0] * count


def render(memory: SharedMemory) -> str:
    """The metrics of all workers in the text format."""
    registry = Registry()
    families: dict[str, Family[Any]] = {}
    for pid, (described, labels), cells in _all(memory):
        name, help_text, kind, bounds = json.loads(described)
        named: dict[str, str] = json.loads(labels)
        if kind == _GAUGE:
            if cells[1] != pid:  # of a worker that has ended
                continue
            named[WORKER] = str(pid)
        family = families.get(name)
        if family is None:
            family = families[name] = _family(registry, name, help_text, kind, bounds)
        _extend(family, named)
        _add(family.labels(*(named.get(label, "") for label in family.label_names)), cells, kind)
    return registry.render().decode()


def _all(memory: SharedMemory) -> Iterator[tuple[int, tuple[str, str], MutableSequence[float]]]:
    for place in range(memory.places):
        pid, entries = memory.entries(place)
        for (described, labels), cells in entries:
            yield pid, (described, labels), cells


def _family(registry: Registry, name: str, help_text: str, kind: str, bounds: Sequence[float]) -> Family[Any]:
    if kind == _COUNTER:
        return registry.counter(name, help_text)
    if kind == _HISTOGRAM:
        return registry.histogram(name, help_text, buckets=bounds)
    return registry.sum(name, help_text) if kind == _SUM else registry.gauge(name, help_text)


def _extend(family: Family[Any], labels: dict[str, str]) -> None:
    new = [label for label in labels if label not in family.label_names]
    if new:
        family.label_names += tuple(new)
        padding = ("",) * len(new)
        family.metrics = {values + padding: metric for values, metric in family.metrics.items()}


def _add(metric: Any, cells: MutableSequence[float], kind: str) -> None:
    if kind == _HISTOGRAM:
        metric.cells = [mine + more for mine, more in zip(metric.cells, cells, strict=True)]
    elif kind == _GAUGE:
        metric.value = cells[0]
    else:
        metric.value += cells[0]
