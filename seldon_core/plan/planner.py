"""The plan of a SeldonDeployment: which objects there must be, and which of the old ones may go."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from seldon_core.api.defaults import plan_defaults
from seldon_core.api.objects import as_list, as_number

from .config import Config
from .deployments import component_deployment_name, deployments
from .listmaps import without_nulls
from .observed import Observed
from .services import services

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ref:
    """A child that exists.

    Attributes:
        kind: `Deployment` or `Service`.
        name: Its name.
        uid: Its uid, so that nothing else of that name is meant.
    """

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about a SeldonDeployment.

    Attributes:
        sdep: The SeldonDeployment with everything filled in.
        objects: The objects that there must be, in the order in which they are applied.
        superseded: Children that no longer belong to it and may be deleted now, once all objects are as planned. Those
            that are still needed until their successors are ready are not among them.
        scaled: Names of the Deployments whose replicas follow `spec.replicas`.
    """

    sdep: Object
    objects: list[Object]
    superseded: list[Ref]
    scaled: list[str]

    def names(self, kind: str) -> list[str]:
        """Return the names of the planned objects of a kind, in order."""
        return [obj["metadata"]["name"] for obj in self.objects if obj["kind"] == kind]


def plan(sdep: Object, config: Config, observed: Observed) -> Plan:
    """Plan a SeldonDeployment.

    Args:
        sdep: The SeldonDeployment as it is stored, one in which `validate` finds no error.
        config: The operator's configuration.
        observed: Its children as they are; an empty one plans against an empty cluster.

    Returns:
        The plan: the same for the same arguments.
    """
    sdep = plan_defaults(without_nulls(sdep), config.ports)
    predictors = sdep["spec"]["predictors"]
    # Services come first: a pod finds those that exist when it starts.
    objects = [obj for predictor in predictors for obj in services(sdep, predictor, config)]
    objects += [obj for predictor in predictors for obj in deployments(sdep, predictor, config, observed)]
    return Plan(sdep, objects, superseded(objects, observed), _scaled(sdep, config))


def superseded(objects: Iterable[Object], observed: Observed) -> list[Ref]:
    """Return the children that may be deleted now: make before break.

    Nothing goes before all planned Deployments are ready. Then go the old Deployments that carry an engine, after
    their pods have drained the other Deployments, which the engines call, and last the Services through which they do.

    Args:
        objects: The objects that there must be.
        observed: The children as they are.
    """
    wanted = {(obj["kind"], obj["metadata"]["name"]) for obj in objects}
    for kind, name in wanted:
        live = observed.deployments.get(name)
        if kind == "Deployment" and (live is None or not live.ready):
            return []
    old = {name: live for name, live in observed.deployments.items() if ("Deployment", name) not in wanted}
    with_engine = {name: live for name, live in old.items() if live.carries_engine}
    if old:
        going = with_engine or old
        return [Ref("Deployment", name, going[name].uid) for name in sorted(going) if not going[name].terminating]
    return [
        Ref("Service", name, live.uid)
        for name, live in sorted(observed.services.items())
        if ("Service", name) not in wanted and not live.terminating
    ]


def _scaled(sdep: Object, config: Config) -> list[str]:
    return [
        component_deployment_name(sdep, predictor, index, config)
        for predictor in sdep["spec"]["predictors"]
        for index, component in enumerate(as_list(predictor.get("componentSpecs")))
        if component["spec"].get("containers")
        and as_number(component.get("replicas")) is None
        and as_number(predictor.get("replicas")) is None
    ]
