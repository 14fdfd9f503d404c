"""How many pods a Deployment starts with that takes the place of others: as many as those have."""

from collections.abc import Collection
from typing import Any

from seldon_core.api.graph import containers
from seldon_core.api.objects import as_list, as_map, as_text

from .keeping import recorded_template
from .observed import LiveDeployment, Observed

Object = dict[str, Any]


def inherited_replicas(predictor: Object, component: Object, names: Collection[str], observed: Observed) -> int | None:
    """Return how many pods those Deployments have whose place a new one takes, or None where it takes nobody's.

    Where nothing else says how many, the cluster would begin with one pod, and all requests would come to that.

    Args:
        predictor: The predictor.
        component: The componentSpec of the new Deployment.
        names: The names of the Deployments that the predictor is to have; its others are on their way out.
        observed: The children as they are.
    """
    leaving = [
        (live, held)
        for name, live in observed.deployments.items()
        if name not in names and (held := _nodes_of(live, predictor["name"]))
    ]
    own = {container["name"] for container in component["spec"]["containers"]}
    wanted = {ref.container["name"] for ref in containers(predictor)}
    # It holds what they hold; or what they hold is wanted nowhere any more, as when a container gets another name.
    related = [live for live, held in leaving if held & own] or [live for live, held in leaving if not held & wanted]
    return max((live.wanted for live in related), default=None)


def _nodes_of(live: LiveDeployment, predictor: str) -> set[str]:
    """Return the containers of a Deployment that are graph nodes of this predictor."""
    pod = as_map((recorded_template(live) or {}).get("spec"))
    mark = {"name": "PREDICTOR_ID", "value": predictor}
    named = [one for one in map(as_map, as_list(pod.get("containers"))) if mark in as_list(one.get("env"))]
    return {as_text(one.get("name")) for one in named}
