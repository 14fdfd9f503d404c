"""What the webhook counts, for Prometheus."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import get_args

from prometheus_client import CollectorRegistry, Gauge, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from webhook.admission import Verb

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.reviews = Reviews()
        self.registry.register(self.reviews)
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
    """What one webhook counts, in plain numbers: counters of Prometheus' client cost more than reading a small review.

    Count in one thread only, that of the event loop.

    Args:
        name: the webhook, such as ``mutate``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts = Counter(
            {(verb, *verdict): 0 for verb in get_args(Verb) for verdict in (("allowed", "200"), ("denied", "422"))}
        )
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0

    def decided(self, operation: str, seconds: float, *, denied: bool) -> None:
        """Count a review that was decided on."""
        self.counts[(operation, "denied", "422") if denied else (operation, "allowed", "200")] += 1
        self.buckets[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds

    def failed(self, verdict: str, code: int) -> None:
        """Count a request that got no decision: ``bad`` or ``failed``."""
        self.counts["unknown", verdict, str(code)] += 1


class Reviews(Collector):
    """What all webhooks have counted."""

    def __init__(self) -> None:
        self._webhooks: list[WebhookMetrics] = []

    def of(self, name: str) -> WebhookMetrics:
        """Return what a webhook of this name is to count with."""
        self._webhooks.append(WebhookMetrics(name))
        return self._webhooks[-1]

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        """Yield the numbers as Prometheus wants them."""
        counted = CounterMetricFamily(
            "seldon_webhook_reviews",
            "Admission reviews by what became of them: allowed, denied (the object breaks a rule), bad (the request "
            "is no review) or failed (a fault of the webhook).",
            labels=["webhook", "operation", "verdict", "code"],
        )
        lasted = HistogramMetricFamily(
            "seldon_webhook_review_seconds", "Time from having read a review to having its answer.", labels=["webhook"]
        )
        bounds = [*map(str, BUCKETS), "+Inf"]
        for webhook in self._webhooks:
            for labels, value in webhook.counts.items():
                counted.add_metric([webhook.name, *labels], value)
            below = zip(bounds, accumulate(webhook.buckets), strict=True)
            lasted.add_metric([webhook.name], list(below), webhook.seconds)
        yield counted
        yield lasted
