"""What the controller counts, for Prometheus."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


class _Requests(Collector):
    """Renders what the client counts anyway."""

    def __init__(self, counted: Mapping[str, int]) -> None:
        self._counted = counted

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(
            "seldon_controller_api_requests", "Requests to the API server by verb.", labels=["verb"]
        )
        for verb, count in self._counted.items():
            family.add_metric([verb], count)
        yield family


class Metrics:
    """The metrics of one process, in a registry of their own.

    Args:
        queue_depth: Returns how many keys wait for a worker.
        leads: Returns whether this process leads.
        requests: The requests that were sent to the API server, by verb.
        outdated: Returns how many SeldonDeployments have pods as an earlier operator or configuration built them.
    """

    def __init__(
        self,
        queue_depth: Callable[[], int],
        leads: Callable[[], bool],
        requests: Mapping[str, int],
        outdated: Callable[[], int],
    ) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.passes = Counter(
            "seldon_controller_reconciles",
            "Passes over a SeldonDeployment by result: done, skipped (none of ours), refused (its user has to act), "
            "retry (something failed that may go away) or error (a fault of the controller).",
            ["result"],
            registry=self.registry,
        )
        self.retries = Counter(
            "seldon_controller_retries", "Passes that are repeated because of a failure.", registry=self.registry
        )
        self.ready_seconds = Histogram(
            "seldon_controller_ready_seconds",
            "Time from when a change of a spec was seen until it was available, where one was waited for.",
            buckets=(1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800),
            registry=self.registry,
        )
        self.registry.register(_Requests(requests))
        self.seconds = Histogram(
            "seldon_controller_reconcile_seconds",
            "Time that a pass takes.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )
        self.queue = Gauge(
            "seldon_controller_queue_depth", "SeldonDeployments that wait for a pass.", registry=self.registry
        )
        self.queue.set_function(queue_depth)
        self.outdated = Gauge(
            "seldon_controller_outdated",
            "SeldonDeployments with pods as an earlier operator or configuration built them.",
            registry=self.registry,
        )
        self.outdated.set_function(outdated)
        self.leader = Gauge("seldon_controller_leader", "1 while this process leads.", registry=self.registry)
        self.leader.set_function(leads)
