"""The order in which the containers of a pod stop, so that a pod that goes away fails no request.

All preStop handlers begin together. The engine keeps serving while the cluster forgets the pod's address, then finishes
what is in flight; the components outlast it.
"""

from dataclasses import dataclass
from typing import Any

DEFAULT_GRACE_SECONDS = 20
_LONGEST_COMPONENT_SLEEP = 30
_LONGEST_ENGINE_SLEEP = 5


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Seconds, within the grace period of a pod, after which its containers are told to stop.

    Attributes:
        engine_sleep: How long the engine goes on serving as if nothing had happened.
        engine_drain: How long it then waits for requests in flight.
        component_sleep: How long components go on serving: longer than both together, where the grace period allows
            for any of it.
    """

    engine_sleep: int
    engine_drain: int
    component_sleep: int


def shutdown(grace: int) -> Shutdown:
    """Plan the shutdown of a pod.

    Args:
        grace: The pod's termination grace period in seconds. Half of it is left to the components for ending
            themselves, and whoever sets a long one has long requests: the time to drain grows with it.
    """
    component_sleep = min(_LONGEST_COMPONENT_SLEEP, grace // 2)
    engine_sleep = min(_LONGEST_ENGINE_SLEEP, component_sleep // 3)
    return Shutdown(engine_sleep, max(1, component_sleep - engine_sleep - 1), component_sleep)


def sleep_before_stop(seconds: int) -> dict[str, Any]:
    """Return the lifecycle of a container that sleeps before it is told to stop; empty for no sleep at all.

    The kubelet itself sleeps, so that the image needs no shell.
    """
    return {"preStop": {"sleep": {"seconds": seconds}}} if seconds >= 1 else {}
