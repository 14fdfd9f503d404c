"""SeldonDeployments to plan, written as shortly as a test wants them."""

import base64
import json
from typing import Any

from seldon_core.plan import Config, LiveDeployment, LiveObject, Observed, Plan, plan

Object = dict[str, Any]

CONFIG = Config(engine_image="engine:1")


def node(name: str, *children: Object, kind: str = "MODEL", **fields: Any) -> Object:
    return {"name": name, "type": kind, "children": list(children), **fields}


def container(name: str, **fields: Any) -> Object:
    return {"name": name, "image": f"{name}:1", **fields}


def component(*containers: Object, **fields: Any) -> Object:
    """A componentSpec; what is given by name goes beside `spec`, except for `pod`, which goes into it."""
    pod = fields.pop("pod", {})
    return {"spec": {"containers": list(containers), **pod}, **fields}


def predictor(name: str, graph: Object, *components: Object, **fields: Any) -> Object:
    return {"name": name, "graph": graph, "componentSpecs": list(components), **fields}


def sdep(*predictors: Object, name: str = "m", namespace: str = "n", **spec: Any) -> Object:
    return {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": name, "namespace": namespace, "uid": "uid-of-m", "generation": 1},
        "spec": {"predictors": list(predictors), **spec},
    }


def single(name: str = "m", **fields: Any) -> Object:
    """One predictor `p`, one node `a`; what is given by name goes into the predictor."""
    return sdep(predictor("p", node("a"), component(container("a")), **fields), name=name)


def planned(obj: Object, config: Config = CONFIG, observed: Observed | None = None) -> dict[tuple[str, str], Object]:
    """The planned objects by kind and name."""
    made = plan(obj, config, observed or Observed())
    return {(item["kind"], item["metadata"]["name"]): item for item in made.objects}


def deployment(obj: Object, config: Config = CONFIG, observed: Observed | None = None) -> Object:
    """The first Deployment planned."""
    return next(item for (kind, _), item in planned(obj, config, observed).items() if kind == "Deployment")


def containers(deployment: Object) -> dict[str, Object]:
    return {item["name"]: item for item in deployment["spec"]["template"]["spec"]["containers"]}


def engine(deployment: Object) -> Object:
    return containers(deployment)["seldon-container-engine"]


def env(container: Object) -> dict[str, str]:
    """The environment of a container; a name that stands there twice fails."""
    names = [entry["name"] for entry in container["env"]]
    assert len(names) == len(set(names)), names
    return {entry["name"]: entry.get("value") for entry in container["env"]}


def told(deployment: Object) -> Object:
    """The predictor as its engine is given it."""
    decoded: Object = json.loads(base64.b64decode(env(engine(deployment))["ENGINE_PREDICTOR"]))
    return decoded


def live(replicas: int = 1, **fields: Any) -> LiveDeployment:
    """A Deployment all of whose pods are ready."""
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), replicas)
    values: Object = {"uid": "uid", "generation": 1, "replicas": replicas}
    values["status"] = {"observedGeneration": 1, **counts, **fields.pop("status", {})}
    return LiveDeployment(**{**values, **fields})


def unready(replicas: int = 1, **fields: Any) -> LiveDeployment:
    """A Deployment of the current generation none of whose pods is available."""
    status = {"availableReplicas": 0, "unavailableReplicas": replicas, **fields.pop("status", {})}
    return live(replicas, status=status, **fields)


def all_ready(made: Plan) -> dict[str, LiveDeployment]:
    return {name: live(uid=f"uid-of-{name}") for name in made.names("Deployment")}


def as_applied(made: Plan) -> Observed:
    """The cluster after a plan was applied and rolled out."""
    deployments: dict[str, LiveDeployment] = {}
    services: dict[str, LiveObject] = {}
    for obj in made.objects:
        metadata = obj["metadata"]
        if obj["kind"] == "Deployment":
            deployments[metadata["name"]] = live(
                obj["spec"].get("replicas", 1),
                uid=f"uid-of-{metadata['name']}",
                carries_engine=metadata["labels"].get("seldon-deployment-contains-svcorch") == "true",
                record=metadata["annotations"]["seldon.io/built"],
            )
        elif obj["kind"] == "Service":
            ports = tuple(port["port"] for port in obj["spec"]["ports"])
            headless = obj["spec"].get("clusterIP") == "None"
            services[metadata["name"]] = LiveObject(
                f"uid-of-{metadata['name']}", ports=ports, assigned=(ports[0], ports[-1]), headless=headless
            )
    return Observed(deployments, services)
