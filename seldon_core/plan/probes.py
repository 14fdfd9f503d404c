"""How the kubelet asks containers whether they have started, are ready and alive."""

from typing import Any

from .config import Config
from .servers import Health, Server

Object = dict[str, Any]

# Startup and readiness are asked every second, so that a model takes traffic within a second of listening.
_EAGER = {"periodSeconds": 1, "timeoutSeconds": 1}
_PATIENT = {"periodSeconds": 5, "timeoutSeconds": 1, "failureThreshold": 3}
_ANSWER_SECONDS = 5
_ENGINE_STARTUP_SECONDS = 75
# The reference implementation's delays, for containers that a startup probe of ours could harm.
_READINESS_DELAY = 20
_LIVENESS_DELAY = 60


def component_probes(container: Object, endpoint: Object, config: Config, server: Server | None = None) -> Object:
    """Return the probes to add to the container of a graph node.

    Where the user has set any probe, no startup probe is added: what the user's probe allows for, such as a long
    initial delay, must not be cut short.

    Args:
        container: The container.
        endpoint: The endpoint of its graph node, with the ports that it serves on.
        config: The operator's configuration.
        server: The prepackaged server whose image the operator chose; None for an image of the user's.
    """
    connects = {"tcpSocket": {"port": endpoint["service_port"]}}
    health = (server.health if server is not None else None) or Health()

    def asks(path: str | None) -> Object:
        return {"httpGet": {"path": path, "port": endpoint["httpPort"], "scheme": "HTTP"}} if path else connects

    readiness: Object = {**asks(health.ready), **_EAGER, "failureThreshold": 3}
    liveness: Object = {**asks(health.live), **_PATIENT}
    if health.ready:  # an answer takes longer than a connection
        readiness["timeoutSeconds"] = liveness["timeoutSeconds"] = _ANSWER_SECONDS
    given = {kind for kind in ("startupProbe", "readinessProbe", "livenessProbe") if container.get(kind)}
    if not given:
        seconds = config.startup_seconds if server is None else config.server_startup_seconds
        startup = {**asks(health.started), **_EAGER, "failureThreshold": seconds}
        return {"startupProbe": startup, "readinessProbe": readiness, "livenessProbe": liveness}
    if "startupProbe" not in given:
        readiness["initialDelaySeconds"] = _READINESS_DELAY
        liveness["initialDelaySeconds"] = _LIVENESS_DELAY
    added = {"readinessProbe": readiness, "livenessProbe": liveness}
    return {kind: probe for kind, probe in added.items() if kind not in given}


def explainer_probes(container: Object, port: int, config: Config) -> Object:
    """Return the probes to add to the container of an explainer, which listens once it has loaded.

    Args:
        container: The container.
        port: Its HTTP port.
        config: The operator's configuration.
    """
    listening = {"service_port": port, "httpPort": port}
    return component_probes(container, listening, config, Server(image=""))


def engine_probes(config: Config, *, tls: bool) -> Object:
    """Return the probes of the engine: started and alive when it answers, ready when its components do.

    Args:
        config: The operator's configuration.
        tls: Whether it serves over TLS.
    """

    def ask(path: str) -> Object:
        scheme = "HTTPS" if tls else "HTTP"
        return {"httpGet": {"path": path, "port": config.engine_http_port, "scheme": scheme}}

    return {
        "startupProbe": {**ask("/live"), **_EAGER, "failureThreshold": _ENGINE_STARTUP_SECONDS},
        "readinessProbe": {**ask("/ready"), **_EAGER, "timeoutSeconds": _ANSWER_SECONDS, "failureThreshold": 3},
        "livenessProbe": {**ask("/live"), **_PATIENT, "timeoutSeconds": _ANSWER_SECONDS},
    }
