"""What a cluster holds of a SeldonDeployment, for planning against it."""

from typing import Any

from seldon_core.api.constants import LABEL_SELDON_ID
from seldon_core.api.names import seldon_id
from seldon_core.kube.children import live_of, observed, owner_of
from seldon_core.kube.client import Client
from seldon_core.kube.errors import NotFound
from seldon_core.kube.resources import SELDONDEPLOYMENTS, Resource
from seldon_core.plan import KINDS, Observed

Object = dict[str, Any]


async def look(sdeps: list[Object]) -> list[tuple[Object, Observed]]:
    """Return SeldonDeployments as they would be after `kubectl apply`, each with its children as they are.

    Args:
        sdeps: The SeldonDeployments, with their names and namespaces.

    Raises:
        KubeError: The API server refuses to answer, or cannot be reached.
        ConfigurationError: There is no way to reach it.
    """
    async with Client() as client:
        return [await _look(client, sdep) for sdep in sdeps]


async def _look(client: Client, sdep: Object) -> tuple[Object, Observed]:
    name, namespace = sdep["metadata"]["name"], sdep["metadata"]["namespace"]
    try:
        stored = await client.get(SELDONDEPLOYMENTS, name, namespace)
    except NotFound:
        return sdep, Observed()
    uid = stored["metadata"]["uid"]
    found = []
    for child in KINDS:
        resource = Resource(child.group, child.version, child.plural, child.kind)
        if child.built_in or await client.serves(resource):
            selector = f"{LABEL_SELDON_ID}={seldon_id(name)}"
            async for items, _ in client.pages(resource, namespace, label_selector=selector):
                found += [item for item in items if (owner := owner_of(item)) is not None and owner[1] == uid]
    live = observed((item["kind"], item["metadata"]["name"], live_of(item)) for item in found)
    return {**sdep, "metadata": {**sdep["metadata"], "uid": uid}}, live
