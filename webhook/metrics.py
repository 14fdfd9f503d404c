"""What the webhook counts, for Prometheus."""

from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from webhook.admission import Verb


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.reviews = Counter(
            "seldon_webhook_reviews",
            "Admission reviews by what became of them: allowed, denied (the object breaks a rule), bad (the request "
            "is no review) or failed (a fault of the webhook).",
            ["webhook", "operation", "verdict", "code"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "seldon_webhook_review_seconds",
            "Time from having read a review to having its answer.",
            ["webhook"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )
        self.expiry = Gauge(
            "seldon_webhook_certificate_expiry_timestamp_seconds",
            "When the certificate in use ends: the authority's, and this replica's serving certificate.",
            ["certificate"],
            registry=self.registry,
        )
        self.trusted = Gauge(
            "seldon_webhook_trusted",
            "1 if the API server's configurations trust this replica's certificate, else 0.",
            registry=self.registry,
        )


class WebhookMetrics:
    """The metrics of one webhook, looked up once: a look-up by labels costs as much as reading a small review.

    Args:
        metrics: the metrics of the process.
        name: the webhook, such as ``mutate``.
    """

    def __init__(self, metrics: Metrics, name: str) -> None:
        self._name = name
        self._reviews = metrics.reviews
        self._seconds = metrics.seconds.labels(name)
        self._decided = {
            (operation, denied): metrics.reviews.labels(name, operation, *verdict)
            for operation in get_args(Verb)
            for denied, verdict in ((False, ("allowed", 200)), (True, ("denied", 422)))
        }

    def decided(self, operation: str, seconds: float, *, denied: bool) -> None:
        """Count a review that was decided on."""
        self._decided[operation, denied].inc()
        self._seconds.observe(seconds)

    def failed(self, verdict: str, code: int) -> None:
        """Count a request that got no decision: ``bad`` or ``failed``."""
        self._reviews.labels(self._name, "unknown", verdict, code).inc()
