"""What must not be applied yet, so that requests are answered all the while."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from seldon_core.api import constants as c
from seldon_core.api.names import engine_deployment_name, predictor_service_name
from seldon_core.api.objects import as_map

from .metadata import sdep_name
from .modes import EngineMode, engine_mode
from .observed import LiveDeployment, Observed

Object = dict[str, Any]
Place = tuple[str, str]  # kind and name


def waiting(
    sdep: Object,
    parts: Mapping[str, Iterable[Object]],
    routes: Iterable[Place],
    routed: Collection[str],
    observed: Observed,
) -> frozenset[Place]:
    """Return kind and name of the objects that must not be applied yet.

    Args:
        sdep: The SeldonDeployment, with its defaults.
        parts: Name of each predictor -> its objects.
        routes: Kind and name of the routes.
        routed: Names of the predictors that get a share of the requests.
        observed: The children as they are.
    """
    held: set[Place] = set()
    for predictor in sdep["spec"]["predictors"]:
        objects = list(parts[predictor["name"]])
        held |= set(_changing_engine(sdep, predictor, objects, observed))
        held |= set(_calling_others(objects, observed))
    leads_to = [obj for name in routed for obj in parts[name] if obj["kind"] == "Deployment"]
    if held or not all(_serves(obj, observed) for obj in leads_to):
        held |= set(routes)
    return frozenset(held)


def _serves(deployment: Object, observed: Observed) -> bool:
    if _explains(deployment):
        return True  # no predictor has to wait for its explainer
    live = observed.deployments.get(deployment["metadata"]["name"])
    return live is not None and live.serving


def _explains(deployment: Object) -> bool:
    return bool(deployment["metadata"]["labels"].get(c.LABEL_EXPLAINER))


def _as_planned(deployment: Object, observed: Observed) -> LiveDeployment | None:
    """Return a Deployment as it is, if its pods are meant to be those that are planned."""
    metadata = deployment["metadata"]
    live = observed.deployments.get(metadata["name"])
    planned = as_map(metadata.get("annotations")).get(c.ANNOTATION_BUILT, "")
    return live if live is not None and live.record == planned else None


def _calling_others(objects: Iterable[Object], observed: Observed) -> Iterable[Place]:
    """Yield the Deployments whose engines serve, as long as those that their successors are to call are not all there.

    Pods of before the change may lack what the new engines call, or answer as it was.
    """
    deployments = [obj for obj in objects if obj["kind"] == "Deployment" and not _explains(obj)]
    callers = [obj for obj in deployments if obj["metadata"]["labels"].get(c.LABEL_CONTAINS_ENGINE) == "true"]
    lives = {obj["metadata"]["name"]: _as_planned(obj, observed) for obj in deployments if obj not in callers}
    if all(live is not None and live.serving and live.replaced for live in lives.values()):
        return
    for obj in callers:
        live = observed.deployments.get(obj["metadata"]["name"])
        if live is not None and live.serving and _as_planned(obj, observed) is None:
            yield obj["kind"], obj["metadata"]["name"]


def _changing_engine(sdep: Object, predictor: Object, objects: Iterable[Object], observed: Observed) -> Iterable[Place]:
    """Yield what waits while the engine of a predictor comes, goes or moves.

    Pods with an engine answer on the ports of the node as well, so that the Service changes its ports first where the
    engine goes, and last where it comes. Pods keep their engine until the one in pods of its own is ready.
    """
    mode = engine_mode(sdep, predictor)
    service = predictor_service_name(sdep_name(sdep), predictor)
    by_place = {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}
    answering = [
        obj
        for (kind, _), obj in by_place.items()
        if kind == "Deployment" and obj["metadata"]["labels"].get(c.LABEL_SELDON_APP) == service
    ]
    lives = [observed.deployments.get(obj["metadata"]["name"]) for obj in answering]
    leaves_engine = mode is EngineMode.ABSENT and any(live is not None and live.carries_engine for live in lives)
    if not leaves_engine and _moves(service, by_place, observed):
        planned = (_as_planned(obj, observed) for obj in answering)
        if not all(live is not None and live.ready for live in planned):
            yield "Service", service
    if mode is EngineMode.SEPARATE and not all(live is not None and live.ready for live in lives):
        own = engine_deployment_name(sdep_name(sdep), predictor["name"])
        for kind, name in by_place:
            live = observed.deployments.get(name)
            if kind == "Deployment" and name != own and live is not None and live.carries_engine:
                yield kind, name


def _moves(service: str, by_place: Mapping[Place, Object], observed: Observed) -> bool:
    """Tell whether a Service is to lead to other ports than it does."""
    live = observed.services.get(service)
    ports = tuple(port["port"] for port in by_place["Service", service]["spec"]["ports"])
    return live is not None and live.ports not in ((), ports)
