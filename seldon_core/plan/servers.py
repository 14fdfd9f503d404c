"""What a prepackaged server adds to the container of its graph node: image, arguments, environment and probes."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seldon_core.api import constants as c
from seldon_core.api.defaults import port_named
from seldon_core.api.objects import as_list, as_map, as_number, as_text, is_true

from .config import Config
from .env import parameters_json
from .security import generated_context
from .storage import MODEL_PATH, env_from

Object = dict[str, Any]

_MLSERVER_RUNTIMES = {
    "SKLEARN_SERVER": "mlserver_sklearn.SKLearnModel",
    "XGBOOST_SERVER": "mlserver_xgboost.XGBoostModel",
    "MLFLOW_SERVER": "mlserver_mlflow.MLflowRuntime",
    "HUGGINGFACE_SERVER": "mlserver_huggingface.HuggingFaceRuntime",
    "TEMPO_SERVER": "tempo.mlserver.InferenceRuntime",
}
_TRITON = "TRITON_SERVER"
_TENSORFLOW = "TENSORFLOW_SERVER"
_TRITON_FLAGS = {
    "model_control_mode": "--model-control-mode",
    "load_model": "--load-model",
    "strict_model_config": "--strict-model-config",
}
# The ports of a TensorFlow Serving behind a proxy; a second one in the pod has the next two.
_TFSERVING_GRPC, _TFSERVING_REST = 2000, 2001


@dataclass(frozen=True, slots=True)
class Health:
    """Paths, on the HTTP port, by which the kubelet asks a server how it is; None where a connection has to do."""

    started: str | None = None
    ready: str | None = None
    live: str | None = None


V2_HEALTH = Health("/v2/health/ready", "/v2/health/ready", "/v2/health/live")
# Answers once the model is loaded. It may call the model, so that it is not asked while requests are served.
_WRAPPER_HEALTH = Health("/health/status")


@dataclass(frozen=True, slots=True)
class Companion:
    """A TensorFlow Serving behind the proxy of a graph node: the name of its container, and its ports."""

    name: str
    grpc: int
    rest: int


@dataclass(frozen=True, slots=True)
class Server:
    """What a prepackaged server needs of the container of its graph node.

    Attributes:
        image: Its image, unless the container has one.
        env: Its environment, unless the container sets it.
        arguments: Its command line; flags that the container has are left out.
        health: How it is asked for its health.
        env_from: Where its credentials come from, if it fetches the model itself.
        fetches: Whether it fetches the model itself, so that no init container does.
        companion: The second container, which serves the model, where this one speaks to it.
    """

    image: str
    env: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    health: Health | None = None
    env_from: tuple[Object, ...] = ()
    fetches: bool = False
    companion: Companion | None = None


def server_of(sdep: Object, node: Object, pod: Object, companions: int, config: Config) -> Server:
    """Return what the prepackaged server of a graph node needs.

    Args:
        sdep: The SeldonDeployment, with its defaults.
        node: The graph node, with its endpoint.
        pod: The pod spec with its container.
        companions: How many second containers the nodes before it have in that pod.
        config: The operator's configuration.
    """
    protocol, implementation = sdep["spec"]["protocol"], node["implementation"]
    image = config.server_image(implementation, protocol)
    if implementation == _TRITON:
        return _triton(sdep, node, pod, image, config)
    if protocol in c.V2_PROTOCOLS:
        return Server(image, env=_mlserver_env(sdep, node), health=V2_HEALTH)
    if implementation != _TENSORFLOW:
        env = {"PREDICTIVE_UNIT_PARAMETERS": parameters_json(node, model_uri=MODEL_PATH)}
        return Server(image, env=env, health=_WRAPPER_HEALTH)
    if protocol == "tensorflow":
        ports = node["endpoint"]["grpcPort"], node["endpoint"]["httpPort"]
        return Server(image, arguments=_tfserving_arguments(node["name"], *ports))
    companion = _companion(pod, node, companions)
    env = {"PREDICTIVE_UNIT_PARAMETERS": _proxy_parameters(node, companion)}
    return Server(image, env=env, health=_WRAPPER_HEALTH, companion=companion)


def with_arguments(container: Object, arguments: tuple[str, ...]) -> Object:
    """Return a container with the arguments whose flags it does not have; Triton's program stands first.

    Args:
        container: The container.
        arguments: The arguments, each `--flag=value`.
    """
    own = as_list(container.get("args"))
    flags = {as_text(argument).partition("=")[0] for argument in own}
    added = [argument for argument in arguments if argument.partition("=")[0] not in flags]
    return {**container, "args": [*own, *added]} if added else container


def with_tfserving(pod: Object, node: Object, companion: Companion, config: Config) -> Object:
    """Return a pod with the TensorFlow Serving behind the proxy of a node; what the user wrote of it is kept.

    Args:
        pod: The pod spec.
        node: The graph node.
        companion: Its name and ports.
        config: The operator's configuration.
    """
    written = next((container for container in pod["containers"] if container["name"] == companion.name), None)
    served = _tfserving_container(written or {"name": companion.name}, node, companion, pod, config)
    containers = [served if container is written else container for container in pod["containers"]]
    return {**pod, "containers": containers if written else [*containers, served]}


def _companion(pod: Object, node: Object, before: int) -> Companion:
    """Return name and ports of the TensorFlow Serving of a node: the first in a pod has the name that users know."""
    first = c.TFSERVING_CONTAINER_NAME
    name = f"{first}-{node['name']}"[:63].rstrip("-") if before else first
    taken = {
        as_number(as_map(port).get("containerPort"))
        for container in pod["containers"]
        if container["name"] != name
        for port in as_list(container.get("ports"))
    }
    steps = (2 * step for step in itertools.count(before))
    free = next(step for step in steps if taken.isdisjoint((_TFSERVING_GRPC + step, _TFSERVING_REST + step)))
    return Companion(name, _TFSERVING_GRPC + free, _TFSERVING_REST + free)


def _tfserving_container(written: Object, node: Object, companion: Companion, pod: Object, config: Config) -> Object:
    container = {
        "imagePullPolicy": "IfNotPresent",
        "securityContext": generated_context(pod, config),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **written,
        "image": written.get("image") or config.server_image(_TENSORFLOW, "tensorflow"),
    }
    ports = companion.grpc, companion.rest
    own = as_list(written.get("ports"))
    known = {as_number(as_map(port).get("containerPort")) for port in own}
    added = [{"containerPort": number, "protocol": "TCP"} for number in ports if number not in known]
    return with_arguments({**container, "ports": [*own, *added]}, _tfserving_arguments(node["name"], *ports))


def _tfserving_arguments(model: str, grpc: int, rest: int) -> tuple[str, ...]:
    return (
        f"--port={grpc}",
        f"--rest_api_port={rest}",
        f"--model_name={model}",
        f"--model_base_path={MODEL_PATH}",
    )


def _proxy_parameters(node: Object, companion: Companion) -> str:
    given = {as_text(as_map(parameter).get("name")) for parameter in as_list(node.get("parameters"))}
    endpoints = {
        "rest_endpoint": f"http://0.0.0.0:{companion.rest}",
        "grpc_endpoint": f"0.0.0.0:{companion.grpc}",
    }
    # Whoever names one endpoint runs the model elsewhere.
    told = {} if given & endpoints.keys() else endpoints
    return parameters_json(node, **told, model_name=node["name"])


def _triton(sdep: Object, node: Object, pod: Object, image: str, config: Config) -> Server:
    container = next(container for container in pod["containers"] if container["name"] == node["name"])
    annotations = as_map(sdep["spec"].get("annotations"))
    fetches = is_true(annotations.get(c.ANNOTATION_NO_STORAGE_INITIALIZER))
    asked = [
        f"{_TRITON_FLAGS[as_text(parameter.get('name')).lower()]}={parameter.get('value')}"
        for parameter in as_list(node.get("parameters"))
        if as_text(parameter.get("name")).lower() in _TRITON_FLAGS
    ]
    arguments = [
        "/opt/tritonserver/bin/tritonserver",
        f"--grpc-port={node['endpoint']['grpcPort']}",
        f"--http-port={node['endpoint']['httpPort']}",
    ]
    if (metrics := port_named(container, config.metrics_port_name)) is not None:
        arguments.append(f"--metrics-port={metrics}")
    arguments += [f"--model-repository={node.get('modelUri') if fetches else MODEL_PATH}", *asked]
    if not any(argument.startswith("--strict-model-config=") for argument in asked):
        arguments.append("--strict-model-config=false")
    return Server(
        image,
        arguments=() if container.get("args") else tuple(arguments),
        health=V2_HEALTH,
        env_from=tuple(env_from(node, config)) if fetches else (),
        fetches=fetches,
    )


def _mlserver_env(sdep: Object, node: Object) -> dict[str, str]:
    implementation = node["implementation"]
    kubernetes = {"defaultRuntime": "tempo.seldon.SeldonKubernetesRuntime", "namespace": sdep["metadata"]["namespace"]}
    env = {
        "MLSERVER_MODEL_IMPLEMENTATION": _MLSERVER_RUNTIMES.get(implementation, ""),
        "MLSERVER_MODEL_VERSION": "v1",
        "TEMPO_RUNTIME_OPTIONS": json.dumps({"k8s_options": kubernetes}),
    }
    if implementation == "HUGGINGFACE_SERVER":
        env |= {"MLSERVER_PARALLEL_WORKERS": "0", "XDG_CACHE_HOME": "/opt/mlserver"}
    return env
