"""The check after an installation: would the first `kubectl apply` of a SeldonDeployment work?"""

import asyncio
import time
from typing import Any

from seldon_core.api import constants
from seldon_core.kube.backoff import Backoff
from seldon_core.kube.client import Client
from seldon_core.kube.errors import ConfigurationError, KubeError

_NAME = "seldon-webhook-check"


def sample(namespace: str, controller_id: str) -> dict[str, Any]:
    """Return a small valid SeldonDeployment that leaves its defaults to the webhook."""
    labels = {constants.LABEL_CONTROLLER_ID: controller_id} if controller_id else {}
    container = {"name": "classifier", "image": "seldonio/mock_classifier:1.0"}
    predictor = {
        "name": "default",
        "componentSpecs": [{"spec": {"containers": [container]}}],
        "graph": {"name": "classifier"},
    }
    return {
        "apiVersion": f"{constants.GROUP}/{constants.STORAGE_VERSION}",
        "kind": constants.KIND,
        "metadata": {"name": _NAME, "namespace": namespace, "labels": labels},
        "spec": {"predictors": [predictor]},
    }


async def attempt(client: Client, namespace: str, controller_id: str) -> str | None:
    """Let the API server decide on creating the sample, storing nothing; return what is wrong, or None."""
    try:
        created = await client.create(sample(namespace, controller_id), dry_run=True)
    except ConfigurationError:
        raise
    except KubeError as error:
        return str(error)
    if created["spec"].get("protocol") != constants.DEFAULT_PROTOCOL:
        return (
            "the API server accepts a SeldonDeployment without asking the webhook; compare the selectors of the "
            f"webhook configurations with the labels of the namespace {namespace}"
        )
    return None


async def check(namespace: str, controller_id: str, seconds: float) -> bool:
    """Try until it works or `seconds` have passed, and print what happens.

    Args:
        namespace: where the SeldonDeployment would be created.
        controller_id: the id that the operator serves, or an empty string.
        seconds: how long to try.

    Returns:
        Whether it worked.

    Raises:
        ConfigurationError: there is no way to reach the API server.
    """
    deadline = time.monotonic() + seconds
    backoff = Backoff(0.25, 2.0)
    seen: str | None = None
    async with Client() as client:
        while True:
            problem = await attempt(client, namespace, controller_id)
            if problem is None:
                print("ok: the API server reaches the webhook and trusts it", flush=True)
                return True
            if problem != seen:
                print(f"not yet: {problem}", flush=True)
                seen = problem
            pause = backoff.pause()
            if time.monotonic() + pause > deadline:
                print(f"failed: it did not work within {seconds:g} s; the last error: {problem}", flush=True)
                return False
            await asyncio.sleep(pause)
