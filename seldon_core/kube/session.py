"""Requests to an API server over one shared HTTP session, with credentials, repetition and errors.

What is asked for is decided by `seldon_core.kube.client`. Every failure is one of `seldon_core.kube.errors`.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import msgspec
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from seldon_core import __version__
from seldon_core.kube.connection import Connection, connect
from seldon_core.kube.errors import ApiError, Unreachable, error_from_body, parse_retry_after

Object = dict[str, Any]

_CONNECT_TIMEOUT = 5.0
# How often, and for how long at most each time, an answer that says when to try again is obeyed.
_RETRIES = 4
_RETRY_AFTER_LIMIT = 10.0
# A kubeconfig's credentials are read again when the server refuses them, at most this often.
_RECONNECT_INTERVAL = 5.0
# A connection that is dropped in the middle of a request says goodbye over TLS in the background, where nothing can
# wait for it but time.
_FAREWELL = 0.25


@dataclass(frozen=True)
class Call:
    """One request, before it is addressed and signed; the timeout is in seconds, for all of it."""

    verb: str
    method: str
    path: str
    query: Mapping[str, str | None]
    timeout: float
    data: bytes | None = None
    content_type: str = "application/json"


class _Guarded(aiohttp.BytesPayload):
    """A body that is sent only if it may be: waiting for a connection, or being suspended, can take long."""

    def __init__(self, data: bytes, allowed: Callable[[], None]) -> None:
        super().__init__(data)
        self._allowed = allowed

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self._allowed()
        await super().write_with_length(writer, content_length)

    async def write(self, writer: AbstractStreamWriter) -> None:  # what aiohttp before 3.12 calls
        self._allowed()
        await super().write(writer)


class Session:
    """An API server and the connections to it, to be used in an ``async with`` block.

    Args:
        kubeconfig: the kubeconfig file; None takes ``$KUBECONFIG``, else the pod's service account, else
            ``~/.kube/config``.
        request_timeout: seconds that a request may take in all.
        dry_run: have the server decide every write and store none.

    Attributes:
        requests: how many requests were sent, by verb: get, list, watch, create, update, patch, delete.
        before_write: called before each request that changes something, and again in the moment in which it is sent,
            to refuse it by raising; a process that must hold a lease to write puts `Leadership.require` here.
    """

    def __init__(self, kubeconfig: str | None = None, *, request_timeout: float = 30.0, dry_run: bool = False) -> None:
        self.requests: Counter[str] = Counter()
        self.before_write: Callable[[], None] | None = None
        self._kubeconfig = kubeconfig
        self._request_timeout = request_timeout
        self._dry_run = dry_run
        self._connection: Connection | None = None
        self._connected_at = 0.0
        self._connecting = asyncio.Lock()
        self._dropped_at = 0.0
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._connection = await connect(self._kubeconfig)
        self._connected_at = time.monotonic()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            headers={"Accept": "application/json", "User-Agent": f"seldon-core/{__version__}"},
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()
        self._session = None
        await asyncio.sleep(max(0.0, self._dropped_at + _FAREWELL - time.monotonic()))

    async def _request(
        self,
        verb: str,
        method: str,
        path: str,
        query: Mapping[str, str | None] | None = None,
        *,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Object:
        """Send a request and return the decoded answer, trying again when the server says when to."""
        data = None if body is None else msgspec.json.encode(body)
        call = Call(verb, method, path, query or {}, self._request_timeout, data, content_type)
        attempt = 0
        while True:
            try:
                async with self._send(call) as response:
                    return decode(await response.read())
            except ApiError as error:
                if error.retry_after is None or error.status not in (429, 503) or attempt == _RETRIES:
                    raise
                pause = min(error.retry_after, _RETRY_AFTER_LIMIT)
            attempt += 1
            await asyncio.sleep(pause * random.uniform(1.0, 1.2))  # noqa: S311 - spreads load, keeps no secret

    @asynccontextmanager
    async def _send(self, call: Call) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request and hand over the response, whose status is below 400.

        Everything that goes wrong until the block ends is raised as a KubeError. Credentials that the server
        refuses are read again, and if that could be done the request is sent once more.
        """
        try:
            response = await self._open(call)
            if response.status == 401 and await self._reconnect():
                response.close()
                response = await self._open(call)
            async with response:
                if response.status >= 400:
                    after = parse_retry_after(response.headers.get("Retry-After"))
                    raise error_from_body(response.status, await response.read(), retry_after=after)
                yield response
        except asyncio.CancelledError:
            self._dropped_at = time.monotonic()
            raise
        except TimeoutError as error:
            self._dropped_at = time.monotonic()
            raise Unreachable(f"{call.method} {call.path}: no answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{call.method} {call.path}: {error or type(error).__name__}") from error

    async def _open(self, call: Call) -> aiohttp.ClientResponse:
        connection, session = self._connection, self._session
        if connection is None or session is None:
            raise RuntimeError("the client is used outside its `async with` block")
        query = {key: value for key, value in call.query.items() if value is not None}
        if self._dry_run and call.method != "GET":
            query["dryRun"] = "All"
        url = connection.url + call.path + ("?" + urlencode(query) if query else "")
        headers = {} if call.data is None else {"Content-Type": call.content_type}
        if token := await connection.authorization():
            headers["Authorization"] = token
        data: bytes | _Guarded | None = call.data
        if call.method != "GET" and self.before_write is not None:
            self.before_write()
            data = _Guarded(call.data or b"", self.before_write)
        self.requests[call.verb] += 1
        return await session.request(
            call.method,
            URL(url, encoded=True),
            data=data,
            headers=headers,
            timeout=aiohttp.ClientTimeout(call.timeout, sock_connect=_CONNECT_TIMEOUT),
            ssl=connection.ssl,
            server_hostname=connection.server_hostname,
            proxy=connection.proxy,
            allow_redirects=False,
        )

    async def _reconnect(self) -> bool:
        """Read the credentials again, unless that was done just now; return whether it was."""
        seen = self._connected_at
        async with self._connecting:
            if self._connected_at != seen:
                return True
            if time.monotonic() - seen < _RECONNECT_INTERVAL:
                return False
            self._connection = await connect(self._kubeconfig)
            self._connected_at = time.monotonic()
            return True


def decode(body: bytes) -> Object:
    """Decode an answer that ought to be a JSON object."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreachable(f"what answers is not a Kubernetes API server: {error}") from error
    if not isinstance(decoded, dict):
        raise Unreachable("what answers is not a Kubernetes API server: not a JSON object")
    return decoded
