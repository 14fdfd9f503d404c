"""The metrics that a model makes itself: how it writes them, which are valid, how Prometheus sees them."""

import math
import re
from typing import Any

from seldon_core.microservice.errors import SeldonMicroserviceException
from seldon_core.microservice.flows import Answer
from seldon_core.microservice.identity import Identity
from seldon_core.telemetry.metrics import Counter, Family, Registry

__all__ = ["COUNTER", "GAUGE", "TIMER", "CustomMetrics", "create_counter", "create_gauge", "create_timer"]

COUNTER = "COUNTER"
GAUGE = "GAUGE"
TIMER = "TIMER"

# Upper bounds of a timer's histogram: 50 points from a millisecond to half a minute, evenly spaced in the logarithm.
_TIMER_BUCKETS = tuple(0.001 * math.pow(30_000, step / 49) for step in range(50))
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_:]")
_NOT_IN_A_LABEL = re.compile(r"[^a-zA-Z0-9_]")


def create_counter(key: str, value: float) -> dict[str, Any]:
    """A metric that adds up over all requests.

    Raises:
        TypeError: `value` is not a number.
    """
    return _create(COUNTER, key, value)


def create_gauge(key: str, value: float) -> dict[str, Any]:
    """A metric that shows the last value.

    Raises:
        TypeError: `value` is not a number.
    """
    return _create(GAUGE, key, value)


def create_timer(key: str, value: float) -> dict[str, Any]:
    """A metric that shows how long something took, in milliseconds.

    Raises:
        TypeError: `value` is not a number.
    """
    return _create(TIMER, key, value)


def _create(kind: str, key: str, value: float) -> dict[str, Any]:
    if not _is_number(value):
        raise TypeError(f"the value of metric {key!r} must be a number, not {value!r}")
    return {"key": key, "type": kind, "value": value}


def _is_number(value: Any) -> bool:
    try:
        float(value + 1)
    except (TypeError, ValueError):
        return False
    return True


class CustomMetrics:
    """Collects the metrics of models under the labels of this component.

    `check` runs where the model runs, `count` there or on the event loop, never on both at a time.
    """

    def __init__(self, registry: Registry, identity: Identity, *, rewards: bool = True) -> None:
        self._registry = registry
        fixed = {**identity.labels(), "worker_id": registry.process}
        self._fixed_names = ("method", *fixed)
        self._fixed_values = tuple(fixed.values())
        self._reserved = {*self._fixed_names, "le"}
        self._kinds: dict[str, str] = {}
        self._rewards = rewards
        self._feedback: tuple[Counter, Counter] | None = None
        self._families: dict[str, Family[Any]] = {}

    def check(self, metrics: Any) -> list[dict[str, Any]]:
        """Make sure that `metrics` is a list of valid metrics, and return it.

        Raises:
            SeldonMicroserviceException: one of them is not (status 500, MICROSERVICE_BAD_METRIC).
        """
        if not isinstance(metrics, list):
            raise _bad(f"{metrics!r:.200}: must be a list")
        for metric in metrics:
            self._check(metric)
        return metrics

    def _check(self, metric: Any) -> None:
        if not isinstance(metric, dict):
            raise _bad(f"{metric!r:.200}: must be a dict with key, type and value")
        key, kind = metric.get("key"), metric.get("type")
        if not isinstance(key, str) or not key:
            raise _bad(f"{metric!r:.200}: key must be a text")
        if kind not in (COUNTER, GAUGE, TIMER):
            raise _bad(f"{metric!r:.200}: type must be COUNTER, GAUGE or TIMER")
        if not _is_number(metric.get("value")):
            raise _bad(f"{metric!r:.200}: value must be a number")
        if not isinstance(metric.get("tags") or {}, dict):
            raise _bad(f"{metric!r:.200}: tags must be a dict")
        before = self._kinds.setdefault(_exposed_name(metric), kind)
        if before != kind:
            raise _bad(f"{metric!r:.200}: {key} was a {before} before; give the {kind} another key")

    def count(self, answer: Answer) -> None:
        """Count what was made on the way to an answer: custom metrics, and the reward of feedback."""
        with self._registry.lock:
            if answer.metrics:
                self.record(answer.method, answer.metrics)
            if answer.reward and self._rewards:
                if self._feedback is None:
                    self._feedback = self._new_feedback()
                feedback, reward = self._feedback
                feedback.inc()
                reward.inc(answer.reward)

    def _new_feedback(self) -> tuple[Counter, Counter]:
        help_text = "Feedback with a reward."
        feedback = self._registry.counter("seldon_api_model_feedback_total", help_text, self._fixed_names)
        # It falls when a reward is negative, which a counter must not.
        reward = self._registry.sum("seldon_api_model_feedback_reward_total", "Sum of rewards.", self._fixed_names)
        labels = ("feedback", *self._fixed_values)
        return feedback.labels(*labels), reward.labels(*labels)

    def record(self, method: str, metrics: list[dict[str, Any]]) -> None:
        """Count valid metrics that a call of `method` made."""
        for metric in metrics:
            series = self._series(method, metric)
            value = float(metric["value"])
            if metric["type"] == COUNTER:
                series.inc(value)
            elif metric["type"] == GAUGE:
                series.value = value
            else:
                series.observe(value / 1000)

    def _series(self, method: str, metric: dict[str, Any]) -> Any:
        name = _exposed_name(metric)
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = self._new_family(name, metric["type"])
        labels = {_label_name(key): str(value) for key, value in (metric.get("tags") or {}).items()}
        labels = {key: value for key, value in labels.items() if key not in self._reserved}
        _extend(family, [key for key in labels if key not in family.label_names])
        further = family.label_names[len(self._fixed_names) :]
        return family.labels(method, *self._fixed_values, *(labels.get(key, "") for key in further))

    def _new_family(self, name: str, kind: str) -> Family[Any]:
        if kind == COUNTER:
            return self._registry.counter(name, "Made by the model.", self._fixed_names)
        if kind == GAUGE:
            return self._registry.gauge(name, "Made by the model.", self._fixed_names)
        help_text = "Made by the model, in seconds."
        return self._registry.histogram(name, help_text, self._fixed_names, buckets=_TIMER_BUCKETS)


def _extend(family: Family[Any], names: list[str]) -> None:
    """Give a family further labels; to Prometheus an empty label is the same as none."""
    if names:
        family.label_names += tuple(names)
        padding = ("",) * len(names)
        family.metrics = {values + padding: metric for values, metric in family.metrics.items()}


def _exposed_name(metric: dict[str, Any]) -> str:
    name = _NOT_IN_A_NAME.sub("_", metric["key"])
    if name[0].isdigit():
        name = "_" + name
    if metric["type"] == COUNTER and not name.endswith("_total"):
        name += "_total"
    return name


def _label_name(tag: Any) -> str:
    name = _NOT_IN_A_LABEL.sub("_", str(tag)) or "_"
    if name[0].isdigit():
        name = "_" + name
    return "_" + name.lstrip("_") if name.startswith("__") else name


def _bad(detail: str) -> SeldonMicroserviceException:
    return SeldonMicroserviceException(
        f"Bad metric created during request: {detail}", 500, reason="MICROSERVICE_BAD_METRIC"
    )
