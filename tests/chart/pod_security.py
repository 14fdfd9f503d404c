"""The pod security standard "restricted", as far as a pod template can break it."""

from typing import Any

_HOST = ("hostNetwork", "hostPID", "hostIPC")
_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def violations(pod: dict[str, Any]) -> list[str]:
    """Return what keeps a pod spec out of a namespace that enforces `restricted`."""
    found = [f"{field}: must not be set" for field in _HOST if pod.get(field)]
    for volume in pod.get("volumes", []):
        found += [f"volume {volume['name']}: {kind}: not allowed" for kind in volume.keys() - _VOLUMES - {"name"}]
    shared = pod.get("securityContext", {})
    for kind in ("initContainers", "containers"):
        for container in pod.get(kind, []):
            found += [f"{container['name']}: {problem}" for problem in _container_violations(container, shared)]
    return found


def _container_violations(container: dict[str, Any], shared: dict[str, Any]) -> list[str]:
    context = shared | container.get("securityContext", {})
    capabilities = context.get("capabilities", {})
    checks = {
        "privileged": not context.get("privileged", False),
        "allowPrivilegeEscalation must be false": context.get("allowPrivilegeEscalation") is False,
        "runAsNonRoot must be true": context.get("runAsNonRoot") is True,
        "runAsUser must not be 0": context.get("runAsUser") != 0,
        "seccompProfile": context.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
        "all capabilities must be dropped": "ALL" in capabilities.get("drop", []),
        "capabilities added": set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"},
        "hostPort": not any(port.get("hostPort") for port in container.get("ports", [])),
    }
    return [problem for problem, kept in checks.items() if not kept]
