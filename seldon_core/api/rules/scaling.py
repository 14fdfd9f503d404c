"""How many pods there are: autoscalers and disruption budgets of a componentSpec."""

from collections.abc import Iterator
from typing import Final

from ..findings import ABSENT, Finding
from ..objects import as_map, as_number
from .view import Object

SCALING_FIELDS: Final = frozenset({"hpaSpec", "kedaSpec", "pdbSpec"})
_BUDGET = ("minAvailable", "maxUnavailable")


def check_scaling(component: Object, path: str) -> Iterator[Finding]:
    """Yield what is wrong with the autoscalers and the disruption budget of a componentSpec.

    Args:
        component: The componentSpec.
        path: Its path.
    """
    hpa, keda, budget = (component.get(field) for field in ("hpaSpec", "kedaSpec", "pdbSpec"))
    if isinstance(hpa, dict):
        yield from _check_order(hpa, "minReplicas", "maxReplicas", f"{path}.hpaSpec")
        if hpa.get("metrics") and hpa.get("metricsv2"):
            rule = "is ignored, as metrics is given"
            yield Finding(f"{path}.hpaSpec.metricsv2", ABSENT, rule, "keep metricsv2, and remove metrics", "warning")
    if isinstance(keda, dict):
        yield from _check_order(keda, "minReplicaCount", "maxReplicaCount", f"{path}.kedaSpec")
        if hpa:
            rule = "cannot be used with hpaSpec: two autoscalers would set the number of pods"
            yield Finding(f"{path}.kedaSpec", ABSENT, rule, "remove one of the two")
    if isinstance(budget, dict):
        given = [field for field in _BUDGET if as_map(budget).get(field) is not None]
        if len(given) != 1:
            rule = f"must have exactly one of {' and '.join(_BUDGET)}, has {'both' if given else 'none'}"
            remedy = "remove one of them" if given else "add one, for example maxUnavailable: 1"
            yield Finding(f"{path}.pdbSpec", ABSENT, rule, remedy)


def _check_order(part: Object, low: str, high: str, path: str) -> Iterator[Finding]:
    least, most = as_number(part.get(low)), as_number(part.get(high))
    if least is not None and most is not None and least > most:
        yield Finding(f"{path}.{low}", least, f"must not be above {high}, which is {most}", f"write {most} or less")
