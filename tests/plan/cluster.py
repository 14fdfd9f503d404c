"""A cluster that rolls Deployments out step by step, and says at each which requests would fail."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from seldon_core.api.graph import walk
from seldon_core.plan import Config, LiveDeployment, LiveObject, Observed, Plan, plan

from .build import CONFIG, Object

ENGINE = "seldon-container-engine"
LONGEST = 60  # passes until everything has settled, whatever is changed


@dataclass
class Pods:
    """The pods of a Deployment that were made from one template."""

    template: Object
    ready: bool = False

    @property
    def labels(self) -> Object:
        labels: Object = self.template["metadata"]["labels"]
        return labels

    def container(self, name: str) -> Object | None:
        return next((one for one in self.template["spec"]["containers"] if one["name"] == name), None)

    def ports(self, container: str | None = None) -> set[int]:
        """What its containers listen on, or one of them."""
        listed = self.template["spec"]["containers"]
        found = [one for one in listed if container in (None, one["name"])]
        return {port["containerPort"] for one in found for port in one.get("ports", [])}


@dataclass
class Rolling:
    """A Deployment with the pods of its template, and those of the one before."""

    obj: Object
    generations: list[Pods] = field(default_factory=list)
    terminating: bool = False

    def apply(self, obj: Object) -> None:
        self.obj = obj
        template = obj["spec"]["template"]
        if not self.generations or self.generations[-1].template != template:
            # A rollout under way makes room for the next; what serves stays.
            self.generations = [*(one for one in self.generations if one.ready), Pods(template)]

    def advance(self, *, starts: bool) -> None:
        """Go one step further: the new pods become ready, if they can, or else the old ones go."""
        if not self.generations[-1].ready:
            self.generations[-1].ready = starts
        else:
            del self.generations[:-1]

    def live(self) -> LiveDeployment:
        metadata = self.obj["metadata"]
        ready = sum(pods.ready for pods in self.generations)
        status = {
            "observedGeneration": 1,
            "replicas": len(self.generations),
            "updatedReplicas": 1,
            "availableReplicas": ready,
            "unavailableReplicas": len(self.generations) - ready,
        }
        return LiveDeployment(
            uid=metadata["name"],
            generation=1,
            replicas=1,
            status=status,
            carries_engine=metadata["labels"].get("seldon-deployment-contains-svcorch") == "true",
            terminating=self.terminating,
            record=metadata["annotations"]["seldon.io/built"],
        )


class Cluster:
    """What a controller has made of SeldonDeployments, one pod for each Deployment.

    Args:
        config: The operator's configuration.
    """

    def __init__(self, config: Config = CONFIG) -> None:
        self.config = config
        self.deployments: dict[str, Rolling] = {}
        self.services: dict[str, Object] = {}

    def settle(self, obj: Object) -> Iterator[Plan]:
        """Make passes until nothing changes, and yield each plan once with its writes, and again with their effects."""
        for _ in range(LONGEST):
            before = self._picture()
            made = self._pass(obj)
            yield made
            for name, one in list(self.deployments.items()):
                if one.terminating:
                    del self.deployments[name]
                else:
                    one.advance(starts=not list(self._unreachable(one.generations[-1])))
                yield made
            if self._picture() == before:
                return
        raise AssertionError("it never settles")

    def observed(self) -> Observed:
        return Observed(
            deployments={name: one.live() for name, one in self.deployments.items()},
            services={name: _live_service(obj) for name, obj in self.services.items()},
        )

    def _pass(self, obj: Object) -> Plan:
        made = plan(obj, self.config, self.observed())
        for ref in made.obsolete:
            del self.services[ref.name]
        before = self._picture()
        for item in made.due():
            name = item["metadata"]["name"]
            if item["kind"] == "Service":
                self.services[name] = item
            elif item["kind"] == "Deployment":
                self.deployments.setdefault(name, Rolling(item)).apply(item)
        if self._picture() == before:
            for ref in made.superseded:
                if ref.kind == "Deployment":
                    self.deployments[ref.name].terminating = True
                else:
                    self.services.pop(ref.name)
        return made

    def _picture(self) -> str:
        seen = [
            [name, one.obj, [[pods.template, pods.ready] for pods in one.generations], one.terminating]
            for name, one in sorted(self.deployments.items())
        ]
        return json.dumps([seen, sorted(self.services.items())], sort_keys=True)

    def serving(self) -> list[Pods]:
        """All pods that take requests."""
        return [
            pods for one in self.deployments.values() if not one.terminating for pods in one.generations if pods.ready
        ]

    def failures(self, made: Plan) -> list[str]:
        """Say which requests would fail now: those to predictors, and those of engines to nodes."""
        found: list[str] = []
        for each in made.sdep["spec"]["predictors"]:
            service = f"{made.sdep['metadata']['name']}-{each['name']}"
            for port in self.services[service]["spec"]["ports"]:
                found += self._unanswered("a caller", service, port["port"])
        for pods in self.serving():
            found += self._unreachable(pods)
        return found

    def _unreachable(self, pods: Pods) -> Iterator[str]:
        """Say which nodes of its graph an engine in these pods cannot reach; it is not ready until there are none."""
        if engine := pods.container(ENGINE):
            for node in _told(engine):
                yield from self._unreached(pods, node)

    def _unreached(self, pods: Pods, node: Object) -> Iterator[str]:
        if "endpoint" not in node:
            return
        for port in (node["endpoint"]["httpPort"], node["endpoint"]["grpcPort"]):
            host = node["endpoint"]["service_host"]
            if host != "localhost":
                yield from self._unanswered("an engine", host.partition(".")[0], port, node["name"])
            elif port not in pods.ports(node["name"]):
                yield f"an engine finds nobody at {port} beside it"

    def _unanswered(self, who: str, service: str, port: int, container: str | None = None) -> Iterator[str]:
        """Say why a request to a port of a Service might fail; `container` is whom it is for, if that is known."""
        spec = self.services.get(service, {}).get("spec", {})
        targets = [one["targetPort"] for one in spec.get("ports", []) if one["port"] == port]
        if not targets:
            yield f"{who} finds no Service {service}:{port}"
            return
        chosen = [pods for pods in self.serving() if spec["selector"].items() <= pods.labels.items()]
        if not chosen:
            yield f"{who} finds no pods behind {service}"
        for pods in chosen:
            if targets[0] not in pods.ports(container):
                yield f"{who} is led by {service}:{port} to a pod that does not listen on {targets[0]}"


def _live_service(obj: Object) -> LiveObject:
    ports = tuple(port["port"] for port in obj["spec"]["ports"])
    headless = obj["spec"].get("clusterIP") == "None"
    return LiveObject(obj["metadata"]["name"], ports=ports, assigned=(ports[0], ports[1]), headless=headless)


def _told(engine: Object) -> list[Object]:
    """The nodes of the graph that an engine is told of."""
    encoded = next(entry["value"] for entry in engine["env"] if entry["name"] == "ENGINE_PREDICTOR")
    told: Any = json.loads(base64.b64decode(encoded))
    return [node for _, node in walk(told["graph"])]
