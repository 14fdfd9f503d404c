"""Events: what a user sees of a SeldonDeployment's transitions in `kubectl describe`."""

import logging
import uuid
from typing import Any

from seldon_core.kube.children import FIELD_MANAGER
from seldon_core.kube.client import Client
from seldon_core.kube.errors import KubeError
from seldon_core.kube.resources import EVENTS
from seldon_core.plan.status import AVAILABLE, FAILED

Object = dict[str, Any]

_LONGEST_MESSAGE = 1024  # the limit that the API server sets

_log = logging.getLogger(__name__)


def transition(sdep: Object, before: str | None, status: Object, now: str, name: str) -> Object | None:
    """Return the event that a change of state is worth, or None.

    Args:
        sdep: The SeldonDeployment.
        before: The state that it had.
        status: The status that it has now.
        now: The time.
        name: A name for the event that no other has.
    """
    state = status["state"]
    if state == before or state not in (AVAILABLE, FAILED):
        return None
    metadata = sdep["metadata"]
    address = (status.get("address") or {}).get("url")
    message = status["description"] if state == FAILED else f"all pods are available at {address}"
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {"name": name, "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": sdep["apiVersion"],
            "kind": sdep["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "type": "Warning" if state == FAILED else "Normal",
        "reason": state,
        "message": message[:_LONGEST_MESSAGE],
        "source": {"component": FIELD_MANAGER},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }


async def record(client: Client, sdep: Object, before: str | None, status: Object, now: str) -> None:
    """Record a change of state; that this fails is logged and otherwise harmless."""
    name = f"{sdep['metadata']['name'][:200]}.{uuid.uuid4().hex[:16]}"
    event = transition(sdep, before, status, now, name)
    if event is None:
        return
    try:
        await client.create(event)
    except KubeError as error:
        _log.warning("no event for %s: %s", sdep["metadata"]["name"], error)
