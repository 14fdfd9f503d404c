"""Peers that speak HTTP byte by byte, for tests of what servers and clients do with what comes over a socket."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest
import uvloop

PATIENCE = 20.0  # seconds after which something that a test waits for is not going to happen


@dataclass(frozen=True)
class RawResponse:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


class RawClient:
    """A connection on which a test writes what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int) -> "RawClient":
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def ask(self, data: bytes) -> RawResponse:
        await self.send(data)
        return await self.response()

    async def response(self, *, head_only: bool = False) -> RawResponse:
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
            headers = dict(line.split(": ", 1) for line in head[1:])
            length = 0 if head_only else int(headers.get("content-length", "0"))
            return RawResponse(int(head[0].split()[1]), headers, await self.reader.readexactly(length))

    async def rest(self) -> bytes:
        """Everything up to the end of the connection, however it ends."""
        received = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                while piece := await self.reader.read(1 << 16):
                    received += piece
        return received

    def close(self) -> None:
        self.writer.transport.abort()


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """A server whose behaviour on each connection is a function of the test."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.port = 0
        self.connections = 0
        self.open = 0
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self._writers: set[asyncio.StreamWriter] = set()

    async def read_request(self, reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
        """The next request, head and body; an IncompleteReadError when there is none."""
        head = await reader.readuntil(b"\r\n\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(b":") for line in head.split(b"\r\n"))}
        if headers.get(b"transfer-encoding", b"").strip() == b"chunked":
            body = await self._chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get(b"content-length", 0)))
        self.heads.append(head)
        self.bodies.append(body)
        return head, body

    async def _chunks(self, reader: asyncio.StreamReader) -> bytes:
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
        return body

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self._writers.add(writer)
        try:
            await self.script(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            self._writers.discard(writer)
            writer.close()

    @contextlib.asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator["Peer"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in tuple(self._writers):
                writer.transport.abort()
            await until(lambda: not self.open)
            await settled()


def answering(answer: bytes) -> "Peer":
    """A peer that gives the same bytes to every request, on kept-alive connections."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await peer.read_request(reader)
            writer.write(answer)

    peer = Peer(script)
    return peer


def http_answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the event loop is going to bring about."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for knows of no event
            await asyncio.sleep(0.002)


async def settled() -> None:
    """Let the event loop finish the closing of connections that it was told to close."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[int], Awaitable[RawClient]]]:
    """Open raw connections, and close them with the test."""
    clients: list[RawClient] = []

    async def connect(port: int) -> RawClient:
        clients.append(await RawClient.connect(port))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()
    await settled()


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port that nobody listens on, held so that nobody else takes it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """What is tested runs on uvloop, so the tests do."""
    return {"uvloop": uvloop.new_event_loop}
