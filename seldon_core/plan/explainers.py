"""The explainer of a predictor: a Deployment that asks the predictor, and the Service through which it is asked."""

from typing import Any

from seldon_core.api import constants as c
from seldon_core.api.defaults import port_named
from seldon_core.api.names import explainer_name, predictor_service_name
from seldon_core.api.objects import as_list, as_map, as_number, as_text, is_empty

from .config import Config
from .env import compact_json, missing
from .listmaps import last_by_name
from .metadata import base_labels, layered_annotations, object_metadata, sdep_name
from .observed import Observed
from .probes import explainer_probes
from .rollouts import applied_replicas, deployment_spec
from .security import pod_contexts, restricted
from .services import is_headless, predictor_ports, service
from .shutdown import DEFAULT_GRACE_SECONDS, shutdown, sleep_before_stop
from .storage import MODEL_PATH, with_model
from .volumes import PODINFO, with_volume

Object = dict[str, Any]

_DEFAULT_PORT = 9000
_RUNTIME = "mlserver_alibi_explain.AlibiExplainRuntime"
# Type of an explainer -> what MLServer's runtime calls it.
_TAGS = {
    "AnchorTabular": "anchor_tabular",
    "AnchorImages": "anchor_image",
    "AnchorText": "anchor_text",
    "Counterfactuals": "counterfactuals",
    "Contrastive": "contrastive",
    "KernelShap": "kernel_shap",
    "IntegratedGradients": "integrated_gradients",
    "ALE": "ALE",
    "TreeShap": "tree_shap",
}


def has_explainer(predictor: Object) -> bool:
    """Tell whether a predictor has an explainer: one without a type is none.

    Args:
        predictor: The predictor.
    """
    return not is_empty(as_map(predictor.get("explainer")).get("type"))


def explainer(sdep: Object, predictor: Object, config: Config, observed: Observed) -> list[Object]:
    """Return the Service and the Deployment of the explainer of a predictor, if it has one.

    Args:
        sdep: The SeldonDeployment, with its defaults.
        predictor: The predictor, with its defaults.
        config: The operator's configuration.
        observed: The children as they are.
    """
    if not has_explainer(predictor):
        return []
    name = explainer_name(sdep_name(sdep), predictor["name"])
    container = _container(sdep, predictor, name, config)
    return [
        _service(sdep, predictor, name, container),
        _deployment(sdep, predictor, name, container, config, observed),
    ]


def explainer_port(predictor: Object) -> int:
    """Return the port of the Service of an explainer.

    Args:
        predictor: The predictor, which has an explainer.
    """
    endpoint = as_map(predictor["explainer"].get("endpoint"))
    return as_number(endpoint.get("service_port")) or _DEFAULT_PORT


def _service(sdep: Object, predictor: Object, name: str, container: Object) -> Object:
    labels = {
        c.LABEL_EXPLAINER: "true",
        **base_labels(sdep),
        # Whose predictor it explains; its pods carry its own name under the same key.
        c.LABEL_SELDON_APP: predictor_service_name(sdep_name(sdep), predictor),
    }
    target = port_named(container, "http")
    ports = [{"name": "http", "port": explainer_port(predictor), "targetPort": target, "protocol": "TCP"}]
    selecting = {c.LABEL_SELDON_APP: name}
    annotations = as_map(predictor.get("annotations"))
    return service(sdep, name, labels, annotations, selecting, ports, headless=is_headless(sdep))


def _deployment(
    sdep: Object, predictor: Object, name: str, container: Object, config: Config, observed: Observed
) -> Object:
    labels = {
        c.LABEL_FLUENTD: "true",
        **as_map(predictor.get("labels")),
        **base_labels(sdep),
        c.LABEL_EXPLAINER: "true",
        c.LABEL_APP: name,
        c.LABEL_SELDON_APP: name,
    }
    annotations = layered_annotations(sdep, predictor, {})
    source = predictor["explainer"]
    pod: Object = {
        **pod_contexts({}, config),
        "terminationGracePeriodSeconds": DEFAULT_GRACE_SECONDS,
        "containers": [container],
    }
    if account := as_text(source.get("serviceAccountName")):
        pod["serviceAccountName"] = account
    pod = with_volume(with_model(pod, container["name"], source, config), PODINFO)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": object_metadata(sdep, name, labels, annotations),
        "spec": deployment_spec(
            sdep,
            name,
            {"labels": labels, "annotations": annotations},
            pod,
            observed.deployments.get(name),
            replicas=applied_replicas(_replicas(sdep, predictor), observed.deployments.get(name)),
            progress_deadline=as_number(predictor.get("progressDeadlineSeconds")),
        ),
    }


def _replicas(sdep: Object, predictor: Object) -> int | None:
    """Return how many pods explain: none where the predictor has none."""
    own = as_number(predictor.get("replicas"))
    inherited = as_number(sdep["spec"].get("replicas")) if own is None else own
    return 0 if inherited == 0 else as_number(predictor["explainer"].get("replicas"))


def _container(sdep: Object, predictor: Object, name: str, config: Config) -> Object:
    source = predictor["explainer"]
    written = as_map(source.get("containerSpec"))
    port = port_named(written, "http")
    number = explainer_port(predictor) if port is None else port
    ports = as_list(written.get("ports"))
    if port is None:
        ports = [*ports, {"name": "http", "containerPort": number, "protocol": "TCP"}]
    v2 = sdep["spec"]["protocol"] in c.V2_PROTOCOLS
    container = {
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": restricted(),
        **written,
        "name": as_text(written.get("name")) or name,
        "image": as_text(written.get("image")) or (config.explainer_image_v2 if v2 else config.explainer_image),
        "ports": ports,
        **explainer_probes(written, number, config),
    }
    lifecycle = sleep_before_stop(shutdown(DEFAULT_GRACE_SECONDS).component_sleep) | as_map(written.get("lifecycle"))
    if lifecycle:
        container["lifecycle"] = lifecycle
    if v2:
        own = last_by_name(as_list(written.get("env")))
        container["env"] = [*own, *missing(own, _v2_env(sdep, predictor, container["name"], number, config))]
    elif not written.get("args"):
        container["args"] = _arguments(sdep, predictor, number, config)
    return container


def _endpoint(sdep: Object, predictor: Object, config: Config, *, grpc: bool) -> str:
    host = f"{predictor_service_name(sdep_name(sdep), predictor)}.{sdep['metadata']['namespace']}"
    return f"{host}:{predictor_ports(sdep, predictor, config)[grpc]}"


def _arguments(sdep: Object, predictor: Object, port: int, config: Config) -> list[str]:
    """Return the command line of an explainer that speaks the seldon or the tensorflow protocol."""
    source, spec = predictor["explainer"], sdep["spec"]
    grpc = spec["transport"] == "grpc" or as_map(source.get("endpoint")).get("type") == "GRPC"
    storage = [f"--storage_uri={MODEL_PATH}"] if source.get("modelUri") else []
    images = ["--tf_data_type=float32"] if source["type"] == "AnchorImages" else []
    uri = as_text(source.get("modelUri"))
    settings = [
        f"--{key}={value.replace(uri, MODEL_PATH, 1) if uri else value}"
        for key, value in sorted(as_map(source.get("config")).items())
    ]
    return [
        f"--model_name={predictor['graph']['name']}",
        f"--predictor_host={_endpoint(sdep, predictor, config, grpc=grpc)}",
        f"--protocol={spec['protocol']}.{'grpc' if grpc else 'http'}",
        f"--http_port={port}",
        *storage,
        source["type"],
        *images,
        *settings,
    ]


def _v2_env(sdep: Object, predictor: Object, name: str, port: int, config: Config) -> list[Object]:
    """Return the environment of an explainer that is run by MLServer, which asks over HTTP whatever the transport."""
    source = predictor["explainer"]
    url = f"http://{_endpoint(sdep, predictor, config, grpc=False)}/v2/models/{predictor['graph']['name']}/infer"
    extra = {"explainer_type": _TAGS[source["type"]], "infer_uri": url}
    text = compact_json(extra)
    if parameters := as_text(source.get("initParameters")):
        text = f'{text[:-1]},"init_parameters":{parameters}}}'
    values = {
        "MLSERVER_HTTP_PORT": str(port),
        "MLSERVER_MODEL_IMPLEMENTATION": _RUNTIME,
        "MLSERVER_MODEL_NAME": name,
        **({"MLSERVER_MODEL_URI": MODEL_PATH} if source.get("modelUri") else {}),
        "MLSERVER_MODEL_EXTRA": text,
    }
    return [{"name": key, "value": value} for key, value in values.items()]
