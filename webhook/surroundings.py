"""What a verdict depends on beside the object: the other SeldonDeployments, and the types of the cluster's Kubernetes.

Both are looked up in the background. Until they are known, and whenever they cannot be, objects are checked without
them: no review and no probe ever waits.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from seldon_core.api.findings import Finding
from seldon_core.api.installation import Installation
from seldon_core.api.kubernetes import OPENAPI_PATHS, KubernetesTypes
from seldon_core.api.rules.predictors import Makers
from seldon_core.api.validate import names_made, validate
from seldon_core.kube.cache import Key, Reflector
from seldon_core.kube.client import Client, Object
from seldon_core.kube.errors import KubeError
from seldon_core.kube.resources import SELDONDEPLOYMENTS
from webhook.admission import Request

# How often the API server is asked whether it was upgraded, in seconds; sooner where it could not be asked.
REFRESH = 300.0
RETRY = 15.0

Names = frozenset[tuple[str, str]]

_log = logging.getLogger(__name__)


class Neighbours:
    """Knows which SeldonDeployment makes which Services and Deployments.

    Args:
        client: the API server.
        namespace: the namespace to watch, or None for all.
    """

    def __init__(self, client: Client, namespace: str | None) -> None:
        self._makers: dict[str, dict[tuple[str, str], list[str]]] = {}
        self.reflector = Reflector(
            client, SELDONDEPLOYMENTS, namespace, trim=_names_of, on_change=self._change
        )  # fmt: skip

    def makers(self, namespace: str) -> Makers:
        """Return which SeldonDeployments of a namespace make which Services and Deployments."""
        return self._makers.get(namespace, {})

    def _change(self, key: Key, before: Names | None, after: Names | None) -> None:
        namespace, sdep = key
        makers = self._makers.setdefault(namespace, {})
        for made in (before or frozenset()) - (after or frozenset()):
            makers[made].remove(sdep)
            if not makers[made]:
                del makers[made]
        for made in (after or frozenset()) - (before or frozenset()):
            makers.setdefault(made, []).append(sdep)
        if not makers:
            del self._makers[namespace]


def _names_of(obj: Object) -> Names:
    """Return what an object makes; what is being deleted makes room."""
    return frozenset() if obj["metadata"].get("deletionTimestamp") else names_made(obj)


class ClusterTypes:
    """Keeps Kubernetes' types as the API server describes them.

    Args:
        client: the API server.

    Attributes:
        current: the types; None until they are known.
    """

    def __init__(self, client: Client) -> None:
        self.current: KubernetesTypes | None = None
        self._client = client
        self._places: list[str] = []

    async def keep(self) -> None:
        """Look for other types until cancelled."""
        while True:
            try:
                await self.refresh()
            except (KubeError, ValueError) as error:
                _log.warning("pod templates are checked by the types known so far: %s", error)
                await asyncio.sleep(RETRY)
            else:
                await asyncio.sleep(REFRESH)

    async def refresh(self) -> None:
        """Read the types if the API server has others than before.

        Raises:
            KubeError: it could not be asked.
            ValueError: what it says is not understood.
        """
        paths = (await self._client.document("/openapi/v3")).get("paths")
        places = [_place(paths, path.removeprefix("/openapi/v3/")) for path in OPENAPI_PATHS]
        if places == self._places:
            return
        documents = [await self._client.document(place) for place in places]
        self.current = await asyncio.to_thread(KubernetesTypes.from_openapi, documents)
        self._places = places
        _log.info("pod templates are checked by the types of this cluster")


def _place(paths: Any, path: str) -> str:
    """Return where a document is, in an address that changes with its content."""
    try:
        return str(paths[path]["serverRelativeURL"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"the API server describes no {path} in OpenAPI v3") from error


class Rules:
    """Finds what is wrong with objects, as far as can be known here and now.

    Args:
        installation: what the operator decides.
        types: Kubernetes' types.
        neighbours: the other SeldonDeployments.
    """

    def __init__(self, installation: Installation, types: ClusterTypes, neighbours: Neighbours) -> None:
        self._installation = installation
        self._types = types
        self._neighbours = neighbours

    def find(self, request: Request) -> Sequence[Finding]:
        """Return what is wrong with an object."""
        if self._installation.kubernetes is not self._types.current:
            self._installation = replace(self._installation, kubernetes=self._types.current)
        makers = self._neighbours.makers(request.namespace)
        return validate(request.object, request.old_object, self._installation, makers)
