"""An HTTP proxy before the real API server that fails on request: errors, cut streams, silent streams."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

from hack.controlplane import ControlPlane
from seldon_core.kube.connection import connect


@dataclass
class Fault:
    """What to answer in place of the API server, `times` times, to the requests that `matches` accepts."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    matches: Callable[[web.BaseRequest], bool] = lambda request: True


@dataclass
class Hold:
    """Keeps back the requests that `matches` accepts, before the API server gets them.

    Attributes:
        caught: set once there is one.
        release: set it to let them, and all that follow, go on.
    """

    matches: Callable[[web.BaseRequest], bool]
    caught: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)


def status_body(code: int, reason: str, message: str = "planted") -> bytes:
    status = {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": message}
    return json.dumps(status).encode()


def is_watch(request: web.BaseRequest) -> bool:
    return "watch" in request.query


def is_list(request: web.BaseRequest) -> bool:
    return request.method == "GET" and "limit" in request.query


def abort(response: aiohttp.ClientResponse) -> None:
    """Drop its connection, if it still has one: a goodbye over TLS could outlast the event loop."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()


class FaultProxy:
    """A proxy in plain HTTP that speaks to the API server as its administrator; an async context manager.

    Attributes:
        faults: consulted in order; the first that matches answers.
        holds: consulted after them; all that match keep a request back.
        seen: method and path with query of every request, in order.
        tokens: the Authorization header of each.
        streams: watches under way at this moment.
        under_way: how many other requests have not been answered.
        watched: set once a watch is under way.
        flowing: while cleared, watches are held open but nothing of them is passed on.
    """

    def __init__(self, control_plane: ControlPlane, directory: Path) -> None:
        self.faults: list[Fault] = []
        self.holds: list[Hold] = []
        self.seen: list[str] = []
        self.tokens: list[str | None] = []
        self.streams: set[web.StreamResponse] = set()
        self.under_way = 0
        self.watched = asyncio.Event()
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.kubeconfig = directory / "proxy.kubeconfig"
        self._control_plane = control_plane
        self._opening: set[asyncio.Future[aiohttp.ClientResponse]] = set()

    async def __aenter__(self) -> Self:
        self._upstream = await connect(str(self._control_plane.kubeconfig))
        self._session = aiohttp.ClientSession(auto_decompress=False)
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await self._runner.setup()
        await self.listen(0)
        self.write_kubeconfig()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flowing.set()
        for hold in self.holds:
            hold.release.set()
        await self._runner.cleanup()
        for response in await asyncio.gather(*self._opening, return_exceptions=True):
            if isinstance(response, aiohttp.ClientResponse):
                abort(response)
        await self._session.close()

    async def listen(self, port: int) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", port)
        await self._site.start()
        self.port: int = self._site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def down(self) -> None:
        """Close all connections and refuse new ones, until `listen(port)`."""
        await self._site.stop()
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            connection.force_close()

    def write_kubeconfig(self, user: dict[str, Any] | None = None) -> Path:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "user", "user": user or {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "user"}}],
            "current-context": "proxy",
        }
        self.kubeconfig.write_text(json.dumps(config))
        return self.kubeconfig

    async def cut(self, last_words: bytes = b"") -> None:
        """End all watches under way without a proper end, after `last_words`."""
        for stream in list(self.streams):
            if last_words:
                await stream.write(last_words)
            assert stream._req is not None
            assert stream._req.transport is not None
            stream._req.transport.close()

    def written(self) -> list[str]:
        """Return the requests that could have changed something, those for the Lease left out."""
        return [line for line in self.seen if not line.startswith("GET ") and "/leases" not in line]

    async def say(self, line: bytes) -> None:
        """Put a line of our own into all watches under way."""
        for stream in list(self.streams):
            await stream.write(line)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if is_watch(request):
            return await self._pass_on(request)
        self.under_way += 1
        try:
            return await self._pass_on(request)
        finally:
            self.under_way -= 1

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(f"{request.method} {request.path_qs}")
        self.tokens.append(request.headers.get("Authorization"))
        for fault in self.faults:
            if fault.matches(request):
                fault.times -= 1
                if fault.times == 0:
                    self.faults.remove(fault)
                return web.Response(status=fault.status, body=fault.body, headers=fault.headers)
        body = await request.read()
        for hold in self.holds:
            if hold.matches(request):
                hold.caught.set()
                await hold.release.wait()
        headers = {
            name: value for name, value in request.headers.items() if name in ("Content-Type", "Accept", "User-Agent")
        }
        opening = asyncio.ensure_future(
            self._session.request(
                request.method,
                self._upstream.url + request.path_qs,
                data=body,
                headers=headers,
                ssl=self._upstream.ssl,
                timeout=aiohttp.ClientTimeout(total=None),
            )
        )
        self._opening.add(opening)
        async with await asyncio.shield(opening) as upstream:
            self._opening.discard(opening)
            response = web.StreamResponse(
                status=upstream.status, headers={"Content-Type": upstream.headers["Content-Type"]}
            )
            await response.prepare(request)
            if is_watch(request):
                self.streams.add(response)
                self.watched.set()
            try:
                async for chunk in upstream.content.iter_any():
                    if is_watch(request):
                        await self.flowing.wait()
                    await response.write(chunk)
                if is_watch(request):
                    await self.flowing.wait()
            finally:
                self.streams.discard(response)
                abort(upstream)
            return response
