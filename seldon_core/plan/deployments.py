"""The Deployments of a predictor: one for each componentSpec, the engine beside one of them."""

from typing import Any

from seldon_core.api import constants as c
from seldon_core.api.graph import engine_spec_index, walk
from seldon_core.api.names import deployment_name
from seldon_core.api.objects import as_list, as_map, as_number

from .config import Config
from .engine import engine_container
from .env import component_env
from .listmaps import last_by_name
from .metadata import (
    base_labels,
    container_service_labels,
    graph_containers,
    layered_annotations,
    object_metadata,
    predictor_service_labels,
    role_labels,
    sdep_name,
)
from .observed import LiveDeployment, Observed
from .probes import component_probes
from .security import pod_contexts
from .shutdown import DEFAULT_GRACE_SECONDS, Shutdown, shutdown, sleep_before_stop

Object = dict[str, Any]

_PODINFO_VOLUME: Object = {
    "name": c.PODINFO_VOLUME,
    "downwardAPI": {
        "defaultMode": 0o644,
        "items": [{"path": "annotations", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.annotations"}}],
    },
}


def deployments(sdep: Object, predictor: Object, config: Config, observed: Observed) -> list[Object]:
    """Return the Deployments of a predictor, in the order of its componentSpecs.

    Args:
        sdep: The SeldonDeployment, with its defaults.
        predictor: One of its predictors.
        config: The operator's configuration.
        observed: The children as they are.
    """
    planned = []
    engine_index = engine_spec_index(predictor)
    for index, component in enumerate(as_list(predictor.get("componentSpecs"))):
        if as_map(component.get("spec")).get("containers"):
            name = component_deployment_name(sdep, predictor, index, config)
            parts = _Parts(sdep, predictor, component, config, with_engine=index == engine_index)
            planned.append(parts.deployment(name, observed.deployments.get(name)))
    return planned


def component_deployment_name(sdep: Object, predictor: Object, index: int, config: Config) -> str:
    """Return the name of the Deployment of a predictor's componentSpec at `index`."""
    component = predictor["componentSpecs"][index]
    return deployment_name(
        sdep_name(sdep), predictor["name"], index, component, sdep_name_as_prefix=config.name_as_prefix
    )


def stated_replicas(sdep: Object, predictor: Object, component: Object) -> int | None:
    """Return the replicas that the manifest asks for: the most specific of three places, or None."""
    for place in (component, predictor, sdep["spec"]):
        replicas = as_number(place.get("replicas"))
        if replicas is not None:
            return replicas
    return None


def selector(sdep: Object, name: str) -> dict[str, str]:
    """Return the labels that select the pods of a Deployment: nothing that an edit of the manifest can change.

    Args:
        sdep: The SeldonDeployment.
        name: The name of the Deployment, which no other in the namespace has.
    """
    return {c.LABEL_SELDON_ID: base_labels(sdep)[c.LABEL_SELDON_ID], c.LABEL_APP: name}


class _Parts:
    """The parts of one Deployment, which depend on the same handful of things."""

    def __init__(
        self, sdep: Object, predictor: Object, component: Object, config: Config, *, with_engine: bool
    ) -> None:
        self.sdep = sdep
        self.predictor = predictor
        self.component = component
        self.config = config
        self.with_engine = with_engine
        self.pod: Object = component["spec"]

    def deployment(self, name: str, live: LiveDeployment | None) -> Object:
        labels = self.labels(name)
        marker = {c.LABEL_CONTAINS_ENGINE: "true"} if self.with_engine else {}
        annotations = layered_annotations(self.sdep, self.predictor, self.component)
        spec: Object = {
            "selector": {"matchLabels": selector(self.sdep, name)},
            # Never fewer pods than asked for; the API server's default lets a rollout add a quarter.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": labels, "annotations": {**self.monitoring(), **annotations}},
                "spec": self.pod_spec(),
            },
        }
        if (replicas := self.replicas(live)) is not None:
            spec["replicas"] = replicas
        if (deadline := as_number(self.predictor.get("progressDeadlineSeconds"))) is not None:
            spec["progressDeadlineSeconds"] = deadline
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": object_metadata(self.sdep, name, {**labels, **marker}, annotations),
            "spec": spec,
        }

    def replicas(self, live: LiveDeployment | None) -> int | None:
        """Return what to apply as `replicas`, or None to leave the field to its other owners.

        Where the manifest says nothing, leaving out a field that only we own would reset it to 1: the live number is
        applied until somebody else owns it.
        """
        stated = stated_replicas(self.sdep, self.predictor, self.component)
        if stated is not None or live is None or not live.sole_owner_of_replicas:
            return stated
        return live.replicas

    def monitoring(self) -> dict[str, str]:
        return {
            c.ANNOTATION_PROMETHEUS_PATH: self.config.prometheus_path,
            c.ANNOTATION_PROMETHEUS_SCRAPE: "true",
        }

    def labels(self, name: str) -> dict[str, str]:
        """Return the labels of Deployment and pods; those that selectors rely on win over the user's."""
        names = [container["name"] for container in graph_containers(self.predictor, self.component)]
        labels = {
            c.LABEL_FLUENTD: "true",
            **as_map(self.predictor.get("labels")),
            **as_map(as_map(self.component.get("metadata")).get("labels")),
            **role_labels(self.predictor, names),
            **base_labels(self.sdep),
            c.LABEL_APP: name,
            **container_service_labels(self.sdep, self.predictor, names),
        }
        # Only the pods with the engine serve the predictor, whatever a manifest's own labels say.
        labels.pop(c.LABEL_SELDON_APP, None)
        return labels | (predictor_service_labels(self.sdep, self.predictor) if self.with_engine else {})

    def pod_spec(self) -> Object:
        grace = as_number(self.pod.get("terminationGracePeriodSeconds"))
        grace = DEFAULT_GRACE_SECONDS if grace is None else grace
        order = shutdown(grace)
        pod = {**self.pod, **pod_contexts(self.pod, self.config)}
        containers = [self.container(container, order) for container in pod["containers"]]
        if self.with_engine:
            containers.append(engine_container(self.sdep, self.predictor, self.config, order))
        volumes = as_list(pod.get("volumes"))
        if not any(as_map(volume).get("name") == c.PODINFO_VOLUME for volume in volumes):
            volumes = [*volumes, _PODINFO_VOLUME]
        pod |= {"containers": containers, "volumes": volumes, "terminationGracePeriodSeconds": grace}
        if pod.get("initContainers"):
            pod["initContainers"] = [_without_duplicates(container) for container in pod["initContainers"]]
        return pod

    def container(self, container: Object, order: Shutdown) -> Object:
        """Return a container of the user's with what a graph node needs; one outside the graph as it is."""
        nodes = (node for _, node in walk(self.predictor["graph"]))
        node = next((node for node in nodes if node.get("name") == container["name"]), None)
        if node is None:
            return _without_duplicates(container)
        endpoint = node["endpoint"]
        ports = as_list(container.get("ports"))
        named = [as_map(port).get("name") for port in ports]
        added = [
            {"name": kind, "containerPort": endpoint[f"{kind}Port"], "protocol": "TCP"}
            for kind in ("http", "grpc")
            if kind not in named
        ]
        filled = {
            **container,
            "ports": [*ports, *added],
            "env": component_env(self.sdep, self.predictor, node, container, self.config),
            **component_probes(container, endpoint["service_port"], self.config),
        }
        lifecycle = {**sleep_before_stop(order.component_sleep), **as_map(container.get("lifecycle"))}
        return filled | ({"lifecycle": lifecycle} if lifecycle else {})


def _without_duplicates(container: Object) -> Object:
    return {**container, "env": last_by_name(container["env"])} if container.get("env") else container
