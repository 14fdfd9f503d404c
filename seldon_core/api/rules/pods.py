"""The pods of a predictor: their containers, images, ports and environment."""

import re
from collections import Counter
from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from .. import constants as c
from ..findings import ABSENT, Finding, short
from ..graph import has_implementation
from ..objects import as_list, as_map, as_number, as_text, is_empty
from .annotations import check_pod_annotations
from .names import check_deployment_suffix, check_label_name, check_labels, is_label_name
from .scaling import SCALING_FIELDS, check_scaling
from .view import Object, Predictor

_name_of = itemgetter("name")
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")
_MAX_PORT_NAME = 15
_RESERVED = (c.ENGINE_CONTAINER_NAME, c.TFSERVING_CONTAINER_NAME)
# Mounts of volumes that the controller adds.
_OLD_PODINFO_VOLUME = "podinfo"
_MODEL_VOLUME_SUFFIX = "-provision-location"


def check_pods(predictor: Predictor) -> Iterator[Finding]:
    """Yield what is wrong with the componentSpecs of a predictor.

    Args:
        predictor: The predictor.
    """
    components = as_list(predictor.fields.get("componentSpecs"))
    engine_index = predictor.engine_index()
    if len(components) > 1 and len({ref.name for ref in predictor.serving}) < len(predictor.serving):
        yield from _check_one_pod_per_node(predictor)
    for index, component in enumerate(components):
        if not isinstance(component, dict):
            continue
        where = f"{predictor.path}.componentSpecs[{index}]"
        if metadata := as_map(component.get("metadata")):
            yield from check_deployment_suffix(as_text(metadata.get("name")), f"{where}.metadata.name")
            yield from check_labels(metadata.get("labels"), f"{where}.metadata.labels")
            yield from check_pod_annotations(metadata.get("annotations"), f"{where}.metadata.annotations")
        if not SCALING_FIELDS.isdisjoint(component):
            yield from check_scaling(component, where)
        pod = component.get("spec")
        if pod is None:
            yield Finding(f"{where}.spec", ABSENT, "is required", "add it, with a list of containers")
        elif isinstance(pod, dict):
            engine_ports = predictor.settings.installation.engine_ports if index == engine_index else ()
            yield from _check_pod(pod, f"{where}.spec", predictor, engine_ports)


def _check_pod(pod: Object, path: str, predictor: Predictor, engine_ports: tuple[int, ...]) -> Iterator[Finding]:
    names: dict[str, str] = {}
    ports: dict[int, str] = {}
    volumes = {volume["name"] for volume in as_list(pod.get("volumes")) if _named(volume)}
    for where, container, runs_along in _containers(pod, path):
        name, image = container.get("name"), container.get("image")
        env, mounts, declared = container.get("env"), container.get("volumeMounts"), container.get("ports")
        if isinstance(name, str) and name not in names and name not in _RESERVED and is_label_name(name):
            names[name] = where
        else:
            yield from _check_container_name(container, where, predictor, names)
        if not (image and isinstance(image, str) and image == image.strip()):
            yield from _check_image(container, where, predictor if runs_along else None)
        if env and isinstance(env, list) and len(env) > 1 and len(_distinct_names(env)) < len(env):
            yield from check_env(env, f"{where}.env")
        if mounts and not volumes.issuperset(_distinct_names(mounts) or (None,)):
            yield from _check_mounts(mounts, where, volumes)
        if declared:
            if not _is_one_good_port(declared):
                yield from _check_ports(container, where)
            if runs_along:
                yield from _check_shared_ports(container, where, ports, engine_ports)


def _containers(pod: Object, path: str) -> Iterator[tuple[str, Object, bool]]:
    """Yield path and container of all containers of a pod, and whether it runs as long as the pod."""
    for field, runs_along in (("initContainers", False), ("containers", True)):
        if listed := as_list(pod.get(field)):
            where = f"{path}.{field}["
            for index, container in enumerate(listed):
                if isinstance(container, dict):
                    yield f"{where}{index}]", container, runs_along


def _named(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("name"), str)


def check_env(env: Any, path: str) -> Iterator[Finding]:
    """Yield environment variables that are set more than once.

    Args:
        env: The environment of a container.
        path: Its path.
    """
    listed = (each.get("name") for each in as_list(env) if isinstance(each, dict))
    for name, count in Counter(name for name in listed if isinstance(name, str)).items():
        if name and count > 1:
            rule = f"is set {count} times, of which the last counts"
            yield Finding(path, name, rule, "remove the others", "warning")


def _distinct_names(listed: Any) -> set[Any]:
    """Return the names of the items of a list; none where the list has a form that is to be looked at closely."""
    try:
        return set(map(_name_of, listed))
    except (TypeError, KeyError):
        return set()


def _check_container_name(
    container: Object, where: str, predictor: Predictor, names: dict[str, str]
) -> Iterator[Finding]:
    name, path = container.get("name"), f"{where}.name"
    if name == "":
        yield Finding(path, name, "must not be empty", "write the name of the graph node that the container serves")
    if not name or not isinstance(name, str):
        return
    if name in names:
        yield Finding(path, name, f"is already the name of {names[name]}", "give each container of a pod its own name")
    names.setdefault(name, where)
    if name == c.ENGINE_CONTAINER_NAME or (name == c.TFSERVING_CONTAINER_NAME and name in predictor.named):
        yield Finding(path, name, "is the name of a container that the controller adds", "choose another name")
    if not is_label_name(name):
        yield from check_label_name(name, path, "containers and their Services are named after it")


def _check_one_pod_per_node(predictor: Predictor) -> Iterator[Finding]:
    """Yield containers of a graph node that has one in another pod already: only one of them could be called."""
    first: dict[str, tuple[int, str]] = {}
    for ref in predictor.serving:
        pod, path = first.setdefault(ref.name, (ref.spec_index, ref.path))
        if pod != ref.spec_index:
            rule = f"is already the name of {path}, which serves this graph node"
            yield Finding(f"{ref.path}.name", ref.name, rule, "rename one of the two containers and its graph node")


def _check_image(container: Object, where: str, predictor: Predictor | None) -> Iterator[Finding]:
    """Yield a missing image; the predictor is that whose nodes the container may serve."""
    image, path = container.get("image"), f"{where}.image"
    if is_empty(image):
        # The image of a prepackaged server comes from the operator's configuration.
        name = as_text(container.get("name"))
        if predictor is None or not (
            has_implementation(predictor.named.get(name, {})) or _is_tfserving(name, predictor)
        ):
            example = "image: example.com/classifier:1.0"
            yield Finding(path, ABSENT, "is required", f"add the image of the container, for example {example}")
    elif isinstance(image, str):
        yield Finding(path, image, "must not begin or end with white space", f"write {image.strip() or 'an image'}")


def _is_tfserving(name: str, predictor: Predictor) -> bool:
    """Tell whether a container is the one that TensorFlow Serving runs in beside its proxy."""
    servers = (node.get("implementation") for _, node in predictor.nodes)
    return name == c.TFSERVING_CONTAINER_NAME and "TENSORFLOW_SERVER" in servers


def _check_mounts(mounts: Any, where: str, volumes: set[str]) -> Iterator[Finding]:
    """Yield mounts of volumes that do not exist; the controller fills those of its own mounts, by whatever name."""
    for index, mount in enumerate(as_list(mounts)):
        name = as_text(as_map(mount).get("name"))
        if name and name not in volumes and name not in (c.PODINFO_VOLUME, _OLD_PODINFO_VOLUME):
            if name.endswith(_MODEL_VOLUME_SUFFIX):
                continue
            path = f"{where}.volumeMounts[{index}].name"
            remedy = f"add a volume named {short(name)} to the volumes of the pod, or remove the mount"
            yield Finding(path, name, "no volume of the pod has this name", remedy)


def _is_one_good_port(ports: Any) -> bool:
    """Tell whether a list holds a single port, about whose name and number there is nothing to say."""
    if not isinstance(ports, list) or len(ports) != 1 or not isinstance(ports[0], dict):
        return False
    name = ports[0].get("name")
    return name is None or (isinstance(name, str) and _is_port_name(name))


def _is_port_name(name: str) -> bool:
    return len(name) <= _MAX_PORT_NAME and _PORT_NAME.fullmatch(name) is not None


def _check_ports(container: Object, where: str) -> Iterator[Finding]:
    names: dict[str, int] = {}
    numbers: dict[tuple[int, str], int] = {}
    for index, port in enumerate(as_list(container["ports"])):
        if not isinstance(port, dict):
            continue
        number, name = as_number(port.get("containerPort")), port.get("name")
        if number is not None:
            key = (number, as_text(port.get("protocol")) or "TCP")
            if key in numbers:
                rule = f"is already the port of {where}.ports[{numbers[key]}]"
                yield Finding(f"{where}.ports[{index}].containerPort", number, rule, "remove one of the two ports")
            numbers.setdefault(key, index)
        if not name or not isinstance(name, str):
            continue
        if not _is_port_name(name):
            rule = f"must be at most {_MAX_PORT_NAME} lower-case letters, digits and single dashes, with a letter"
            yield Finding(f"{where}.ports[{index}].name", name, rule, "rename the port, for example http or metrics")
        elif name in names:
            rule = f"is already the name of {where}.ports[{names[name]}]"
            yield Finding(f"{where}.ports[{index}].name", name, rule, "rename one of the two ports")
        else:
            names[name] = index


def _check_shared_ports(
    container: Object, where: str, ports: dict[int, str], engine_ports: tuple[int, ...]
) -> Iterator[Finding]:
    """Yield ports that two containers of a pod declare: they share one network, where only one can listen."""
    declared: dict[int, str] = {}
    for index, port in enumerate(as_list(container["ports"])):
        if not isinstance(port, dict) or port.get("protocol") not in ("TCP", None, ""):
            continue
        if (number := as_number(port.get("containerPort"))) is None:
            continue
        declared.setdefault(number, where)
        if number not in engine_ports and number not in ports:
            continue
        path, remedy = f"{where}.ports[{index}].containerPort", "let the container listen on another port"
        if number in engine_ports:
            yield Finding(path, number, "is a port of the engine, which runs in this pod", remedy)
        else:
            rule = f"is declared by {ports[number]} too, in whose pod only one of them can listen on it"
            yield Finding(path, number, rule, remedy, "warning")
    ports.update(declared)
