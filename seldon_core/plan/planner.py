"""The plan of a SeldonDeployment: which objects there must be, and which of the old ones may go."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from seldon_core.api import constants as c
from seldon_core.api.defaults import plan_defaults, with_servers
from seldon_core.api.graph import containers
from seldon_core.api.names import container_service_name

from .ambassador import ambassador_routes
from .config import Config
from .deployments import component_deployment_name, component_specs, deployments
from .explainers import explainer
from .gateway import gateway_routes
from .istio import istio_routes
from .keeping import fingerprint, kept, recorded
from .kinds import KINDS, OF_DEPLOYMENT, ROUTES
from .listmaps import without_nulls
from .metadata import sdep_name
from .modes import stops_beside
from .observed import Observed
from .rollouts import stated_replicas
from .scaling import is_scaled, scalers
from .services import services
from .traffic import traffic
from .waiting import waiting

Object = dict[str, Any]
Place = tuple[str, str]  # kind and name

# One for each ingress, which returns no routes where that is switched off.
_RENDERERS = (gateway_routes, istio_routes, ambassador_routes)
_ORDER = {child.kind: index for index, child in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Ref:
    """A child that exists.

    Attributes:
        kind: Its kind, one of `KINDS`.
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
        waiting: Kind and name of those objects that must not be applied yet: routes to predictors that cannot answer,
            and changes of what serves to what could not.
        moving: Names of the predictors whose engine stands beside the component only until it can go elsewhere.
        obsolete: Children that would work against the objects, or cannot become as planned, and must be deleted before
            these are applied.
        superseded: Children that no longer belong to it and may be deleted now, once all objects are as planned. Those
            that are still needed until their successors are ready are not among them.
        scaled: Names of the Deployments whose replicas follow `spec.replicas`.
        outdated: Names of the predictors whose pods stay as an earlier operator, or configuration, built them.
    """

    sdep: Object
    objects: list[Object]
    waiting: frozenset[Place]
    moving: list[str]
    obsolete: list[Ref]
    superseded: list[Ref]
    scaled: list[str]
    outdated: list[str]

    def names(self, kind: str) -> list[str]:
        """Return the names of the planned objects of a kind, in order."""
        return [obj["metadata"]["name"] for obj in self.objects if obj["kind"] == kind]

    def due(self) -> list[Object]:
        """Return the objects that can be applied now, in order."""
        return [obj for obj in self.objects if _place(obj) not in self.waiting]


def plan(sdep: Object, config: Config, observed: Observed, *, roll: bool | None = None) -> Plan:
    """Plan a SeldonDeployment.

    Args:
        sdep: The SeldonDeployment as it is stored, one in which `validate` finds no error.
        config: The operator's configuration.
        observed: Its children as they are; an empty one plans against an empty cluster.
        roll: Whether pods that an earlier operator, or configuration, built are built anew; None leaves that to the
            configuration. Those whose manifest has changed always are.

    Returns:
        The plan: the same for the same arguments.
    """
    stored = _on_the_way(without_nulls(sdep), config, observed)
    prints = {item["name"]: fingerprint(stored, item) for item in stored["spec"]["predictors"]}
    sdep = plan_defaults(stored, config.ports, _assigned(stored, observed))
    predictors = sdep["spec"]["predictors"]
    parts = {item["name"]: list(_of_predictor(sdep, item, config, observed)) for item in predictors}
    outdated = []
    for name, objects in parts.items():
        as_they_are = kept(objects, prints[name], observed)
        if as_they_are is not None and not (config.rolls_on_upgrade if roll is None else roll):
            parts[name] = as_they_are
            outdated.append(name)
        else:
            parts[name] = recorded(objects, prints[name])
    shared = traffic(sdep, config)
    routes = [route for render in _RENDERERS for route in render(sdep, shared, config)]
    planned = sorted(itertools.chain(*parts.values(), routes), key=lambda obj: _ORDER[obj["kind"]])
    wanted = {_place(obj) for obj in planned}
    routed = {each.name for each in shared.live if each.percent > 0}
    held = waiting(sdep, parts, map(_place, routes), routed, observed)
    return Plan(
        sdep=sdep,
        objects=planned,
        waiting=held,
        moving=[item["name"] for item in predictors if item.get(c.FIELD_ENGINE_BESIDE)],
        obsolete=[*_obsolete(wanted, observed), *_changing_address(planned, held, observed)],
        superseded=[] if held else superseded(wanted, observed),
        scaled=_scaled(sdep, config),
        outdated=outdated,
    )


def _on_the_way(sdep: Object, config: Config, observed: Observed) -> Object:
    """Return the SeldonDeployment with a mark on those predictors whose engine cannot move in one step."""
    ports = (config.engine_http_port, config.engine_grpc_port)
    predictors = [
        {**item, c.FIELD_ENGINE_BESIDE: True} if stops_beside(sdep, item, ports, observed) else item
        for item in sdep["spec"]["predictors"]
    ]
    return {**sdep, "spec": {**sdep["spec"], "predictors": predictors}}


def _assigned(sdep: Object, observed: Observed) -> dict[tuple[str, str], tuple[int, int]]:
    """Return the ports at which the containers of a SeldonDeployment are called, where they are called already."""
    found = {}
    for predictor in sdep["spec"]["predictors"] if observed.services else ():
        for ref in containers(with_servers(predictor)):
            place = (predictor["name"], ref.container["name"])
            live = observed.services.get(container_service_name(sdep_name(sdep), *place))
            if live is not None and live.assigned is not None:
                found[place] = live.assigned
    return found


def _of_predictor(sdep: Object, predictor: Object, config: Config, observed: Observed) -> Iterator[Object]:
    yield from services(sdep, predictor, config)
    yield from deployments(sdep, predictor, config, observed)
    for index, component in component_specs(predictor):
        yield from scalers(sdep, component, component_deployment_name(sdep, predictor, index, config), config)
    yield from explainer(sdep, predictor, config, observed)


def superseded(wanted: Iterable[Place], observed: Observed) -> list[Ref]:
    """Return the children that may be deleted now: make before break.

    Nothing goes before all planned Deployments are ready. Then go the old routes; then the old Deployments that carry
    an engine, after their pods have drained the other Deployments, which the engines call, each with what scales it;
    and last the Services through which they do.

    Args:
        wanted: Kind and name of the objects that there must be.
        observed: The children as they are.
    """
    wanted = set(wanted)
    for kind, name in wanted:
        live = observed.deployments.get(name)
        if kind == "Deployment" and (live is None or not live.ready):
            return []
    stray = [Ref(*place, child.uid) for place, child in observed.others.items() if place not in wanted]
    stray = [ref for ref in stray if not observed.others[ref.kind, ref.name].terminating]
    if routes := [ref for ref in stray if ref.kind in ROUTES]:
        return sorted(routes, key=lambda ref: (-_ORDER[ref.kind], ref.name))
    old = {name: live for name, live in observed.deployments.items() if ("Deployment", name) not in wanted}
    if old:
        going = {name: live for name, live in old.items() if live.carries_engine} or old
        refs = [Ref("Deployment", name, going[name].uid) for name in sorted(going) if not going[name].terminating]
        return [*refs, *sorted((ref for ref in stray if ref.name in going), key=lambda ref: (ref.kind, ref.name))]
    return [
        Ref("Service", name, live.uid)
        for name, live in sorted(observed.services.items())
        if ("Service", name) not in wanted and not live.terminating
    ]


def _obsolete(wanted: set[Place], observed: Observed) -> list[Ref]:
    """Return autoscalers and budgets that nothing asks for, of Deployments that stay or are gone."""
    return [
        Ref(kind, name, child.uid)
        for (kind, name), child in sorted(observed.others.items())
        if kind in OF_DEPLOYMENT
        and (kind, name) not in wanted
        and not child.terminating
        and (("Deployment", name) in wanted or name not in observed.deployments)
    ]


def _changing_address(planned: Iterable[Object], held: frozenset[Place], observed: Observed) -> Iterator[Ref]:
    """Yield the Services that get an address of their own, or lose it, which cannot be done to one that exists."""
    for obj in planned:
        live = observed.services.get(obj["metadata"]["name"]) if obj["kind"] == "Service" else None
        if live is None or live.terminating or _place(obj) in held:
            continue
        if live.headless != (obj["spec"].get("clusterIP") == "None"):
            yield Ref(*_place(obj), live.uid)


def _place(obj: Object) -> Place:
    return obj["kind"], obj["metadata"]["name"]


def _scaled(sdep: Object, config: Config) -> list[str]:
    return [
        component_deployment_name(sdep, predictor, index, config)
        for predictor in sdep["spec"]["predictors"]
        for index, component in component_specs(predictor)
        if stated_replicas((component, predictor)) is None and not is_scaled(component, config)
    ]
