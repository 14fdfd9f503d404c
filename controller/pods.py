"""Looking at the pods of Deployments that are not ready, now and then, since no watch tells of them."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from controller.children import Key
from seldon_core.api.constants import LABEL_APP, LABEL_SELDON_ID
from seldon_core.kube.client import Client
from seldon_core.kube.resources import PODS
from seldon_core.plan import Cause, Observed, cause

# Seconds from one look to the next, the last of them from then on.
_PAUSES = (2.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
# What is known is good for this long, however often the pass is made.
_FRESH = 1.0
# That many pods of a Deployment are looked at; they tend to fail for the same reason.
_MOST = 50


@dataclass(slots=True)
class _Look:
    """What was seen of a SeldonDeployment's pods."""

    generations: tuple[int, ...]
    at: float
    times: int = 0
    causes: dict[str, Cause] = field(default_factory=dict)


class Pods:
    """Reads why Deployments are not ready from their pods.

    Args:
        client: The API server.
        clock: The time in seconds.
    """

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._looks: dict[Key, _Look] = {}

    def forget(self, key: Key) -> None:
        """Forget a SeldonDeployment that is gone."""
        self._looks.pop(key, None)

    async def causes(self, key: Key, names: Iterable[str], observed: Observed) -> tuple[dict[str, Cause], float | None]:
        """Return why Deployments are not ready, and after how many seconds to ask again, or None.

        Args:
            key: The SeldonDeployment that they belong to.
            names: The names of the planned Deployments.
            observed: The children as they are.

        Raises:
            KubeError: The API server cannot be reached, or failed.
        """
        waiting = [
            (name, live)
            for name in names
            if (live := observed.deployments.get(name)) is not None
            and live.current
            and not live.ready
            and not live.terminating
            and live.count("replicas")
        ]
        if not waiting:
            self._looks.pop(key, None)
            return {}, None
        generations = tuple(live.generation for _, live in waiting)
        look = self._looks.get(key)
        if look is None or look.generations != generations:
            look = self._looks[key] = _Look(generations, self._clock() - _FRESH)
        if self._clock() - look.at >= _FRESH:
            found = {name: await self._cause(key[0], name) for name, _ in waiting}
            look.causes = {name: one for name, one in found.items() if one is not None}
            look.at = self._clock()
            look.times += 1
        return look.causes, _PAUSES[min(look.times, len(_PAUSES)) - 1]

    async def _cause(self, namespace: str, deployment: str) -> Cause | None:
        pods, _ = await self._client.list(
            PODS, namespace, label_selector=f"{LABEL_APP}={deployment},{LABEL_SELDON_ID}", most=_MOST
        )
        return cause(pods)
