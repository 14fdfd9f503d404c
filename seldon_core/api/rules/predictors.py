"""The predictors beside one another: their names, their shares of the traffic, and the names made from them."""

from collections.abc import Iterator, Mapping, Sequence

from .. import constants as c
from ..defaults import with_servers
from ..findings import ABSENT, Finding, short
from ..names import (
    container_service_name,
    deployment_name,
    engine_deployment_name,
    explainer_name,
    predictor_service_name,
)
from ..objects import as_list, as_map, as_number, as_text, is_empty
from .names import check_label_name, check_service_name, is_label_name
from .view import Predictor

_ALL = 100
_SHARING = frozenset({"traffic", "shadow"})


def check_predictor_names(predictors: Sequence[Predictor]) -> Iterator[Finding]:
    """Yield predictor names that are no names or taken twice.

    Args:
        predictors: The predictors.
    """
    seen: dict[str, str] = {}
    for predictor in predictors:
        path, name = predictor.path, predictor.fields.get("name")
        if name == "":
            yield Finding(f"{path}.name", name, "must not be empty", "add a name, for example main")
        if not isinstance(name, str) or not name:
            continue
        if not is_label_name(name):
            yield from check_label_name(name, f"{path}.name", "Services and Deployments are named after it")
        if name in seen:
            rule = f"is already the name of {seen[name]}"
            yield Finding(f"{path}.name", name, rule, "give each predictor a name of its own")
        seen.setdefault(name, path)
        annotations = predictor.fields.get("annotations")
        if annotations and (service := as_text(as_map(annotations).get(c.ANNOTATION_SERVICE_NAME))):
            yield from check_service_name(service, f"{path}.annotations[{c.ANNOTATION_SERVICE_NAME}]")


def check_traffic(predictors: Sequence[Predictor]) -> Iterator[Finding]:
    """Yield shares of the traffic that do not make 100 %, and shadows of nothing.

    Args:
        predictors: The predictors.
    """
    if all(_SHARING.isdisjoint(predictor.fields) for predictor in predictors):
        return
    shadows = [predictor for predictor in predictors if predictor.shadow]
    live = [predictor for predictor in predictors if not predictor.shadow]
    for shadow in shadows[1:]:
        yield Finding(f"{shadow.path}.shadow", True, "there is a shadow already", "keep one shadow, remove the others")
    if shadows and not live:
        rule = "a shadow needs a predictor that answers the requests"
        yield Finding(f"{shadows[0].path}.shadow", True, rule, "remove shadow, or add another predictor")
    if not any(predictor.fields.get("traffic") is not None for predictor in live):
        return
    total = sum(_traffic(predictor) or 0 for predictor in live)
    last = live[-1]
    if len(live) == 1 and 0 < total < _ALL:
        rule = "the only predictor that answers has all the traffic"
        yield Finding(f"{last.path}.traffic", last.fields["traffic"], rule, "write 100 or leave traffic out")
    elif len(live) > 1 and total != _ALL:
        rule = f"weights of the non-shadow predictors add up to {total}, must be {_ALL}"
        value = last.fields["traffic"] if last.fields.get("traffic") is not None else ABSENT
        remedy = f"{_correction(live, total)} or omit traffic on all to split evenly"
        yield Finding(f"{last.path}.traffic", value, rule, remedy)


def _traffic(predictor: Predictor) -> int | None:
    return as_number(predictor.fields.get("traffic"))


def _correction(live: Sequence[Predictor], total: int) -> str:
    """Return what to change so that the weights add up: one that is not given, or else the first that can do it."""
    ordered = sorted(live, key=lambda predictor: predictor.fields.get("traffic") is not None)
    for predictor in ordered:
        weight = _traffic(predictor) or 0
        fitting = weight + _ALL - total
        if 0 <= fitting <= _ALL:
            given = predictor.fields.get("traffic") is not None
            verb = "set" if not given else "raise" if fitting > weight else "lower"
            return f"{verb} {short(as_text(predictor.fields.get('name')))} to {fitting}"
    return f"choose weights that add up to {_ALL}"


# Kind and name of each Service and Deployment of a namespace -> the names of the SeldonDeployments that make it.
Makers = Mapping[tuple[str, str], Sequence[str]]


# A Service or Deployment: its kind and name, the field that decides the name, its value, and how to change it.
Made = tuple[str, str, str, object, str]


def made(sdep_name: str, predictors: Sequence[Predictor]) -> list[Made]:
    """Return every Service and Deployment that the predictors turn into.

    Args:
        sdep_name: The name of the SeldonDeployment.
        predictors: The predictors; of those with one name, only the first makes anything.
    """
    seen: set[str] = set()
    objects: list[Made] = []
    for predictor in predictors:
        name = predictor.name
        if name and name not in seen:
            seen.add(name)
            objects += _services(sdep_name, predictor, name)
            objects += _deployments(sdep_name, predictor, name)
    return objects


def check_collisions(sdep_name: str, predictors: Sequence[Predictor], makers: Makers) -> Iterator[Finding]:
    """Yield parts of a SeldonDeployment whose Services or Deployments would have the name of another's.

    Args:
        sdep_name: The name of the SeldonDeployment.
        predictors: The predictors.
        makers: What the SeldonDeployments of the namespace make, this one too, as far as it is known.
    """
    taken: dict[tuple[str, str], str] = {}
    for kind, name, where, value, remedy in made(sdep_name, predictors):
        if (key := (kind, name)) in taken:
            yield Finding(where, value, f"makes a {kind} named {short(name)}, as {taken[key]} does", remedy)
            continue
        taken[key] = where
        if (found := makers.get(key)) and (others := [maker for maker in found if maker != sdep_name]):
            rule = f"makes a {kind} named {short(name)}, as SeldonDeployment {short(others[0])} does"
            yield Finding(where, value, rule, remedy)


def _services(sdep_name: str, predictor: Predictor, name: str) -> list[Made]:
    remedy = "rename one of the two"
    annotations = predictor.fields.get("annotations")
    chosen = as_text(as_map(annotations).get(c.ANNOTATION_SERVICE_NAME)) if annotations else ""
    where = f"{predictor.path}.annotations[{c.ANNOTATION_SERVICE_NAME}]" if chosen else f"{predictor.path}.name"
    services: list[Made] = [
        ("Service", predictor_service_name(sdep_name, predictor.fields), where, chosen or name, remedy)
    ]
    services += [
        ("Service", container_service_name(sdep_name, name, container), path, container, remedy)
        for container, path in predictor.served_names().items()
    ]
    if predictor.fields.get("explainer") and _has_explainer(predictor):
        services.append(("Service", explainer_name(sdep_name, name), f"{predictor.path}.explainer", name, remedy))
    return services


def _deployments(sdep_name: str, predictor: Predictor, name: str) -> list[Made]:
    fields = with_servers(predictor.fields) if predictor.servers else predictor.fields
    deployments: list[Made] = []
    for index, component in enumerate(as_list(fields.get("componentSpecs"))):
        where, remedy = f"{predictor.path}.componentSpecs[{index}]", "set its metadata.name to a name of its own"
        full = deployment_name(sdep_name, name, index, as_map(component))
        deployments.append(("Deployment", full, where, ABSENT, remedy))
    if predictor.settings.separate_engine and not predictor.without_engine:
        engine, where = engine_deployment_name(sdep_name, name), f"{predictor.path}.name"
        deployments.append(("Deployment", engine, where, ABSENT, "rename the predictor"))
    if predictor.fields.get("explainer") and _has_explainer(predictor):
        explainer, where = explainer_name(sdep_name, name), f"{predictor.path}.explainer"
        deployments.append(("Deployment", explainer, where, ABSENT, "rename the predictor"))
    return deployments


def _has_explainer(predictor: Predictor) -> bool:
    return not is_empty(as_map(predictor.fields.get("explainer")).get("type"))
