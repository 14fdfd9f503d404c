"""Fetching models: an init container that puts the model of a container where the container finds it."""

from typing import Any

from seldon_core.api.names import model_initializer_name, model_volume_name
from seldon_core.api.objects import as_list, as_map, as_text

from .config import Config
from .security import generated_context
from .volumes import with_mounts, with_volume

Object = dict[str, Any]

MODEL_PATH = "/mnt/models"
_CLAIM_PATH = "/mnt/pvc"
_CLAIM_SCHEME = "pvc://"
_CLAIM_VOLUME = "kfserving-pvc-source"


def with_model(pod: Object, container_name: str, source: Object, config: Config) -> Object:
    """Return a pod spec in which a container finds its model under `MODEL_PATH`.

    An init container of the initializer's name that the user wrote takes its place; a container that mounts something
    of its own there keeps that.

    Args:
        pod: The pod spec.
        container_name: The container whose model is fetched; one without a model leaves the pod as it is.
        source: The graph node or explainer that names `modelUri` and, optionally, `envSecretRefName` and
            `storageInitializerImage`.
        config: The operator's configuration.
    """
    uri = as_text(source.get("modelUri"))
    if not uri:
        return pod
    volume = model_volume_name(container_name)
    initializer = model_initializer_name(container_name)
    pod = with_volume(pod, {"name": volume, "emptyDir": {}})
    mounts: list[Object] = [{"name": volume, "mountPath": MODEL_PATH}]
    read_only: list[Object] = [{**mounts[0], "readOnly": True}]
    if uri.startswith(_CLAIM_SCHEME):
        claim, _, path = uri.removeprefix(_CLAIM_SCHEME).partition("/")
        pod, claim_volume = _with_claim(pod, claim, container_name)
        uri = f"{_CLAIM_PATH}/{path}"
        claim_mount = {"name": claim_volume, "mountPath": _CLAIM_PATH, "readOnly": True}
        mounts.append(claim_mount)
        read_only.append(claim_mount)
    containers = [
        with_mounts(container, read_only) if container.get("name") == container_name else container
        for container in pod["containers"]
    ]
    pod = {**pod, "containers": containers}
    existing = as_list(pod.get("initContainers"))
    if any(as_map(container).get("name") == initializer for container in existing):
        return pod
    made = _initializer(initializer, uri, mounts, source, pod, config)
    return {**pod, "initContainers": [*existing, made]}


def env_from(source: Object, config: Config) -> list[Object]:
    """Return what gives the credentials of a model to a container: the Secret that is named, or the default one.

    Args:
        source: The graph node or explainer.
        config: The operator's configuration.
    """
    secret = as_text(source.get("envSecretRefName")) or config.env_secret
    return [{"secretRef": {"name": secret}}] if secret else []


def _initializer(name: str, uri: str, mounts: list[Object], source: Object, pod: Object, config: Config) -> Object:
    container: Object = {
        "name": name,
        "image": as_text(source.get("storageInitializerImage")) or config.storage_image,
        "imagePullPolicy": "IfNotPresent",
        "args": [uri, MODEL_PATH],
        "resources": {
            "requests": {"cpu": config.storage_cpu_request, "memory": config.storage_memory_request},
            "limits": {"cpu": config.storage_cpu_limit, "memory": config.storage_memory_limit},
        },
        "securityContext": generated_context(pod, config),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }
    if secrets := env_from(source, config):
        container["envFrom"] = secrets
    return container


def _with_claim(pod: Object, claim: str, container_name: str) -> tuple[Object, str]:
    """Return a pod spec with a volume for a claim, and the volume's name: one for every claim."""
    source = {"persistentVolumeClaim": {"claimName": claim}}
    name = _CLAIM_VOLUME
    for volume in as_list(pod.get("volumes")):
        if as_map(volume).get("name") == name and as_map(as_map(volume).get("persistentVolumeClaim")) != {
            "claimName": claim
        }:
            name = model_volume_name(f"{container_name}-pvc")
    return with_volume(pod, {"name": name, **source}), name
