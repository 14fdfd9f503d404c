"""What can be asked of an API server: read, write, server-side apply, watch.

Objects are plain dicts as decoded from JSON. Every failure is one of `seldon_core.kube.errors`.
"""

import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl

import aiohttp

from seldon_core.kube.errors import NotFound, Unreachable, error_from_status
from seldon_core.kube.resources import Resource, resource_for
from seldon_core.kube.session import Call, Session, decode

Object = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_PAGE_SIZE = 500
# The resourceVersion of no object. The API server compares it with that of an object that exists, and takes no notice
# of it where there is none.
_NO_VERSION = str(2**63 - 1)


@dataclass(frozen=True)
class WatchEvent:
    """One event of a watch; of a BOOKMARK's object only ``metadata.resourceVersion`` means anything."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: Object


class Client(Session):
    """An API server, to be used as ``async with Client() as client``.

    Args:
        kubeconfig: the kubeconfig file; None takes ``$KUBECONFIG``, else the pod's service account, else
            ``~/.kube/config``.
        request_timeout: seconds that a request may take in all, watches excepted.
        watch_timeout: seconds after which the server is asked to end a watch; each one varies by a fifth.
        watch_grace: seconds that a watch may last longer than that before it counts as hanging. Silence alone
            proves nothing: not every cluster's storage lets the API server send bookmarks while nothing changes.
        dry_run: have the server decide every write and store none.
    """

    def __init__(
        self,
        kubeconfig: str | None = None,
        *,
        request_timeout: float = 30.0,
        watch_timeout: float = 150.0,
        watch_grace: float = 15.0,
        dry_run: bool = False,
    ) -> None:
        super().__init__(kubeconfig, request_timeout=request_timeout, dry_run=dry_run)
        self._watch_timeout = watch_timeout
        self._watch_grace = watch_grace

    # Reading

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        """Return one object.

        Raises:
            NotFound: there is none of this name.
            KubeError: any other failure.
        """
        return await self._request("get", "GET", resource.path(namespace, name))

    async def serves(self, resource: Resource) -> bool:
        """Tell whether the server knows a kind of object in this version; everybody may ask that.

        Raises:
            KubeError: any failure.
        """
        path = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
        try:
            found = await self._request("get", "GET", path)
        except NotFound:
            return False
        return any(entry.get("name") == resource.plural for entry in found.get("resources") or ())

    async def document(self, path: str) -> Object:
        """Return what the server says about itself under a path such as ``/openapi/v3``; everybody may ask that.

        Raises:
            KubeError: any failure.
        """
        path, _, query = path.partition("?")
        return await self._request("get", "GET", path, dict(parse_qsl(query)))

    async def pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        size: int = _PAGE_SIZE,
    ) -> AsyncGenerator[tuple[list[Object], str], None]:
        """Yield the collection page by page, each with the resourceVersion that a watch continues from.

        Every item carries its apiVersion and kind, which lists of built-in kinds leave out.

        Raises:
            Gone: reading took so long that the server forgot the version it began with; begin again.
            KubeError: any other failure.
        """
        query = {"limit": str(size), "labelSelector": label_selector, "fieldSelector": field_selector}
        while True:
            page = await self._request("list", "GET", resource.path(namespace), query)
            items = page.get("items") or []
            for item in items:
                item.setdefault("apiVersion", resource.api_version)
                item.setdefault("kind", resource.kind)
            metadata = page.get("metadata") or {}
            yield items, str(metadata.get("resourceVersion") or "")
            if not metadata.get("continue"):
                return
            query["continue"] = metadata["continue"]

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        most: int | None = None,
    ) -> tuple[list[Object], str]:
        """Return all items of the collection and the resourceVersion that a watch continues from.

        Args:
            resource: what to list.
            namespace: the namespace, or None for all.
            label_selector: such as ``app=x,tier!=y``.
            field_selector: such as ``metadata.name=x``.
            most: how many items to return at most; those beyond are not read.

        Raises:
            KubeError: any failure; Gone where the collection cannot be read to its end (begin again).
        """
        collected: list[Object] = []
        version = ""
        pages = self.pages(
            resource, namespace, label_selector=label_selector, field_selector=field_selector, size=most or _PAGE_SIZE
        )
        async with aclosing(pages):
            async for items, version in pages:  # noqa: B007 - the last page's version is the answer's
                collected += items
                if most is not None and len(collected) >= most:
                    break
        return collected[:most], version

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str | None = None,
        field_selector: str | None = None,
        opened: Callable[[], None] | None = None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield what happens to the collection after `resource_version`, bookmarks included.

        The server ends every watch after a while and with it this iterator; continue from the last
        resourceVersion seen. To leave early, close it (`contextlib.aclosing`).

        Args:
            resource: what to watch.
            namespace: the namespace, or None for all.
            resource_version: where to begin, from a list or from the last event.
            label_selector: as for `list`.
            field_selector: as for `list`.
            opened: called once the server has accepted the watch, which on a quiet cluster is long before the
                first event.

        Raises:
            Gone: `resource_version` is too old; list again.
            Unreachable: the stream was cut, or hangs.
            ApiError: the server refused or ended the watch with an error.
        """
        seconds = self._watch_timeout * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, keeps no secret
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(max(1, round(seconds))),
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
        }
        call = Call("watch", "GET", resource.path(namespace), query, max(1.0, seconds) + self._watch_grace)
        async with self._send(call) as response, aclosing(_lines(response)) as lines:
            if opened is not None:
                opened()
            try:
                async for line in lines:
                    yield _event(decode(line))
            finally:
                # Whoever leaves early need not say goodbye over TLS, which could outlast the event loop.
                if response.connection is not None and response.connection.transport is not None:
                    response.connection.transport.abort()

    # Writing

    async def create(self, obj: Object, *, dry_run: bool = False, field_manager: str | None = None) -> Object:
        """Create an object and return it as stored (with `dry_run`: as it would be).

        Raises:
            AlreadyExists: there is one of this name.
            Invalid: it breaks a rule.
            KubeError: any other failure.
        """
        path = resource_for(obj).path(_namespace(obj))
        return await self._request("create", "POST", path, _write_query(dry_run, field_manager), body=obj)

    async def apply(
        self,
        obj: Object,
        *,
        field_manager: str,
        force: bool = True,
        new: bool = False,
        subresource: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Set the fields in `obj` and own them (server-side apply); return the object as stored.

        Args:
            obj: the fields; with a ``metadata.uid``, only the object of that uid is changed.
            field_manager: the name that the fields are owned under.
            force: take fields over from other managers; without it, they are a Conflict.
            new: make a new object; if there is one of this name, that is a Conflict.
            subresource: such as ``status``.
            dry_run: decide everything, store nothing.

        Raises:
            Conflict: without `force`, another owner; a uid was given and there is no such object; or `new`, and there
                is one.
            Invalid: it breaks a rule; one is that a uid that was given is the live object's.
            KubeError: any other failure.
        """
        path = resource_for(obj).path(_namespace(obj), obj["metadata"]["name"], subresource)
        if new:
            obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": _NO_VERSION}}
        # Unknown fields are an error of server-side apply anyhow; to warn of them, the body would be parsed once more.
        query = _write_query(dry_run, field_manager) | {"force": "true" if force else None, "fieldValidation": "Ignore"}
        return await self._request("patch", "PATCH", path, query, body=obj, content_type=APPLY_PATCH)

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        body: Any,
        *,
        content_type: str,
        subresource: str | None = None,
        field_manager: str | None = None,
    ) -> Object:
        """Patch an object and return it as stored.

        Args:
            resource: what kind of object it is.
            name: its name.
            namespace: its namespace; None for a cluster-wide kind.
            body: the patch, in the form of `content_type`.
            content_type: `JSON_PATCH` or `MERGE_PATCH`.
            subresource: such as ``status``.
            field_manager: the name that changed fields are owned under.

        Raises:
            NotFound: there is no such object.
            Conflict: the patch names a resourceVersion or uid that is not the live one.
            KubeError: any other failure.
        """
        path = resource.path(namespace, name, subresource)
        query = _write_query(False, field_manager)
        return await self._request("patch", "PATCH", path, query, body=body, content_type=content_type)

    async def replace(self, obj: Object, *, subresource: str | None = None, field_manager: str | None = None) -> Object:
        """Replace an object, if its ``metadata.resourceVersion`` is still the live one; return it as stored.

        Raises:
            Conflict: the object changed since `obj` was read.
            NotFound: the object is gone.
            KubeError: any other failure.
        """
        path = resource_for(obj).path(_namespace(obj), obj["metadata"]["name"], subresource)
        return await self._request("update", "PUT", path, _write_query(False, field_manager), body=obj)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        propagation: Literal["Background", "Foreground", "Orphan"] = "Background",
    ) -> Object:
        """Delete an object; return what the server says, the object while it is terminating or a Status.

        Args:
            resource: what kind of object it is.
            name: its name.
            namespace: its namespace; None for a cluster-wide kind.
            uid: delete only the object of this uid.
            propagation: what happens to the objects that it owns.

        Raises:
            NotFound: it is gone already.
            Conflict: the live object has another uid.
            KubeError: any other failure.
        """
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if self._dry_run:
            options["dryRun"] = ["All"]  # where there are options in the body, those of the query do not count
        return await self._request("delete", "DELETE", resource.path(namespace, name), body=options)


def _namespace(obj: Mapping[str, Any]) -> str | None:
    namespace: str | None = obj["metadata"].get("namespace")
    return namespace


def _write_query(dry_run: bool, field_manager: str | None) -> dict[str, str | None]:
    return {"dryRun": "All" if dry_run else None, "fieldManager": field_manager}


def _event(decoded: Object) -> WatchEvent:
    """Turn a line of a watch into its event, or raise the error that it reports."""
    kind, obj = decoded.get("type"), decoded.get("object")
    if not isinstance(obj, dict) or not isinstance(kind, str):
        raise Unreachable("the watch sent something that is not an event")
    if kind == "ERROR":
        raise error_from_status(obj, code=500)
    return WatchEvent(kind, obj)  # type: ignore[arg-type]


async def _lines(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """Yield the lines of a body however long they are; half a line at the end means the stream was cut."""
    parts: list[bytes] = []
    async for chunk in response.content.iter_any():
        head, *rest = chunk.split(b"\n")
        parts.append(head)
        for following in rest:
            if line := b"".join(parts).strip():
                yield line
            parts = [following]
    if b"".join(parts).strip():
        raise Unreachable("the watch was cut in the middle of an event")
