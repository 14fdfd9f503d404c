"""What the controller counts, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector


class Metrics:
    """The metrics of one process, in a registry of their own.

    Args:
        queue_depth: Returns how many keys wait for a worker.
        leads: Returns whether this process leads.
    """

    def __init__(self, queue_depth: Callable[[], int], leads: Callable[[], bool]) -> None:
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
        self.leader = Gauge("seldon_controller_leader", "1 while this process leads.", registry=self.registry)
        self.leader.set_function(leads)
