"""How the kubelet asks containers whether they have started, are ready and alive."""

from typing import Any

from .config import Config

Object = dict[str, Any]

# Startup and readiness are asked every second, so that a model takes traffic within a second of listening.
_EAGER = {"periodSeconds": 1, "timeoutSeconds": 1}
_PATIENT = {"periodSeconds": 5, "timeoutSeconds": 1, "failureThreshold": 3}
_ENGINE_STARTUP_SECONDS = 75
# The reference implementation's delays, for containers that a startup probe of ours could harm.
_READINESS_DELAY = 20
_LIVENESS_DELAY = 60


def component_probes(container: Object, port: int, config: Config) -> Object:
    """Return the probes to add to the container of a graph node.

    Where the user has set any probe, no startup probe is added: what the user's probe allows for, such as a long
    initial delay, must not be cut short.

    Args:
        container: The container.
        port: The port that it serves its transport on.
        config: The operator's configuration.
    """
    handler = {"tcpSocket": {"port": port}}
    readiness: Object = {**handler, **_EAGER, "failureThreshold": 3}
    liveness: Object = {**handler, **_PATIENT}
    given = {kind for kind in ("startupProbe", "readinessProbe", "livenessProbe") if container.get(kind)}
    if not given:
        startup = {**handler, **_EAGER, "failureThreshold": config.startup_seconds}
        return {"startupProbe": startup, "readinessProbe": readiness, "livenessProbe": liveness}
    if "startupProbe" not in given:
        readiness["initialDelaySeconds"] = _READINESS_DELAY
        liveness["initialDelaySeconds"] = _LIVENESS_DELAY
    added = {"readinessProbe": readiness, "livenessProbe": liveness}
    return {kind: probe for kind, probe in added.items() if kind not in given}


def engine_probes(config: Config) -> Object:
    """Return the probes of the engine: started and alive when it answers, ready when its components do."""

    def ask(path: str) -> Object:
        return {"httpGet": {"path": path, "port": config.engine_http_port, "scheme": "HTTP"}}

    return {
        "startupProbe": {**ask("/live"), **_EAGER, "failureThreshold": _ENGINE_STARTUP_SECONDS},
        "readinessProbe": {**ask("/ready"), **_EAGER, "timeoutSeconds": 5, "failureThreshold": 3},
        "livenessProbe": {**ask("/live"), **_PATIENT, "timeoutSeconds": 5},
    }
