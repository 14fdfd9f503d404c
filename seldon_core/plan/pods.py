"""The pods of a componentSpec: the user's containers with what graph nodes need, and what the operator adds to them."""

from dataclasses import dataclass
from typing import Any

from seldon_core.api.graph import is_server, nodes
from seldon_core.api.objects import as_list, as_map, as_number, as_text

from .config import Config
from .engine import engine_container
from .env import component_env, missing
from .listmaps import last_by_name
from .modes import has_tls
from .probes import component_probes
from .security import generated_context, pod_contexts
from .servers import Server, server_of, with_arguments, with_tfserving
from .shutdown import DEFAULT_GRACE_SECONDS, Shutdown, shutdown, sleep_before_stop
from .storage import with_model
from .volumes import PODINFO, with_mounts, with_volume

Object = dict[str, Any]

_CERTIFICATE_VOLUME = "seldon-cert-volume"
_CERTIFICATE_VARIABLE = "SELDON_CERT_MOUNT_PATH"


@dataclass(frozen=True, slots=True)
class _Node:
    """A graph node that has a container in the pod.

    Attributes:
        fields: The node, with its endpoint.
        container: Its container as the user wrote it.
        server: Its prepackaged server, or None.
        ours: Whether the operator chose the image of that.
    """

    fields: Object
    container: Object
    server: Server | None
    ours: bool


def component_pod(sdep: Object, predictor: Object, component: Object, config: Config, *, with_engine: bool) -> Object:
    """Return the pod spec of a componentSpec.

    Args:
        sdep: The SeldonDeployment, with its defaults.
        predictor: The predictor, with its defaults.
        component: The componentSpec.
        config: The operator's configuration.
        with_engine: Whether the engine runs in these pods.
    """
    pod: Object = component["spec"]
    grace = as_number(pod.get("terminationGracePeriodSeconds"))
    grace = DEFAULT_GRACE_SECONDS if grace is None else grace
    order = shutdown(grace)
    served = _nodes(sdep, predictor, pod, config)
    pod = {**pod, **pod_contexts(pod, config), "terminationGracePeriodSeconds": grace}
    if pod.get("initContainers"):
        pod["initContainers"] = [_without_duplicates(container) for container in pod["initContainers"]]

    def completed(container: Object) -> Object:
        node = served.get(as_text(container.get("name")))
        if node is None:
            return _without_duplicates(container)
        return _component(sdep, predictor, container, node, config, order, _context(pod, node, config))

    pod["containers"] = [completed(container) for container in pod["containers"]]
    pod = _with_servers(pod, served, order, config)
    if with_engine:
        engine = engine_container(sdep, predictor, config, order)
        pod = {**pod, "containers": [*pod["containers"], engine]}
        pod = with_certificate(pod, predictor, config)
    return with_volume(pod, PODINFO)


def with_certificate(pod: Object, predictor: Object, config: Config) -> Object:
    """Return a pod spec whose containers find the certificate of the predictor, where it has one.

    Args:
        pod: The pod spec.
        predictor: The predictor.
        config: The operator's configuration.
    """
    if not has_tls(predictor):
        return pod
    mount = {"name": _CERTIFICATE_VOLUME, "mountPath": config.cert_path, "readOnly": True}
    variable = {"name": _CERTIFICATE_VARIABLE, "value": config.cert_path}

    def completed(container: Object) -> Object:
        env = as_list(container.get("env"))
        return with_mounts({**container, "env": [*env, *missing(env, [variable])]}, [mount])

    secret = {"secretName": predictor["ssl"]["certSecretName"]}
    pod = {**pod, "containers": [completed(container) for container in pod["containers"]]}
    return with_volume(pod, {"name": _CERTIFICATE_VOLUME, "secret": secret})


def _nodes(sdep: Object, predictor: Object, pod: Object, config: Config) -> dict[str, _Node]:
    """Return the graph nodes that have a container in a pod, by name, in the order of the graph."""
    written = {as_text(container.get("name")): container for container in pod["containers"]}
    found: dict[str, _Node] = {}
    for node in nodes(predictor["graph"]):
        name = as_text(node.get("name"))
        if name in written and name not in found:
            container = written[name]
            companions = sum(
                other.server is not None and other.server.companion is not None for other in found.values()
            )
            server = server_of(sdep, node, pod, companions, config) if is_server(node) else None
            found[name] = _Node(node, container, server, server is not None and not container.get("image"))
    return found


def _context(pod: Object, node: _Node, config: Config) -> Object | None:
    """Return the security context of the container of a server whose image the operator chose."""
    if not node.ours or node.container.get("securityContext"):
        return None
    return generated_context(pod, config)


def _component(
    sdep: Object,
    predictor: Object,
    container: Object,
    node: _Node,
    config: Config,
    order: Shutdown,
    context: Object | None,
) -> Object:
    """Return a container of the user's with what its graph node needs."""
    endpoint = node.fields["endpoint"]
    server = node.server
    ports = as_list(container.get("ports"))
    named = [as_map(port).get("name") for port in ports]
    added = [
        {"name": kind, "containerPort": endpoint[f"{kind}Port"], "protocol": "TCP"}
        for kind in ("http", "grpc")
        if kind not in named
    ]
    if server is not None:
        container = with_arguments({**container, "image": container.get("image") or server.image}, server.arguments)
        if server.env_from:
            container["envFrom"] = [*as_list(container.get("envFrom")), *server.env_from]
    filled = {
        **container,
        "ports": [*ports, *added],
        "env": component_env(sdep, predictor, node.fields, container, config, server.env if server else {}),
        **component_probes(container, endpoint, config, server if node.ours else None),
    }
    lifecycle = {**sleep_before_stop(order.component_sleep), **as_map(container.get("lifecycle"))}
    if lifecycle:
        filled["lifecycle"] = lifecycle
    return filled if context is None else {**filled, "securityContext": context}


def _with_servers(pod: Object, served: dict[str, _Node], order: Shutdown, config: Config) -> Object:
    """Return a pod with the containers that serve the models of its nodes, and those that fetch the models."""
    for name, node in served.items():
        if account := as_text(node.fields.get("serviceAccountName")):
            pod = {**pod, "serviceAccountName": account}
        companion = node.server.companion if node.server is not None else None
        if companion is not None:
            pod = with_tfserving(pod, node.fields, companion, config)
            containers = [
                {**outlasting(order), **item} if item["name"] == companion.name else item for item in pod["containers"]
            ]
            pod = {**pod, "containers": containers}
        if node.server is None or not node.server.fetches:
            pod = with_model(pod, companion.name if companion is not None else name, node.fields, config)
    return pod


def outlasting(order: Shutdown) -> Object:
    """Return the fields of a container that outlasts the engine, where the pod stops slowly enough.

    Args:
        order: When the containers of the pod stop.
    """
    lifecycle = sleep_before_stop(order.component_sleep)
    return {"lifecycle": lifecycle} if lifecycle else {}


def _without_duplicates(container: Object) -> Object:
    return {**container, "env": last_by_name(container["env"])} if container.get("env") else container
