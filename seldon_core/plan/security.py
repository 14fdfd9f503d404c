"""Security contexts that meet the `restricted` level, for containers whose manifest says nothing about it."""

from typing import Any

from .config import Config

Object = dict[str, Any]


def restricted() -> Object:
    """Return what the `restricted` level asks of a container."""
    return {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def engine_context(config: Config) -> Object:
    """Return the security context of the engine's container."""
    context = {**restricted(), "readOnlyRootFilesystem": True}
    return context if config.engine_user is None else {**context, "runAsUser": config.engine_user}


def generated_context(pod: Object, config: Config) -> Object:
    """Return the security context of a container that the operator adds to a pod.

    Args:
        pod: The pod spec, with its security context.
        config: The operator's configuration; without a user id the image, or the cluster, says who runs it.
    """
    context = restricted()
    user = (pod.get("securityContext") or {}).get("runAsUser")
    if config.user_id is not None and not user:  # whoever runs a pod as root does not mean the containers of ours
        context["runAsUser"] = config.user_id
    return context


def pod_contexts(pod: Object, config: Config) -> Object:
    """Return those fields of a user's pod spec that get a security context: the pod's own, and its containers'.

    A context that the user wrote is never added to. With one on the pod, its containers are left alone as well, for
    ours could contradict it.

    Args:
        pod: The pod spec, before any container is added to it.
        config: The operator's configuration; without a user id nothing is filled in.
    """
    if config.user_id is None or pod.get("securityContext"):
        return {}
    filled: Object = {"securityContext": {"runAsUser": config.user_id}}
    for kind in ("initContainers", "containers"):
        if pod.get(kind):
            filled[kind] = [
                container if container.get("securityContext") else {**container, "securityContext": restricted()}
                for container in pod[kind]
            ]
    return filled
