"""The few rules that the API server itself applies, in CEL: for when the webhook does not see an object.

They need time in proportion to the object, and hold up no update of an object that broke them before. The webhook says
the same things first, in better words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .types import PredictorSpec, SeldonDeploymentSpec


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule in CEL (https://kubernetes.io/docs/reference/using-api/cel/).

    Attributes:
        expression: What must be true; `%s` stands for the object.
        message: What to say if it is not.
    """

    expression: str
    message: str

    def as_schema(self) -> dict[str, Any]:
        """Return the item of `x-kubernetes-validations`."""
        now, before = (self.expression.replace("%s", name) for name in ("self", "oldSelf.value()"))
        return {
            "rule": f"{now} || (oldSelf.hasValue() && !({before}))",
            "message": self.message,
            "optionalOldSelf": True,
        }


_SHADOW = "(has(p.shadow) && p.shadow)"
_LIVE = f"%s.predictors.filter(p, !{_SHADOW})"
_TOTAL = f"{_LIVE}.map(p, has(p.traffic) ? p.traffic : 0).sum()"

RULES: Final[Mapping[Any, Sequence[Rule]]] = {
    SeldonDeploymentSpec: (
        Rule(
            f"{_LIVE}.size() < 2 || !{_LIVE}.exists(p, has(p.traffic)) || {_TOTAL} == 100",
            "weights of the non-shadow predictors must add up to 100; or omit traffic on all to split evenly",
        ),
        Rule(
            f"{_LIVE}.size() != 1 || {_TOTAL} == 0 || {_TOTAL} == 100",
            "the only predictor that answers has all the traffic; write 100 or leave traffic out",
        ),
        Rule(f"{_LIVE}.size() > 0", "a shadow needs a predictor that answers the requests"),
        Rule(f"%s.predictors.filter(p, {_SHADOW}).size() < 2", "there can be one shadow only"),
        Rule(
            "!has(%s.serverType) || %s.serverType != 'kafka' || "
            "%s.predictors.all(p, has(p.svcOrchSpec) && has(p.svcOrchSpec.env) && p.svcOrchSpec.env.size() >= 3)",
            "serverType kafka needs KAFKA_BROKER, KAFKA_INPUT_TOPIC and KAFKA_OUTPUT_TOPIC in svcOrchSpec.env",
        ),
    ),
    PredictorSpec: (
        Rule(
            "!has(%s.annotations) || !('seldon.io/no-engine' in %s.annotations) || "
            "%s.annotations['seldon.io/no-engine'] != 'true' || !has(%s.graph.children) || "
            "%s.graph.children.size() == 0",
            "the annotation seldon.io/no-engine is for a graph of one node; others need the engine that calls them",
        ),
    ),
}
