"""The predictors beside one another: their names, their shares of the traffic, and the names made from them."""

from collections.abc import Iterator
from typing import Any

from .. import constants as c
from ..findings import ABSENT, Finding, short
from ..graph import containers, walk
from ..names import container_service_name, deployment_name, predictor_service_name
from ..objects import as_list, as_map, as_number, as_text
from .names import check_label_name, check_service_name

Predictors = list[tuple[str, dict[str, Any]]]

_ALL = 100


def check_predictor_names(predictors: Predictors) -> Iterator[Finding]:
    """Yield predictor names that are no names or taken twice.

    Args:
        predictors: The path and the predictor of each predictor.
    """
    seen: dict[str, str] = {}
    for path, predictor in predictors:
        name = predictor.get("name")
        if name == "":
            yield Finding(f"{path}.name", name, "must not be empty", "add a name, for example main")
        if not isinstance(name, str) or not name:
            continue
        yield from check_label_name(name, f"{path}.name", "Services and Deployments are named after it")
        if name in seen:
            rule = f"is already the name of {seen[name]}"
            yield Finding(f"{path}.name", name, rule, "give each predictor a name of its own")
        seen.setdefault(name, path)
        service = as_text(as_map(predictor.get("annotations")).get(c.ANNOTATION_SERVICE_NAME))
        if service:
            yield from check_service_name(service, f"{path}.annotations[{c.ANNOTATION_SERVICE_NAME}]")


def check_traffic(predictors: Predictors) -> Iterator[Finding]:
    """Yield shares of the traffic that do not make 100 %, and shadows of nothing.

    Args:
        predictors: The path and the predictor of each predictor.
    """
    shadows = [(path, predictor) for path, predictor in predictors if predictor.get("shadow") is True]
    live = [(path, predictor) for path, predictor in predictors if predictor.get("shadow") is not True]
    for path, _ in shadows[1:]:
        yield Finding(f"{path}.shadow", True, "there is a shadow already", "keep one shadow, remove the others")
    if shadows and not live:
        rule = "a shadow needs a predictor that answers the requests"
        yield Finding(f"{shadows[0][0]}.shadow", True, rule, "remove shadow, or add another predictor")
    total = sum(as_number(predictor.get("traffic")) or 0 for _, predictor in live)
    given = [predictor for _, predictor in live if predictor.get("traffic") is not None]
    if len(live) == 1 and total not in (0, _ALL):
        path, predictor = live[0]
        rule = "the only predictor that answers has all the traffic"
        yield Finding(f"{path}.traffic", predictor["traffic"], rule, "write 100 or leave traffic out")
    elif len(live) > 1 and given and total != _ALL:
        path, last = live[-1]
        rule = f"weights of the non-shadow predictors add up to {total}, must be {_ALL}"
        value = last["traffic"] if last.get("traffic") is not None else ABSENT
        remedy = f"{_correction([predictor for _, predictor in live], total)} or omit traffic on all to split evenly"
        yield Finding(f"{path}.traffic", value, rule, remedy)


def _correction(live: list[dict[str, Any]], total: int) -> str:
    """Return what to change so that the weights add up: one that is not given, or else the first that can do it."""
    ordered = sorted(live, key=lambda predictor: predictor.get("traffic") is not None)
    for predictor in ordered:
        weight = as_number(predictor.get("traffic")) or 0
        fitting = weight + _ALL - total
        if 0 <= fitting <= _ALL:
            verb = "set" if predictor.get("traffic") is None else "raise" if fitting > weight else "lower"
            return f"{verb} {short(as_text(predictor.get('name')))} to {fitting}"
    return f"choose weights that add up to {_ALL}"


def check_collisions(sdep_name: str, predictors: Predictors) -> Iterator[Finding]:
    """Yield parts of a SeldonDeployment whose Services or Deployments would have the name of another's.

    Args:
        sdep_name: The name of the SeldonDeployment.
        predictors: The path and the predictor of each predictor.
    """
    services: dict[str, str] = {}
    deployments: dict[str, str] = {}
    seen: set[str] = set()
    for path, predictor in predictors:
        name = as_text(predictor.get("name"))
        if not name or name in seen:
            continue
        seen.add(name)
        for service, where, value in _services(sdep_name, path, predictor):
            if service in services:
                rule = f"makes a Service named {short(service)}, as {services[service]} does"
                yield Finding(where, value, rule, "rename one of the two")
            services.setdefault(service, where)
        for index, component in enumerate(as_list(predictor.get("componentSpecs"))):
            where = f"{path}.componentSpecs[{index}]"
            deployment = deployment_name(sdep_name, name, index, as_map(component))
            if deployment in deployments:
                rule = f"makes a Deployment named {short(deployment)}, as {deployments[deployment]} does"
                yield Finding(where, ABSENT, rule, "set its metadata.name to a name of its own")
            deployments.setdefault(deployment, where)


def _services(sdep_name: str, path: str, predictor: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the deciding field and its value for every Service of a predictor."""
    name = as_text(predictor.get("name"))
    chosen = as_text(as_map(predictor.get("annotations")).get(c.ANNOTATION_SERVICE_NAME))
    where = f"{path}.annotations[{c.ANNOTATION_SERVICE_NAME}]" if chosen else f"{path}.name"
    yield predictor_service_name(sdep_name, predictor), where, chosen or name
    nodes = {as_text(node.get("name")) for _, node in walk(predictor.get("graph"))}
    seen: set[str] = set()
    for ref in containers(predictor, path):
        container = as_text(ref.container.get("name"))
        if container in nodes and container not in seen:
            seen.add(container)
            yield container_service_name(sdep_name, name, container), f"{ref.path}.name", container
