"""Connections that are given away go between two requests, never in the middle of one."""

import asyncio
import contextlib
import socket

import pytest

from seldon_core.transport.http_server import HTTPServer, Reply, Request
from tests.http_peers import until

REQUEST = b"POST /x HTTP/1.1\r\ncontent-length: 2\r\n\r\nab"


class Named:
    """Answers with its name and the body that it got."""

    def __init__(self, name: bytes) -> None:
        self.name = name

    def __call__(self, request: Request, reply: Reply) -> None:
        reply.send(200, (), self.name + b" " + request.body)


@contextlib.asynccontextmanager
async def heir():
    """A server that adopts what it is given by its function."""
    server = HTTPServer(Named(b"new"))
    async with asyncio.TaskGroup() as adopting:

        def take(sock: socket.socket) -> None:
            adopting.create_task(server.adopt(sock))

        yield take
    await server.drain(0)


@pytest.mark.parametrize("cut", range(len(REQUEST)))
async def test_a_request_that_has_begun_is_answered_where_it_began(serve, connect, cut: int) -> None:
    async with heir() as take, serve(Named(b"old")) as (server, port):
        client = await connect(port)
        await client.send(REQUEST[:cut])
        await until(lambda: server.connections)
        (connection,) = server.connections
        await until(lambda: connection._fresh == (cut == 0))
        server.give_away(take)
        for _ in range(2):  # its sweep offers it time and again
            connection.tick(0)
        if cut == 0:
            await until(lambda: not server.connections)
        answer = await client.ask(REQUEST[cut:])
        assert answer.body == (b"old ab" if cut else b"new ab")
        await until(lambda: not server.connections)
        assert (await client.ask(REQUEST)).body == b"new ab"
