"""Filling in what a user left out: once for storage, and in full when objects are planned.

Both accept an object of any shape and change nothing that is written; storing again changes nothing. What they return
shares its unchanged parts with what they were given: treat both as read-only.
"""

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from . import constants as c
from .graph import ContainerRef, containers, engine_spec_index, has_implementation, is_server, nodes
from .names import container_service_name
from .objects import as_list, as_map, as_number, as_text, is_empty, is_true

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PortSettings:
    """How the ports of graph nodes are chosen.

    Attributes:
        http: The first HTTP port; the next container name gets the next number.
        grpc: The first gRPC port, counted in the same way.
        metrics: The first metrics port; every container that declares none gets the next number.
        metrics_name: The name of the metrics port of a container.
        cluster_domain: The DNS domain of the cluster.
        reserved: Ports that other containers of the pod listen on, which are never given out.
    """

    http: int = 9000
    grpc: int = 9500
    metrics: int = 6000
    metrics_name: str = "metrics"
    cluster_domain: str = "cluster.local"
    reserved: frozenset[int] = frozenset()


def stored_defaults(obj: Object, *, graph: bool = True) -> Object:
    """Return a SeldonDeployment with those defaults that stay right when the user edits the object later.

    They are `spec.protocol`, `spec.transport`, `spec.serverType`, the label `version` of each predictor and
    the type of each graph node. An empty string or a null counts as left out. The transport stays open where
    the endpoint of a node says GRPC: it decides, and a stored `rest` would contradict it.

    Args:
        obj: The SeldonDeployment; any JSON value is accepted, and what has an unexpected shape is left alone.
        graph: Whether to fill in the predictors as well, or the three fields of the spec only.

    Returns:
        The SeldonDeployment; every part in which nothing is filled in is the one given.
    """
    spec = as_map(as_map(obj).get("spec"))
    if not spec:
        return obj
    predictors = as_list(spec.get("predictors"))
    graphs = [nodes(predictor.get("graph")) if isinstance(predictor, dict) else [] for predictor in predictors]
    filled = dict(spec)
    if spec.get("protocol") in _LEFT_OUT:
        filled["protocol"] = c.DEFAULT_PROTOCOL
    if spec.get("transport") in _LEFT_OUT and not any(map(_any_grpc_endpoint, graphs)):
        filled["transport"] = c.DEFAULT_TRANSPORT
    if spec.get("serverType") in _LEFT_OUT:
        filled["serverType"] = c.DEFAULT_SERVER_TYPE
    if graph and predictors:
        listed = list(map(_stored_predictor, predictors, graphs))
        if not all(map(operator.is_, listed, predictors)):
            filled["predictors"] = listed
    same = len(filled) == len(spec) and all(map(operator.is_, filled.values(), spec.values()))
    return obj if same else {**obj, "spec": filled}


def plan_defaults(
    obj: Object, ports: PortSettings, assigned: Mapping[tuple[str, str], tuple[int, int]] = MappingProxyType({})
) -> Object:
    """Return a SeldonDeployment with everything filled in that building its Kubernetes objects needs.

    On top of `stored_defaults`: the namespace; the type of each prepackaged server, and a container where it has none;
    and for each graph node that has a container the node's endpoint (host and ports, which replace what is written
    there) and the container's pull policy, termination message, metrics port and annotations mount.

    Args:
        obj: The SeldonDeployment; any JSON value is accepted, and what has an unexpected shape is left alone.
        ports: How ports are chosen, from the operator's configuration.
        assigned: The HTTP and gRPC ports that containers have already, by the names of predictor and container: they
            keep them unless something else declares the number, since an engine calls pods of before and after an edit.
    """
    stored = stored_defaults(obj)
    spec = as_map(as_map(stored).get("spec"))
    if not spec:
        return stored
    spec = dict(spec)
    # Still open only where an endpoint says GRPC.
    _fill(spec, "transport", "grpc")
    metadata = dict(as_map(stored.get("metadata")))
    _fill(metadata, "namespace", "default")
    scope = _Scope(
        sdep_name=as_text(metadata.get("name")),
        namespace=as_text(metadata["namespace"]),
        grpc=spec.get("transport") == "grpc",
        separate_engine=is_true(as_map(spec.get("annotations")).get(c.ANNOTATION_SEPARATE_ENGINE)),
        settings=ports,
        allocator=_PortAllocator(ports, spec, assigned),
    )
    if isinstance(spec.get("predictors"), list):
        spec["predictors"] = [_planned_predictor(predictor, scope) for predictor in spec["predictors"]]
    if isinstance(stored.get("metadata"), dict | None):
        return {**stored, "metadata": metadata, "spec": spec}
    return {**stored, "spec": spec}


def node_type(node: Mapping[str, Any]) -> str | None:
    """Return the type of a graph node: MODEL for a server, else the one given or what methods and built-in amount to.

    Args:
        node: The graph node.

    Returns:
        The type; None for a node without a type whose methods amount to none.
    """
    if is_server(node):
        return c.MODEL
    if not is_empty(node.get("type")):
        return as_text(node["type"])
    if has_implementation(node):
        return c.BUILT_IN_TYPES[node["implementation"]]
    methods = as_list(node.get("methods"))
    if not methods:
        return c.MODEL
    return next((kind for method, kind in _METHOD_TYPES.items() if method in methods), None)


_LEFT_OUT = (None, "")
_METHOD_TYPES = {
    "ROUTE": c.ROUTER,
    "AGGREGATE": c.COMBINER,
    "TRANSFORM_INPUT": c.TRANSFORMER,
    "TRANSFORM_OUTPUT": c.OUTPUT_TRANSFORMER,
}


def _fill(target: Object, key: str, value: Any) -> None:
    if is_empty(target.get(key)):
        target[key] = value


def _any_grpc_endpoint(graph: list[Object]) -> bool:
    return any(as_map(node["endpoint"]).get("type") == "GRPC" for node in graph if node.get("endpoint"))


def _stored_predictor(predictor: Any, graph: list[Object]) -> Any:
    if not isinstance(predictor, dict):
        return predictor
    labels = predictor.get("labels")
    name = as_text(predictor.get("name"))
    filled = predictor
    if name and isinstance(labels, dict | None) and c.LABEL_VERSION not in (labels or {}):
        filled = {**filled, "labels": {**(labels or {}), c.LABEL_VERSION: name}}
    untyped = [node for node in graph if node.get("type") in _LEFT_OUT]
    if untyped and any(node_type(node) is not None for node in untyped):
        filled = {**filled, "graph": _copied_graph(predictor["graph"])}
        for node in nodes(filled["graph"]):
            kind = node_type(node)
            if kind is not None:
                _fill(node, "type", kind)
    return filled


def _copied_graph(root: Object) -> Object:
    """Return a graph whose nodes and lists of children are new; everything else is shared."""
    copied = dict(root)
    waiting = [copied]
    while waiting:
        node = waiting.pop()
        if isinstance(node.get("children"), list):
            node["children"] = [dict(child) if isinstance(child, dict) else child for child in node["children"]]
            waiting.extend(child for child in node["children"] if isinstance(child, dict))
    return copied


def with_servers(predictor: Object) -> Object:
    """Return a predictor in which each prepackaged server has a container: where none is written, in the first pod.

    Args:
        predictor: The predictor; any shape is accepted, and containers are added where there is a place for them.
    """
    written = {ref.name for ref in containers(predictor)}
    named = (as_text(node.get("name")) for node in nodes(predictor.get("graph")) if is_server(node))
    missing = list(dict.fromkeys(name for name in named if name and name not in written))
    components = predictor.get("componentSpecs")
    if not missing or not isinstance(components, list | None):
        return predictor
    first, *others = components or [{}]
    pod = as_map(first).get("spec")
    listed = as_map(pod).get("containers")
    if not (isinstance(first, dict) and isinstance(pod, dict | None) and isinstance(listed, list | None)):
        return predictor
    added = [*(listed or []), *({"name": name} for name in missing)]
    return {**predictor, "componentSpecs": [{**first, "spec": {**(pod or {}), "containers": added}}, *others]}


class _PortAllocator:
    """Gives out port numbers that nothing else in the SeldonDeployment uses.

    HTTP and gRPC numbers belong to a container name and are the same in every predictor, unless they were assigned
    before; every container gets a metrics number of its own.
    """

    def __init__(
        self, settings: PortSettings, spec: Object, assigned: Mapping[tuple[str, str], tuple[int, int]]
    ) -> None:
        self._next = {"http": settings.http, "grpc": settings.grpc, "metrics": settings.metrics}
        self._named: dict[tuple[str, str], int] = {}
        self._owners: dict[int, tuple[str, str] | None] = dict.fromkeys(settings.reserved)
        for predictor in as_list(spec.get("predictors")):
            self._owners.update(dict.fromkeys(_declared_ports(as_map(predictor))))
        self._assigned: dict[tuple[str, str, str], int] = {}
        for (predictor_name, container_name), numbers in assigned.items():
            for kind, number in zip(("http", "grpc"), numbers, strict=True):
                key = (kind, container_name)
                if self._owners.setdefault(number, key) == key:
                    self._assigned[predictor_name, *key] = number
                    self._named.setdefault(key, number)

    def named(self, kind: str, predictor_name: str, container: Object) -> int:
        """Return the HTTP or gRPC port of a container: its own port, the one it has, or else the number of its name."""
        key = (kind, as_text(container.get("name")))
        declared = port_named(container, kind)
        if declared is None and (predictor_name, *key) in self._assigned:
            return self._assigned[predictor_name, *key]
        first = key not in self._named
        # A container that declares its port uses up a number all the same, so that the others keep theirs.
        number = self._next[kind] if first else self._named[key]
        if declared is None and self._owners.get(number) != key:
            number = self._free(number, key)
        self._named[key] = number
        if first:
            self._next[kind] = number + 1
        return number if declared is None else declared

    def metrics(self) -> int:
        """Return the next metrics port."""
        number = self._free(self._next["metrics"], None)
        self._next["metrics"] = number + 1
        return number

    def _free(self, number: int, owner: tuple[str, str] | None) -> int:
        while number in self._owners:
            number += 1
        self._owners[number] = owner
        return number


def port_named(container: Mapping[str, Any], name: str) -> int | None:
    """Return the number of the port of that name of a container, or None.

    Args:
        container: The container.
        name: The name of the port: `http`, `grpc` or the metrics port's.
    """
    for port in as_list(container.get("ports")):
        if isinstance(port, dict) and port.get("name") == name:
            return as_number(port.get("containerPort"))
    return None


def _declared_ports(predictor: Object) -> Iterator[int]:
    for component in as_list(predictor.get("componentSpecs")):
        pod = as_map(as_map(component).get("spec"))
        for container in [*as_list(pod.get("containers")), *as_list(pod.get("initContainers"))]:
            for port in as_list(as_map(container).get("ports")):
                number = as_number(as_map(port).get("containerPort"))
                if number is not None:
                    yield number


@dataclass(frozen=True, slots=True)
class _Scope:
    """What the defaults of a container depend on beside the predictor that it belongs to."""

    sdep_name: str
    namespace: str
    grpc: bool
    separate_engine: bool
    settings: PortSettings
    allocator: _PortAllocator


def _planned_predictor(predictor: Any, scope: _Scope) -> Any:
    if not isinstance(predictor, dict):
        return predictor
    written = len(list(containers(predictor)))
    predictor = with_servers(predictor)
    planned = dict(predictor)
    if isinstance(predictor.get("graph"), dict):
        planned["graph"] = _copied_graph(predictor["graph"])
    named: dict[str, Object] = {}
    for node in nodes(planned.get("graph")):
        named.setdefault(as_text(node.get("name")), node)
        if is_server(node):
            node["type"] = c.MODEL
    separate = scope.separate_engine and not predictor.get(c.FIELD_ENGINE_BESIDE)
    engine_index = None if separate else engine_spec_index(predictor)
    predictor_name = as_text(predictor.get("name"))
    replaced: dict[tuple[int, int], Object] = {}
    for ref in _in_order_of_numbers(predictor, written):
        # Containers outside the graph use up numbers as well: users' set-ups know the numbers of the others.
        http, grpc = (scope.allocator.named(kind, predictor_name, ref.container) for kind in ("http", "grpc"))
        name = ref.name
        if name and name in named:
            host = _host(predictor, name, scope, beside_engine=ref.spec_index == engine_index)
            named[name]["endpoint"] = _endpoint(named[name], host, (http, grpc), scope)
            replaced[ref.spec_index, ref.container_index] = _planned_container(ref.container, scope)
    if replaced:
        specs = predictor["componentSpecs"]
        planned["componentSpecs"] = [_with_containers(spec, at, replaced) for at, spec in enumerate(specs)]
    return planned


def _in_order_of_numbers(predictor: Object, written: int) -> list[ContainerRef]:
    """Return the containers in the order in which they get ports: those that were added after those written."""
    refs = list(containers(predictor))
    added = len(refs) - written
    first = sum(ref.spec_index == 0 for ref in refs)
    return [*refs[: first - added], *refs[first:], *refs[first - added : first]]


def _host(predictor: Object, container_name: str, scope: _Scope, *, beside_engine: bool) -> str:
    if beside_engine:
        return "localhost"
    service = container_service_name(scope.sdep_name, as_text(predictor.get("name")), container_name)
    return f"{service}.{scope.namespace}.svc.{scope.settings.cluster_domain}"


def _endpoint(node: Object, host: str, numbers: tuple[int, int], scope: _Scope) -> Object:
    written = as_map(node.get("endpoint"))
    http, grpc = numbers
    uses_grpc = scope.grpc or written.get("type") == "GRPC"
    served = {
        "service_host": host,
        "service_port": grpc if uses_grpc else http,
        "httpPort": http,
        "grpcPort": grpc,
    }
    return {**written, **served}


def _planned_container(container: Object, scope: _Scope) -> Object:
    planned = dict(container)
    _fill(planned, "imagePullPolicy", "IfNotPresent")
    _fill(planned, "terminationMessagePath", "/dev/termination-log")
    _fill(planned, "terminationMessagePolicy", "File")
    mounts = as_list(container.get("volumeMounts"))
    if isinstance(container.get("volumeMounts"), list | None) and not any(
        as_map(mount).get("name") == c.PODINFO_VOLUME or as_map(mount).get("mountPath") == c.PODINFO_PATH
        for mount in mounts
    ):
        planned["volumeMounts"] = [*mounts, {"name": c.PODINFO_VOLUME, "mountPath": c.PODINFO_PATH}]
    name = scope.settings.metrics_name
    declared = as_list(container.get("ports"))
    if isinstance(container.get("ports"), list | None) and not any(as_map(p).get("name") == name for p in declared):
        metrics = {"name": name, "containerPort": scope.allocator.metrics(), "protocol": "TCP"}
        planned["ports"] = [*declared, metrics]
    return planned


def _with_containers(component: Any, spec_index: int, replaced: Mapping[tuple[int, int], Object]) -> Any:
    pod = as_map(as_map(component).get("spec"))
    if not any(at == spec_index for at, _ in replaced):
        return component
    listed = [replaced.get((spec_index, index), item) for index, item in enumerate(pod["containers"])]
    return {**component, "spec": {**pod, "containers": listed}}
