"""The pods of a predictor: their containers, images, ports and environment."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from .. import constants as c
from ..findings import ABSENT, Finding
from ..graph import engine_spec_index, walk
from ..objects import as_list, as_map, as_number, as_text, is_empty
from ..schema import pod_schema
from .graph import has_implementation
from .names import check_annotations, check_deployment_suffix, check_label_name, check_labels
from .shape import check_shape

_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")
_MAX_PORT_NAME = 15
_CONTAINER_LISTS = ("initContainers", "containers")


def check_pods(predictor: dict[str, Any], path: str) -> Iterator[Finding]:
    """Yield what is wrong with the componentSpecs of a predictor.

    Args:
        predictor: The predictor.
        path: Its path.
    """
    nodes = {as_text(node.get("name")): node for _, node in walk(predictor.get("graph"))}
    engine_index = engine_spec_index(predictor)
    pod_of_node: dict[str, str] = {}
    for index, component in enumerate(as_list(predictor.get("componentSpecs"))):
        if not isinstance(component, dict):
            continue
        where = f"{path}.componentSpecs[{index}]"
        metadata = as_map(component.get("metadata"))
        yield from check_deployment_suffix(as_text(metadata.get("name")), f"{where}.metadata.name")
        yield from check_labels(metadata.get("labels"), f"{where}.metadata.labels")
        yield from check_annotations(metadata.get("annotations"), f"{where}.metadata.annotations")
        if component.get("spec") is None:
            yield Finding(f"{where}.spec", ABSENT, "is required", "add it, with a list of containers")
        elif isinstance(component["spec"], dict):
            yield from _check_pod(component["spec"], f"{where}.spec", nodes, has_engine=index == engine_index)
            yield from _check_one_pod_per_node(component["spec"], f"{where}.spec", nodes, pod_of_node)


def _check_pod(pod: dict[str, Any], path: str, nodes: dict[str, Any], *, has_engine: bool) -> Iterator[Finding]:
    yield from check_shape(pod, pod_schema(), path)
    names: dict[str, str] = {}
    ports: dict[int, str] = {}
    for field in _CONTAINER_LISTS:
        for index, container in enumerate(as_list(pod.get(field))):
            if not isinstance(container, dict):
                continue
            where = f"{path}.{field}[{index}]"
            yield from _check_container_name(container, where, nodes, names)
            yield from _check_image(container, where, nodes if field == "containers" else {})
            yield from check_env(container.get("env"), f"{where}.env")
            yield from _check_ports(container, where)
            if field == "containers":
                yield from _check_shared_ports(container, where, ports, has_engine=has_engine)


def check_env(env: Any, path: str) -> Iterator[Finding]:
    """Yield environment variables that are set more than once.

    Args:
        env: The environment of a container.
        path: Its path.
    """
    counts = Counter(as_text(as_map(variable).get("name")) for variable in as_list(env))
    for name, count in counts.items():
        if name and count > 1:
            rule = f"is set {count} times, of which the last counts"
            yield Finding(path, name, rule, "remove the others", "warning")


def _check_container_name(
    container: dict[str, Any], where: str, nodes: dict[str, Any], names: dict[str, str]
) -> Iterator[Finding]:
    name, path = container.get("name"), f"{where}.name"
    if name == "":
        yield Finding(path, name, "must not be empty", "write the name of the graph node that the container serves")
    if not name or not isinstance(name, str):
        return
    if name in names:
        yield Finding(path, name, f"is already the name of {names[name]}", "give each container of a pod its own name")
    names.setdefault(name, where)
    if name == c.ENGINE_CONTAINER_NAME or (name == c.TFSERVING_CONTAINER_NAME and name in nodes):
        yield Finding(path, name, "is the name of a container that the controller adds", "choose another name")
    yield from check_label_name(name, path, "containers and their Services are named after it")


def _check_one_pod_per_node(
    pod: dict[str, Any], path: str, nodes: dict[str, Any], pod_of_node: dict[str, str]
) -> Iterator[Finding]:
    """Yield containers of a graph node that has one in another pod already: only one of them could be called."""
    here: dict[str, str] = {}
    for index, container in enumerate(as_list(pod.get("containers"))):
        name = as_text(as_map(container).get("name"))
        where = f"{path}.containers[{index}]"
        if name in nodes and name in pod_of_node:
            rule = f"is already the name of {pod_of_node[name]}, which serves this graph node"
            yield Finding(f"{where}.name", name, rule, "rename one of the two containers and its graph node")
        elif name in nodes:
            here.setdefault(name, where)
    pod_of_node.update(here)


def _check_image(container: dict[str, Any], where: str, nodes: dict[str, Any]) -> Iterator[Finding]:
    image, path = container.get("image"), f"{where}.image"
    if is_empty(image):
        # The image of a prepackaged server comes from the operator's configuration.
        if not has_implementation(as_map(nodes.get(as_text(container.get("name"))))):
            example = "image: example.com/classifier:1.0"
            yield Finding(path, ABSENT, "is required", f"add the image of the container, for example {example}")
    elif isinstance(image, str) and image != image.strip():
        yield Finding(path, image, "must not begin or end with white space", f"write {image.strip() or 'an image'}")


def _check_ports(container: dict[str, Any], where: str) -> Iterator[Finding]:
    names: dict[str, str] = {}
    numbers: dict[tuple[int, str], str] = {}
    for index, port in enumerate(as_list(container.get("ports"))):
        path = f"{where}.ports[{index}]"
        number, name = as_number(as_map(port).get("containerPort")), as_text(as_map(port).get("name"))
        if number is not None:
            key = (number, as_text(port.get("protocol")) or "TCP")
            if key in numbers:
                rule = f"is already the port of {numbers[key]}"
                yield Finding(f"{path}.containerPort", number, rule, "remove one of the two ports")
            numbers.setdefault(key, path)
        if name and (len(name) > _MAX_PORT_NAME or not _PORT_NAME.fullmatch(name)):
            rule = f"must be at most {_MAX_PORT_NAME} lower-case letters, digits and single dashes, with a letter"
            yield Finding(f"{path}.name", name, rule, "rename the port, for example http or metrics")
        elif name in names:
            yield Finding(f"{path}.name", name, f"is already the name of {names[name]}", "rename one of the two ports")
        elif name:
            names[name] = path


def _check_shared_ports(
    container: dict[str, Any], where: str, ports: dict[int, str], *, has_engine: bool
) -> Iterator[Finding]:
    """Yield ports that two containers of a pod declare: they share one network, where only one can listen."""
    declared: dict[int, str] = {}
    for index, port in enumerate(as_list(container.get("ports"))):
        number, path = as_number(as_map(port).get("containerPort")), f"{where}.ports[{index}].containerPort"
        if number is None or as_text(as_map(port).get("protocol")) not in ("", "TCP"):
            continue
        remedy = "let the container listen on another port"
        if number in ports:
            rule = f"is declared by {ports[number]} too, in whose pod only one of them can listen on it"
            yield Finding(path, number, rule, remedy, "warning")
        elif has_engine and number in c.ENGINE_PORTS:
            rule = "is by default a port of the engine, which runs in this pod"
            yield Finding(path, number, rule, remedy, "warning")
        declared.setdefault(number, where)
    ports.update(declared)
