"""What a component can be asked to do, and how the answer to each is made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "AGGREGATE",
    "FEEDBACK",
    "HEALTH",
    "PREDICT",
    "ROUTE",
    "TRANSFORM_INPUT",
    "TRANSFORM_OUTPUT",
    "Operation",
]


@dataclass(frozen=True, slots=True)
class Operation:
    """One of the things that a component can be asked to do.

    Attributes:
        method: the method of the user's class; the one for whole messages has `_raw` behind it.
        label: the value of the label `method` of custom metrics.
        without: what the answer is made of when the class has no such method: the payload; None: it must have it.
        naming: methods that may name the columns of the answer, the first that exists does.
        keeps_names: whether the request's names stay when the shape does.
        status_from_message: whether a whole message decides the HTTP status with `status.code`.
        inherits_meta: whether tags and metrics of the request are those of the answer too.
    """

    method: str
    label: str
    without: Callable[[Any], Any] | None = None
    naming: tuple[str, ...] = ("class_names",)
    keeps_names: bool = False
    status_from_message: bool = False
    inherits_meta: bool = True

    @property
    def title(self) -> str:
        """Its name as messages of the reference show it."""
        return self.method.replace("_", " ").capitalize()


def _unchanged(payload: Any) -> Any:
    return payload


PREDICT = Operation("predict", "predict", lambda _: [], status_from_message=True)
TRANSFORM_INPUT = Operation(
    "transform_input", "inputtransform", _unchanged, ("feature_names", "class_names"), keeps_names=True
)
TRANSFORM_OUTPUT = Operation("transform_output", "outputtransform", _unchanged, keeps_names=True)
ROUTE = Operation("route", "router", inherits_meta=False)
AGGREGATE = Operation("aggregate", "aggregate")
FEEDBACK = Operation("send_feedback", "feedback", lambda _: [], inherits_meta=False)
HEALTH = Operation("health_status", "health", _unchanged)
