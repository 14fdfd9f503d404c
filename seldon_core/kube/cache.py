"""A local copy of a collection, kept current by list and watch."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from seldon_core.kube.backoff import Backoff
from seldon_core.kube.client import Client, Object
from seldon_core.kube.errors import ApiError, Gone, KubeError, TooManyRequests
from seldon_core.kube.resources import Resource

Key = tuple[str, str]
T = TypeVar("T")

# A watch that the server ends sooner than this, without an event, counts as a failure.
_BRIEF = 1.0

_log = logging.getLogger(__name__)


def key_of(obj: Mapping[str, Any]) -> Key:
    """Return (namespace, name) of an object; the namespace of a cluster-wide one is empty."""
    metadata = obj["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


class Reflector(Generic[T]):
    """Keeps what `trim` makes of every object of a collection, and reports each change.

    `run` lists once and then watches for as long as it is not cancelled. Streams that are cut, fall silent or
    end continue where they stopped; where the server has forgotten that point (410) or fails, the collection is
    listed again and the differences are reported as if they had been watched.

    Args:
        client: the API server.
        resource: what to keep.
        namespace: the namespace, or None for all.
        trim: what to keep of an object; it owns its argument.
        on_change: called with the key, what was kept before (None: nothing, it is new) and what is now (None: it
            is gone). It runs on the event loop, must not block, and what it raises ends `run`.
        label_selector: restricts the collection.
        field_selector: restricts the collection.

    Attributes:
        synced: set as soon as the first complete list has been reported.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        namespace: str | None = None,
        *,
        trim: Callable[[Object], T],
        on_change: Callable[[Key, T | None, T | None], None],
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> None:
        self.synced = asyncio.Event()
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._trim = trim
        self._on_change = on_change
        self._selectors: dict[str, Any] = {"label_selector": label_selector, "field_selector": field_selector}
        self._kept: dict[Key, tuple[str, T]] = {}  # with the resourceVersion it was made from
        self._heard = time.monotonic()

    def get(self, key: Key) -> T | None:
        """Return what is kept under `key`, or None."""
        kept = self._kept.get(key)
        return None if kept is None else kept[1]

    def items(self) -> Iterator[tuple[Key, T]]:
        """Iterate over what is kept; not across an await."""
        return ((key, value) for key, (_, value) in self._kept.items())

    def __len__(self) -> int:
        return len(self._kept)

    def last_heard(self) -> float:
        """Return the `time.monotonic` at which the API server was last heard of, if only that it accepted a watch.

        A watch that works is renewed by the server after the client's `watch_timeout` at the latest, so a value
        several times as old means that this copy is stale and nothing is bringing it up to date.
        """
        return self._heard

    async def run(self) -> None:
        """List and watch until cancelled; every failure of the API server is waited out.

        Raises:
            Exception: whatever `on_change` or `trim` raised.
        """
        backoff = Backoff()
        version: str | None = None
        while True:
            at_least = 0.0
            try:
                if version is None:
                    version = await self._list()
                opened = time.monotonic()
                async for reached in self._follow(version):
                    version = reached
                    backoff.reset()
                if time.monotonic() - opened >= _BRIEF:
                    backoff.reset()
                    continue
            except Gone:
                _log.info("%s: the watch fell too far behind, listing again", self._resource.plural)
                version = None
            except KubeError as error:
                _log.warning("%s: %s", self._resource.plural, error)
                if isinstance(error, ApiError):
                    at_least = error.retry_after or 0.0
                    if not isinstance(error, TooManyRequests):
                        version = None
            await asyncio.sleep(backoff.pause(at_least))

    async def _list(self) -> str:
        """Replace everything kept by a fresh list and return its resourceVersion."""
        fresh: dict[Key, tuple[str, T]] = {}
        version = ""
        pages = self._client.pages(self._resource, self._namespace, **self._selectors)
        async with aclosing(pages):
            async for items, version in pages:  # noqa: B007 - the last page's version counts
                self._hear()
                for item in items:
                    fresh[key_of(item)] = item["metadata"]["resourceVersion"], self._trim(item)
        for key in [key for key in self._kept if key not in fresh]:
            self._on_change(key, self._kept.pop(key)[1], None)
        for key, kept in fresh.items():
            self._keep(key, kept)
        self.synced.set()
        return version

    async def _follow(self, version: str) -> AsyncGenerator[str, None]:
        """Watch from `version` and yield the version reached after each event."""
        events = self._client.watch(
            self._resource, self._namespace, resource_version=version, opened=self._hear, **self._selectors
        )
        async with aclosing(events):
            async for event in events:
                self._hear()
                version = event.object["metadata"]["resourceVersion"]
                if event.type == "DELETED":
                    if (gone := self._kept.pop(key_of(event.object), None)) is not None:
                        self._on_change(key_of(event.object), gone[1], None)
                elif event.type != "BOOKMARK":
                    key = key_of(event.object)
                    self._keep(key, (version, self._trim(event.object)))
                yield version

    def _hear(self) -> None:
        self._heard = time.monotonic()

    def _keep(self, key: Key, kept: tuple[str, T]) -> None:
        old = self._kept.get(key)
        if old is not None and old[0] == kept[0]:
            return
        self._kept[key] = kept
        self._on_change(key, None if old is None else old[1], kept[1])
